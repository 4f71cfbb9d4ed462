"""Contexts: the clean tokens a canvas attends to, and whether keeping them is exact.

TokenContext   the tokens themselves, run again at every forward: always exact
KVContext      their keys and values. Exact for models whose clean tokens do not look at what comes later: keys and
               values are only ever written by an encode pass over clean tokens, never by a pass that saw noise
`refreshed.RefreshedKV` is the third kind, and approximate.

Buffers are allocated in steps and written in place behind the end, so an older context stays valid:
it simply sees fewer columns. Branching off an older context copies first.
Shapes: B rows, G key heads, S positions held, K head dim, D model.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

GROWTH = 256  # positions a buffer grows by; one allocation per 256 tokens keeps decoding free of copies


@dataclass(frozen=True, slots=True)
class TokenContext:
    """Clean tokens [B, S]; `pad_B` of them, on the left, are padding."""

    tokens_BS: Tensor
    pad_B: Tensor | None = None

    @property
    def rows(self) -> int:
        return self.tokens_BS.shape[0]

    @property
    def length(self) -> int:
        return self.tokens_BS.shape[1]

    def extend(self, tokens_BL: Tensor) -> "TokenContext":
        return TokenContext(torch.cat([self.tokens_BS, tokens_BL], 1), self.pad_B)

    def truncate(self, length: int) -> "TokenContext":
        """Forget everything behind `length` tokens."""
        _check_length(length, self.length)
        return TokenContext(self.tokens_BS[:, :length], self.pad_B)

    def select(self, rows: Tensor | list[int]) -> "TokenContext":
        """The given rows."""
        index = torch.as_tensor(rows, device=self.tokens_BS.device)
        return TokenContext(self.tokens_BS[index], None if self.pad_B is None else self.pad_B[index])


@dataclass(slots=True)
class _Store:
    """Keys and values of every layer [B, G, capacity, K]; layers may differ in heads and head dim."""

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    used: int = 0

    @property
    def capacity(self) -> int:
        return self.keys[0].shape[2] if self.keys else 0


@dataclass(frozen=True, slots=True)
class KVContext:
    """`length` clean tokens per row, already encoded. `pad_B` of them, on the left, are padding.

    `last_BD` is the hidden state of the last token, for families whose logits are shifted by one.
    """

    store: _Store
    length: int
    pad_B: Tensor | None = None
    last_BD: Tensor | None = None

    @property
    def rows(self) -> int:
        return self.store.keys[0].shape[0]

    def layer(self, layer: int) -> tuple[Tensor, Tensor]:
        """Views of one layer's keys and values, [B, G, S, K]."""
        store = self.store
        return store.keys[layer][:, :, : self.length], store.values[layer][:, :, : self.length]

    def truncate(self, length: int) -> "KVContext":
        """Forget everything behind `length` tokens: later encodes overwrite what was there.

        What this context was grown from stays valid up to `length`; so does what was grown from this context.
        """
        _check_length(length, self.length)
        if self.store.used == self.length:  # else the columns behind belong to a longer context
            self.store.used = length
        return KVContext(self.store, length, self.pad_B)

    def select(self, rows: Tensor | list[int]) -> "KVContext":
        """The given rows, copied."""
        index = torch.as_tensor(rows, device=self.store.keys[0].device)
        keys, values = (
            [kept[index, :, : self.length] for kept in kind] for kind in (self.store.keys, self.store.values)
        )
        pad_B = None if self.pad_B is None else self.pad_B[index]
        last_BD = None if self.last_BD is None else self.last_BD[index]
        return KVContext(_Store(keys, values, self.length), self.length, pad_B, last_BD)


