"""Ties: where two runs of one request part, and whether the arithmetic alone is to blame.

A row of a matrix product is summed in another order where the matrix has more rows, so logits of a batch and of a row
alone differ in the last bits of float32. Two candidates that are as close as that (two tokens at a place, two places
for one rank, a probability and its threshold) may then change places. So a tie is this, and nothing else:

  - up to some step both had the same text, canvas and statuses;
  - of that step their logits differ by no more than TIE, relative to the largest;
  - decided again from each of the two logits, that step gives two different canvases.

The third says that a border between two decisions runs between logits that are TIE apart: whatever was decided there,
its candidates were no further from each other. Shapes: L columns, V vocabulary.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.traffic import Request
from redraft.core.canvas import Canvas
from redraft.sampling.decoding import Decoding
from redraft.sampling.samplers import first_limit, moved
from redraft.sampling.wrappers import SeenContext, Wrapper, guide, shape

TIE = 1e-6  # relative to the largest logit


@dataclass(frozen=True, slots=True)
class Step:
    """What a step was made from: the text in front of the canvas, the canvas, and the logits of its first columns."""

    text: list[int]
    canvas: Canvas
    logits_LV: Tensor

    def starts_as(self, other: "Step") -> bool:
        """Whether both steps have the same text and canvas."""
        one, two = self.canvas, other.canvas
        return (
            self.text == other.text
            and one.tokens_BL.tolist() == two.tokens_BL.tolist()
            and one.status_BL.tolist() == two.status_BL.tolist()
        )

    def gap(self, other: "Step") -> float:
        """The largest difference between their logits, relative to the largest logit."""
        columns = min(len(self.logits_LV), len(other.logits_LV))
        ours_NV, theirs_NV = self.logits_LV[:columns], other.logits_LV[:columns]
        both_NV = ours_NV.isfinite() & theirs_NV.isfinite()
        return float((ours_NV - theirs_NV)[both_NV].abs().max() / theirs_NV[both_NV].abs().max().clamp_min(1))


class Watched(Wrapper):
    """A denoiser that keeps every step, and what was read into every context that it made."""

    def __init__(self, denoiser: Any, scale: float) -> None:
        super().__init__(denoiser)
        self.scale = scale
        self.seen: list[Step] = []
        self.made: dict[int, tuple[Any, list[int]]] = {}  # the context itself is kept, so that its id stays its own

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> Any:
        text = self._text(context) + tokens_BL[0].tolist()
        after = self.denoiser.encode(tokens_BL, context, pad_B)
        self.made[id(after)] = (after, text)
        return after

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        logits_BLV = self.denoiser.denoise(canvas, context)
        self.seen.append(Step(self._text(context), canvas, logits_BLV[0].clone()))
        return logits_BLV

    def steps(self) -> list[Step]:
        """With guidance every step asked twice."""
        if not self.scale:
            return self.seen
        halves = zip(self.seen[::2], self.seen[1::2], strict=True)
        return [replace(step, logits_LV=guide(step.logits_LV, off.logits_LV, self.scale)) for step, off in halves]

    def _text(self, context: Any | None) -> list[int]:
        return [] if context is None else self.made[id(context)][1]


@dataclass(frozen=True, slots=True)
class Parting:
    """Where two runs part. `gap` is the difference of their logits there, infinite where nothing began alike.

    column   the first that was decided in two ways; None where both logits say the same
    what     "token" or "status"; `margin` are the nats between its two best tokens, in the run alone
    """

    gap: float
    column: int | None = None
    what: str | None = None
    margin: float | None = None

    @property
    def is_tie(self) -> bool:
        return self.gap <= TIE and self.column is not None


def parting(denoiser: Any, request: Request, steps: Sequence[Step]) -> Parting:
    """Where the steps of a served request part from those that it takes alone."""
    decoding: Decoding | None = request.arguments.get("decoding")
    watched = Watched(denoiser, 0.0 if decoding is None else decoding.guidance)
    request.alone(watched)
    pairs = zip(steps, watched.steps(), strict=False)
    alike = list(itertools.takewhile(lambda pair: pair[0].starts_as(pair[1]), pairs))
    if not alike or decoding is None:
        return Parting(float("inf"))
    ours, theirs = alike[-1]
    limit_B = first_limit(steps[0].canvas)
    one, two = (_decided(denoiser, step, decoding, limit_B) for step in (ours, theirs))
    return Parting(ours.gap(theirs), *_first_difference(one, two, theirs))


class _Known(Wrapper):
    """A denoiser that says what it is given."""

    def __init__(self, denoiser: Any, logits_LV: Tensor) -> None:
        super().__init__(denoiser)
        self.logits_LV = logits_LV

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self.logits_LV[None].clone()


def _decided(denoiser: Any, step: Step, decoding: Decoding, limit_B: Tensor) -> Canvas:
    """The canvas that a step's logits lead to."""
    decoding = replace(decoding, guidance=0.0)
    vocab = step.logits_LV.shape[-1]
    text_1S = torch.tensor([[token for token in step.text if token < vocab]], dtype=torch.long)
    seen = SeenContext(None, text_1S, torch.ones_like(text_1S, dtype=torch.bool))
    shaped = shape(_Known(denoiser, step.logits_LV), decoding)
    logits_BLV = shaped.denoise(step.canvas, seen if decoding.penalises else None)
    return moved(denoiser, step.canvas, logits_BLV, decoding, limit_B)


def _first_difference(one: Canvas, two: Canvas, step: Step) -> tuple[int | None, str | None, float | None]:
    width = min(one.length, two.length)
    for what, ours_BL, theirs_BL in (
        ("token", one.tokens_BL, two.tokens_BL), ("status", one.status_BL, two.status_BL),
    ):  # fmt: skip
        differs_L = ours_BL[0, :width] != theirs_BL[0, :width]
        if bool(differs_L.any()):
            column = int(differs_L.int().argmax())
            return column, what, _margin(step.logits_LV, column)
    return (width, "status", None) if one.length != two.length else (None, None, None)


def _margin(logits_LV: Tensor, column: int) -> float | None:
    if column >= len(logits_LV):
        return None
    best, second = logits_LV[column].log_softmax(-1).topk(2).values.tolist()
    return best - second
