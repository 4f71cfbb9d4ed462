"""Programs: what one request wants done, one command after another, for one row.

A program is a generator of commands: encode these tokens, denoise this canvas until it is done, draw the next token.
It is what a sampler does for one row, said step by step, so that an engine can carry out the commands of many programs
in shared forwards. Knows layouts of text. Refuses to know pages, batches and neighbours.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from redraft.core.canvas import Canvas, Status
from redraft.core.denoiser import Noise
from redraft.sampling import blocks, samplers
from redraft.sampling.autoregressive import draft_canvas
from redraft.sampling.decoding import Decoding
from redraft.sampling.stops import AfterStopToken


@dataclass(frozen=True, slots=True)
class Encode:
    """Put clean tokens behind the context. Answered by nothing."""

    tokens: list[int]


@dataclass(frozen=True, slots=True)
class Decide:
    """Denoise a canvas of one row. Answered by the canvas, done. `known` columns at its front are the prompt's.

    With `believed`, the output's beliefs are kept.
    """

    canvas: Canvas
    decoding: Decoding
    known: int = 0
    believed: bool = False


@dataclass(frozen=True, slots=True)
class Next:
    """Draw the token that follows the context: draw number `number` of `seed`. Answered by its id and probability."""

    temperature: float
    seed: int
    number: int


@dataclass(frozen=True, slots=True)
class Draft:
    """Draft the tokens behind the first of a canvas, in one forward. Answered by them [1, L], and what they were drawn
    from [1, L, V], None at temperature 0."""

    canvas: Canvas
    temperature: float
    seed: int
    cycle: int


@dataclass(frozen=True, slots=True)
class Verify:
    """Judge drafted tokens behind a pending one by one causal forward, and put what is kept behind the context.

    Answered by how many drafted tokens are kept, the token that follows them, and the probability of all of these.
    """

    pending: int
    draft_BL: torch.Tensor
    probs_BLV: torch.Tensor | None
    temperature: float
    seed: int
    cycle: int

    @property
    def tokens(self) -> list[int]:
        return [self.pending, *self.draft_BL[0].tolist()]


Command = Encode | Decide | Next | Draft | Verify
Program = Generator[Command, Any, None]


@dataclass(slots=True)
class Beliefs:
    """Log probabilities that forwards gave the tokens they saw on a canvas.

    first  of every token that the row began with
    last   of the tokens that the last forward saw, which are `seen`
    """

    first: list[float] | None = None
    last: list[float] | None = None
    seen: list[int] | None = None

    def see(self, tokens: list[int], nats: list[float]) -> None:
        self.first = nats if self.first is None else self.first
        self.last, self.seen = nats, tokens


@dataclass(slots=True)
class Output:
    """What a program has made so far: committed tokens, or the canvas it ended with."""

    tokens: list[int] = field(default_factory=list)
    confidences: list[float] = field(default_factory=list)  # the model's probability of each when it was written
    finish: str | None = None  # "stop" or "length", once finished
    canvas: Canvas | None = None
    beliefs: Beliefs = field(default_factory=Beliefs)


Writer = Callable[[Any, Output], Program]  # (denoiser, output) -> program


def generate(
    prompt: list[int],
    decoding: Decoding,
    *,
    max_tokens: int,
    block_length: int,
    seed: int = 0,
    stop_ids: tuple[int, ...] = (),
    whole_blocks: bool = False,
) -> Writer:
    """`samplers.sample` for one row."""
    if decoding.indels:
        raise ValueError(f"{decoding.indels=}: blocks have a fixed length; length changes are for infill and edit")
    if stop_ids and not whole_blocks and not decoding.revises:
        decoding = replace(decoding, stop=decoding.stop | AfterStopToken(stop_ids))

    def program(denoiser: Any, out: Output) -> Program:
        plan = blocks.layout(denoiser, max_tokens, block_length)
        known = prompt[plan.split(prompt) :]
        if len(known) < len(prompt):
            yield Encode(prompt[: len(prompt) - len(known)])
        for block in range(plan.num_blocks(len(known))):
            canvas = _opened(plan, block, known, denoiser.corruption, seed)
            for number, columns in enumerate(plan.parts(block), block * len(plan.parts(block))):
                canvas = blocks.opened(canvas, columns, _seed(seed, number))
                if not bool(canvas.done_B):
                    canvas = yield Decide(canvas, decoding, len(known))
            fresh = canvas.row_tokens(0)[len(known) :]
            fresh = blocks.until_stop(fresh[: max_tokens - len(out.tokens)], stop_ids)
            out.tokens += fresh
            out.confidences += canvas.confidence_BL[0, len(known) : len(known) + len(fresh)].tolist()
            if len(out.tokens) == max_tokens or out.tokens[-1] in stop_ids:
                break
            width = min(plan.block, plan.width(block))
            yield Encode(canvas.tokens_BL[0, :width].tolist() + [0] * (width - canvas.length))  # slack holds zeros
            known = []
        out.finish = "stop" if out.tokens and out.tokens[-1] in stop_ids else "length"

    return program


def autoregress(
    prompt: list[int], *, max_tokens: int, temperature: float = 0.0, seed: int = 0, stop_ids: tuple[int, ...] = ()
) -> Writer:
    """`autoregressive.left_to_right` for one row. The prompt holds at least one token."""
    if not prompt:
        raise ValueError("left to right needs at least one token to start from")

    def program(denoiser: Any, out: Output) -> Program:
        last = prompt
        while len(out.tokens) < max_tokens:
            yield Encode(last)
            token, confidence = yield Next(temperature, seed, len(out.tokens))
            out.tokens.append(token)
            out.confidences.append(confidence)
            if token in stop_ids:
                out.finish = "stop"
                return
            last = [token]
        out.finish = "length"

    return program


def speculate(
    prompt: list[int],
    *,
    max_tokens: int,
    draft_length: int = 8,
    temperature: float = 0.0,
    seed: int = 0,
    stop_ids: tuple[int, ...] = (),
) -> Writer:
    """`autoregressive.speculate`. The prompt holds at least one token."""
    if not prompt:
        raise ValueError("left to right needs at least one token to start from")

    def program(denoiser: Any, out: Output) -> Program:
        yield Encode(prompt)
        pending, confidence = yield Next(temperature, seed, 0)
        cycle, sure = 0, [confidence]
        fresh = [pending]
        while True:
            out.tokens += fresh
            out.confidences += sure[: len(fresh)]
            if out.tokens[-1] in stop_ids or len(out.tokens) >= max_tokens:
                break
            room, cycle = min(draft_length, max_tokens - len(out.tokens)), cycle + 1
            canvas = draft_canvas(denoiser, torch.tensor([pending]), room, torch.tensor([seed]), cycle)
            draft_BL, probs_BLV = yield Draft(canvas, temperature, seed, cycle)
            kept, after, sure = yield Verify(pending, draft_BL, probs_BLV, temperature, seed, cycle)
            # What is drawn behind the kept ones is committed with them, unless they end the text.
            fresh = blocks.until_stop([*draft_BL[0, :kept].tolist(), after], stop_ids)[: max_tokens - len(out.tokens)]
            pending = after
        out.finish = "stop" if out.tokens[-1] in stop_ids else "length"

    return program


def infill(
    prefix: list[int], suffix: list[int], decoding: Decoding, *, gap: int, seed: int = 0, context: tuple[int, ...] = ()
) -> Writer:
    """`samplers.infill` for one row, behind a context of clean tokens."""

    def program(denoiser: Any, out: Output) -> Program:
        if context:
            yield Encode(list(context))
        start = next(iter(samplers.infill(denoiser, [prefix], [suffix], decoding, gap=gap, seed=seed)))
        yield from _one_canvas(start, decoding, out)

    return program


def edit(
    tokens: list[int],
    decoding: Decoding,
    *,
    editable: list[bool] | None = None,
    strength: float = 0.0,
    seed: int = 0,
    context: tuple[int, ...] = (),
) -> Writer:
    """`samplers.edit` for one row, behind a context of clean tokens."""

    def program(denoiser: Any, out: Output) -> Program:
        if context:
            yield Encode(list(context))
        free = None if editable is None else [editable]
        steps = samplers.edit(denoiser, [tokens], decoding, editable=free, strength=strength, seed=seed)
        yield from _one_canvas(next(iter(steps)), decoding, out, believed=True)

    return program


def _one_canvas(start: Canvas, decoding: Decoding, out: Output, *, believed: bool = False) -> Program:
    canvas = start if bool(start.done_B) else (yield Decide(start, decoding, believed=believed))
    out.canvas, out.tokens, out.finish = canvas, canvas.row_tokens(0), "stop"
    out.confidences = canvas.confidence_BL[0][canvas.inside_BL[0]].tolist()


def _opened(plan: blocks.Layout, block: int, known: list[int], noise: Noise, seed: int) -> Canvas:
    number = block * len(plan.parts(block))
    return blocks.closed(plan.width(block), [known], noise, _seed(seed, number), torch.zeros(1, dtype=torch.bool))


def _seed(seed: int, number: int) -> torch.Tensor:
    return samplers.block_seed(torch.tensor([seed]), number)


def draft_of(canvas: Canvas, known: int) -> tuple[list[int], list[int], list[float]]:
    """Tokens, statuses and confidences of the text at work, the prompt's end and noise AHEAD left out."""
    columns = (canvas.tokens_BL[0], canvas.status_BL[0], canvas.confidence_BL[0])
    rows = zip(*(column[known:].tolist() for column in columns), strict=True)
    held = [row for row in rows if row[1] not in (Status.EMPTY, Status.AHEAD)]
    tokens, statuses, confidences = ([row[n] for row in held] for n in range(3))
    return tokens, statuses, confidences
