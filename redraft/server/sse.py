"""SSE: events on the wire, and answers that end when nobody listens any more. Knows ASGI, no bodies."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from redraft.server.errors import ApiError, error_body

LOG = logging.getLogger("redraft.server")
Answer = TypeVar("Answer")
HEADERS = {"cache-control": "no-store", "x-accel-buffering": "no"}
DONE = b"data: [DONE]\n\n"


class Gone(Exception):
    """The client has left."""


def event(values: Mapping[str, Any]) -> bytes:
    """One event; JSON has no line breaks of its own, so it is one line."""
    return f"data: {json.dumps(values, ensure_ascii=False, separators=(',', ':'))}\n\n".encode()


class EventStream(Response):
    """Events as they come. When the client leaves, the iteration is left."""

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(None, 200, HEADERS, "text/event-stream")
        self.events = events
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending() -> None:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for line in self.events:
                await send({"type": "http.response.body", "body": line, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await while_listening(receive, sending())
        except (Gone, OSError):
            LOG.info("a client left its stream")
        finally:
            await self.events.aclose()  # type: ignore[attr-defined]


async def started(events: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same events, the first one already there: what fails before it fails with a status of its own."""
    first = await anext(events)

    async def rest() -> AsyncIterator[bytes]:
        try:
            yield first
            async for line in events:
                yield line
            yield DONE
        except ApiError as error:
            yield event(error.body())
        except Exception:  # the head of the answer is sent: all that is left to say it with is an event
            LOG.exception("a stream failed")
            yield event(error_body("the request failed", "server_error", None, None))
        finally:
            await events.aclose()  # type: ignore[attr-defined]

    return rest()


async def heard(request: Request, answer: Awaitable[Answer]) -> Answer:
    """The answer, given up when the client leaves. Raises Gone then."""
    return await while_listening(request.receive, answer)


async def while_listening(receive: Receive, work: Awaitable[Answer]) -> Answer:
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_left(receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Gone
    finally:
        for each in (task, watch):
            each.cancel()
        await asyncio.gather(task, watch, return_exceptions=True)


async def _left(receive: Receive) -> None:
    message: Message = {"type": ""}
    while message["type"] != "http.disconnect":
        message = await receive()
