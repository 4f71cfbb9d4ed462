"""Soak over HTTP: clients of a served model for half an hour. Right answers, no 5xx, no growing memory.

Clients ask for texts, gaps, edits and conversations, whole and streamed. Some leave before or in the middle of an
answer, some send what is no request. One answer in some is compared, letter by letter, with what the library says
alone. The server is a process of its own, told to go at the end while nobody asks, which it must do with status 0.
"""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from benchmarks import record, texts
from benchmarks.hostile import GARBAGE, hostile
from benchmarks.wire import Connection, Reply, Server, say, serving
from redraft.library import Model

NAME = "tiny"
EVERY = 10  # seconds between two looks at the server's memory
SETTLED = 300  # seconds after which its memory must not grow
TEXTS = (
    "She dont like three apple. They was walk home.", "He go to school every days and play with his friend.",
    "I has a red ball.", "The dog is run fast, and the cat are sleep.", "Yesterday we goed to the park.",
)  # fmt: skip
GAPS = (
    ("Once upon a time, there was a ", " who lived in the forest."), ("Tom went to the ", " to buy some bread."),
    ("The little girl was very ", " because she had lost her doll."),
)  # fmt: skip
TALKS = ("Hello!", "I want to find a restaurant for dinner.", "Can you help me book a bus ticket?")


@dataclass(frozen=True, slots=True)
class Ask:
    """A request: where to, with what, what the library says alone, and where in a reply the text is."""

    path: str
    body: dict[str, Any]
    alone: Callable[[Model], str]
    said: Callable[[Any], str]
    streamed: Callable[[list[Any]], str]

    def text(self, reply: Reply) -> str:
        return self.streamed(reply.events()) if self.body.get("stream") else self.said(reply.json())


def draw(rng: Random) -> Ask:
    """A random request that means well."""
    ask = rng.choice((_writing, _writing, _talking, _filling, _editing))(rng)
    ask.body.update(model=NAME, stream=rng.random() < 0.5)
    return ask


def _writing(rng: Random) -> Ask:
    prompt, mode = rng.choice(texts.PROMPTS), rng.choice(("diffusion", "diffusion", "ar"))
    options = {"max_tokens": rng.randrange(4, 49), "temperature": rng.choice((0, 0.8)), "seed": rng.randrange(1000)}
    options |= {"mode": mode, "label": rng.choice((None, "story", "dialogue")) if mode == "diffusion" else None}
    return Ask(
        "/v1/completions", {"prompt": prompt} | options, lambda model: model.generate(prompt, **options).text,
        lambda reply: reply["choices"][0]["text"], _joined,
    )  # fmt: skip


def _talking(rng: Random) -> Ask:
    messages = [{"role": "user", "content": rng.choice(TALKS)}]
    options = {"max_tokens": rng.randrange(8, 49), "seed": rng.randrange(1000)}
    return Ask(
        "/v1/chat/completions", {"messages": messages} | options,
        lambda model: model.chat(messages, **options).text.lstrip(),
        lambda reply: reply["choices"][0]["message"]["content"], _joined,
    )  # fmt: skip


def _filling(rng: Random) -> Ask:
    before, after = rng.choice(GAPS)
    seed, gap = rng.randrange(1000), rng.choice((8, 24))
    return Ask(
        "/v1/fim/completions", {"prompt": before, "suffix": after, "seed": seed, "gap": gap},
        lambda model: model.infill(before, after, seed=seed, gap=gap).text,
        lambda reply: reply["choices"][0]["text"], _joined,
    )  # fmt: skip


def _editing(rng: Random) -> Ask:
    text, options = rng.choice(TEXTS), {"seed": rng.randrange(1000), "strength": rng.choice((0.0, 0.0, 0.4))}
    return Ask(
        "/v1/edits", {"input": text} | options, lambda model: model.edit(text, **options).text,
        lambda reply: reply["text"], lambda events: events[-1]["text"],
    )  # fmt: skip


def _joined(events: list[Any]) -> str:
    choices = [choice for event in events for choice in event["choices"]]
    return "".join(one["text"] if "text" in one else one["delta"].get("content", "") for one in choices)


