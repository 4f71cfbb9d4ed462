"""POST /v1/chat/completions and /v1/completions: answers to conversations and continuations of text."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from redraft.server.answers import follow_all
from redraft.server.bodies import ChatBody, Generation, TextBody
from redraft.server.errors import ApiError
from redraft.server.orders import continuations, decoding_of
from redraft.server.served import Order, Prompt, Served
from redraft.server.service import Service, record_of
from redraft.server.sse import EventStream, heard, started
from redraft.server.streaming import ChatShape, Telling, TextShape, telling


def chat_routes(service: Service) -> APIRouter:
    router = APIRouter()

    @router.post("/v1/chat/completions")
    async def chat(body: ChatBody, request: Request) -> Response:
        """Answer a conversation."""
        body.refuse()
        served = service.find(request, body.model)
        messages = [{"role": message.role, "content": message.text} for message in body.messages]
        prompt = served.chat_prompt(messages, body.label)
        orders = _orders(service, served, body, [prompt], body.max_completion_tokens or body.max_tokens)
        usage = service.usage(request, len(prompt.tokens))
        told = telling(served, body, ChatShape(), "chat.completion", usage, logprobs=bool(body.logprobs))
        return await respond(service, request, body, told, orders)

    @router.post("/v1/completions")
    async def complete(body: TextBody, request: Request) -> Response:
        """Continue a text."""
        body.refuse()
        served = service.find(request, body.model)
        prompts = prompts_of(served, body)
        orders = _orders(service, served, body, prompts, body.max_tokens)
        usage = service.usage(request, sum(len(prompt.tokens) for prompt in prompts))
        told = telling(served, body, TextShape(), "text_completion", usage, logprobs=body.logprobs is not None)
        return await respond(service, request, body, told, orders)

    return router


def _orders(
    service: Service, served: Served, body: Generation, prompts: Sequence[Prompt], most: int | None
) -> list[Order]:
    decoding = decoding_of(served, body, served.model.defaults.generate)
    return continuations(served, body, prompts, decoding, most, service.limits)


async def respond(
    service: Service, request: Request, body: Generation, told: Telling, orders: Sequence[Order]
) -> Response:
    """Carry the orders out and tell of them, as the request wants it. What it costs ends when the client leaves."""
    record_of(request).user = body.user
    check_stream(body)
    drafts = body.diffusing or body.frames
    moments = follow_all(told.served, orders, body.stops, drafts=drafts, seconds=service.limits.seconds)
    if body.stream:
        return EventStream(await heard(request, started(told.events(moments))))
    return JSONResponse(await heard(request, told.body(moments)))


def check_stream(body: Generation) -> None:
    """What is said of a stream must be said of one."""
    for name in ("diffusing", "frames", "stream_options"):
        if getattr(body, name) and not body.stream:
            raise ApiError(f"{name} needs stream: true", param=name)


def prompts_of(served: Served, body: TextBody) -> list[Prompt]:
    """The prompts of a text completion: one text or several, as characters or as tokens."""
    given = body.prompt
    if isinstance(given, str):
        return [served.text_prompt(given, body.label)]
    if isinstance(given[0], int):
        return [served.text_prompt([each for each in given if isinstance(each, int)], body.label)]
    return [served.text_prompt(row, body.label) for row in given if not isinstance(row, int)]
