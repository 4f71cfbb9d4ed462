"""Editing: how long it takes to correct a paragraph over HTTP, a word while typing over a WebSocket, and to write anew.

The server is a process of its own on loopback; what counts is from the request's first byte to the answer's last.
"anew" is the autoregressive mode of the same weights, behind the same server: it reads the paragraph and writes as many
tokens, which is what a correction costs where nothing can be kept. Turns are taken, so that all see the same machine.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from benchmarks import record, wire
from benchmarks.statistics import spread

PARAGRAPH = (
    "Yesterday I goed to the market with my freind because we need some food for dinner. The market was very crowded "
    "and there was many people who was shouting. We buyed three apple and a bread, but the seller give us the wrong "
    "money. My freind was angry and she say that we should to go back. When we returned, the seller was gone. So we "
    "walk home slowly and talked about the day. At home my mother had prepared a soup, and it smell very good. We eat "
    "it together and laughed about the apples. In the evening I read a book."
)
CLEAN = (
    "Yesterday I went to the market with my friend because we needed some food for dinner. The market was very crowded "
    "and there were many people who were shouting. We bought three apples and some bread, but the seller gave us the "
    "wrong money. My friend was angry and she said that we should go back. When we returned, the seller was gone. So "
    "we walked home slowly and talked about the day. At home my mother had prepared a soup, and it smelled very good. "
    "We ate it together and laughed about the apples. In the evening I read a book."
)
TYPED = "The next day we returned to the market and buyed some more apples for the soup".split()  # noqa: SIM905
NAME = "redraft-tiny"
Timed = tuple[float, Any]


def timed(work: Callable[[], Any]) -> Timed:
    """Milliseconds, and what came of it."""
    began = time.perf_counter()
    found = work()
    return 1000 * (time.perf_counter() - began), found


async def _asked(line: wire.Connection, path: str, body: dict[str, Any]) -> Timed:
    reply = await line.ask(path, json.dumps({"model": NAME} | body).encode())
    assert reply.status == 200, reply.body
    return 1000 * reply.total_s, reply.json()


async def paragraphs(port: int, times: int, anew: int, tokens: int) -> dict[str, list[Timed]]:
    """A paragraph fixed, a clean one looked at, and a paragraph written anew, in turns."""
    line = wire.Connection(port)
    found: dict[str, list[Timed]] = {"a paragraph fixed": [], "a clean one": [], "written anew": []}
    for number in range(times + 1):
        found["a paragraph fixed"].append(await _asked(line, "/v1/edits", {"input": PARAGRAPH}))
        found["a clean one"].append(await _asked(line, "/v1/edits", {"input": CLEAN}))
        if number <= anew:
            body = {"prompt": PARAGRAPH, "mode": "ar", "max_tokens": tokens, "temperature": 0.0}
            found["written anew"].append(await _asked(line, "/v1/completions", body))
    return {name: each[1:] for name, each in found.items()}  # the first of each warms up


def typing(port: int, rounds: int) -> list[Timed]:
    """From every word typed behind the paragraph to its corrected text, over one session."""
    found = []
    with connect(f"ws://127.0.0.1:{port}/v1/edits/session", compression=None) as socket:
        for _ in range(rounds):
            _say(socket, type="start", model=NAME)
            text = PARAGRAPH
            _say(socket, type="text", text=text)
            for word in TYPED:
                text = f"{text} {word}"
                found.append(timed(partial(_say, socket, type="text", text=text)))
    return found


def _say(socket: ClientConnection, **message: Any) -> Any:
    socket.send(json.dumps(message))
    answer = json.loads(socket.recv())
    assert answer["type"] in ("started", "edited"), answer
    return answer


def measure(port: int, tokens: int, times: int) -> dict[str, Any]:
    found = asyncio.run(paragraphs(port, times, max(2, times // 4), tokens))
    found["a word while typing"] = typing(port, max(1, times // 10))
    told: dict[str, Any] = {name: {"milliseconds": spread([ms for ms, _ in each])} for name, each in found.items()}
    for name in ("a paragraph fixed", "a clean one"):
        last = found[name][-1][1]
        told[name] |= {"forwards": last["usage"]["forwards"], "edits": len(last["edits"])}
    last = found["written anew"][-1][1]["usage"]
    told["written anew"] |= {"forwards": last["forwards"], "tokens": last["completion_tokens"]}
    forwards = [each["forwards"] for _, each in found["a word while typing"]]
    told["a word while typing"] |= {"forwards": sum(forwards) / len(forwards)}
    # Where an end of text came early, the rest would have taken as long.
    each = _median(told["written anew"]) / last["completion_tokens"]
    return {
        "words": len(PARAGRAPH.split()), "tokens": tokens, "times": times, "measured": told,
        "faster_than_anew": each * tokens / _median(told["a paragraph fixed"]),
    }  # fmt: skip


def _median(found: dict[str, Any]) -> float:
    return float(found["milliseconds"]["median"])


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("editing", __doc__)
    options.add_argument("--times", type=int, default=20, help="of a paragraph; a word is typed as often or more")
    options.add_argument("--threads", type=int, default=1, help="of a forward")
    run = record.start("editing", options, arguments)
    asked = run.options
    model = ["--model", f"{NAME}={asked.model}"] if asked.model else []
    with wire.serving(*model, threads=asked.threads) as server:
        found = measure(server.port, len(run.model.tokenizer.encode(PARAGRAPH)), asked.times)
    rows = [
        [name, *(each["milliseconds"][key] for key in ("median", "min", "max")), str(each["forwards"])]
        for name, each in found["measured"].items()
    ]
    record.show(
        f"Editing; {found['faster_than_anew']:.1f} times faster than anew",
        ("", "median ms", "least", "most", "forwards"), rows,
    )  # fmt: skip
    return run.write(found)


if __name__ == "__main__":
    main()
