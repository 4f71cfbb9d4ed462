"""Rewriting: an answer that begins as a copy of its source, block by block.

What an instruction leaves alone need not be written again: a block starts from the source's own tokens, ACCEPTED, and
only those become noise that the model, having read instruction and source, does not believe. An unchanged block takes
one forward. Behind each block the place in the source is found anew, so that the text may grow and shrink.

Knows token rows, blocks and the denoiser. Refuses to know text and templates.
Shapes: B = 1 row, L canvas positions.
"""

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from redraft.core.canvas import Canvas, Status
from redraft.core.denoiser import Denoiser
from redraft.instant.settling import Cancelled, Stopped, never
from redraft.sampling import blocks, samplers
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Renoising
from redraft.sampling.stops import AfterStopToken
from redraft.sampling.wrappers import shape


@dataclass(frozen=True, slots=True)
class Written:
    """The answer after a forward: tokens that stay, the canvas at work, and forwards so far, encodes included."""

    committed: list[int]
    canvas: Canvas
    known: int
    nfe: int


def rewrite(
    denoiser: Denoiser,
    prompt: Sequence[int],
    source: Sequence[int],
    decoding: Decoding,
    *,
    block_length: int,
    max_tokens: int,
    stop_ids: tuple[int, ...],
    tau: float = 0.05,
    rounds: int = 2,
    seed: int = 0,
    stopped: Stopped = never,
) -> Iterator[Written]:
    """Rewrite `source`, which the prompt quotes, as the prompt says. `tau` is the belief below which a token goes.

    A block's tokens are doubted in its first `rounds` forwards. The answer ends with the first of `stop_ids`.
    """
    doubting = Renoising(decoding.policy, tau, rounds)
    decoding = replace(decoding, policy=doubting, stop=decoding.stop | AfterStopToken(stop_ids))
    denoiser = shape(denoiser, decoding)
    plan = blocks.layout(denoiser, max_tokens, block_length)
    known = list(prompt[plan.split(list(prompt)) :])
    context = _Context(denoiser)
    context.read(prompt[: len(prompt) - len(known)])
    text: list[int] = []
    nfe = 0
    for block in range(plan.num_blocks(len(known))):
        draft = [*source[place_in(source, text) :], stop_ids[0]]
        for canvas in _block(denoiser, context.held, decoding, plan, block, known, draft, seed):
            nfe += 1
            yield Written(text, canvas, len(known), nfe + context.forwards)
            if stopped():
                raise Cancelled("the edit was cancelled")
        text = plan.extend(text, canvas.row_tokens(0)[len(known) :], stop_ids)
        if len(text) == max_tokens or text[-1] in stop_ids:
            break
        context.read(canvas.tokens_BL[0, : plan.block].tolist())
        known = []
    yield Written(text, canvas, len(known), nfe + context.forwards)


class _Context:
    """The clean tokens so far, encoded, and how many forwards that took."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser, self.held, self.forwards = denoiser, None, 0

    def read(self, tokens: Sequence[int]) -> None:
        if tokens:
            device = getattr(self.denoiser, "device", None)
            self.held = self.denoiser.encode(torch.tensor([list(tokens)], device=device), self.held)
            self.forwards += bool(getattr(self.denoiser, "keeps_keys", True))


def _block(
    denoiser: Denoiser,
    context: Any,
    decoding: Decoding,
    plan: blocks.Layout,
    block: int,
    known: list[int],
    draft: list[int],
    seed: int,
) -> Iterator[Canvas]:
    """A block's canvases, one per forward. It begins with the draft, as far as that goes."""
    parts = plan.parts(block)
    seed_B = torch.tensor([seed], device=getattr(denoiser, "device", None))
    number = block * len(parts)
    ended_B = torch.zeros_like(seed_B, dtype=torch.bool)
    canvas = blocks.closed(
        plan.width(block), [known], denoiser.corruption, samplers.block_seed(seed_B, number), ended_B
    )
    draft = draft[: canvas.length - len(known)]
    copied = slice(len(known), len(known) + len(draft))
    canvas.tokens_BL[0, copied] = torch.tensor(draft, device=seed_B.device)  # a canvas that nobody else has seen
    for part, columns in enumerate(parts):
        start = _copied(blocks.opened(canvas, columns, samplers.block_seed(seed_B, number + part)), columns, copied)
        canvas = yield from samplers.denoise(denoiser, start, context, decoding)


def _copied(canvas: Canvas, columns: range, copied: slice) -> Canvas:
    """What of the open columns is the draft's, ACCEPTED instead of noise."""
    place_L = torch.arange(canvas.length, device=canvas.tokens_BL.device)
    ours_L = (place_L >= max(columns.start, copied.start)) & (place_L < min(columns.stop, copied.stop))
    taken_BL = ours_L & (canvas.status_BL == Status.NOISY)
    return replace(canvas, status_BL=torch.where(taken_BL, int(Status.ACCEPTED), canvas.status_BL))


def place_in(source: Sequence[int], text: Sequence[int]) -> int:
    """Where in the source an answer goes on that has come as far as `text`.

    Behind the last thing they share; what the answer wrote since then stands for as many tokens of the source.
    """
    if list(text) == list(source[: len(text)]):
        return len(text)
    matcher = difflib.SequenceMatcher(None, source, text, autojunk=False)
    shared = [match for match in matcher.get_matching_blocks() if match.size]
    if not shared:
        return min(len(text), len(source))
    last = shared[-1]
    return min(last.a + last.size + len(text) - (last.b + last.size), len(source))
