"""GET /v1/edits/session, upgraded to a WebSocket: a text edited while it is typed or spoken.

A state of the text cancels the one before, and every state is answered once: edited, cancelled or with an error. A
message that is none is answered with an error and the session lives on. When the client is gone, so is its work.
"""

import asyncio
import logging
from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from redraft.editing import Plan, chosen_strength, plan_session
from redraft.instant.locks import Locks
from redraft.instant.session import Growth
from redraft.server import messages
from redraft.server.errors import ApiError, error_body
from redraft.server.messages import Change, Finish, Start, State, written
from redraft.server.orders import decoding_of
from redraft.server.routes_edit import base_decoding, blamed, check_length
from redraft.server.security import PROTOCOL
from redraft.server.service import Service, record_of, seed_of
from redraft.server.sessions import Session

LOG = logging.getLogger("redraft.server")


def session_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.websocket("/v1/edits/session")
    async def session(socket: WebSocket) -> None:
        """A text that is being written, and what the model would make of it."""
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(subprotocol=PROTOCOL if PROTOCOL in offered else None)
        await Talk(service, socket).run()

    return router


class Talk:
    """One client's session, message by message."""

    def __init__(self, service: Service, socket: WebSocket) -> None:
        self.service, self.socket = service, socket
        self.session: Session | None = None
        self.text = ""
        self.work: asyncio.Task[None] | None = None
        self.owed: list[int | None] = []  # the id of the state at work, until it is answered

    async def run(self) -> None:
        """Until the client leaves."""
        try:
            while True:
                heard = await self.socket.receive()
                if heard["type"] == "websocket.disconnect":
                    return
                await self._answer(heard.get("text"))
        except (WebSocketDisconnect, OSError):
            LOG.info("a client left its session")
        finally:
            self.owed.clear()
            await self._give_up()

    async def _answer(self, text: str | None) -> None:
        try:
            said = messages.parse(text, self.service.limits.body_bytes)
            await self._take(said)
        except ApiError as error:
            await self._tell("error", **_told(error))

    async def _take(self, said: messages.Said) -> None:
        if isinstance(said, Start):
            await self._give_up()
            await self._start(said)
        elif isinstance(said, State | Change | Finish):
            await self._edit(said)
        else:
            await self._give_up()

    async def _start(self, said: Start) -> None:
        service, record = self.service, record_of(self.socket)
        record.user, self.session, self.text = said.user, None, ""
        served = service.find(self.socket, said.model)
        locks = Locks(literals=tuple(said.locks), patterns=tuple(said.lock_patterns))
        try:
            strength = chosen_strength(served.model, said.strength)
            plan, memory = plan_session(served.model, said.instruction, {"locks": locks, "strength": strength})
            first = plan("")
            assert isinstance(first, Plan)
        except ValueError as error:
            raise ApiError(str(error), param=blamed(str(error))) from None
        decoding = decoding_of(served, said, base_decoding(served, strength))
        usage = record.usage if record.usage is not None else service.usage(self.socket, 0)
        self.session = Session(
            served, plan, memory, decoding, seed_of(said.seed), service.limits.seconds, usage,
            said.decoding is not None, Growth(said.behind) if said.live else None,
        )  # fmt: skip
        await self._tell("started", model=served.name, seed=self.session.seed, live=said.live, notes=list(first.notes))

    async def _edit(self, said: State | Change | Finish) -> None:
        """Give up the state before for this one."""
        await self._give_up()
        if self.session is None:
            raise ApiError("say first how to edit: a message of type start", code="not_started")
        if not isinstance(said, Finish):
            text = _changed(self.text, said) if isinstance(said, Change) else said.text
            check_length(self.service, text)
            self.text = text
        record_of(self.socket).spend()
        self.owed = [said.id]
        self.work = asyncio.create_task(self._follow(self.session, whole=isinstance(said, Finish)))

    async def _follow(self, session: Session, *, whole: bool) -> None:
        try:
            found = await session.update(self.text, whole=whole)
        except ApiError as error:
            await self._reply("error", **_told(error))
        except Exception:  # the session goes on, and a client learns nothing of our insides
            LOG.exception("an update failed")
            await self._reply("error", **error_body("the update failed", "server_error", None, None))
        else:
            await self._reply("edited", **asdict(found))

    async def _reply(self, kind: str, **values: Any) -> None:
        """Answer the state at work."""
        await self._tell(kind, id=self.owed.pop(), **values)

    async def _give_up(self) -> None:
        """Cancel what is at work, and wait until it is gone."""
        work, self.work = self.work, None
        if work is None:
            return
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        if self.owed:
            await self._reply("cancelled")

    async def _tell(self, kind: str, **values: Any) -> None:
        await self.socket.send_text(written({"type": kind} | values))


def _changed(text: str, change: Change) -> str:
    if not change.start <= change.end <= len(text):
        raise ApiError(f"{change.start}:{change.end} is not in a text of {len(text)} characters", param="start")
    return text[: change.start] + change.text + text[change.end :]


def _told(error: ApiError) -> dict[str, Any]:
    return error.body() | ({} if error.retry_after is None else {"retry_after": error.retry_after})
