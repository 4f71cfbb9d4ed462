"""Hostile: thousands of bodies that nobody means well, sent over loopback. No 5xx, no death, the next answer right.

Fuzzed JSON, wrong types, huge numbers, masks and control tokens in text, invalid UTF-8, bodies of ten megabytes, and
bytes that are no HTTP. `hostile` draws a body; the tests of the server use it too.
"""

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks import record
from benchmarks.wire import Connection, Server, say, serving

POSTS = (
    "/v1/completions", "/v1/chat/completions", "/v1/fim/completions", "/v1/apply/completions", "/v1/edit/completions",
    "/v1/edits", "/v1/score", "/v1/embeddings",
)  # fmt: skip
STRINGS = (
    "", "a", "<|mask|>", "<|endoftext|><|edit|>", "\x00", "🦊" * 50, "\u202e", "tiny", "a" * 5000, "threshold:0.9",
    "%s", "../../etc/passwd", "{{7*7}}", "\ud800", "NaN", "<|code_to_edit|><|/code_to_edit|>", "\n" * 100,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 3.5, 1e308, -1e-308, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, float("nan"), float("inf"))
NAMES = (
    "prompt", "messages", "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "stop", "seed", "stream",
    "logit_bias", "logprobs", "decoding", "canvas", "label", "mode", "suffix", "gap", "input", "locks", "strength",
    "instruction", "drafts", "samples", "block_length", "reasoning_effort", "diffusing", "frames", "tools",
    "response_format", "repetition_penalty", "stream_options", "user", "bogus", "echo", "role", "content",
)  # fmt: skip
POLICIES = ("threshold", "top_k", "factor", "entropy_bound", "remasking", "ancestral", "uniform_ancestral", "staged")


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything JSON can say, and some that only Python's JSON does."""
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind < 3:
        return rng.choice(NUMBERS)
    if kind < 5:
        return rng.choice(STRINGS)
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def decoding(rng: random.Random) -> dict[str, Any]:
    """A decoding that may be one."""
    policy = {"name": rng.choice(POLICIES)} | {
        rng.choice(("num_steps", "tau", "count", "factor", "vocab_size", "eps")): rng.choice((1, 2, 0.5, 0, -1, 10**9))
    }
    fields = {
        "policy": policy, "temperature": rng.choice((0, 0.5, 1e-30, 1e30)), "top_k": rng.choice((1, 10**9, None)),
        "max_steps": rng.choice((1, 4, 64)), "guidance": rng.choice((0, 1.0, 1e30)), "null_id": rng.choice((None, 5)),
        "banned_ids": rng.choice(([], [0], list(range(300)))), "bias": rng.choice(([], [[5, 1e30]], [[5, -3e38]])),
        "emit": rng.choice(("canvas", "best")), "indels": rng.choice((True, False)),
        "stop": rng.choice(("settled", "all_steps", "stable_and_confident:0.01")),
    }  # fmt: skip
    return {name: fields[name] for name in rng.sample(sorted(fields), rng.randrange(1, 5))}


def hostile(rng: random.Random) -> tuple[str, bytes]:
    """A path, and a body that is almost one that path takes."""
    body: dict[str, Any] = {
        "model": "tiny", "prompt": "a", "max_tokens": rng.randrange(1, 20), "input": "The fox.",
        "messages": [{"role": "user", "content": "a"}],
    }  # fmt: skip
    path = rng.choice(POSTS)
    wanted = {"/v1/edits": ("input",), "/v1/score": ("input",)}.get(path, ("messages", "prompt", "max_tokens"))
    if path in ("/v1/completions", "/v1/fim/completions"):
        wanted = ("prompt", "max_tokens")
    elif path not in ("/v1/edits", "/v1/score"):
        wanted = ("messages", "max_tokens")
    body = {name: body[name] for name in ("model", *wanted)}
    for _ in range(rng.randrange(4)):
        body[rng.choice(NAMES)] = value(rng)
    if rng.random() < 0.4:
        body["decoding"] = decoding(rng)
    data = json.dumps(body).encode()
    if rng.random() < 0.15:
        cut = rng.randrange(len(data))
        data = data[:cut] + bytes(rng.randrange(256) for _ in range(rng.randrange(4))) + data[cut + 1 :]
    return path, data


GARBAGE = (
    b"", b"\r\n\r\n", b"\x00" * 1000, b"GET", b"GET / HTTP/9.9\r\n\r\n", b"POST /v1/score HTTP/1.1\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\ncontent-length: -1\r\n\r\n", b"POST /v1/score HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    b"POST /v1/score HTTP/1.1\r\nhost: a\r\ncontent-length: 100\r\n\r\n{",
    b"POST /v1/score HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\na",
    b"POST /v1/score HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nhost: a\r\n\r\n", b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000 + b"\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
)  # fmt: skip
HUGE = 10 * 2**20
PROBE = {"model": "tiny", "prompt": "Once upon a time", "max_tokens": 8, "seed": 1}


async def attack(server: Server, bodies: int, seed: int) -> dict[str, Any]:
    """Statuses of so many bodies; every hundredth a large one, then bytes that are no HTTP and a question to answer."""
    rng, line, codes = random.Random(seed), Connection(server.port), Counter[str]()
    right, wrong = await _text(line), 0
    for number in track(range(bodies), description="hostile", transient=True):
        path, data = hostile(rng)
        codes[str((await line.ask(path, data)).status)] += 1
        if number % 100 == 99:
            codes[f"{HUGE >> 20} MB: {await _huge(server)}"] += 1
            answer = await say(server.port, rng.choice(GARBAGE))
            codes["no HTTP: " + (answer[9:12].decode("latin-1") or "closed")] += 1
            wrong += await _text(line) != right
    line.close()
    return {"statuses": dict(sorted(codes.items())), "wrong": wrong}


async def _text(line: Connection) -> Any:
    """The answer to a question that never changes."""
    return (await line.ask("/v1/completions", json.dumps(PROBE).encode())).json()["choices"]


async def _huge(server: Server) -> str:
    """The status of a body too long to be read; the server may hang up before it has come through."""
    line = Connection(server.port)
    try:
        return str((await line.ask("/v1/completions", b'{"prompt": "' + b"a" * HUGE)).status)
    except (OSError, asyncio.IncompleteReadError):
        return "closed"
    finally:
        line.close()


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("hostile", __doc__)
    options.add_argument("--bodies", type=int, default=10_000)
    run = record.start("hostile", options, arguments)
    bodies = min(run.options.bodies, run.options.limit or run.options.bodies)
    with serving("--model", f"tiny={run.options.model or ''}") as server:
        found = asyncio.run(attack(server, bodies, run.options.seed))
        found |= {"bodies": bodies, "exit_status": server.end()}
    found["server_errors"] = sum(number for code, number in found["statuses"].items() if code.split()[-1][0] == "5")
    assert not found["server_errors"], found
    assert not found["wrong"], found
    record.show("Hostile bodies", list(found["statuses"]), [list(found["statuses"].values())])
    return run.write(found)


if __name__ == "__main__":
    main()
