"""Refreshed: approximate caches for models in which every token sees every other (Fast-dLLM, arXiv:2505.22618).

What a clean token's keys and values are changes with every token written behind it. Keeping them over the forwards of
a block is therefore an approximation, asked for by name; `TokenContext` is the exact choice.

    prefix   a block's first forward runs everything and keeps the context; later ones run canvas and noise ahead
    dual     the noise ahead is kept too; later forwards run the canvas alone

Knows when to run what. Refuses to know policies and who asked.
Shapes: B rows, L canvas positions, S context tokens, T = S + L, N columns that are run, G key heads, K head dim.
"""

from dataclasses import dataclass, field, replace
from typing import Literal

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.models.base import aligned
from redraft.models.bidirectional import BidirectionalDenoiser
from redraft.models.context import TokenContext
from redraft.models.family import ModelFacts
from redraft.models.network import Body

Cache = Literal["none", "prefix", "dual"]


@dataclass(slots=True)
class Kept:
    """Keys and values [B, G, T, K] of every layer as the last full forward left them, stale ever since.

    `before_BD` is the state of the last context token, for families whose logits are shifted by one.
    """

    keys: list[Tensor] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    before_BD: Tensor | None = None

    @property
    def width(self) -> int:
        return self.keys[0].shape[2] if self.keys else 0

    def extend(self, layer: int, key_BGTK: Tensor, value_BGTK: Tensor) -> tuple[Tensor, Tensor]:
        """What a full forward does with its keys and values: it keeps them, and sees them all."""
        self.keys.append(key_BGTK)
        self.values.append(value_BGTK)
        return key_BGTK, value_BGTK

    def clear(self) -> None:
        self.keys, self.values, self.before_BD = [], [], None

    def select(self, index: Tensor) -> "Kept":
        before_BD = None if self.before_BD is None else self.before_BD[index]
        return Kept([key[index] for key in self.keys], [value[index] for value in self.values], before_BD)


@dataclass(frozen=True, slots=True)
class RefreshedKV(TokenContext):
    """Clean tokens and an approximate cache of their keys and values, empty until the first denoise fills it.

    The one context that `denoise` writes to. A canvas at step 0 always fills it anew, so what is said of a fresh
    canvas is exact and never depends on what ran before.
    """

    kept: Kept = field(default_factory=Kept, compare=False, repr=False)

    def extend(self, tokens_BL: Tensor) -> "RefreshedKV":
        return RefreshedKV(torch.cat([self.tokens_BS, tokens_BL], 1), self.pad_B)

    def truncate(self, length: int) -> "RefreshedKV":
        shorter = TokenContext.truncate(self, length)
        return RefreshedKV(shorter.tokens_BS, shorter.pad_B)

    def select(self, rows: Tensor | list[int]) -> "RefreshedKV":
        index = torch.as_tensor(rows, device=self.tokens_BS.device)
        fewer = TokenContext.select(self, index)
        return RefreshedKV(fewer.tokens_BS, fewer.pad_B, self.kept.select(index))


@dataclass(frozen=True, slots=True)
class Between:
    """What a partial forward sees: the columns it runs, in their place between those that were kept.

    end      where context and canvas end; the canvas may have shrunk since
    fresh_BN whose own keys and values count, of the columns that are run; the others stay as kept. None: all count
    """

    kept: Kept
    start: int
    end: int
    fresh_BN: Tensor | None = None

    def extend(self, layer: int, key_BGNK: Tensor, value_BGNK: Tensor) -> tuple[Tensor, Tensor]:
        return self._between(self.kept.keys[layer], key_BGNK), self._between(self.kept.values[layer], value_BGNK)

    def _between(self, kept_BGTK: Tensor, new_BGNK: Tensor) -> Tensor:
        stop = self.start + new_BGNK.shape[2]
        if self.fresh_BN is not None:
            new_BGNK = torch.where(self.fresh_BN[:, None, :, None], new_BGNK, kept_BGTK[:, :, self.start : stop])
        return torch.cat([kept_BGTK[:, :, : self.start], new_BGNK, kept_BGTK[:, :, stop : self.end]], 2)


