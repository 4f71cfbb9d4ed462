"""Executor: spans of work become one forward, over pages of keys and values. The only part that touches the network.

`PackedExecutor` packs the spans of all requests into one row for models that say how a span of theirs looks
(`span_of`, `run`); `PlainExecutor` gives every other denoiser one forward per request: slow, and right.
Shapes: L columns of a span, D model, V vocabulary.
"""

import itertools
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.engine.scheduler import Item, Span, Work
from redraft.models import spans as packed

Job = tuple[Span, Canvas | list[int] | None]  # a canvas, clean tokens to judge, or what of its text an item encodes


class Executor(Protocol):
    """What the engine asks for.

    paged       requests need pages
    keeps_last  the state of a context's last token is wanted, so it is never taken from the prefix cache
    """

    paged: bool
    keeps_last: bool

    def forward(self, jobs: Sequence[Job]) -> list[Tensor]:
        """States of every span, ready for `logits`: of a canvas its scored columns [n, ...], of clean tokens that are
        judged all, of others the last [1, ...]."""
        ...

    def logits(self, states: Tensor) -> Tensor:
        """float32 scores [n, V], nothing of them text that never may be."""
        ...

    def forget(self, item: Item) -> None:
        """A request is gone, or has been set back."""
        ...


def executor_of(denoiser: Any, capacity: int, page_size: int) -> Executor:
    """The best executor that a denoiser allows."""
    if getattr(denoiser, "packs", False):
        return PackedExecutor(denoiser, capacity, page_size)
    return PlainExecutor(denoiser)


class PackedExecutor:
    """All spans in one row; keys and values in a store of `capacity` tokens, cut into pages."""

    def __init__(self, denoiser: Any, capacity: int, page_size: int) -> None:
        self.denoiser, self.page_size = denoiser, page_size
        self.paged: bool = denoiser.keeps_keys
        self.keeps_last: bool = denoiser.needs_last
        self.store = packed.Store(capacity if self.paged else 0)
        self._last: dict[Item, Tensor] = {}  # the state of a context's last token, for families with shifted logits

    def forward(self, jobs: Sequence[Job]) -> list[Tensor]:
        order = sorted(range(len(jobs)), key=lambda number: _likeness(jobs[number][0]))
        states = self._packed([jobs[number] for number in order])
        return [part for _, part in sorted(zip(order, states, strict=True), key=lambda pair: pair[0])]

    def _packed(self, jobs: Sequence[Job]) -> list[Tensor]:
        spans = [self._span(span, canvas) for span, canvas in jobs]
        columns = [self._columns(span) for span, _ in jobs] if self.paged else None
        memory = packed.Packed(spans, columns, self.store)
        states_TD = self.denoiser.run(spans, memory)
        parts = states_TD.split([len(span) for span in spans])
        return [self._wanted(span, canvas, part) for (span, canvas), part in zip(jobs, parts, strict=True)]

    def _span(self, span: Span, canvas: Canvas | list[int] | None) -> packed.Span:
        """A request that waits for its text to be encoded again has its canvas, or what is judged, all the while."""
        item, start = span.item, span.item.held
        if span.work is Work.ENCODE:
            return self._clean(item.text[start : start + span.length], start)
        if isinstance(canvas, list):
            return self._clean(canvas, start)
        assert canvas is not None
        before = [] if self.paged else item.text
        made: packed.Span = self.denoiser.span_of(canvas.tokens_BL[0], start if self.paged else 0, canvas, before)
        return made

    def _clean(self, tokens: list[int], start: int) -> packed.Span:
        made: packed.Span = self.denoiser.span_of(torch.tensor(tokens, device=self.denoiser.device), start, None, [])
        return made

    def _columns(self, span: Span) -> packed.Columns:
        item, size = span.item, self.page_size
        end = item.held + span.length
        pages = item.pages[: -(-end // size)]
        if all(page + 1 == after for page, after in itertools.pairwise(pages)):
            return packed.Columns(slice(pages[0] * size, pages[0] * size + end), item.held)
        starts = torch.tensor(pages, device=self.denoiser.device)[:, None] * size
        index = (starts + torch.arange(size, device=starts.device)).flatten()[:end]
        return packed.Columns(index, item.held)

    def _wanted(self, span: Span, canvas: Canvas | list[int] | None, states_LD: Tensor) -> Tensor:
        if span.work is Work.ENCODE:
            if self.keeps_last:
                self._last[span.item] = states_LD[-1:]
            return states_LD[-1:]
        if isinstance(canvas, list):
            return states_LD
        assert canvas is not None
        wanted: Tensor = self.denoiser.scored(states_LD, canvas, self._last.get(span.item))
        return wanted

    def logits(self, states: Tensor) -> Tensor:
        scores: Tensor = self.denoiser.text_logits(states)
        return scores

    def forget(self, item: Item) -> None:
        self._last.pop(item, None)


def _likeness(span: Span) -> tuple[bool, int, int]:
    """Spans that are alike stand side by side: attention takes canvases of one length and no context at once."""
    return (span.work is Work.ENCODE, span.item.held, span.length)


class PlainExecutor:
    """Every request alone, through the two verbs of its denoiser. States are logits already."""

    paged = False
    keeps_last = False

    def __init__(self, denoiser: Any) -> None:
        self.denoiser = denoiser
        self._contexts: dict[Item, tuple[int, Any]] = {}

    def forward(self, jobs: Sequence[Job]) -> list[Tensor]:
        return [self._one(span, canvas) for span, canvas in jobs]

    def _one(self, span: Span, canvas: Canvas | list[int] | None) -> Tensor:
        assert isinstance(canvas, Canvas), "a plain executor encodes when it denoises, and judges nothing"
        context = self._context(span.item)
        logits: Tensor = self.denoiser.denoise(canvas, context)[0]
        return logits

    def _context(self, item: Item) -> Any:
        read, context = self._contexts.get(item, (0, None))
        if read < len(item.text):
            fresh = torch.tensor([item.text[read:]], device=getattr(self.denoiser, "device", None))
            context = self.denoiser.encode(fresh, context)
            self._contexts[item] = (len(item.text), context)
        return context

    def logits(self, states: Tensor) -> Tensor:
        return states

    def forget(self, item: Item) -> None:
        self._contexts.pop(item, None)
