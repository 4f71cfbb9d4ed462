"""Gate: what every request passes before a route sees it and after it is answered. Pure ASGI.

A request id, the key, the key's limits, the size of the body; at the end one line in the log and the metrics.
"""

import json
import logging
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redraft.server.errors import ApiError, error_response
from redraft.server.security import Keys, offered_key, same_origin
from redraft.server.service import Record, Service
from redraft.server.sse import Gone

LOG = logging.getLogger("redraft.server")
OPEN = ("/health", "/")  # what needs no key; nor do the files of the page, which can ask for one


class Gate:
    """Wraps the routes."""

    def __init__(self, app: ASGIApp, service: Service, keys: Keys, origins: Sequence[str] = ()) -> None:
        self.app, self.service, self.keys, self.origins = app, service, keys, origins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._open(scope, receive, send)
            return
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        record = scope["redraft"] = Record(method=scope["method"])
        passage = _Passage(record, send)
        self.service.metrics.in_flight += 1
        try:
            await self._pass(scope, receive, passage, record)
        finally:
            self.service.metrics.in_flight -= 1
            self._close(scope, record, passage.status)

    async def _pass(self, scope: Scope, receive: Receive, passage: "_Passage", record: Record) -> None:
        try:
            record.key = "-" if _open(scope) else self.keys.admit(_header(scope, b"authorization"))
            try:
                body = _Sized(scope, receive, self.service.limits.body_bytes)
                await self.app(scope, body, passage)
            finally:
                if not _open(scope):
                    self.keys.leave(record.key)
        except ApiError as error:
            await passage.fail(error, scope, receive)
        except Gone:
            passage.status = passage.status or 499
        except Exception:  # the last line of defence: a client learns nothing of our insides
            LOG.exception("a request failed", extra={"fields": {"id": record.id}})
            await passage.fail(ApiError("the request failed", status=500), scope, receive)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A WebSocket: one request of its key for as long as it is open, and one more for every text it brings."""
        record = scope["redraft"] = Record(method="WEBSOCKET")
        status = 101
        try:
            if not same_origin(_header(scope, b"origin"), _header(scope, b"host"), self.origins):
                raise ApiError("pages of other origins may not ask; --origin names those that may", status=403)
            told = _header(scope, b"authorization") or offered_key(scope.get("subprotocols", []))
            record.key = self.keys.admit(told)
            record.spend = partial(self.keys.spend, record.key)
            try:
                await self.app(scope, receive, send)
            finally:
                self.keys.leave(record.key)
        except ApiError as error:
            status = error.status
            await _deny(error, scope, receive, send)
        finally:
            self._close(scope, record, status)

    def _close(self, scope: Scope, record: Record, status: int) -> None:
        seconds = time.monotonic() - record.began
        record.route = _route(scope)
        self.service.metrics.answered(record.route, status, seconds)
        if record.usage is not None and record.model is not None:
            self.service.metrics.used(record.model, record.usage)
        LOG.info("request", extra={"fields": _fields(record, status, seconds)})


async def _deny(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    """No to a WebSocket: as an answer to its request where the server can give one, else by closing it unopened."""
    if "websocket.http.response" in scope.get("extensions", {}):

        async def renamed(message: Message) -> None:
            await send({**message, "type": f"websocket.{message['type']}"})

        await error_response(error)({**scope, "type": "http", "method": "GET"}, receive, renamed)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.message[:100]})


class _Passage:
    """The way back: the status that went out, and the request's id on it."""

    def __init__(self, record: Record, send: Send) -> None:
        self.record, self.send, self.status = record, send, 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], (b"x-request-id", self.record.id.encode())]}
        await self.send(message)

    async def fail(self, error: ApiError, scope: Scope, receive: Receive) -> None:
        """Say what went wrong, where nothing has been said yet."""
        if not self.status:
            await error_response(error)(scope, receive, self)


class _Sized:
    """The body as it comes in, up to so many bytes."""

    def __init__(self, scope: Scope, receive: Receive, most: int) -> None:
        self.receive, self.most, self.seen = receive, most, 0
        stated = _header(scope, b"content-length")
        if stated.isdecimal() and int(stated) > most:
            raise ApiError(f"the body is longer than {most} bytes", status=413)

    async def __call__(self) -> Message:
        message = await self.receive()
        self.seen += len(message.get("body", b""))
        if self.seen > self.most:
            raise self._too_long()
        return message

    def _too_long(self) -> HTTPException:
        # Not an ApiError: whoever reads a body takes other exceptions for a body that is no JSON.
        return HTTPException(413, f"the body is longer than {self.most} bytes")


class JsonLines(logging.Formatter):
    """One JSON object per line: time, level, what happened, and its fields."""

    def format(self, record: logging.LogRecord) -> str:
        values: dict[str, Any] = {"time": self.formatTime(record), "level": record.levelname.lower()}
        values |= {"event": record.getMessage()} | getattr(record, "fields", {})
        if record.exc_info:
            values["trace"] = self.formatException(record.exc_info)
        return json.dumps(values)


def _fields(record: Record, status: int, seconds: float) -> dict[str, Any]:
    told: dict[str, Any] = {
        "id": record.id, "method": record.method, "route": record.route, "status": status, "key": record.key,
        "seconds": round(seconds, 6),
    }  # fmt: skip
    told |= {name: value for name in ("model", "user") if (value := getattr(record, name)) is not None}
    if record.usage is not None:
        usage = record.usage
        told |= {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
        told |= {"forwards": usage.forwards, "first_text_s": usage.first_s}
    return told


def _open(scope: Scope) -> bool:
    path = str(scope["path"])
    return path in OPEN or (path.startswith("/playground/") and "." in path)


def _route(scope: Scope) -> str:
    """The route's pattern, not what was asked for: there are few of them, and they hold no secrets."""
    route = scope.get("route")
    return str(getattr(route, "path", "unknown")) if isinstance(route, BaseRoute) else "unknown"


def _header(scope: Scope, name: bytes) -> str:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), "")
