"""POST /v1/fim/completions, /v1/edits and /v1/score: gaps filled, texts edited, texts scored."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import asdict, replace
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from redraft.editing import check_rewrite, chosen_strength
from redraft.instant.diffs import unified
from redraft.instant.editor import Strength
from redraft.instant.locks import Locks, Span
from redraft.sampling.decoding import Decoding
from redraft.server.bodies import EditsBody, ScoreBody, TextBody
from redraft.server.errors import ApiError
from redraft.server.filling import Edited, Editor, Rewriter
from redraft.server.markers import split_fim
from redraft.server.orders import decoding_of
from redraft.server.replies import Envelope, Json, usage_json
from redraft.server.routes_chat import complete_text
from redraft.server.scoring import score
from redraft.server.served import Served
from redraft.server.service import Service, record_of, seed_of
from redraft.server.sse import EventStream, event, heard, started

LONG = 4000  # characters of a text whose windows take a while to find
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


def base_decoding(served: Served, strength: Strength) -> Decoding:
    """What is recommended. Writing afresh decodes as generation does, at the temperature of edits."""
    defaults = served.model.defaults
    return defaults.edit if strength == 0 else replace(defaults.generate, temperature=defaults.edit.temperature)


def locks_of(body: EditsBody) -> Locks:
    lines, spans = _pairs(body.lock_lines), _pairs(body.lock_spans)
    return Locks(tuple(body.locks), tuple(body.lock_patterns), lines, spans)


def _pairs(lists: Sequence[Sequence[int]]) -> tuple[Span, ...]:
    return tuple((first, last) for first, last in lists)


async def editor_of(service: Service, request: Request, served: Served, body: EditsBody) -> Editor | Rewriter:
    """What carries out an edit. Raises ApiError for one that this model cannot make."""
    try:
        if body.rewrite:
            return _rewriter(service, request, served, body)
        strength = chosen_strength(served.model, body.strength)
        spans = None if body.spans is None else _pairs(body.spans)
        options = {"locks": locks_of(body), "spans": spans, "strength": strength}
        plan_edit = partial(served.model.plan_edit, body.input, body.instruction, **options)
        # In a thread where it takes a while: others want to be answered meanwhile.
        slow = len(body.input) > LONG or body.lock_patterns
        plan = await asyncio.to_thread(plan_edit) if slow else plan_edit()
    except ValueError as error:
        raise ApiError(str(error), param=blamed(str(error))) from None
    plan = plan.decoded_by(decoding_of(served, body, base_decoding(served, strength)))
    longest = max((len(window.row) for window in plan.windows), default=0)
    served.check_room(len(plan.prompt) + len(plan.end), longest)
    usage = service.usage(request, sum(len(plan.prompt) + len(window.tokens) for window in plan.windows))
    own = body.decoding is not None
    return Editor(served, body.input, plan, seed_of(body.seed), service.limits.seconds, usage, own)


def _rewriter(service: Service, request: Request, served: Served, body: EditsBody) -> Rewriter:
    for name in ("strength", "spans"):
        if getattr(body, name) is not None:
            raise ApiError(f"{name} is for edits in place; it does not apply to a rewriting", param=name)
    check_rewrite(served.model)
    locks = locks_of(body)
    locks.find(body.input)
    decoding = decoding_of(served, body, served.model.defaults.generate)
    prompt = served.model.chat_ids([{"role": "user", "content": f"{body.instruction}\n\n{body.input}"}])
    usage = service.usage(request, len(prompt))
    return Rewriter(
        served, body.input, body.instruction, locks, decoding, seed_of(body.seed), service.limits.seconds, usage
    )


def blamed(message: str) -> str | None:
    """The field that a plan's error is about."""
    if "pattern" in message:
        return "lock_patterns"
    if "lock of lines" in message:
        return "lock_lines"
    if "lock of characters" in message:
        return "lock_spans"
    if message.startswith("span"):
        return "spans"
    if message.startswith("the instruction"):
        return "instruction"
    return "locks" if "lock" in message else None


async def _body(served: Served, editor: Editor | Rewriter, body: EditsBody) -> Json:
    drafts: list[str] = []
    async with aclosing(editor.states(drafts=body.drafts)) as states:  # type: ignore[type-var]
        async for state in states:
            if body.drafts and not state.finished:
                drafts.append(state.text)
    return _reply(served, editor, state, body) | ({"drafts": drafts} if body.drafts else {})


async def _events(served: Served, editor: Editor | Rewriter, body: EditsBody) -> AsyncIterator[bytes]:
    """The text as it changes, whole each time, where drafts are wanted; the reply at the end."""
    heading = Envelope("edit.draft", served.name)
    async with aclosing(editor.states(drafts=body.drafts)) as states:  # type: ignore[type-var]
        async for state in states:
            if state.finished:
                yield event(_reply(served, editor, state, body) | {"id": heading.id})
            elif body.drafts:
                yield event({"id": heading.id, "object": "edit.draft", "model": served.name, "text": state.text})


def _reply(served: Served, editor: Editor | Rewriter, state: Edited, body: EditsBody) -> Json:
    envelope = Envelope("edit", served.name)
    told: dict[str, Any] = {
        "id": envelope.id, "object": "edit", "created": envelope.created, "model": served.name, "text": state.text,
        "edits": [asdict(edit) for edit in state.edits], "seed": editor.seed, "notes": list(editor.notes),
        "usage": usage_json(editor.usage),
    }  # fmt: skip
    return told | ({"diff": unified(body.input, state.text, "text")} if body.diff else {})
