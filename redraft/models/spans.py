"""Spans: the new tokens of many requests packed into one row, each looking at its own context alone.

The linear layers see one long row, without padding; attention is done span by span over a shared store of keys and
values, in place. Knows stores and spans. Refuses to know requests and why a span is there: denoisers make spans of
tokens, an engine packs them. Shapes: T packed tokens, L tokens of a span, G key heads, K head dim, D model.
"""

from dataclasses import dataclass, field, replace

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


@dataclass(frozen=True, slots=True)
class _Run:
    """`count` spans of one length side by side, from `start` on: attention takes them as rows of a batch."""

    first: int
    count: int
    start: int
    length: int

    def rows(self, packed_1HTK: Tensor) -> Tensor:
        """Their part of a packed row, [count, H, length, K]; nothing is copied."""
        part_HTK = packed_1HTK[0, :, self.start : self.start + self.count * self.length]
        return part_HTK.unflatten(1, (self.count, self.length)).transpose(0, 1)


class Packed:
    """Attention over packed spans: a `Mixer`. With `columns` None a span sees itself alone and nothing is stored.

    Neighbouring canvases of one length that see themselves alone are one call; nothing of them need be stored.
    """

    def __init__(self, spans: list[Span], columns: list[Columns] | None, store: Store) -> None:
        self.spans, self.columns, self.store = spans, columns, store
        self.runs = self._runs()

    def mix(self, layer: int, query: Tensor, key: Tensor, value: Tensor, facts: AttentionFacts) -> Tensor:
        mixed = query.new_empty(*query.shape[:-1], value.shape[-1])
        for run in self.runs:
            span, keys, values = self.spans[run.first], run.rows(key), run.rows(value)
            if self.columns is not None and not self._alone(run.first):
                keys, values = self._stored(layer, self.columns[run.first], keys, values)
            attend = span.attend
            if isinstance(attend, Sliding):
                attend = attend.window if facts.window is not None else attend.full
            run.rows(mixed)[:] = attend_to(run.rows(query), keys, values, attend, facts)
        return mixed

    def _alone(self, number: int) -> bool:
        """Whether a span is a canvas that sees all of itself and nothing else."""
        span = self.spans[number]
        context = 0 if self.columns is None else self.columns[number].start
        return span.canvas and span.attend is None and context == 0

    def _runs(self) -> list[_Run]:
        runs: list[_Run] = []
        place = 0
        for number, span in enumerate(self.spans):
            last = runs[-1] if runs else None
            if last and last.length == len(span) and self._alone(number) and self._alone(last.first):
                runs[-1] = replace(last, count=last.count + 1)
            else:
                runs.append(_Run(number, 1, place, len(span)))
            place += len(span)
        return runs

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
