"""The canvas: a batch of token windows being denoised, with an explicit status per position.

Knows tokens and statuses. Refuses to know what noise looks like: a mask id may be a real token.

Shapes: B rows, L canvas positions, D model width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad


class Status(IntEnum):
    """What a canvas position holds."""

    FIXED = 0  # given by the caller: prompt text, a locked span. Never written.
    NOISY = 1  # still noise.
    ACCEPTED = 2  # holds a prediction; a policy may revise or renoise it.
    EMPTY = 3  # no token: slack behind the end of a row. Never attended to; an insertion may claim it.
    AHEAD = 4  # noise of a later block: there to be seen by models that look ahead, never decided here, never text.


class Action(IntEnum):
    """What a policy decides for a position. Length changes happen in `sampling.step` alone."""

    KEEP = 0
    WRITE = 1  # take the predicted token
    RENOISE = 2  # replace by fresh noise
    INSERT = 3  # open noisy slots before this position, keep its token
    DELETE = 4  # remove this position


@dataclass(frozen=True, slots=True)
class Controls:
    """Vocabulary ids with which a model asks for a change of length.

    `insert_ids[k]` asks for k + 1 noisy slots before the position that predicts it.
    """

    delete_id: int
    insert_ids: tuple[int, ...] = ()

    @property
    def ids(self) -> tuple[int, ...]:
        return (self.delete_id, *self.insert_ids)


@dataclass(frozen=True, slots=True)
class Canvas:
    """A batch of token windows being denoised.

    tokens_BL  int64 token ids (arbitrary where EMPTY)
    status_BL  int64 `Status`
    seed_B     int64, one stream of randomness per row, so a row never depends on its neighbours
    step_B     int64, forward passes spent so far (NFE)
    done_B     bool
    stable_B   int64, how many steps in a row `best_BL` of the editable positions was that of the step before
    quiet_B    int64, forwards in a row that found nothing noisy
    confidence_BL  float32, the model's probability of a token at the step that wrote it; 0 where no step has
    memory_BLD self-conditioning: the embedding of the last prediction, or None; zeros where there was none yet
    best_BL    int64, the most probable tokens of the last prediction, or None; -1 where there was none yet
    """

    tokens_BL: Tensor
    status_BL: Tensor
    seed_B: Tensor
    step_B: Tensor
    done_B: Tensor
    stable_B: Tensor
    quiet_B: Tensor
    confidence_BL: Tensor
    memory_BLD: Tensor | None = None
    best_BL: Tensor | None = None

    @property
    def noisy_BL(self) -> Tensor:
        return self.status_BL == Status.NOISY

    @property
    def present_BL(self) -> Tensor:
        """Positions that hold a token, noise AHEAD included: everything but EMPTY slack."""
        return self.status_BL != Status.EMPTY

    @property
    def inside_BL(self) -> Tensor:
        """Positions of the text at work: present and not AHEAD."""
        return self.present_BL & (self.status_BL != Status.AHEAD)

    @property
    def editable_BL(self) -> Tensor:
        """Positions a policy may change: NOISY or ACCEPTED, in rows that are not done."""
        held_BL = (self.status_BL == Status.NOISY) | (self.status_BL == Status.ACCEPTED)
        return held_BL & ~self.done_B[:, None]

    def __len__(self) -> int:
        return self.tokens_BL.shape[0]

    @property
    def length(self) -> int:
        """L, the width of the window, EMPTY slack included."""
        return self.tokens_BL.shape[-1]

    def row_tokens(self, row: int) -> list[int]:
        """The tokens of one row's text, slack and noise AHEAD left out. A host sync: for edges, never inside a step."""
        return self.tokens_BL[row][self.inside_BL[row]].tolist()

    def select(self, rows: Tensor | Sequence[int]) -> "Canvas":
        """The given rows, as a new canvas."""
        index = torch.as_tensor(rows, device=self.tokens_BL.device)
        chosen: list[Any] = [None if v is None else v[index] for v in _values(self)]
        return Canvas(*chosen)

    def widen(self, extra: int) -> "Canvas":
        """Append `extra` EMPTY positions to every row, room for insertions."""
        if extra < 0:
            raise ValueError(f"{extra=} must not be negative")
        memory, best = self.memory_BLD, self.best_BL
        return replace(
            self,
            tokens_BL=pad(self.tokens_BL, (0, extra)),
            status_BL=pad(self.status_BL, (0, extra), value=int(Status.EMPTY)),
            confidence_BL=pad(self.confidence_BL, (0, extra)),
            memory_BLD=None if memory is None else pad(memory, (0, 0, 0, extra)),
            best_BL=None if best is None else pad(best, (0, extra), value=-1),
        )

    def narrow(self, width: int) -> "Canvas":
        """The first `width` columns."""
        memory, best = self.memory_BLD, self.best_BL
        return replace(
            self,
            tokens_BL=self.tokens_BL[:, :width],
            status_BL=self.status_BL[:, :width],
            confidence_BL=self.confidence_BL[:, :width],
            memory_BLD=None if memory is None else memory[:, :width],
            best_BL=None if best is None else best[:, :width],
        )


def make_canvas(tokens_BL: Tensor, status_BL: Tensor, seed_B: Tensor | int = 0) -> Canvas:
    """A fresh canvas at step 0. `seed_B` may be one int: row b then gets seed + b."""
    rows = tokens_BL.shape[0]
    device = tokens_BL.device
    if not isinstance(seed_B, Tensor):
        seed_B = seed_B + torch.arange(rows, device=device)
    return Canvas(
        tokens_BL.long(),
        status_BL.long(),
        seed_B.to(device=device, dtype=torch.long),
        step_B=torch.zeros(rows, dtype=torch.long, device=device),
        done_B=torch.zeros(rows, dtype=torch.bool, device=device),
        stable_B=torch.zeros(rows, dtype=torch.long, device=device),
        quiet_B=torch.zeros(rows, dtype=torch.long, device=device),
        confidence_BL=torch.zeros(tokens_BL.shape, device=device),
    )


def stack(canvases: Sequence[Canvas]) -> Canvas:
    """Rows of several canvases in one; shorter ones are widened with EMPTY slack."""
    width = max(c.length for c in canvases)
    memory = next((c.memory_BLD for c in canvases if c.memory_BLD is not None), None)
    best = next((c.best_BL for c in canvases if c.best_BL is not None), None)
    rows = [_values(_remembering(c.widen(width - c.length), memory, best)) for c in canvases]
    columns = list(zip(*rows, strict=True))
    joined: list[Any] = [None if column[0] is None else torch.cat(column) for column in columns]
    return Canvas(*joined)


def _remembering(canvas: Canvas, memory_BLD: Tensor | None, best_BL: Tensor | None) -> Canvas:
    """The canvas with what "no prediction yet" looks like beside neighbours that remember theirs."""
    memory, best = canvas.memory_BLD, canvas.best_BL
    if memory is None and memory_BLD is not None:
        memory = memory_BLD.new_zeros(*canvas.tokens_BL.shape, memory_BLD.shape[-1])
    if best is None and best_BL is not None:
        best = torch.full_like(canvas.tokens_BL, -1)
    return replace(canvas, memory_BLD=memory, best_BL=best)


def _values(canvas: Canvas) -> list[Any]:
    return [getattr(canvas, f.name) for f in fields(canvas)]
