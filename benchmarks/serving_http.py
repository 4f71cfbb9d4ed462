"""Serving over HTTP: the same as `serving`, as clients on loopback see a server in a process of its own.

Every request is a stream, so that the first text has a time. The library alone and a single client take turns, request
by request; processor time is that of both processes, and compares whole runs, since the system counts it in hundredths.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from rich.progress import track

from benchmarks import record, serving, texts
from benchmarks.statistics import spread
from benchmarks.wire import Connection, Reply, Server
from benchmarks.wire import serving as server_of
from redraft.library import Model
from redraft.sampling.decoding import Decoding, to_json

NAME = "tiny"
TEXT = (
    "She dont like three apple. They was walk home and see a old man who have a big dog. He go to school every days. "
)


@dataclass(frozen=True, slots=True)
class Work:
    """One request: where to and with what, and the same of the library alone."""

    path: str
    body: dict[str, Any]
    alone: Callable[[Model], Any]


Maker = Callable[[int], Work]


def makers(tokens: int) -> dict[str, Maker]:
    """Request number n of either kind of work."""
    decoding: Decoding = serving.WRITE

    def writing(number: int) -> Work:
        prompt = texts.PROMPTS[number % len(texts.PROMPTS)]
        body = {"prompt": prompt, "max_tokens": tokens, "seed": number, "canvas": serving.BLOCK}
        body |= {"decoding": to_json(decoding), "stream_options": {"include_usage": True}}
        return Work(
            "/v1/completions", body,
            lambda model: model.generate(
                prompt, max_tokens=tokens, seed=number, canvas=serving.BLOCK, decoding=decoding
            ),
        )  # fmt: skip

    def editing(number: int) -> Work:
        turned = number * 7 % len(TEXT)
        text = ((TEXT[turned:] + TEXT[:turned]) * tokens)[: 4 * tokens].strip()
        return Work("/v1/edits", {"input": text, "seed": number}, lambda model: model.edit(text, seed=number))

    return {"generate": writing, "edit": editing}


async def _client(line: Connection, requests: Sequence[Work]) -> list[Reply]:
    replies = []
    for work in requests:
        reply = await line.ask(work.path, json.dumps(work.body | {"model": NAME, "stream": True}).encode())
        assert reply.status == 200, reply.body
        replies.append(reply)
    return replies


async def clients(port: int, requests: Sequence[Work], number: int) -> list[Reply]:
    """All requests, from so many clients at once, each on a connection of its own."""
    lines = [Connection(port) for _ in range(number)]
    found = await asyncio.gather(*(_client(line, requests[n::number]) for n, line in enumerate(lines)))
    for line in lines:
        line.close()
    return [reply for replies in found for reply in replies]


@contextmanager
def timed(server: Server, into: list[tuple[float, float]]) -> Iterator[None]:
    """Seconds on the clock, and of the processor in both processes."""
    began, spent = time.perf_counter(), time.process_time() + server.cpu_s()
    yield
    into.append((time.perf_counter() - began, time.process_time() + server.cpu_s() - spent))


def level(server: Server, requests: Sequence[Work], number: int) -> dict[str, Any]:
    """What so many clients saw."""
    took: list[tuple[float, float]] = []
    with timed(server, took):
        replies = asyncio.run(clients(server.port, requests, number))
    ((wall, cpu),) = took
    tokens = sum(reply.events()[-1]["usage"]["completion_tokens"] for reply in replies)
    firsts, totals = [reply.first_s for reply in replies], [reply.total_s for reply in replies]
    return {
        "clients": number, "requests": len(replies), "tokens": tokens, "tokens_per_s": tokens / wall,
        "tokens_per_cpu_s": tokens / cpu,
        **{f"first_p{p}_s": serving.percentile(firsts, p) for p in (50, 99)},
        **{f"total_p{p}_s": serving.percentile(totals, p) for p in (50, 99)},
    }  # fmt: skip


def overhead(server: Server, model: Model, requests: Sequence[Work]) -> dict[str, Any]:
    """A single client's time over the library's, each going first in turn."""
    alone: list[tuple[float, float]] = []
    served: list[tuple[float, float]] = []
    for number, work in enumerate(requests):
        for side in ("alone", "served") if number % 2 else ("served", "alone"):
            if side == "alone":
                with timed(server, alone):
                    work.alone(model)
            else:
                with timed(server, served):
                    asyncio.run(clients(server.port, [work], 1))
    wall = [ours[0] / theirs[0] for ours, theirs in zip(served, alone, strict=True)]
    return {"wall_ratio": spread(wall), "cpu_ratio": {"all": sum(c for _, c in served) / sum(c for _, c in alone)}}


def measure(server: Server, model: Model, make: Maker, options: Any, name: str) -> dict[str, Any]:
    """Every number of clients, several times in turn, and the overhead for one."""
    asyncio.run(clients(server.port, [make(0)], 1))  # what the first use of anything costs
    make(0).alone(model)
    requests = [make(number) for number in range(options.each * max(serving.CLIENTS))]  # the same for all
    turns = [number for _ in range(options.repeats) for number in serving.CLIENTS]
    rows: dict[int, list[dict[str, Any]]] = {number: [] for number in serving.CLIENTS}
    for number in track(turns, description=name, transient=True):
        rows[number].append(level(server, requests, number))
    levels = [{key: median(row[key] for row in found) for key in found[0]} for found in rows.values()]
    single = overhead(server, model, [make(number) for number in range(options.paired)])
    cpu = {"median": single["cpu_ratio"]["all"]}
    return {"levels": levels, "overhead_of_one": single | {"cpu_ratio": cpu}}


def run_on(run: record.Run) -> Path:
    """Both kinds of work, a table and a plot of each, and the record."""
    asked, results = run.options, {}
    with server_of("--model", f"{NAME}={asked.model or ''}", threads=asked.threads) as server:
        for name, make in makers(min(asked.tokens, 16 * (asked.limit or 4))).items():
            results[name] = measure(server, run.model, make, asked, f"{name} over HTTP")
            serving.table(f"{name} over HTTP", results[name])
    serving.plot(run.image, results)
    return run.write({"tokens": asked.tokens, "repeats": asked.repeats, "threads": asked.threads, **results})


def main(arguments: Sequence[str] | None = None) -> Path:
    return serving.main([*(sys.argv[1:] if arguments is None else arguments), "--http"])


if __name__ == "__main__":
    main()
