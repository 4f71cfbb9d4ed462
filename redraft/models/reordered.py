"""Reordered: plain causal attention once observed tokens are moved before noisy ones, places in the text kept (WeDLM).

Nothing is moved here. A mask over the canvas as it stands says the same: a token sees what ranks before it, observed
tokens first and then noisy ones, each in the order of the text. Clean text is read left to right and never looks at
what follows, so its keys and values are exact, whatever the length of the blocks.
Shapes: B rows, L positions, S context tokens, T = S + L, D model, V vocabulary.
"""

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.models.base import FamilyDenoiser
from redraft.models.context import KVContext, Reading, Writing, check_encode, check_room, held_columns, own_column
from redraft.models.transformer import Attend


class ReorderedDenoiser(FamilyDenoiser):
    """Commits blocks of any length. What is accepted counts as observed from the next forward on."""

    def encode(self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None) -> KVContext:
        return self._read(tokens_BL, context, pad_B)[1]

    def score(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """Logits [B, L, V] of clean text, every token of which saw itself and what stands before it."""
        hidden_BLD, after = self._read(tokens_BL, context, pad_B)
        return self.network.logits(hidden_BLD), after

    def scores(self, canvas: Canvas, context: KVContext | None = None, columns: int | None = None) -> Tensor:
        check_room(context, len(canvas), canvas.length, self.network.max_positions)
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        attend = self._ranked(canvas, held_BS)[:, None]
        memory = None if context is None else Reading(context, canvas.length)
        position_BL = held_BS.sum(-1, keepdim=True) + torch.arange(canvas.length, device=self.device)
        embedded_BLD = self.network.embed_tokens(canvas.tokens_BL)
        hidden_BLD = self.network.hidden(embedded_BLD, position_BL, attend, memory, canvas=True)
        return self.network.logits(hidden_BLD[:, :columns])

    def seen(self, start: int, length: int, canvas: Canvas | None) -> Attend:
        if canvas is None:
            return self._causal(start, length, None)[0, 0]
        held_1S = torch.ones(1, start, dtype=torch.bool, device=canvas.tokens_BL.device)
        return self._ranked(canvas, held_1S)[0]

    def _read(self, tokens_BL: Tensor, context: KVContext | None, pad_B: Tensor | None) -> tuple[Tensor, KVContext]:
        check_encode(context, tokens_BL, pad_B, self.network.max_positions)
        length = tokens_BL.shape[1]
        writing = Writing(context, length, pad_B)
        column_L = torch.arange(writing.start, writing.end, device=self.device)
        position_BL = (column_L - (0 if writing.pad_B is None else writing.pad_B[:, None])).clamp_min(0)
        position_BL = position_BL.expand_as(tokens_BL)
        attend = self._causal(writing.start, length, writing.pad_B)
        hidden_BLD = self.network.hidden(self.network.embed_tokens(tokens_BL), position_BL, attend, writing)
        return hidden_BLD, writing.finish()

    def _causal(self, start: int, length: int, pad_B: Tensor | None) -> Tensor:
        """Mask [B or 1, 1, L, T]: keys at the query's column or before it, padding left out."""
        column_T = torch.arange(start + length, device=self.device)
        seen_1LT = (column_T <= column_T[start:, None])[None]
        if pad_B is None:
            return seen_1LT[:, None]
        held_BT = column_T >= pad_B[:, None]
        return own_column(seen_1LT & held_BT[:, None], start)[:, None]

    def _ranked(self, canvas: Canvas, held_BS: Tensor) -> Tensor:
        """Mask [B, L, T] of a canvas behind a context: keys that rank with the query or before it."""
        place_L = torch.arange(canvas.length, device=canvas.tokens_BL.device)
        observed_BL = (canvas.status_BL == Status.FIXED) | (canvas.status_BL == Status.ACCEPTED)
        rank_BL = torch.where(observed_BL, place_L, canvas.length + place_L)
        seen_BLL = (rank_BL[:, None] <= rank_BL[..., None]) & canvas.present_BL[:, None]
        context_BLS = held_BS[:, None].expand(-1, canvas.length, -1)
        return own_column(torch.cat([context_BLS, seen_BLL], 2), held_BS.shape[1])
