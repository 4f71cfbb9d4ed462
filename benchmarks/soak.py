"""Soak: random clients at an engine's thread for a while. Nothing may leak, stall or get lost.

Clients ask for random requests, some with deadlines, and some leave before their answer. The books are checked now and
then from within the thread; at the end every page is back, nobody is left, and memory is compared with the beginning.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from random import Random

import torch

from benchmarks import record
from benchmarks.law import ROOMS, tiny_own
from benchmarks.peak_memory import resident
from benchmarks.traffic import asking, draw_requests
from redraft.engine.engine import Busy, Engine
from redraft.engine.thread import EngineThread


async def _client(thread: EngineThread, until: float, rng: Random, ends: Counter[str]) -> None:
    """One request after another until the clock says so."""
    what = asking(thread.engine.denoiser)
    while time.monotonic() < until:
        (request,) = draw_requests(what, 1, rng)
        patience = rng.randrange(1, 6) if rng.random() < 0.2 else None
        deadline = thread.engine.clock() + 0.05 if rng.random() < 0.1 else None
        try:
            ends[await _ask(thread, request.writer(), patience, request.priority, deadline)] += 1
        except Busy:
            ends["busy"] += 1
            await asyncio.sleep(0.01)


async def _ask(
    thread: EngineThread, writer: object, patience: int | None, priority: int, deadline: float | None
) -> str:
    """How a request ended; who has seen `patience` snapshots leaves."""
    stream = thread.stream(writer, drafts=patience is not None, priority=priority, deadline=deadline)  # type: ignore[arg-type]
    heard = 0
    async for state in stream:
        heard += 1
        if state.finish is not None:
            return state.finish
        if patience is not None and heard >= patience:
            await stream.aclose()  # type: ignore[attr-defined]
            return "left"
    return "lost"


async def _clients(thread: EngineThread, number: int, seconds: float, seed: int) -> Counter[str]:
    ends: Counter[str] = Counter()
    until = time.monotonic() + seconds
    clients = [asyncio.ensure_future(_client(thread, until, Random(seed + n), ends)) for n in range(number)]
    while time.monotonic() < until:
        await asyncio.sleep(0.2)
        await asyncio.wrap_future(thread.call(thread.engine.check))
    await asyncio.gather(*clients)
    return ends


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("soak", __doc__)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--clients", type=int, default=24)
    run = record.start("soak", options, arguments)
    torch.set_num_threads(1)
    thread = EngineThread(Engine(tiny_own(), ROOMS[0])).start()
    asyncio.run(_clients(thread, run.options.clients, min(5.0, run.options.seconds), run.options.seed))
    before = resident("VmRSS")
    ends = asyncio.run(_clients(thread, run.options.clients, run.options.seconds, run.options.seed + 1000))
    thread.stop(timeout=60)
    engine = thread.engine
    engine.check()
    engine.scheduler.pool.forget()
    assert engine.idle, "somebody is left"
    assert engine.scheduler.pool.available == engine.scheduler.pool.num_pages, "a page leaked"
    assert not ends["lost"], "a stream ended without an end"
    found = {
        **dict(ends), "seconds": run.options.seconds, "ticks": engine.counters.ticks,
        "preemptions": engine.counters.preemptions, "grown_mb": (resident("VmRSS") - before) / 1e6,
    }  # fmt: skip
    record.show("Soak", list(found), [list(found.values())])
    return run.write(found)


if __name__ == "__main__":
    main()