class Reading:
    """What a denoise pass sees: the context in front, the canvas behind; nothing that anybody holds is written.

    Where the store has room that nobody uses, the canvas stands there while its layer is computed, which spares a copy
    of the context.
    """

    def __init__(self, context: KVContext, length: int) -> None:
        self.context, self.end = context, context.length + length
        self.room = context.store.used == context.length and self.end <= context.store.capacity

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        if self.room:
            held = self.context.store.keys[layer], self.context.store.values[layer]
            for kept, new in zip(held, (key_BGLK, value_BGLK), strict=True):
                kept[:, :, self.context.length : self.end] = new
            return held[0][:, :, : self.end], held[1][:, :, : self.end]
        key, value = self.context.layer(layer)
        return torch.cat([key, key_BGLK], 2), torch.cat([value, value_BGLK], 2)


class Writing:
    """What an encode pass sees: the context in front, itself behind, written in place layer by layer."""

    def __init__(self, context: KVContext | None, length: int, pad_B: Tensor | None = None) -> None:
        self.start = 0 if context is None else context.length
        self.end = self.start + length
        self.pad_B = pad_B if context is None else context.pad_B
        # The context's own store where it has room and nobody wrote behind it, else a larger copy, layer by layer.
        owns = context is not None and context.store.used == context.length and self.end <= context.store.capacity
        self.context = context
        self.store = context.store if context is not None and owns else _Store()

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        if layer == len(self.store.keys):
            self.store.keys.append(self._room(key_BGLK, layer, 0))
            self.store.values.append(self._room(value_BGLK, layer, 1))
        key, value = self.store.keys[layer], self.store.values[layer]
        key[:, :, self.start : self.end] = key_BGLK
        value[:, :, self.start : self.end] = value_BGLK
        return key[:, :, : self.end], value[:, :, : self.end]

    def _room(self, like_BGLK: Tensor, layer: int, kind: int) -> Tensor:
        rows, heads, _, dim = like_BGLK.shape
        room = like_BGLK.new_empty(rows, heads, -(-self.end // GROWTH) * GROWTH, dim)
        if self.context is not None:
            room[:, :, : self.start] = self.context.layer(layer)[kind]
        return room

    def finish(self, last_BD: Tensor | None = None) -> KVContext:
        self.store.used = self.end
        return KVContext(self.store, self.end, self.pad_B, last_BD)


def check_encode(
    context: TokenContext | KVContext | None, tokens: Tensor, pad_B: Tensor | None, max_positions: int
) -> None:
    """Raise ValueError unless `tokens` [B, L, ...] may be encoded behind a context."""
    rows, length = tokens.shape[:2]
    if pad_B is not None and context is not None:
        raise ValueError(f"{pad_B=} is padding on the left, so it belongs to the first call, without a context")
    check_room(context, rows, length, max_positions)


def check_room(context: TokenContext | KVContext | None, rows: int, length: int, max_positions: int) -> None:
    """Raise ValueError unless `length` more positions of `rows` rows fit behind a context."""
    check_length(length if context is None else context.length + length, max_positions)
    if context is not None and context.rows != rows:
        raise ValueError(f"{rows} rows do not fit a context of {context.rows} rows")


def check_length(positions: int, max_positions: int) -> None:
    """Raise ValueError unless so many positions fit the model."""
    if positions > max_positions:
        raise ValueError(f"{positions} positions are more than the model's context of {max_positions}")


def held_columns(context: TokenContext | KVContext | None, rows: int, device: torch.device) -> Tensor:
    """Which of a context's columns hold a token, [B, S]; the others are padding."""
    length = 0 if context is None else context.length
    pad_B = None if context is None else context.pad_B
    column_S = torch.arange(length, device=device)
    return (column_S >= (0 if pad_B is None else pad_B[:, None])).expand(rows, length)


def own_column(mask_BLS: Tensor, start: int) -> Tensor:
    """The same mask, every query seeing at least itself, so that padding stays finite. Query i is column start + i."""
    length, width = mask_BLS.shape[-2:]
    own_LL = torch.eye(length, dtype=torch.bool, device=mask_BLS.device)
    return mask_BLS | F.pad(own_LL, (start, width - start - length))


def _check_length(length: int, held: int) -> None:
    if not 0 <= length <= held:
        raise ValueError(f"{length=} must be in [0, {held}]")