class RefreshedDenoiser(BidirectionalDenoiser):
    """Runs everything at a canvas's first step, and every `refresh_every`-th where given; else what `cache` says."""

    def __init__(self, network: Body, facts: ModelFacts, cache: Cache, refresh_every: int | None = None) -> None:
        super().__init__(network, facts)
        if refresh_every is not None and refresh_every < 1:
            raise ValueError(f"{refresh_every=} must be at least 1")
        self.cache, self.refresh_every = cache, refresh_every

    def encode(
        self, tokens_BL: Tensor, context: TokenContext | None = None, pad_B: Tensor | None = None
    ) -> RefreshedKV:
        exact = super().encode(tokens_BL, context, pad_B)
        return RefreshedKV(exact.tokens_BS, exact.pad_B)

    def scores(self, canvas: Canvas, context: TokenContext | None = None, columns: int | None = None) -> Tensor:
        """Aligned logits; those of the noise ahead are left out where it is not run."""
        if not isinstance(context, RefreshedKV):  # nothing to keep: no context, or an exact one
            return super().scores(canvas, context, columns)
        if self._due(canvas, context):
            hidden_BLD = self._refresh(canvas, context)
        else:
            hidden_BLD = self._run_part(canvas, context)
        hidden_BLD = aligned(hidden_BLD, context.kept.before_BD, self.facts.shifted)
        return self.network.logits(hidden_BLD[:, :columns])

    def _due(self, canvas: Canvas, context: RefreshedKV) -> bool:
        """Rows run in step, so one that is due takes all along. A host sync."""
        grown = self.cache == "dual" and context.kept.width < context.length + canvas.length
        step_B = canvas.step_B if self.refresh_every is None else canvas.step_B % self.refresh_every
        return not context.kept.keys or grown or bool(((step_B == 0) & ~canvas.done_B).any())

    def _refresh(self, canvas: Canvas, context: RefreshedKV) -> Tensor:
        """States [B, L, D] of the canvas with everything run, and the cache filled."""
        context.kept.clear()
        hidden_BTD = self._run(self._view(canvas, context), context.kept)
        if context.length:
            context.kept.before_BD = hidden_BTD[:, context.length - 1]
        return hidden_BTD[:, context.length :]

    def _run_part(self, canvas: Canvas, context: RefreshedKV) -> Tensor:
        """States [B, N, D] of the first columns of the canvas, the rest seen as it was kept."""
        start, end = context.length, context.length + canvas.length
        if self.cache == "prefix":
            return self._run(self._view(canvas, context), Between(context.kept, start, end), start)
        mine_BL = canvas.present_BL & (canvas.status_BL != Status.AHEAD)
        place_L = torch.arange(1, canvas.length + 1, device=mine_BL.device)
        run = max(1, int((mine_BL.any(0) * place_L).max()))  # a host sync
        fresh_BN = canvas.status_BL[:, :run] != Status.AHEAD
        return self._run(self._view(canvas, context), Between(context.kept, start, end, fresh_BN), start, start + run)


def bidirectional(
    network: Body,
    facts: ModelFacts,
    cache: Cache = "none",
    refresh_every: int | None = None,
    max_steps: int | None = None,
) -> BidirectionalDenoiser:
    """The denoiser of a bidirectional model, exact unless a cache is asked for.

    `max_steps` is how many steps a canvas will take, for networks that are told the noise level.
    """
    if max_steps is not None:
        if facts.max_steps is None:
            raise ValueError(f"{max_steps=}: this model is not told how far a canvas is")
        if max_steps < 1:
            raise ValueError(f"{max_steps=} must be at least 1")
        facts = replace(facts, max_steps=max_steps)
    if cache not in ("none", "prefix", "dual"):
        raise ValueError(f"{cache=} must be none, prefix or dual")
    if cache != "none":
        return RefreshedDenoiser(network, facts, cache, refresh_every)
    if refresh_every is not None:
        raise ValueError(f"{refresh_every=} needs a cache to refresh")
    return BidirectionalDenoiser(network, facts)
