"""Packing: examples side by side in rows of one length, attention kept apart by facts.

An example is a clean side (context, causal) and a canvas side (noisy blocks). Knows token ids, facts
and loss weights; refuses to know text. Shapes: B rows, T packed tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.core.attention import Facts

Ints = NDArray[np.int64]


class Part(IntEnum):
    """Which loss a packed token belongs to."""

    NONE = 0
    NEXT = 1  # clean side: next-token loss
    BLOCK = 2  # noisy block of running text
    EDIT = 3  # edit reverse process
    GAP = 4  # infill


@dataclass(frozen=True, slots=True)
class Example:
    """One document's tokens, in any order: attention follows the facts, not the layout."""

    tokens: Ints
    targets: Ints
    weight: NDArray[np.float32]
    part: Ints
    block: Ints
    position: Ints
    canvas: NDArray[np.bool_]
    label: Ints  # class label standing at this position instead of a token, else -1

    def __len__(self) -> int:
        return len(self.tokens)


_TYPES: dict[str, type] = {f.name: np.int64 for f in fields(Example)} | {"weight": np.float32, "canvas": np.bool_}


@dataclass(frozen=True, slots=True)
class Batch:
    """Packed rows. Padding has document -1 and weight 0."""

    tokens_BT: Tensor
    targets_BT: Tensor
    weight_BT: Tensor
    part_BT: Tensor
    label_BT: Tensor
    facts_BT: Facts = field(repr=False)

    def to(self, device: torch.device | str) -> "Batch":
        moved = {f.name: getattr(self, f.name).to(device) for f in fields(self) if f.name != "facts_BT"}
        return Batch(**moved, facts_BT=Facts(*(fact.to(device) for fact in self.facts_BT)))


def clean_side(tokens: Sequence[int], *, label: int = -1, learn: bool = True) -> Example:
    """Context tokens, block 0, causal; with `learn`, each is taught to predict the next one.

    A label takes one position in front.
    """
    ids = np.asarray([*([0] if label >= 0 else []), *tokens], np.int64)
    count = len(ids)
    weight = np.full(count, float(learn), np.float32)
    weight[-1] = 0.0  # nothing follows the last token
    labels = np.full(count, -1, np.int64)
    if label >= 0:
        labels[0], weight[0] = label, 0.0
    part = np.where(weight > 0, int(Part.NEXT), int(Part.NONE))
    position = np.arange(count)
    zero = np.zeros(count, np.int64)
    return Example(ids, np.roll(ids, -1), weight, part, zero, position, zero.astype(bool), labels)


def canvas_side(
    tokens: Ints, targets: Ints, weight: NDArray[np.float32], part: Part, *, start: int, block_length: int
) -> Example:
    """Noisy blocks of `block_length` at positions `start`, `start` + 1, ...; the first block is number 1."""
    count = len(tokens)
    offset = np.arange(count)
    return Example(
        tokens,
        targets,
        weight,
        np.full(count, int(part)),
        offset // block_length + 1,
        offset + start,
        np.ones(count, bool),
        np.full(count, -1, np.int64),
    )


def join(clean: Example, canvas: Example, *, block_length: int | None = None) -> Example:
    """Both sides of one document. With `block_length` the clean tokens behind the canvas's start take the
    number of the block they are the clean copy of, so that later blocks see them and their own does not."""
    block = clean.block
    if block_length is not None:
        start = int(canvas.position[0])
        block = np.where(clean.position >= start, (clean.position - start) // block_length + 1, 0)
    sides = [getattr(clean, f.name) if f.name != "block" else block for f in fields(Example)]
    return Example(*(np.concatenate([a, getattr(canvas, f.name)]) for a, f in zip(sides, fields(Example), strict=True)))


def pack(rows: Iterable[Sequence[Example]], length: int) -> Batch:
    """Rows of examples as one batch of width `length`. Raises ValueError when a row does not fit."""
    rows = list(rows)
    columns: dict[str, NDArray[Any]] = {name: np.zeros((len(rows), length), kind) for name, kind in _TYPES.items()}
    columns["document"] = np.full((len(rows), length), -1, np.int64)
    for n, row in enumerate(rows):
        used = sum(len(e) for e in row)
        if used > length:
            raise ValueError(f"a row of {used} tokens does not fit {length=}")
        start = 0
        for document, example in enumerate(row):
            end = start + len(example)
            columns["document"][n, start:end] = document
            for name in _TYPES:
                columns[name][n, start:end] = getattr(example, name)
            start = end
    return _batch({name: torch.from_numpy(column) for name, column in columns.items()})


def _batch(column: dict[str, Tensor]) -> Batch:
    padding = column["document"] < 0
    return Batch(
        tokens_BT=column["tokens"].long(),
        targets_BT=column["targets"].long(),
        weight_BT=column["weight"].float(),
        part_BT=column["part"].long(),
        label_BT=column["label"].long().masked_fill(padding, -1),
        facts_BT=Facts(
            column["document"].long(), column["block"].long(), column["position"].long(), column["canvas"].bool()
        ),
    )
