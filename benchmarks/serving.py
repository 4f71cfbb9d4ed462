"""Serving: what the engine gives several clients at once, and what it costs a single one over the plain sampler.

So many clients each ask again as soon as they have their answer, through the engine's thread, without HTTP. Wall time
is what a client sees; processor time per token is what the machine spends, and says more where others use it too.
The plain sampler and a single client take turns, request by request. No text ends early.
"""

import asyncio
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.progress import track

from benchmarks import plots, record, texts
from benchmarks.statistics import spread
from benchmarks.traffic import Request
from redraft.engine.engine import Engine, EngineConfig
from redraft.engine.thread import EngineThread, Snapshot
from redraft.library import Model
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Correct, Threshold
from redraft.sampling.stops import Settled

CLIENTS = (1, 2, 4, 8, 16)
WRITE = Decoding(policy=Threshold(0.9))
EDIT = Decoding(policy=Correct(), stop=Settled(), indels=True, max_steps=16)
BLOCK = 32
Maker = Callable[[int], Request]


@dataclass(frozen=True, slots=True)
class Level:
    """What so many clients saw: seconds in all, on the clock and of the processor, and every last snapshot."""

    clients: int
    wall_s: float
    cpu_s: float
    answers: list[Snapshot]

    @property
    def tokens(self) -> int:
        return sum(len(answer.tokens) for answer in self.answers)

    def summary(self) -> dict[str, Any]:
        firsts = [answer.first_s or answer.total_s for answer in self.answers]
        totals = [answer.total_s for answer in self.answers]
        return {
            "clients": self.clients,
            "requests": len(self.answers),
            "tokens_per_s": self.tokens / self.wall_s,
            "tokens_per_cpu_s": self.tokens / self.cpu_s,
            **{f"first_p{p}_s": percentile(firsts, p) for p in (50, 99)},
            **{f"total_p{p}_s": percentile(totals, p) for p in (50, 99)},
        }


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def makers(model: Model, tokens: int) -> dict[str, Maker]:
    """Request number n of either kind of work."""
    prompts = [model.prompt_ids(prompt) for prompt in texts.PROMPTS]

    def writing(number: int) -> Request:
        prompt = prompts[number % len(prompts)]
        arguments = {"prompt": prompt, "decoding": WRITE, "max_tokens": tokens, "block_length": BLOCK, "seed": number}
        return Request("generate", arguments)

    def editing(number: int) -> Request:
        text = (prompts[number % len(prompts)] * tokens)[:tokens]
        return Request("edit", {"tokens": text, "decoding": EDIT, "editable": None, "context": (), "seed": number})

    return {"generate": writing, "edit": editing}


async def _client(thread: EngineThread, requests: Iterator[Request]) -> list[Snapshot]:
    answers = []
    for request in requests:  # of all clients together: who is done sooner asks more
        async for state in thread.stream(request.writer()):
            last = state
        assert last.error is None, last.error
        answers.append(last)
    return answers


async def _clients(thread: EngineThread, requests: Sequence[Request], clients: int) -> list[list[Snapshot]]:
    queue = iter(requests)
    return await asyncio.gather(*(_client(thread, queue) for _ in range(clients)))


def serve(thread: EngineThread, requests: Sequence[Request], clients: int) -> Level:
    """All requests, from so many clients at once."""
    began, spent = time.perf_counter(), time.process_time()
    answers = asyncio.run(_clients(thread, requests, clients))
    return Level(
        clients, time.perf_counter() - began, time.process_time() - spent, [one for share in answers for one in share]
    )


def overhead(model: Model, thread: EngineThread, requests: Sequence[Request]) -> dict[str, Any]:
    """A single client's time over the plain sampler's, request by request, each going first in turn."""
    wall, cpu = [], []
    for number, request in enumerate(requests):
        taken: dict[str, tuple[float, float]] = {}
        for side in ("plain", "engine") if number % 2 else ("engine", "plain"):
            began, spent = time.perf_counter(), time.process_time()
            if side == "plain":
                with torch.inference_mode():
                    request.alone(model.network)
            else:
                serve(thread, [request], 1)
            taken[side] = time.perf_counter() - began, time.process_time() - spent
        wall.append(taken["engine"][0] / taken["plain"][0])
        cpu.append(taken["engine"][1] / taken["plain"][1])
    return {"wall_ratio": spread(wall), "cpu_ratio": spread(cpu)}


