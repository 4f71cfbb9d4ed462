"""Spans: the new tokens of many requests packed into one row, each looking at its own context alone.

The linear layers see one long row, without padding; attention is done span by span over a shared store of keys and
values, in place. Knows stores and spans. Refuses to know requests and why a span is there: denoisers make spans of
tokens, an engine packs them. Shapes: T packed tokens, L tokens of a span, G key heads, K head dim, D model.
"""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from redraft.models.architecture import AttentionFacts
from redraft.models.transformer import Attend, Sliding, attend_to


@dataclass(frozen=True, slots=True)
class Span:
    """One request's new tokens: embeddings [L, D], positions [L], whom they see among `start` + L columns, and
    whether they are a canvas."""

    embedded_LD: Tensor
    position_L: Tensor
    attend: Attend | Sliding
    canvas: bool

    def __len__(self) -> int:
        return self.embedded_LD.shape[0]


@dataclass(frozen=True, slots=True)
class Columns:
    """Where a request's context and new tokens lie in the store: one stretch of it, or columns here and there.

    `start` columns are context; the new tokens are written behind them. None of it is kept where `kept` is False.
    """

    where: slice | Tensor
    start: int

    def read(self, store_GSK: Tensor) -> Tensor:
        """[G, start + L, K]: a view where the columns are one stretch."""
        return store_GSK[:, self.where]

    def write(self, store_GSK: Tensor, new_GLK: Tensor) -> None:
        if isinstance(self.where, slice):
            store_GSK[:, self.where.start + self.start : self.where.stop] = new_GLK
        else:
            store_GSK[:, self.where[self.start :]] = new_GLK


@dataclass(slots=True)
class Store:
    """Keys and values of every layer, [G, capacity, K]; layers may differ. Allocated once, at the first forward."""

    capacity: int
    keys: dict[int, Tensor] = field(default_factory=dict)
    values: dict[int, Tensor] = field(default_factory=dict)

    def layer(self, layer: int, like_BGTK: Tensor) -> tuple[Tensor, Tensor]:
        if layer not in self.keys:
            _, heads, _, dim = like_BGTK.shape
            self.keys[layer] = like_BGTK.new_zeros(heads, self.capacity, dim)
            self.values[layer] = torch.zeros_like(self.keys[layer])
        return self.keys[layer], self.values[layer]

    @property
    def nbytes(self) -> int:
        return sum(kept.nbytes for kind in (self.keys, self.values) for kept in kind.values())


class Packed:
    """Attention over packed spans: a `Mixer`. With `columns` None a span sees itself alone and nothing is stored."""

    def __init__(self, spans: list[Span], columns: list[Columns] | None, store: Store) -> None:
        self.spans, self.columns, self.store = spans, columns, store
        ends = torch.tensor([len(span) for span in spans]).cumsum(0).tolist()
        self.places = [slice(end - len(span), end) for span, end in zip(spans, ends, strict=True)]

    def mix(self, layer: int, query: Tensor, key: Tensor, value: Tensor, facts: AttentionFacts) -> Tensor:
        mixed = query.new_empty(*query.shape[:-1], value.shape[-1])
        for number, (span, place) in enumerate(zip(self.spans, self.places, strict=True)):
            keys, values = key[:, :, place], value[:, :, place]
            if self.columns is not None:
                keys, values = self._stored(layer, self.columns[number], keys, values)
            attend = span.attend
            if isinstance(attend, Sliding):
                attend = attend.window if facts.window is not None else attend.full
            mixed[:, :, place] = attend_to(query[:, :, place], keys, values, attend, facts)
        return mixed

    def _stored(self, layer: int, columns: Columns, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        keys, values = self.store.layer(layer, key)
        columns.write(keys, key[0])
        columns.write(values, value[0])
        return columns.read(keys)[None], columns.read(values)[None]


def encode_mask(start: int, length: int, device: torch.device) -> Attend:
    """Causal over a context of `start` tokens and `length` new ones."""
    if length == 1:
        return None
    if start == 0:
        return "causal"
    column_S = torch.arange(start + length, device=device)
    return column_S[None, :] <= column_S[start:, None]
