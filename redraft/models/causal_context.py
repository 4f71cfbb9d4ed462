"""Causal context: clean text is read left to right, a canvas sees all of itself and the context (DiffusionGemma).

One network in two modes. Clean tokens never look ahead, so their keys and values are exact however many are read at
once. A canvas is conditioned on its own last prediction. In layers with a window a clean token sees the `window` last
tokens, itself included, and a canvas the last `window - 1` of its context beside all of itself.
Shapes: B rows, L positions, S context tokens, T = S + L, D model, V vocabulary.
"""

from dataclasses import replace

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.models.base import FamilyDenoiser, keys_only, places_in_text
from redraft.models.context import KVContext, Writing, check_encode, check_room, held_columns, own_column
from redraft.models.family import ModelFacts
from redraft.models.network import Network
from redraft.models.spans import Span
from redraft.models.transformer import Attend, Sliding


class CausalContextDenoiser(FamilyDenoiser):
    """Commits blocks of any length; nothing but the clean text has to be kept between them."""

    network: Network

    def __init__(self, network: Network, facts: ModelFacts) -> None:
        super().__init__(network, facts)
        self.windows = [layer.attention.window for layer in network.facts.layers]
        self.window = _one_window(self.windows)

    @property
    def self_conditioned(self) -> bool:
        """Whether samplers should feed predictions back through `remember`."""
        return self.network.conditioning is not None

    def encode(self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None) -> KVContext:
        return self.read(tokens_BL, context, pad_B)[1]

    def read(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """Hidden states [B, L, D] of clean tokens, each of which saw what stands before it; the context with them."""
        check_encode(context, tokens_BL, pad_B, self.network.max_positions)
        rows, length = tokens_BL.shape
        writing = Writing(context, length, pad_B)
        column_T = torch.arange(writing.end, device=tokens_BL.device)
        held_BT = (column_T >= (0 if writing.pad_B is None else writing.pad_B[:, None])).expand(rows, writing.end)
        position_BL = places_in_text(held_BT, self.facts.counted_positions)[:, writing.start :]
        attend = self._behind(held_BT, writing.start, padded=writing.pad_B is not None)
        hidden_BLD = self.network.hidden(self.network.embed_tokens(tokens_BL), position_BL, attend, writing)
        return hidden_BLD, writing.finish()

    def scores(self, canvas: Canvas, context: KVContext | None = None, columns: int | None = None) -> Tensor:
        check_room(context, len(canvas), canvas.length, self.network.max_positions)
        start = 0 if context is None else context.length
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        held_BT = torch.cat([held_BS, canvas.present_BL], 1)
        position_BL = places_in_text(held_BT, self.facts.counted_positions)[:, start:]
        near = _near(start, self.window)
        attend = Sliding(keys_only(held_BT), keys_only(held_BT[:, near:]))
        memory = None if context is None else Glancing(context, self.windows)
        hidden_BLD = self.network.hidden(self.embed_canvas(canvas), position_BL, attend, memory, canvas=True)
        return self.network.logits(hidden_BLD[:, :columns])

    def embed_canvas(self, canvas: Canvas) -> Tensor:
        """Embeddings [B, L, D] that know the last prediction; without one the canvas is conditioned on nothing."""
        embedded_BLD = self.network.embed_tokens(canvas.tokens_BL)
        if self.network.conditioning is None:
            return embedded_BLD
        memory_BLD = torch.zeros_like(embedded_BLD) if canvas.memory_BLD is None else canvas.memory_BLD
        conditioned_BLD: Tensor = self.network.conditioning(embedded_BLD, memory_BLD.to(embedded_BLD.dtype))
        return conditioned_BLD

    def remember(self, logits_BLV: Tensor) -> Tensor:
        """The mean embedding of a prediction."""
        return self.network.embed_mean(logits_BLV.softmax(-1, dtype=torch.float32))

    def span_of(self, tokens_L: Tensor, start: int, canvas: Canvas | None, before: list[int]) -> Span:
        span = super().span_of(tokens_L, start, canvas, before)
        return span if canvas is None else replace(span, embedded_LD=self.embed_canvas(canvas)[0])

    def seen(self, start: int, length: int, canvas: Canvas | None) -> Sliding:
        if canvas is None:
            held_1T = torch.ones(1, start + length, dtype=torch.bool, device=self.device)
            return Sliding(*(_one_row(mask) for mask in self._behind(held_1T, start, padded=False)))
        near = _near(start, self.window)
        column_T = torch.arange(start + length, device=self.device)
        return Sliding(None, None if near == 0 else (column_T >= near).expand(length, -1))

    def _columns(self, canvas: Canvas) -> int:
        """All: what a fixed token's column predicts is remembered too, so a neighbour must not decide whether it is."""
        return canvas.length

    def _behind(self, held_BT: Tensor, start: int, *, padded: bool) -> Sliding:
        """Clean tokens see what stands before them, themselves included, in two lengths."""
        return Sliding(*(_causal(held_BT, start, window, padded=padded) for window in (None, self.window)))


class Glancing:
    """What a canvas sees: in layers with a window the end of the context alone; nothing is written."""

    def __init__(self, context: KVContext, windows: list[int | None]) -> None:
        self.context, self.windows = context, windows

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        near = _near(self.context.length, self.windows[layer])
        key, value = self.context.layer(layer)
        return torch.cat([key[:, :, near:], key_BGLK], 2), torch.cat([value[:, :, near:], value_BGLK], 2)


def _near(length: int, window: int | None) -> int:
    """The first column of a context that a canvas behind it sees."""
    return 0 if window is None else max(0, length - (window - 1))


def _causal(held_BT: Tensor, start: int, window: int | None, *, padded: bool) -> Attend:
    """Mask [B or 1, 1, L, T] for the queries from column `start` on; "causal" where that says it all."""
    total = held_BT.shape[1]
    if start == 0 and not padded and (window is None or window >= total):
        return "causal"
    column_T = torch.arange(total, device=held_BT.device)
    distance_LT = column_T[start:, None] - column_T
    seen_LT = distance_LT >= 0 if window is None else (distance_LT >= 0) & (distance_LT < window)
    if not padded:
        return seen_LT[None, None]
    return own_column(seen_LT & held_BT[:, None], start)[:, None]


def _one_row(mask: Attend) -> Attend:
    return mask[0, 0] if isinstance(mask, Tensor) else mask


def _one_window(windows: list[int | None]) -> int | None:
    """The window of the layers that have one. Raises ValueError where they disagree."""
    found = sorted({window for window in windows if window is not None})
    if len(found) > 1:
        raise ValueError(f"layers with windows of {found} tokens; one model has one")
    return found[0] if found else None
