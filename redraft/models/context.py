"""KVContext: clean tokens a canvas attends to, kept as keys and values. Exact, never approximate.

Buffers are allocated in steps and written in place behind the end, so an older context stays valid:
it simply sees fewer columns. Branching off an older context copies first.

Shapes: N layers, B rows, G key heads, S positions held, K head dim.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

GROWTH = 256  # positions a buffer grows by; one allocation per 256 tokens keeps decoding free of copies


@dataclass(slots=True)
class _Store:
    key_NBGSK: Tensor
    value_NBGSK: Tensor
    used: int


@dataclass(frozen=True, slots=True)
class KVContext:
    """`length` clean tokens per row, already encoded. `pad_B` of them, on the left, are padding."""

    store: _Store
    length: int
    pad_B: Tensor | None = None

    @property
    def rows(self) -> int:
        return self.store.key_NBGSK.shape[1]

    def layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """Views of one layer's keys and values, [B, G, S, K]."""
        store = self.store
        return store.key_NBGSK[layer, :, :, : self.length], store.value_NBGSK[layer, :, :, : self.length]

    def truncate(self, length: int) -> "KVContext":
        """Forget everything behind `length` tokens: later encodes overwrite what was there.

        What this context was grown from stays valid up to `length`; so does what was grown from this context.
        """
        if not 0 <= length <= self.length:
            raise ValueError(f"{length=} must be in [0, {self.length}]")
        if self.store.used == self.length:  # else the columns behind belong to a longer context
            self.store.used = length
        return KVContext(self.store, length, self.pad_B)

    def select(self, rows: Tensor | list[int]) -> "KVContext":
        """The given rows, copied."""
        index = torch.as_tensor(rows, device=self.store.key_NBGSK.device)
        held = slice(0, self.length)
        store = _Store(self.store.key_NBGSK[:, index, :, held], self.store.value_NBGSK[:, index, :, held], self.length)
        return KVContext(store, self.length, None if self.pad_B is None else self.pad_B[index])


class Reading:
    """What a denoise pass sees: the context in front, the canvas behind; nothing is written."""

    def __init__(self, context: KVContext) -> None:
        self.context = context

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        key, value = self.context.layer(layer)
        return torch.cat([key, key_BGLK], 2), torch.cat([value, value_BGLK], 2)


class Writing:
    """What an encode pass sees: the context in front, itself behind, written in place layer by layer."""

    def __init__(self, context: KVContext | None, shape: tuple[int, int, int, int], like: Tensor, length: int) -> None:
        self.start = 0 if context is None else context.length
        self.end = self.start + length
        self.store = _room(context, shape, like, self.end)
        self.pad_B = None if context is None else context.pad_B

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        key, value = self.store.key_NBGSK[layer], self.store.value_NBGSK[layer]
        key[:, :, self.start : self.end] = key_BGLK
        value[:, :, self.start : self.end] = value_BGLK
        return key[:, :, : self.end], value[:, :, : self.end]

    def finish(self) -> KVContext:
        self.store.used = self.end
        return KVContext(self.store, self.end, self.pad_B)


def _room(context: KVContext | None, shape: tuple[int, int, int, int], like: Tensor, end: int) -> _Store:
    """The context's own store when it has room and nobody wrote behind it, else a larger copy."""
    if context is not None and context.store.used == context.length and end <= context.store.key_NBGSK.shape[3]:
        return context.store
    layers, rows, heads, dim = shape
    capacity = -(-end // GROWTH) * GROWTH
    key = like.new_empty(layers, rows, heads, capacity, dim)
    value = torch.empty_like(key)
    if context is not None:
        key[:, :, :, : context.length] = context.store.key_NBGSK[:, :, :, : context.length]
        value[:, :, :, : context.length] = context.store.value_NBGSK[:, :, :, : context.length]
    return _Store(key, value, end)
