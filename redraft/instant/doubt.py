"""Doubt: where a model finds the tokens of a text surprising, and rewriting those places alone.

No training is needed: what is doubted becomes noise, everything else stands FIXED, and the noise is denoised. That is
repeated until nothing new is doubted, so a text that surprises nobody costs one look. Knows logits and statuses.
Refuses to know text.
Shapes: B rows, L canvas positions, P parts, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.core.corruption import Uniform
from redraft.core.denoiser import Denoiser
from redraft.core.rng import Stream, uniform
from redraft.instant.settling import Cancelled, Settling, Stopped, never, settle
from redraft.sampling.decoding import Decoding
from redraft.sampling.prediction import believed

LIGHT = 0.1  # the noise level at which text is looked at that is believed to be nearly clean


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubt:
    """When a token is surprising.

    tau     its probability is below this
    parts   0: one look at the whole text, each token in sight of itself, for models that were trained to doubt what
            they read. n: every n-th token hidden, n rows side by side, so that no token vouches for itself; with as
            many parts as tokens that is leave-one-out
    rounds  how often at most what is left is looked at again
    """

    tau: float = 0.02
    parts: int = 4
    rounds: int = 4

    def __post_init__(self) -> None:
        if not 0 < self.tau <= 1 or self.parts < 0 or self.rounds < 1:
            raise ValueError(f"{self} needs tau in (0, 1], no negative parts and at least one round")


def rewrite_doubted(
    denoiser: Denoiser, canvas: Canvas, context: Any, decoding: Decoding, doubt: Doubt, stopped: Stopped = never
) -> Iterator[list[Settling]]:
    """All rows, first as they are and then after every forward. Row b is settled when a look finds no new doubt."""
    free_BL = canvas.editable_BL
    decided_BL = torch.zeros_like(free_BL)
    rows = [Settling(canvas, place) for place in range(len(canvas))]
    yield rows
    for number in range(doubt.rounds):
        if stopped():
            raise Cancelled("the edit was cancelled")
        nats_BL = doubts(denoiser, canvas, context, doubt.parts)
        doubted_BL = free_BL & ~decided_BL & (nats_BL.exp() < doubt.tau)
        _looked(rows, canvas, nats_BL, number, max(1, doubt.parts))
        yield rows
        if not bool(doubted_BL.any()):
            return
        decided_BL = decided_BL | doubted_BL
        spent = [row.forwards for row in rows]
        for settling in settle(denoiser, _renoised(denoiser, canvas, doubted_BL, decoding), context, decoding, stopped):
            _carry(rows, settling, spent)
            yield rows
        canvas = _opened(canvas, rows, free_BL)
        for place, row in enumerate(rows):
            row.canvas, row.place = canvas, place


def doubts(denoiser: Denoiser, canvas: Canvas, context: Any, parts: int) -> Tensor:
    """Log probability [B, L] of every token on the canvas, given the others or, with no parts, all."""
    if parts == 0 or isinstance(denoiser.corruption, Uniform):
        return _in_sight(denoiser, canvas, context)
    noise_BL = denoiser.corruption.noise(uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.NOISE))
    part_L = torch.arange(canvas.length, device=noise_BL.device) % parts
    nats_BL = torch.zeros(canvas.tokens_BL.shape, device=noise_BL.device)
    for part in range(parts):
        hidden_BL = canvas.editable_BL & (part_L == part)
        if bool(hidden_BL.any()):
            tokens_BL = torch.where(hidden_BL, noise_BL, canvas.tokens_BL)
            status_BL = torch.where(hidden_BL, int(Status.NOISY), canvas.status_BL)
            looked = replace(canvas, tokens_BL=tokens_BL, status_BL=status_BL)
            nats_BL = torch.where(hidden_BL, _scored(denoiser.denoise(looked, context), canvas), nats_BL)
    return nats_BL


def _in_sight(denoiser: Denoiser, canvas: Canvas, context: Any) -> Tensor:
    """One forward. For uniform noise what a token says of itself is taken out again by Bayes' rule."""
    noise = denoiser.corruption
    if not isinstance(noise, Uniform):
        return _scored(denoiser.denoise(canvas, context), canvas)
    timed = _steps(denoiser)
    canvas = canvas if timed is None else replace(canvas, step_B=torch.full_like(canvas.step_B, timed - 1))
    alpha_B1 = torch.full((len(canvas), 1), 1 - (LIGHT if timed is None else 1 / timed), device=canvas.tokens_BL.device)
    logits_BLV = denoiser.denoise(canvas, context)
    tokens_BL = canvas.tokens_BL[:, : logits_BLV.shape[1]]
    return _scored(noise.leave_one_out(logits_BLV, tokens_BL, alpha_B1.double()), canvas)


