"""Replicas: what the front decides, in process; and with Ray installed, one killed while others are at work."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from starlette.types import Message, Scope

from redraft.cli.main import main
from redraft.library import Model
from redraft.server.app import create_app
from redraft.server.replicas import ALIKE, Front, Passage, Replica, beginning
from redraft.server.served import serve

ROOT = Path(__file__).parents[2]
SCOPE: Scope = {
    "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
    "path": "/v1/completions", "raw_path": b"/v1/completions", "query_string": b"", "client": ("y", 1),
    "headers": [(b"content-type", b"application/json")],
}  # fmt: skip
BODY = json.dumps({"model": "tiny", "prompt": "a", "max_tokens": 24, "seed": 1}).encode()


def test_requests_that_begin_alike_are_known_as_such() -> None:
    system = {"role": "system", "content": "You are a fox."}
    chats = [json.dumps({"messages": [system, {"role": "user", "content": text}]}).encode() for text in "ab"]
    assert beginning(chats[0]) == beginning(chats[1]) == "You are a fox."
    long = "x" * ALIKE
    assert beginning(json.dumps({"prompt": long + "a"}).encode()) == beginning(json.dumps({"prompt": long}).encode())
    assert beginning(b'{"prompt": "a"}') != beginning(b'{"prompt": "b"}')


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"messages": [1]}', b'{"prompt": 3}', b'{"messages": {}}', b"[" * 100_000]
)
def test_what_has_no_beginning_has_none(body: bytes) -> None:
    assert beginning(body) == ""


class Handle:
    """A stand-in for Ray's way to a deployment: calls the replica in this process, or loses it."""

    def __init__(self, replica: Replica, *, lost_after: int | None = None) -> None:
        self.replica, self.lost_after, self.session = replica, lost_after, ""

    def options(self, *, stream: bool, session_id: str) -> "Handle":
        assert stream
        self.session = session_id
        return self

    @property
    def answer(self) -> "Handle":
        return self

    async def remote(self, scope: Scope, body: bytes) -> AsyncIterator[Message]:
        async with aclosing(self.replica.answer(scope, body)) as messages:  # type: ignore[type-var]
            count = 0
            async for message in messages:
                if count == self.lost_after:
                    raise ConnectionError("the replica died")
                count += 1
                yield message


async def passed(replica: Replica, body: bytes, handle: Handle, *, stream: bool = False) -> list[Message]:
    await replica.check_health()
    Front(handle)
    said: list[Message] = []
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Message) -> None:
        said.append(message)

    await Passage()(SCOPE, receive, send)
    return said


@pytest.fixture
def replica(tiny: Model) -> Replica:
    return Replica(lambda: create_app([serve(tiny, "tiny")]))


def test_the_front_tells_what_a_replica_says(replica: Replica, tiny: Model) -> None:
    handle = Handle(replica)
    head, *rest = asyncio.run(passed(replica, BODY, handle))
    assert head["status"] == 200
    text = json.loads(b"".join(message.get("body", b"") for message in rest))["choices"][0]["text"]
    assert text == tiny.generate("a", max_tokens=24, seed=1).text
    assert handle.session == "a"


def test_a_replica_lost_before_it_said_anything_is_asked_again_by_the_client(replica: Replica) -> None:
    head, *rest = asyncio.run(passed(replica, BODY, Handle(replica, lost_after=0)))
    assert head["status"] == 503
    assert (b"retry-after", b"1") in head["headers"]
    assert json.loads(rest[0]["body"])["error"]["code"] == "replica_lost"


def test_an_answer_that_breaks_off_is_not_ended_as_if_it_were_whole(replica: Replica) -> None:
    with pytest.raises(ConnectionError):
        asyncio.run(passed(replica, BODY, Handle(replica, lost_after=1)))


def test_a_body_too_long_never_reaches_a_replica(replica: Replica) -> None:
    head, *_ = asyncio.run(passed(replica, b"a" * (5 * 2**20), Handle(replica)))
    assert head["status"] == 413


def test_a_replica_whose_engine_died_says_so(replica: Replica) -> None:
    async def dying() -> None:
        await replica.check_health()
        assert replica.life is not None
        await replica.life.__aexit__(None, None, None)
        await replica.check_health()

    with pytest.raises(RuntimeError, match="an engine has stopped"):
        asyncio.run(dying())


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["serve", "--replicas", "2"]) == 2
    assert "redraft[ray]" in capsys.readouterr().err


# ---------------------------------------------------------------------- with Ray


@pytest.fixture(scope="module")
def address(checkpoint: Path) -> Iterator[str]:
    """Two replicas of a tiny model."""
    pytest.importorskip("ray", reason="the extra `ray` is not installed")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [sys.executable, "-m", "redraft.cli.main", "serve", "--port", port, "--replicas", "2", "--threads", "1"]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [*command, "--model", f"tiny={checkpoint}"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert "2 replicas" in process.stdout.readline()
    yield f"http://127.0.0.1:{port}"
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0


def ask(address: str, **body: Any) -> tuple[str, int]:
    """The text, and how often it had to be asked for."""
    data = json.dumps({"model": "tiny"} | body).encode()
    for tries in range(1, 60):
        try:
            request = Request(f"{address}/v1/completions", data, {"content-type": "application/json"})
            with urlopen(request, timeout=60) as response:
                return json.load(response)["choices"][0]["text"], tries
        except (HTTPError, URLError, ConnectionError) as error:
            if isinstance(error, HTTPError) and error.code != 503:
                raise
            time.sleep(0.5)
    raise AssertionError("no answer")


def replicas_at_work() -> list[int]:
    """Processes that Ray calls by the deployment's name."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ServeReplica:redraft:Replica" in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found


def test_replicas_say_what_the_model_says_alone(address: str, tiny: Model) -> None:
    for seed in range(6):
        text, _ = ask(address, prompt="The", max_tokens=16, seed=seed)
        assert text == tiny.generate("The", max_tokens=16, seed=seed).text


def test_a_killed_replica_loses_nothing_that_is_asked_again(address: str, tiny: Model) -> None:
    at_work = replicas_at_work()
    assert len(at_work) == 2
    prompts = [f"{number} The quick" for number in range(24)]
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ask, address, prompt=prompt, max_tokens=200, seed=1) for prompt in prompts]
        time.sleep(0.5)
        os.kill(at_work[0], signal.SIGKILL)
        found = [each.result() for each in asked]
    assert [text for text, _ in found] == [tiny.generate(p, max_tokens=200, seed=1).text for p in prompts]
    assert any(tries == 1 for _, tries in found)
