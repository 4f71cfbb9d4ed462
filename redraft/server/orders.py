"""Orders: the body of a request becomes what the engine is asked for. Knows bodies and what is served, no wire."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from redraft.sampling.decoding import Decoding
from redraft.server.bodies import Generation, Sampling
from redraft.server.errors import ApiError
from redraft.server.served import Order, Prompt, Served
from redraft.server.service import Limits, seed_of

REPLACED = (
    "temperature", "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty",
)  # fmt: skip


def changes_of(body: Sampling) -> dict[str, Any]:
    """The parts of a decoding that a request replaces."""
    named = {name: getattr(body, name) for name in REPLACED}
    changes = {name: value for name, value in named.items() if value is not None}
    if changes.get("top_p") == 1:
        changes["top_p"] = None  # all of it: no filter
    if body.logit_bias:
        changes["bias"] = tuple((int(token), float(value)) for token, value in body.logit_bias.items())
    return changes


def decoding_of(served: Served, body: Sampling, recommended: Decoding) -> Decoding:
    """How a request wants to be decoded. Raises ApiError."""
    return served.decoding(body.decoding, changes_of(body), body.reasoning_effort, recommended)


async def on_engine(served: Served, function: Callable[[], Any]) -> Any:
    """A function's answer from the engine's thread, between two ticks."""
    try:
        return await asyncio.wrap_future(served.thread.call(function))
    except RuntimeError as error:
        if served.thread.alive:
            raise
        raise ApiError("the server is going down", status=503, code="draining") from error


def continuations(
    served: Served, body: Generation, prompts: Sequence[Prompt], decoding: Decoding, most: int | None, limits: Limits
) -> list[Order]:
    """`n` answers to every prompt, all of one prompt together."""
    each = body.n or 1
    check_choices(each * len(prompts), limits)
    seed = seed_of(body.seed)
    return [
        served.generate(
            prompt, decoding, max_tokens=_tokens(served, prompt, most, limits), canvas=body.canvas,
            seed=wrapped(seed + number), mode=body.mode, own=body.decoding is not None,
        )
        for prompt in prompts
        for number in range(each)
    ]  # fmt: skip


def check_choices(number: int, limits: Limits) -> None:
    if number > limits.choices:
        raise ApiError(f"{number} answers are more than {limits.choices}, the most for one request", param="n")


def _tokens(served: Served, prompt: Prompt, most: int | None, limits: Limits) -> int:
    if most is None:
        return served.room_for(prompt, limits.default_tokens)
    if most > limits.answer_tokens:
        raise ApiError(f"max_tokens={most} is more than {limits.answer_tokens}", param="max_tokens")
    return most


def wrapped(seed: int) -> int:
    """Back into the range of seeds."""
    return (seed + 2**63) % 2**64 - 2**63
