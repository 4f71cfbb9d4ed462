"""Batch: a file of requests answered by an app in this process, line by line into another file.

Knows OpenAI's batch files and ASGI. Refuses to know models and what the requests mean. What the second file answers
already is not asked again, so a batch that was killed goes on where it was.
"""

import asyncio
import json
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.types import Message, Scope

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a batch file as it is there; numbers start at 1."""

    number: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Task:
    """What a line asks for."""

    custom_id: str
    url: str
    body: Json


@dataclass(slots=True)
class Answered:
    """What a file of answers holds: the ids, and the numbers of lines that asked for nothing."""

    ids: set[str] = field(default_factory=set)
    lines: set[int] = field(default_factory=set)

    def add(self, answer: Json) -> None:
        """Raises KeyError and TypeError for what is no answer."""
        if answer["response"] is None:
            self.lines.add(int(answer["error"]["line"]))
        else:
            self.ids.add(answer["custom_id"])


def parse(line: Line) -> Task:
    """What a line asks for. Raises ValueError saying what is wrong with it."""
    try:
        values = json.loads(line.data)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON ({type(error).__name__})") from None
    if not isinstance(values, dict):
        raise ValueError("not a JSON object")
    for name, kind in (("custom_id", str), ("url", str), ("body", dict)):
        if not isinstance(values.get(name), kind) or not values[name]:
            raise ValueError(f"{name} is missing, empty or no {kind.__name__}")
    if values.get("method") != "POST":
        raise ValueError(f"method {values.get('method')!r} is not POST")
    if not values["url"].startswith("/v1/"):
        raise ValueError(f"url {values['url'][:64]!r} is not /v1/...")
    if values["body"].get("stream"):
        raise ValueError("a batch has no streams")
    return Task(values["custom_id"], values["url"], values["body"])


def read_lines(path: Path) -> Iterator[Line]:
    """The lines of a file that are not blank."""
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            if data.strip():
                yield Line(number, data)


def open_answers(path: Path) -> Answered:
    """What a file answers already; a last line that was cut off by a kill is removed from it.

    Raises ValueError for a file that holds something else, and leaves it as it is.
    """
    answered = Answered()
    if not path.exists():
        return answered
    whole = 0
    with path.open("rb") as file:
        for number, data in enumerate(file, 1):
            if not data.endswith(b"\n"):
                break
            whole += len(data)
            try:
                answered.add(json.loads(data))
            except (ValueError, KeyError, TypeError):
                raise ValueError(f"{path}, line {number} is no answer of a batch; choose another file") from None
    _cut(path, whole)
    return answered


def _cut(path: Path, whole: int) -> None:
    """Keep the whole lines; where there are none, what was cut off must look like an answer."""
    with path.open("rb+") as file:
        start = file.read(7)
        if not whole and not b'{"id": '.startswith(start):
            raise ValueError(f"{path} holds something else; choose another file")
        file.truncate(whole)


def waiting(lines: Iterator[Line], answered: Answered) -> Iterator[tuple[Line, Task | str]]:
    """The lines that are not answered yet: each with its task, or with what is wrong with it."""
    seen: set[str] = set()
    for line in lines:
        try:
            task: Task | str = _new(parse(line), seen)
        except ValueError as error:
            task = str(error)
        done = line.number in answered.lines if isinstance(task, str) else task.custom_id in answered.ids
        if not done:
            yield line, task


def _new(task: Task, seen: set[str]) -> Task:
    if task.custom_id in seen:
        raise ValueError(f"custom_id {task.custom_id[:64]!r} stands in an earlier line too")
    seen.add(task.custom_id)
    return task


# ---------------------------------------------------------------------- answering


@asynccontextmanager
async def started(app: FastAPI) -> AsyncIterator[FastAPI]:
    """The app at work, as a server would start and stop it."""
    async with app.router.lifespan_context(app):
        yield app


async def ask(app: FastAPI, url: str, body: Json) -> Json:
    """The app's answer as a batch tells it: status, request id, body."""
    data = json.dumps(body).encode()
    scope: Scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": url, "raw_path": url.encode("utf-8", "replace"), "root_path": "", "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"content-length", str(len(data)).encode())],
        "client": None, "server": None,
    }  # fmt: skip
    reply = _Reply(data)
    await app(scope, reply.receive, reply.send)
    return {"status_code": reply.status, "request_id": reply.id, "body": json.loads(bytes(reply.body))}


class _Reply:
    """Both directions of one request."""

    def __init__(self, data: bytes) -> None:
        self.data: bytes | None = data
        self.status, self.id, self.body = 0, "", bytearray()

    async def receive(self) -> Message:
        if self.data is None:
            await asyncio.Event().wait()  # nobody leaves before the answer
        data, self.data = self.data, None
        return {"type": "http.request", "body": data, "more_body": False}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.id = dict(message["headers"]).get(b"x-request-id", b"").decode()
        else:
            self.body += message.get("body", b"")


async def answer(app: FastAPI, line: Line, task: Task | str) -> Json:
    """The answer to a line, as a line of the other file holds it."""
    heading: Json = {"id": f"batch_req_{uuid.uuid4().hex}"}
    if isinstance(task, str):
        error = {"code": "invalid_line", "message": f"line {line.number}: {task}", "line": line.number}
        return heading | {"custom_id": custom_id(line), "response": None, "error": error}
    return heading | {"custom_id": task.custom_id, "response": await ask(app, task.url, task.body), "error": None}


def custom_id(line: Line) -> str | None:
    """The id of a line that may be no request, where it has one."""
    try:
        values = json.loads(line.data)
    except (ValueError, RecursionError):
        return None
    found = values.get("custom_id") if isinstance(values, dict) else None
    return found if isinstance(found, str) else None


async def answer_all(
    app: FastAPI, lines: Iterator[tuple[Line, Task | str]], write: Callable[[Json], None], at_once: int
) -> None:
    """Answer lines, so many at once, and write each answer when it is there, in whatever order."""

    async def work() -> None:
        for line, task in lines:  # shared: each takes the next one
            write(await answer(app, line, task))

    await asyncio.gather(*(work() for _ in range(at_once)))


class Answers:
    """The file of answers, open for more: one write per line, so that a kill cuts off the last one at most."""

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)

    def write(self, answer: Json) -> None:
        data = (json.dumps(answer) + "\n").encode()
        while data:  # a full disc or a signal can make a write a short one
            data = data[os.write(self.file, data) :]

    def close(self) -> None:
        os.close(self.file)
