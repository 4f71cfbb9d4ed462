"""App: the models behind one HTTP surface. `create_app` is all there is to it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from redraft import __version__
from redraft.server.errors import add_handlers
from redraft.server.gate import Gate
from redraft.server.routes_chat import chat_routes
from redraft.server.routes_edit import edit_routes
from redraft.server.routes_mercury import mercury_routes
from redraft.server.routes_playground import playground_routes
from redraft.server.routes_session import session_routes
from redraft.server.routes_state import state_routes
from redraft.server.security import Keys
from redraft.server.served import Served
from redraft.server.service import Limits, Service

ROUTES = (chat_routes, edit_routes, mercury_routes, playground_routes, session_routes, state_routes)


def create_app(
    served: Sequence[Served],
    *,
    limits: Limits | None = None,
    keys: Sequence[str] = (),
    origins: Sequence[str] = (),
    drain: float = 30.0,
) -> FastAPI:
    """The server for these models.

    keys     who may ask; without any, everyone may
    origins  web pages that may ask from a browser; none by default
    drain    seconds that requests at work get to finish when the server goes down

    Starts the models' engines when it starts. Raises ValueError for two models of one name, and for none.
    """
    limits = Limits() if limits is None else limits
    service = Service(_by_name(served), limits)
    lifespan = _lifespan(served, drain)
    app = FastAPI(title="Redraft", version=__version__, docs_url=None, redoc_url=None, lifespan=lifespan)
    add_handlers(app)
    for routes in ROUTES:
        app.include_router(routes(service))
    app.add_middleware(Gate, service=service, keys=Keys(list(keys), limits), origins=list(origins))
    if origins:
        app.add_middleware(CORSMiddleware, allow_origins=list(origins), allow_methods=["*"], allow_headers=["*"])
    return app


def _by_name(served: Sequence[Served]) -> dict[str, Served]:
    if not served:
        raise ValueError("there is no model to serve")
    names = [each.name for each in served]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise ValueError(f"two models are called {twice[0]!r}; give one another name: NAME=PATH")
    return {each.name: each for each in served}


def _lifespan(served: Sequence[Served], drain: float) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        for each in served:
            each.thread.start()
        yield
        await asyncio.gather(*(asyncio.to_thread(_stop, each, drain) for each in served))

    return lifespan


def _stop(served: Served, drain: float) -> None:
    """Let what is at work finish; cancel what has not by then."""
    served.thread.stop(drain=True, timeout=drain)
    served.thread.stop(drain=False, timeout=drain)
