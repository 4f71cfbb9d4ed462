"""BatchRay: a batch answered by an app in several processes, through Ray Data. The file of answers is written here."""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from redraft.server.batch import Json, Line, Task, answer_all, parse
from redraft.server.replicas import needed

BLOCKS = 8  # for each process: it takes the next one when it is done with one, so all end at about the same time


def answer_with_ray(
    make: Callable[[], FastAPI], tasks: Iterator[tuple[Line, Task | str]], write: Callable[[Json], None],
    processes: int, at_once: int,
) -> None:  # fmt: skip
    """Answer lines in so many processes, so many at once in each; write answers as blocks of them come back."""
    ray = needed()
    from ray import data

    ray.init(log_to_driver=False, configure_logging=False)
    try:
        rows = [{"number": line.number, "data": line.data, "wrong": wrong(task)} for line, task in tasks]
        blocks = min(len(rows), processes * BLOCKS)
        answers = data.from_items(rows, override_num_blocks=blocks).map_batches(
            Answerer, fn_constructor_args=(make, at_once), batch_size=None, num_cpus=1,
            compute=data.ActorPoolStrategy(size=processes),
        )  # fmt: skip
        for row in answers.iter_rows():
            write(json.loads(row["answer"]))
    finally:
        ray.shutdown()


def wrong(task: Task | str) -> str:
    """What is wrong with a line; empty where nothing is."""
    return task if isinstance(task, str) else ""


class Answerer:
    """An app at work in a process of Ray's."""

    def __init__(self, make: Callable[[], FastAPI], at_once: int) -> None:
        self.app, self.at_once = make(), at_once
        self.loop = asyncio.new_event_loop()
        self.life = self.app.router.lifespan_context(self.app)
        self.loop.run_until_complete(self.life.__aenter__())

    def __call__(self, rows: Mapping[str, Sequence[Any]]) -> dict[str, list[str]]:
        said: list[str] = []
        self.loop.run_until_complete(
            answer_all(self.app, _tasks(rows), lambda answer: said.append(json.dumps(answer)), self.at_once)
        )
        return {"answer": said}


def _tasks(rows: Mapping[str, Sequence[Any]]) -> Iterator[tuple[Line, Task | str]]:
    for number, data, said in zip(rows["number"], rows["data"], rows["wrong"], strict=True):
        line = Line(int(number), bytes(data))
        yield line, str(said) or parse(line)
