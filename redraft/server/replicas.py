"""Replicas: one app in several processes through Ray Serve, behind a front that knows which of them to ask.

Requests that begin alike go to the same replica, which has their beginning in its prefix cache. A replica that dies
takes the requests at work in it along: they get 503 and `Retry-After`, everybody else notices nothing, and Ray starts
another. Refuses to know models and what the requests mean. Ray is imported when it is used (extra `ray`).
"""

import asyncio
import json
import logging
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redraft.server.errors import ApiError, error_response
from redraft.server.service import Limits
from redraft.server.sse import Gone, while_listening

LOG = logging.getLogger("redraft.server")
NAME = "redraft"
ALIKE = 256  # characters: requests whose first ones are the same have a beginning worth sharing
PASSED_ON = ("type", "asgi", "http_version", "method", "scheme", "path", "raw_path", "query_string", "headers")
ROUTER = "ray.serve.experimental.consistent_hash_router.ConsistentHashRouter"


def needed() -> Any:
    """Ray, with Ray Serve. Raises ValueError naming the extra where it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
        import ray.serve
    except ModuleNotFoundError as error:
        raise ValueError(f"several processes need {error.name}: pip install 'redraft[ray]'") from None
    return ray


def run(
    make: Callable[[], FastAPI], replicas: int, host: str, port: int, tell: Callable[[], None], *, gpus: float = 0.0,
    drain: float = 30.0,
) -> None:  # fmt: skip
    """Serve so many replicas of an app until a signal, then let what is at work finish.

    Uses the cluster that RAY_ADDRESS names, or starts one on this machine. Raises ValueError where it is too small.
    """
    ray = needed()
    ray.init(log_to_driver=False, configure_logging=False)
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < replicas:
            raise ValueError(f"{replicas} replicas need a core each, and there are {cores}")
        ray.serve.start(http_options={"host": host, "port": port})
        ray.serve.run(application(make, replicas, gpus=gpus, drain=drain), name=NAME, route_prefix="/")
        tell()
        _wait()
        ray.serve.shutdown()
    finally:
        ray.shutdown()


def _wait() -> None:
    """Until somebody wants us to go."""
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    told.wait()


def application(make: Callable[[], FastAPI], replicas: int, *, gpus: float = 0.0, drain: float = 30.0) -> Any:
    """What Ray Serve runs: a front bound to so many replicas of what `make` makes."""
    serve = needed().serve
    replica = serve.deployment(
        name="Replica", num_replicas=replicas, max_ongoing_requests=256, graceful_shutdown_timeout_s=drain,
        health_check_period_s=5, health_check_timeout_s=30, request_router_config=_routing(serve),
        ray_actor_options={"num_cpus": 1, "num_gpus": gpus},
    )(Replica)  # fmt: skip
    front = serve.deployment(name="Front", max_ongoing_requests=4096, ray_actor_options={"num_cpus": 0})
    return front(serve.ingress(Passage())(Front)).bind(replica.bind(make))


def _routing(serve: Any) -> Any:
    """By beginnings where this Ray can; else by the shortest queue."""
    try:
        return serve.config.RequestRouterConfig(request_router_class=ROUTER)
    except ImportError:
        return serve.config.RequestRouterConfig()


def beginning(body: bytes) -> str:
    """What requests that share a beginning have in common; empty where there is none to share."""
    try:
        values = json.loads(body)
        messages = values.get("messages")
        found = values.get("prompt") if not messages else messages[0]["content"]
    except (ValueError, AttributeError, LookupError, TypeError, RecursionError):
        return ""
    return found[:ALIKE] if isinstance(found, str) else ""


class Front:
    """The deployment that listens. Its only state is the way to the replicas."""

    def __init__(self, replicas: Any) -> None:
        Passage.replicas = replicas


class Passage:
    """The front's ASGI app: reads a request, passes it on, and tells what comes back."""

    replicas: Any = None  # of this process, told by `Front`

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        told = _Told(send)
        try:
            body = await read(receive, Limits().body_bytes)
            await while_listening(receive, self._pass(scope, body, told))
        except Gone:
            return
        except HTTPException as error:
            await error_response(ApiError(str(error.detail), status=error.status_code))(scope, receive, told)
        except Exception as error:  # Ray's many ways to lose a replica
            LOG.warning("a replica was lost", extra={"fields": {"error": type(error).__name__}})
            if told.started:
                raise  # the client sees that its answer has no end
            lost = ApiError("the replica at work was lost; ask again", status=503, code="replica_lost", retry_after=1)
            await error_response(lost)(scope, receive, told)

    async def _pass(self, scope: Scope, body: bytes, send: Send) -> None:
        kept = {name: scope[name] for name in PASSED_ON if name in scope} | {"root_path": ""}
        handle = self.replicas.options(stream=True, session_id=beginning(body))
        messages = handle.answer.remote(kept, body)
        try:
            async for message in messages:
                await send(message)
        except asyncio.CancelledError:
            messages.cancel()
            raise


class _Told:
    """Whether anything has been said yet."""

    def __init__(self, send: Send) -> None:
        self.send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        self.started = True
        await self.send(message)


async def read(receive: Receive, most: int) -> bytes:
    """The body. Raises HTTPException for one that is too long, Gone when the client leaves."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        body += message.get("body", b"")
        if len(body) > most:
            raise HTTPException(413, f"the body is longer than {most} bytes")
        if not message.get("more_body", False):
            return bytes(body)


class Replica:
    """The app in a process of its own; Ray asks it how it does before anybody else asks anything."""

    def __init__(self, make: Callable[[], FastAPI]) -> None:
        self.app = make()
        self.life: AbstractAsyncContextManager[Any] | None = None

    async def check_health(self) -> None:
        """Start the engines the first time. Raises RuntimeError when one has died, so that Ray starts a new replica."""
        if self.life is None:
            self.life = self.app.router.lifespan_context(self.app)
            await self.life.__aenter__()
        scope: Scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/health", "raw_path": b"/health", "root_path": "", "query_string": b"", "headers": [],
        }  # fmt: skip
        async with aclosing(told_by(self.app, scope, b"")) as messages:  # type: ignore[type-var]
            head = await anext(messages)
        if head["status"] != 200:
            raise RuntimeError("an engine has stopped")

    async def answer(self, scope: Scope, body: bytes) -> AsyncIterator[Message]:
        """The app's messages. Leaving the iteration is a client that has left."""
        async with aclosing(told_by(self.app, scope, body)) as messages:  # type: ignore[type-var]
            async for message in messages:
                yield message


async def told_by(app: ASGIApp, scope: Scope, body: bytes) -> AsyncIterator[Message]:
    """What an app says to a request, message by message; it waits for whoever listens."""
    said: asyncio.Queue[Message | None] = asyncio.Queue(maxsize=1)
    asked = False

    async def receive() -> Message:
        nonlocal asked
        if asked:
            await asyncio.Event().wait()  # whoever leaves cancels the task
        asked = True
        return {"type": "http.request", "body": body, "more_body": False}

    async def work() -> None:
        try:
            await app(dict(scope), receive, said.put)
        finally:
            await said.put(None)

    task = asyncio.create_task(work())
    try:
        while (message := await said.get()) is not None:
            yield message
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
