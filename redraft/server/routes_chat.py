"""POST /v1/chat/completions and /v1/completions: answers to conversations and continuations of text."""

from collections.abc import Sequence

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from redraft.server.answers import follow_all
from redraft.server.bodies import ChatBody, Generation, TextBody
from redraft.server.errors import ApiError, unsupported
from redraft.server.filling import gap_orders
from redraft.server.markers import BLANK
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
        """Continue a text, or with a suffix fill the gap in front of it."""
        return await complete_text(service, body, request)

    return router


async def complete_text(service: Service, body: TextBody, request: Request) -> Response:
    """Continue the prompts, or fill the gap between a prompt and a suffix."""
    body.refuse()
    served = service.find(request, body.model)
    if body.suffix and body.suffix != BLANK:
        orders, num_prompt = _gaps(service, served, body)
    else:
        prompts = prompts_of(served, body)
        orders, num_prompt = _orders(service, served, body, prompts, body.max_tokens), sum(map(_length, prompts))
    usage = service.usage(request, num_prompt)
    told = telling(served, body, TextShape(), "text_completion", usage, logprobs=body.logprobs is not None)
    return await respond(service, request, body, told, orders)


def _gaps(service: Service, served: Served, body: TextBody) -> tuple[list[Order], int]:
    """`n` ways to fill a gap, and how many tokens stand around it."""
    if not isinstance(body.prompt, str):
        raise ApiError("with a suffix, prompt must be one text", param="prompt")
    for name in ("canvas", "mode", "label"):
        if getattr(body, name) is not None:
            raise unsupported(name, "a gap is one canvas, without a label")
    decoding = decoding_of(served, body, served.model.defaults.infill)
    return gap_orders(served, body, decoding, service.limits)


def _length(prompt: Prompt) -> int:
    return len(prompt.tokens)


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
