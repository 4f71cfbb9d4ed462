"""POST /v1/apply/completions and /v1/edit/completions: Mercury's ways to merge a snippet and to foresee an edit.

Both take one user message with tagged sections and answer like a chat. A system message is let through and read by
nobody: the sections say everything.
"""

import asyncio
from collections.abc import AsyncIterator

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from redraft.server.answers import Usage
from redraft.server.bodies import ChatBody, EditsBody
from redraft.server.errors import ApiError, unsupported
from redraft.server.markers import read_next_edit, read_update
from redraft.server.merging import merge
from redraft.server.orders import REPLACED
from redraft.server.replies import Envelope, Json, chat_delta, usage_json
from redraft.server.routes_edit import check_length, editor_of
from redraft.server.served import Served
from redraft.server.service import Service, record_of
from redraft.server.sse import EventStream, event, heard, started
from redraft.server.text import first_stop

SINGLE = ("n", "logprobs", "diffusing", "frames", "canvas", "mode", "label")  # what says nothing of one sure answer


def mercury_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/apply/completions")
    async def apply(body: ChatBody, request: Request) -> Response:
        """The original with the snippet merged into it, by the lines they share."""
        served, message = _asked(service, request, body)
        check_length(service, message)
        try:
            update = read_update(message)
            text = await asyncio.to_thread(merge, update.original, update.snippet)
        except ValueError as error:
            raise ApiError(str(error), param="messages") from None
        usage = service.usage(request, len(served.model.tokenizer.encode(message)))
        return _respond(served, body, text, usage)

    @router.post("/v1/edit/completions")
    async def edit(body: ChatBody, request: Request) -> Response:
        """The editable region as the model would have it, in a fence."""
        served, message = _asked(service, request, body)
        check_length(service, message)
        try:
            region = read_next_edit(message).region
        except ValueError as error:
            raise ApiError(str(error), param="messages") from None
        usage = service.usage(request, 0)
        if region.strip():
            region, usage = await heard(request, _edited(service, request, served, body, region))
        return _respond(served, body, f"```\n{region}\n```", usage)

    return router


def _asked(service: Service, request: Request, body: ChatBody) -> tuple[Served, str]:
    """The model, and the one user message."""
    body.refuse()
    record_of(request).user = body.user
    for name in SINGLE:
        value = getattr(body, name)
        if value and not (name == "n" and value == 1):
            raise unsupported(name, "there is one answer here, and it comes at once")
    said = [message.text for message in body.messages if message.role == "user"]
    others = [message.role for message in body.messages if message.role not in ("user", "system", "developer")]
    if len(said) != 1 or others:
        raise ApiError("there must be exactly one user message", param="messages")
    return service.find(request, body.model), said[0]


async def _edited(service: Service, request: Request, served: Served, body: ChatBody, region: str) -> tuple[str, Usage]:
    names = (*REPLACED, "logit_bias", "reasoning_effort")
    told = {name: getattr(body, name) for name in (*names, "decoding", "seed")}
    instructions = served.model.defaults.instructions
    asked = EditsBody(model=body.model, input=region, instruction=instructions[0] if instructions else "fix", **told)
    editor = await editor_of(service, request, served, asked)
    async for state in editor.states(drafts=False):
        region = state.text
    return region, editor.usage


def _respond(served: Served, body: ChatBody, text: str, usage: Usage) -> Response:
    """A whole answer as a chat completion, or as a stream of one piece. Cut at stop strings, but never to a length."""
    text = text[: first_stop(text, body.stops)]
    usage.completion_tokens = len(served.model.tokenizer.encode(text))
    most = body.max_completion_tokens or body.max_tokens
    if most is not None and usage.completion_tokens > most:
        raise ApiError(f"the answer has {usage.completion_tokens} tokens, more than {most}", param="max_tokens")
    envelope = Envelope("chat.completion", served.name)
    if body.stream:
        return EventStream(_events(envelope, body, text, usage))
    message = {"role": "assistant", "content": text, "refusal": None}
    choice = {"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}
    return JSONResponse(envelope.body([choice], usage_json(usage)))


async def _events(envelope: Envelope, body: ChatBody, text: str, usage: Usage) -> AsyncIterator[bytes]:
    deltas: list[Json] = [
        chat_delta(0, {"role": "assistant", "content": ""}),
        chat_delta(0, {"content": text}),
        chat_delta(0, {}, "stop"),
    ]

    async def events() -> AsyncIterator[bytes]:
        for delta in deltas:
            yield event(envelope.chunk([delta]))
        if body.stream_options is not None and body.stream_options.include_usage:
            yield event(envelope.chunk([], usage_json(usage)))

    async for line in await started(events()):
        yield line