@dataclass(slots=True)
class Soak:
    """Clients at a server until the clock says so, and what they have seen."""

    server: Server
    model: Model
    until: float
    share: float  # of the answers that are compared
    ends: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    took: list[float] = field(default_factory=list)
    memory: list[tuple[float, int]] = field(default_factory=list)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)  # one comparison at a time

    async def run(self, clients: int, seed: int) -> None:
        watch = asyncio.create_task(self._watch())
        await asyncio.gather(*(self._client(Random(seed + number)) for number in range(clients)))
        await watch

    async def _client(self, rng: Random) -> None:
        line = Connection(self.server.port)
        while time.monotonic() < self.until:
            chance = rng.random()
            if chance < 0.08:
                await self._misbehave(line, rng)
            elif chance < 0.2:
                await self._leave(line, draw(rng), rng.random() ** 2)
            else:
                await self._answer(line, draw(rng), rng)
        line.close()

    async def _misbehave(self, line: Connection, rng: Random) -> None:
        """A malformed request: JSON that is none of ours, or bytes that are no HTTP."""
        if rng.random() < 0.2:
            await say(self.server.port, rng.choice(GARBAGE))
            self.ends["no HTTP"] += 1
            return
        path, data = hostile(rng)
        self._count("malformed", await line.ask(path, data), path + " " + repr(data[:200]))

    async def _leave(self, line: Connection, ask: Ask, patience: float) -> None:
        """Hang up after a while, whatever has come until then."""
        try:
            await asyncio.wait_for(line.ask(ask.path, json.dumps(ask.body).encode()), patience)
            self.ends["answered before leaving"] += 1
        except TimeoutError:
            self.ends["left"] += 1

    async def _answer(self, line: Connection, ask: Ask, rng: Random) -> None:
        reply = await line.ask(ask.path, json.dumps(ask.body).encode())
        self._count("answer", reply, json.dumps(ask.body))
        if reply.status != 200:
            return
        self.kinds[ask.path] += 1
        self.took.append(reply.total_s)
        if rng.random() < self.share:
            await self._compare(ask, reply)

    async def _compare(self, ask: Ask, reply: Reply) -> None:
        async with self.turn:
            alone = await asyncio.to_thread(ask.alone, self.model)
        self.ends["compared"] += 1
        if ask.text(reply) != alone:
            self.wrong.append(f"{ask.path} {json.dumps(ask.body)}: {ask.text(reply)!r}, alone {alone!r}")

    def _count(self, what: str, reply: Reply, asked: str) -> None:
        self.ends[f"{what}: {reply.status}"] += 1
        if reply.status >= 500:
            self.broken.append(f"{reply.status} {asked}")

    async def _watch(self) -> None:
        began = time.monotonic()
        while time.monotonic() < self.until:
            self.memory.append((time.monotonic() - began, self.server.resident()))
            await asyncio.sleep(min(EVERY, max(0.0, self.until - time.monotonic())))


def slope(memory: Sequence[tuple[float, int]], after: float) -> dict[str, float] | None:
    """How memory went from some second on: a straight line's megabytes per hour, with its standard error."""
    points = np.array([point for point in memory if point[0] >= after], dtype=float)
    if len(points) < 3:
        return None
    hours, megabytes = points[:, 0] / 3600, points[:, 1] / 1e6
    (rate, start), covariance = np.polyfit(hours, megabytes, 1, cov="unscaled")
    spread = np.std(megabytes - rate * hours - start, ddof=2)
    return {
        "mb_per_hour": rate, "standard_error": float(np.sqrt(covariance[0, 0]) * spread),
        "first_mb": megabytes[0], "last_mb": megabytes[-1], "most_mb": megabytes.max(), "points": len(points),
    }  # fmt: skip


async def state(server: Server) -> dict[str, float]:
    """The numbers of the server's metrics that must come back to what they were."""
    reply = await Connection(server.port).ask("/metrics", method="GET")
    lines = [line.rpartition(" ") for line in reply.body.decode().splitlines() if not line.startswith("#")]
    names = ("redraft_engine_running", "redraft_engine_waiting", "redraft_engine_free_pages")
    return {head.partition("{")[0]: float(value) for head, _, value in lines if head.startswith(names)}


async def soak(server: Server, model: Model, options: Any) -> dict[str, Any]:
    before = await state(server)
    began, spent = time.monotonic(), server.cpu_s()
    found = Soak(server, model, began + options.seconds, options.share)
    await found.run(options.clients, options.seed)
    after, seconds = await state(server), time.monotonic() - began
    took = sorted(found.took)
    return {
        "seconds": seconds, "clients": options.clients, "ends": dict(sorted(found.ends.items())),
        "answers": dict(found.kinds), "compared": found.ends["compared"], "wrong": found.wrong[:20],
        "server_errors": found.broken[:20], "answer_p50_s": took[len(took) // 2],
        "answer_p99_s": took[len(took) * 99 // 100], "server_cpu_share": (server.cpu_s() - spent) / seconds,
        "state_before": before, "state_after": after,
        "memory_after_five_minutes": slope(found.memory, SETTLED),
        "memory_mb": [[round(second), round(size / 1e6, 1)] for second, size in found.memory],
    }  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("soak_http", __doc__)
    options.add_argument("--seconds", type=float, default=1800)
    options.add_argument("--clients", type=int, default=16)
    options.add_argument("--share", type=float, default=0.05, help="of the answers that are compared")
    run = record.start("soak_http", options, arguments)
    torch.set_num_threads(1)
    with serving("--model", f"{NAME}={run.options.model or ''}") as server:
        found = asyncio.run(soak(server, run.model, run.options))
        found["exit_status"] = server.end()
    written = run.write(found)
    shown = ("seconds", "compared", "answer_p50_s", "answer_p99_s", "exit_status")
    record.show("Soak over HTTP", shown, [[found[name] for name in shown]])
    assert not found["wrong"], found["wrong"]
    assert not found["server_errors"], found["server_errors"]
    assert found["state_after"] == found["state_before"], (found["state_before"], found["state_after"])
    assert found["exit_status"] == 0
    return written


if __name__ == "__main__":
    main()
