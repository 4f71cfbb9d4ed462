"""The runner: asks a task's examples, has the answers judged, and writes every one down before the next.

Knows order, seeds and what is already there. Refuses to know where answers come from and what makes them right.
"""

import hashlib
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from redraft import __version__
from redraft.evals import records
from redraft.evals.askers import Asker, Manner, Reply
from redraft.evals.records import Header, Record, Run
from redraft.evals.sandbox import Sandbox
from redraft.evals.task import Ask, Bench, Example, Task, Verdict

GAP = "\N{WHITE SQUARE}"


class Wanted(NamedTuple):
    """One answer that is still to be had."""

    example: Example
    sample: int
    seed: int


def seed_of(seed: int, example_id: str, sample: int) -> int:
    """The seed of one answer: the same in every run, another for every example and sample."""
    digest = hashlib.sha256(f"{seed}/{example_id}/{sample}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def chosen(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """So many examples, spread over the set; those of a smaller limit are among those of a larger one."""
    if limit is None or limit >= len(examples):
        return list(examples)
    ranked = sorted(examples, key=lambda example: hashlib.sha256(example.id.encode()).digest())
    kept = {example.id for example in ranked[:limit]}
    return [example for example in examples if example.id in kept]


def missing(examples: Sequence[Example]) -> dict[str, tuple[str, ...]]:
    """Example -> the modules it needs that are not installed, for those that lack one."""
    needed = {name for example in examples for name in example.needs}
    absent = {name for name in needed if importlib.util.find_spec(name) is None}
    lacks = {example.id: tuple(name for name in example.needs if name in absent) for example in examples}
    return {name: modules for name, modules in lacks.items() if modules}


def header(
    task: Task, manner: Manner, *, data: str, samples: int, seed: int, left_out: int = 0,
    machine: dict[str, Any] | None = None,
) -> Header:  # fmt: skip
    """What a run is, before its first answer."""
    return Header(
        task=task.name, title=task.title, version=task.version, metric=task.metric, model=manner.model,
        mode=manner.mode, setting=manner.setting, ask=manner.ask, decoding=manner.decoding,
        max_tokens=manner.max_tokens, samples=samples, seed=seed, data=data, withheld=task.withheld,
        date=datetime.now(UTC).isoformat(timespec="seconds"), redraft=__version__, machine=machine or {},
        left_out=left_out, also=task.also,
    )  # fmt: skip


def run(
    task: Task,
    examples: Sequence[Example],
    asker: Asker,
    path: Path,
    about: Header,
    *,
    sandbox: Sandbox | None = None,
    workers: int = 1,
    tell: Callable[[Record], None] = lambda record: None,
) -> Run:
    """Every answer that the file at `path` does not have yet; then the run over these examples as it stands there.

    An answer that failed (a server that did not reply) is asked for again. With several workers questions are under
    way at once; judging is one after the other.
    """
    if task.runs_code and sandbox is None:
        raise ValueError(f"{task.name} runs code, and there is no sandbox")
    manner, bench = asker.manner(task), Bench(sandbox, task.limits)
    done = {(r.id, r.sample): r for r in records.start(path, about).records if r.error is None}
    wanted = [
        Wanted(example, sample, seed_of(about.seed, example.id, sample))
        for example in examples
        for sample in range(about.samples)
        if (example.id, sample) not in done
    ]
    for item, reply in _replies(task, asker, wanted, workers):
        record = judged(task, manner, item, reply, bench)
        records.append(path, record)
        done[record.id, record.sample] = record
        tell(record)
    order = [(example.id, sample) for example in examples for sample in range(about.samples)]
    return Run(about, tuple(done[key] for key in order))


def _replies(
    task: Task, asker: Asker, wanted: Sequence[Wanted], workers: int
) -> Iterator[tuple[Wanted, Reply]]:  # fmt: skip
    for item in (item for item in wanted if item.example.refused):
        yield item, Reply("", 0.0, error=item.example.refused)
    wanted = [item for item in wanted if not item.example.refused]
    if workers == 1:
        for item in wanted:
            yield item, asker.ask(task, item.example, item.sample, item.seed)
        return
    pool = ThreadPoolExecutor(workers)
    try:
        futures = {pool.submit(asker.ask, task, item.example, item.sample, item.seed): item for item in wanted}
        for future in as_completed(futures):
            yield futures[future], future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def judged(task: Task, manner: Manner, item: Wanted, reply: Reply, bench: Bench) -> Record:
    """The record of one reply. Where there is no answer, a corpus metric is told of an empty one."""
    example = item.example
    verdict = Verdict(0.0, "no answer")
    if reply.error is None or task.metric != "mean" or task.also:
        verdict = task.judge(example, reply.text, manner.ask, bench)
    if reply.error is not None:
        verdict = replace(verdict, score=0.0, why="no answer")
    asked = records.shown_prompt(shown(example, manner.ask), task.withheld)
    rate = reply.tokens / reply.forwards if reply.tokens is not None and reply.forwards else None
    return Record(
        task=task.name, id=example.id, sample=item.sample, group=example.group,
        prompt=asked, output=reply.text, score=verdict.score, why=verdict.why,
        parts=json.loads(json.dumps(verdict.parts)), error=reply.error, mode=manner.mode, ask=manner.ask,
        decoding=manner.decoding, tokens=reply.tokens, forwards=reply.forwards, tokens_per_forward=rate,
        seconds=reply.seconds, seed=item.seed,
    )  # fmt: skip


def shown(example: Example, ask: Ask) -> str:
    """What was asked, as a record shows it."""
    if ask == "infill":
        return f"{example.prompt}{GAP}{example.suffix}"
    if ask == "rewrite":
        return f"{example.instruction}\n\n{example.source}"
    return example.question if ask == "chat" else example.prompt