def measure(model: Model, make: Maker, *, each: int, repeats: int, paired: int, name: str) -> dict[str, Any]:
    """Every number of clients, `repeats` times in turn, and the overhead for one."""
    levels: dict[int, list[Level]] = {clients: [] for clients in CLIENTS}
    turns = [clients for _ in range(repeats) for clients in CLIENTS]
    for clients in track(turns, description=name, transient=True):
        thread = EngineThread(Engine(model.network, EngineConfig(num_pages=1024))).start()
        requests = [make(number) for number in range(each * max(CLIENTS))]  # the same for all
        levels[clients].append(serve(thread, requests, clients))
        thread.stop()
    thread = EngineThread(Engine(model.network)).start()
    single = overhead(model, thread, [make(number) for number in range(paired)])
    thread.stop()
    return {"levels": [_median(found) for found in levels.values()], "overhead_of_one": single}


def _median(found: Sequence[Level]) -> dict[str, Any]:
    rows = [level.summary() for level in found]
    return {name: median(row[name] for row in rows) for name in rows[0]}


def table(name: str, results: dict[str, Any]) -> None:
    rows = results["levels"]
    first = rows[0]
    shown = [
        [row["clients"], row["tokens_per_s"], row["tokens_per_s"] / first["tokens_per_s"],
         row["tokens_per_cpu_s"] / first["tokens_per_cpu_s"], row["first_p50_s"], row["first_p99_s"],
         row["total_p50_s"], row["total_p99_s"]]
        for row in rows
    ]  # fmt: skip
    columns = ("clients", "tokens/s", "over one", "cpu, over one", "first p50", "first p99", "total p50", "total p99")
    record.show(f"{name}: a single client takes {results['overhead_of_one']['cpu_ratio']['median']:.3f} of the plain "
                "sampler's processor time", columns, shown)  # fmt: skip


def plot(path: Path, results: dict[str, dict[str, Any]]) -> None:
    with plots.figure(path, columns=2, width=9.0, height=3.6) as (speed, wait):
        for name, found in results.items():
            clients = [row["clients"] for row in found["levels"]]
            speed.plot(clients, [row["tokens_per_s"] for row in found["levels"]], marker="o", label=name)
            wait.plot(clients, [row["total_p50_s"] for row in found["levels"]], marker="o", label=f"{name}, p50")
            wait.plot(clients, [row["total_p99_s"] for row in found["levels"]], ls=":", label=f"{name}, p99")
        for axes, title in ((speed, "tokens per second, all clients"), (wait, "seconds per answer")):
            axes.set_xscale("log", base=2, subs=[])
            axes.set_xticks(CLIENTS, [str(number) for number in CLIENTS])
            axes.set_xlabel("clients at once")
            axes.set_title(title)
            axes.set_ylim(bottom=0)
            axes.legend()


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("serving", __doc__)
    options.add_argument("--tokens", type=int, default=64, help="tokens per text")
    options.add_argument("--each", type=int, default=1, help="requests per client, where there are most")
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--paired", type=int, default=12, help="requests that are also carried out alone")
    options.add_argument("--only", choices=("generate", "edit"), help="one kind of work")
    options.add_argument("--threads", type=int, default=1, help="of the processor; more than are free is far slower")
    options.add_argument("--http", action="store_true", help="over HTTP on loopback, from a process of its own")
    run = record.start("serving", options, arguments)
    asked = run.options
    torch.set_num_threads(asked.threads)
    if asked.http:
        from benchmarks import serving_http

        return serving_http.run_on(replace(run, name="serving_http"))
    results = {}
    for name, make in makers(run.model, min(asked.tokens, 16 * (asked.limit or 4))).items():
        if asked.only not in (None, name):
            continue
        serve(EngineThread(Engine(run.model.network)).start(), [make(0)], 1)  # what the first use of anything costs
        paired = min(asked.paired, asked.limit or asked.paired)
        results[name] = measure(
            run.model, make, each=asked.each, repeats=asked.repeats, paired=paired, name=name
        )  # fmt: skip
        table(name, results[name])
    plot(run.image, results)
    return run.write({"tokens": asked.tokens, "repeats": asked.repeats, "threads": asked.threads, **results})


if __name__ == "__main__":
    main()
