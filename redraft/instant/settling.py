"""Settling: rows of canvases denoised side by side until each is done, and what the model believed of them.

The loop of `samplers.denoise`, in which a finished row leaves the batch at once and an editor may be told to stop
between two forwards. Knows rows and contexts. Refuses to know text.
Shapes: B rows, L canvas positions, V vocabulary.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.core.denoiser import Denoiser
from redraft.sampling import samplers
from redraft.sampling.decoding import Decoding
from redraft.sampling.prediction import believed


class Cancelled(Exception):
    """An edit was told to stop. Nothing of it was taken."""


Stopped = Callable[[], bool]


def never() -> bool:
    return False


@dataclass(slots=True)
class Settling:
    """One row on its way: where it lies in which canvas, and log probabilities of the tokens that forwards saw.

    first     of every token the row began with
    last      of the tokens that the last forward saw, which are `seen`
    forwards  that this row took part in
    """

    canvas: Canvas
    place: int
    first: list[float] | None = None
    last: list[float] | None = None
    seen: list[int] | None = None
    forwards: int = 0

    @property
    def tokens(self) -> list[int]:
        return self.canvas.row_tokens(self.place)

    @property
    def fixed(self) -> list[bool]:
        """Which of `tokens` are FIXED."""
        return (self._held(self.canvas.status_BL) == Status.FIXED).tolist()

    @property
    def written(self) -> list[float]:
        """The probability with which each of `tokens` was written; 0 where none was."""
        return self._held(self.canvas.confidence_BL).tolist()

    @property
    def nats(self) -> list[float] | None:
        """What the model believes of `tokens`; None where the last forward changed something still."""
        return self.last if self.seen == self.tokens else None

    def _held(self, values_BL: Tensor) -> Tensor:
        return values_BL[self.place][self.canvas.inside_BL[self.place]]


def settle(
    denoiser: Denoiser, canvas: Canvas, context: Any, decoding: Decoding, stopped: Stopped = never
) -> Iterator[list[Settling]]:
    """All rows, first as they are and then after every forward. Raises Cancelled when `stopped` says so between two."""
    rows = [Settling(canvas, place) for place in range(len(canvas))]
    limit_B, working = samplers.first_limit(canvas), list(range(len(canvas)))
    parts = context is None or hasattr(context, "select")  # else finished rows stay until all are
    yield rows
    while True:
        left = [place for place, done in enumerate(canvas.done_B.tolist()) if not done]
        if not left:
            return
        if stopped():
            raise Cancelled("the edit was cancelled")
        if parts and len(left) < len(working):
            context = None if context is None else context.select(left)
            canvas, limit_B, working = canvas.select(left), limit_B[left], [working[place] for place in left]
        shown = samplers.crop(canvas)
        logits_BLV = denoiser.denoise(shown, context)
        _remember(rows, working, shown, logits_BLV)
        canvas = samplers.moved(denoiser, canvas, logits_BLV, decoding, limit_B)
        for place, row in enumerate(working):
            rows[row].canvas, rows[row].place = canvas, place
        yield rows


def _remember(rows: list[Settling], working: list[int], shown: Canvas, logits_BLV: Tensor) -> None:
    """What the model thinks of the tokens it was shown. Columns that were not scored are FIXED and beyond doubt."""
    nats_BN = believed(logits_BLV, shown.tokens_BL[:, : logits_BLV.shape[1]])
    nats_BL = torch.nn.functional.pad(nats_BN, (0, shown.length - nats_BN.shape[1]))
    columns = (nats_BL.tolist(), shown.tokens_BL.tolist(), shown.inside_BL.tolist(), shown.done_B.tolist())
    for row, nats, tokens, inside, done in zip(working, *columns, strict=True):
        if done:
            continue
        rows[row].last = [value for value, held in zip(nats, inside, strict=True) if held]
        rows[row].seen = [token for token, held in zip(tokens, inside, strict=True) if held]
        rows[row].first = rows[row].first or rows[row].last
        rows[row].forwards += 1