def _scored(logits_BLV: Tensor, canvas: Canvas) -> Tensor:
    """Of columns that were not scored, which nobody may change, 0."""
    nats_BN = believed(logits_BLV, canvas.tokens_BL[:, : logits_BLV.shape[1]])
    return torch.nn.functional.pad(nats_BN, (0, canvas.length - nats_BN.shape[1]))


def _renoised(denoiser: Denoiser, canvas: Canvas, doubted_BL: Tensor, decoding: Decoding) -> Canvas:
    """What is doubted as noise, everything else FIXED. Rows without doubt are done."""
    fresh_BL = denoiser.corruption.noise(uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.RENOISE))
    status_BL = torch.where(canvas.present_BL, int(Status.FIXED), canvas.status_BL)
    started = replace(
        canvas,
        tokens_BL=torch.where(doubted_BL, fresh_BL, canvas.tokens_BL),
        status_BL=torch.where(doubted_BL, int(Status.NOISY), status_BL),
        done_B=~doubted_BL.any(-1),
    )
    level_B = doubted_BL.sum(-1) / canvas.editable_BL.sum(-1).clamp_min(1)
    return entered(started, level_B.clamp_min(LIGHT), decoding, denoiser)


def entered(canvas: Canvas, level_B: Tensor, decoding: Decoding, denoiser: Denoiser) -> Canvas:
    """A canvas at noise level `level_B` [B]: processes that follow a clock begin where that much noise is left."""
    if not isinstance(denoiser.corruption, Uniform):
        return canvas
    step_B = ((1 - level_B.double()) * decoding.max_steps).long().clamp_max(decoding.max_steps - 1)
    return replace(canvas, step_B=step_B)


def _steps(denoiser: Denoiser) -> int | None:
    facts = getattr(denoiser, "facts", None)
    return None if facts is None else cast(int | None, facts.max_steps)


def _looked(rows: list[Settling], canvas: Canvas, nats_BL: Tensor, number: int, forwards: int) -> None:
    for place, row in enumerate(rows):
        inside_L = canvas.inside_BL[place]
        row.last, row.seen = nats_BL[place][inside_L].tolist(), canvas.row_tokens(place)
        row.first = row.last if number == 0 else row.first
        row.forwards += forwards


def _carry(rows: list[Settling], settling: list[Settling], spent: list[int]) -> None:
    for row, found, before in zip(rows, settling, spent, strict=True):
        row.canvas, row.place = found.canvas, found.place
        row.forwards = before + found.forwards


def _opened(canvas: Canvas, rows: list[Settling], free_BL: Tensor) -> Canvas:
    """The rows' canvases side by side again, what was free ACCEPTED once more."""
    found = [row.canvas.select([row.place]) for row in rows]
    tokens_BL = torch.cat([one.tokens_BL for one in found])
    confidence_BL = torch.cat([one.confidence_BL for one in found])
    return replace(canvas, tokens_BL=tokens_BL, confidence_BL=torch.where(free_BL, confidence_BL, 0.0))
