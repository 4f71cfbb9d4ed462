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


class Status(IntEnum):
    """What a canvas position holds."""

    FIXED = 0  # given by the caller: prompt text, a locked span. Never written.
    NOISY = 1  # still noise.
    ACCEPTED = 2  # holds a prediction; a policy may revise or renoise it.
    EMPTY = 3  # no token: slack behind the end of a row. Never attended to; an insertion may claim it.


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
    memory_BLD self-conditioning: the embedding of the last prediction, or None
    """

    tokens_BL: Tensor
    status_BL: Tensor
    seed_B: Tensor
    step_B: Tensor
    done_B: Tensor
    memory_BLD: Tensor | None = None

    @property
    def noisy_BL(self) -> Tensor:
        return self.status_BL == Status.NOISY

    @property
    def present_BL(self) -> Tensor:
        """Positions that hold a token: everything but EMPTY slack."""
        return self.status_BL != Status.EMPTY

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
        """The tokens one row holds, slack left out. A host sync: for edges, never inside a step."""
        return self.tokens_BL[row][self.present_BL[row]].tolist()

    def select(self, rows: Tensor | Sequence[int]) -> "Canvas":
        """The given rows, as a new canvas."""
        index = torch.as_tensor(rows, device=self.tokens_BL.device)
        chosen: list[Any] = [None if v is None else v[index] for v in _values(self)]
        return Canvas(*chosen)

    def widen(self, extra: int) -> "Canvas":
        """Append `extra` EMPTY positions to every row, room for insertions."""
        if extra < 0:
            raise ValueError(f"{extra=} must not be negative")
        memory = self.memory_BLD
        return replace(
            self,
            tokens_BL=torch.nn.functional.pad(self.tokens_BL, (0, extra)),
            status_BL=torch.nn.functional.pad(self.status_BL, (0, extra), value=int(Status.EMPTY)),
            memory_BLD=None if memory is None else torch.nn.functional.pad(memory, (0, 0, 0, extra)),
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
        torch.zeros(rows, dtype=torch.long, device=device),
        torch.zeros(rows, dtype=torch.bool, device=device),
    )


def stack(canvases: Sequence[Canvas]) -> Canvas:
    """Rows of several canvases in one; shorter ones are widened with EMPTY slack."""
    width = max(c.length for c in canvases)
    rows = [_values(c.widen(width - c.length)) for c in canvases]
    columns = list(zip(*rows, strict=True))
    joined: list[Any] = [None if any(v is None for v in column) else torch.cat(column) for column in columns]
    return Canvas(*joined)


def _values(canvas: Canvas) -> list[Any]:
    return [getattr(canvas, f.name) for f in fields(canvas)]
