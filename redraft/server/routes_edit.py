"""POST /v1/fim/completions, /v1/edits and /v1/score: gaps filled, texts edited, texts scored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import asdict, replace
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from redraft.server.bodies import EditsBody, ScoreBody, TextBody
from redraft.server.errors import ApiError
from redraft.server.filling import Edited, Editor
from redraft.server.markers import split_fim
from redraft.server.orders import decoding_of
from redraft.server.replies import Envelope, Json, usage_json
from redraft.server.routes_chat import complete_text
from redraft.server.scoring import score
from redraft.server.served import Served
from redraft.server.service import Service, record_of, seed_of
from redraft.server.sse import EventStream, event, heard, started

MAX_DRAFTED = 10_000  # characters: every state of a text is told whole


def edit_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/fim/completions")
    async def fill(body: TextBody, request: Request) -> Response:
        """What stands between a prompt and a suffix."""
        if not isinstance(body.prompt, str):
            raise ApiError("prompt must be one text", param="prompt")
        before, after = split_fim(body.prompt, body.suffix)
        return await complete_text(service, body.model_copy(update={"prompt": before, "suffix": after}), request)

    @router.post("/v1/edits")
    async def edits(body: EditsBody, request: Request) -> Response:
        """A text edited in place: the new text, and the edits that lead to it."""
        record_of(request).user = body.user
        served = service.find(request, body.model)
        check_length(service, body.input)
        if body.drafts and len(body.input) > MAX_DRAFTED:
            raise ApiError(f"drafts are told of texts up to {MAX_DRAFTED} characters", param="drafts")
        editor = await editor_of(service, request, served, body)
        if body.stream:
            return EventStream(await heard(request, started(_events(served, editor, body))))
        return JSONResponse(await heard(request, _body(served, editor, body)))

    @router.post("/v1/score")
    async def nats(body: ScoreBody, request: Request) -> Response:
        """How surprised the model is by a text."""
        record_of(request).user = body.user
        served = service.find(request, body.model)
        check_length(service, body.input)
        usage = service.usage(request, 0)
        found = await heard(
            request,
            score(served, body.input, usage, block_length=body.block_length, samples=body.samples, seed=body.seed),
        )
        return JSONResponse({"object": "score"} | found.to_json() | {"usage": usage_json(usage)})

    return router


def check_length(service: Service, text: str) -> None:
    most = service.limits.edit_characters
    if len(text) > most:
        raise ApiError(f"the input has {len(text)} characters; {most} are the most", param="input")


async def editor_of(service: Service, request: Request, served: Served, body: EditsBody) -> Editor:
    """What carries out an edit. Raises ApiError for one that this model cannot make."""
    defaults = served.model.defaults
    # A rewriting decodes as generation does, at the temperature of edits.
    rewriting = replace(defaults.generate, temperature=defaults.edit.temperature)
    decoding = decoding_of(served, body, rewriting if body.strength > 0 else defaults.edit)
    try:
        # In a thread: cutting a long text into windows takes a while, and others want to be answered meanwhile.
        plan = await asyncio.to_thread(
            served.model.plan_edit, body.input, body.instruction, locks=body.locks, strength=body.strength
        )
        plan = plan.decoded_by(decoding)
    except ValueError as error:
        raise ApiError(str(error), param="locks" if "lock" in str(error) else None) from None
    longest = max((len(window.row) for window in plan.windows), default=0)
    served.check_room(len(plan.prompt) + len(plan.end), longest)
    usage = service.usage(request, sum(len(plan.prompt) + len(window.tokens) for window in plan.windows))
    own = body.decoding is not None
    return Editor(served, body.input, plan, seed_of(body.seed), service.limits.seconds, usage, own)


async def _body(served: Served, editor: Editor, body: EditsBody) -> Json:
    drafts: list[str] = []
    async with aclosing(editor.states(drafts=body.drafts)) as states:  # type: ignore[type-var]
        async for state in states:
            if body.drafts and not state.finished:
                drafts.append(state.text)
    return _reply(served, editor, state) | ({"drafts": drafts} if body.drafts else {})


async def _events(served: Served, editor: Editor, body: EditsBody) -> AsyncIterator[bytes]:
    """The text as it changes, whole each time, where drafts are wanted; the reply at the end."""
    heading = Envelope("edit.draft", served.name)
    async with aclosing(editor.states(drafts=body.drafts)) as states:  # type: ignore[type-var]
        async for state in states:
            if state.finished:
                yield event(_reply(served, editor, state) | {"id": heading.id})
            elif body.drafts:
                yield event({"id": heading.id, "object": "edit.draft", "model": served.name, "text": state.text})


def _reply(served: Served, editor: Editor, state: Edited) -> Json:
    envelope = Envelope("edit", served.name)
    told: dict[str, Any] = {
        "id": envelope.id, "object": "edit", "created": envelope.created, "model": served.name, "text": state.text,
        "edits": [asdict(edit) for edit in state.edits], "seed": editor.seed, "notes": list(editor.plan.notes),
        "usage": usage_json(editor.usage),
    }  # fmt: skip
    return told
