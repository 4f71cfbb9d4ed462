"""Block-causal: tokens see their own block, in both directions, and every block before it (SDAR, LLaDA2, BD3-LM).

A finished block never looks at a later one, so keys and values of clean blocks are exact and kept. They are written
by `encode` alone, over clean tokens: what a pass over a noisy block computed is never kept.
Shapes: B rows, L positions, S context tokens, D model, V vocabulary.
"""

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.models.base import FamilyDenoiser, aligned, keys_only
from redraft.models.context import KVContext, Reading, Writing, check_encode, check_room, held_columns, own_column
from redraft.models.family import ModelFacts
from redraft.models.network import Body
from redraft.models.transformer import Attend


class BlockCausalDenoiser(FamilyDenoiser):
    """Blocks of `block_length` tokens, counted from the first token of a text; padding on the left is not counted."""

    def __init__(self, network: Body, facts: ModelFacts, block_length: int | None = None) -> None:
        """`block_length` is for weights that were trained for another than their configuration says, or for several."""
        super().__init__(network, facts)
        length = facts.block_length if block_length is None else block_length
        if length is None or length < 1:
            raise ValueError(f"{block_length=} must be at least 1")
        self.block_length: int = length

    def encode(self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None) -> KVContext:
        """Read whole clean blocks. Raises ValueError where a row's tokens are not whole blocks."""
        lengths = [tokens_BL.shape[1]] if pad_B is None else (tokens_BL.shape[1] - pad_B).tolist()
        for length in lengths:
            if length % self.block_length:
                raise ValueError(f"{length} tokens are not whole blocks of {self.block_length}; keep the rest back")
        return self._read(tokens_BL, context, pad_B)[1]

    def score(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """Aligned logits [B, L, V] of all positions of many blocks in one pass, each block seeing itself whole.

        The tokens may hold noise, as a likelihood's last block does; a context that did is not for `denoise`.
        """
        hidden_BLD, after = self._read(tokens_BL, context, pad_B)
        return self.network.logits(self._aligned(hidden_BLD, context, after.pad_B)), after

    def scores(self, canvas: Canvas, context: KVContext | None = None, columns: int | None = None) -> Tensor:
        self._check(canvas, context)
        start = 0 if context is None else context.length
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        attend = keys_only(torch.cat([held_BS, canvas.present_BL], 1))
        memory = None if context is None else Reading(context, canvas.length)
        position_BL = self._positions(start, canvas.length, len(canvas), None if context is None else context.pad_B)
        embedded_BLD = self.network.embed_tokens(canvas.tokens_BL)
        hidden_BLD = self.network.hidden(embedded_BLD, position_BL, attend, memory, canvas=True)
        hidden_BLD = self._aligned(hidden_BLD, context, None if context is None else context.pad_B)
        return self.network.logits(hidden_BLD[:, :columns])

    def _aligned(self, hidden_BLD: Tensor, context: KVContext | None, pad_B: Tensor | None) -> Tensor:
        """States that score their own position. Nothing stands before a row's first token, so it scores itself."""
        if not self.facts.shifted:
            return hidden_BLD
        start = 0 if context is None else context.length
        before_BD = None if context is None else context.last_BD
        if start and before_BD is None:
            raise ValueError(f"this context of {start} tokens was cut; logits shifted by one need its last state")
        moved_BLD = aligned(hidden_BLD, before_BD, shifted=True)
        if pad_B is None:
            return moved_BLD
        column_L = torch.arange(start, start + hidden_BLD.shape[1], device=hidden_BLD.device)
        first_BL = column_L == pad_B[:, None]
        return torch.where(first_BL[..., None], hidden_BLD, moved_BLD)

    def seen(self, start: int, length: int, canvas: Canvas | None) -> Attend:
        if canvas is not None or length <= self.block_length:
            return None
        return self._blocks(start, length, 1, None)[0, 0]

    def _check(self, canvas: Canvas, context: KVContext | None) -> None:
        check_room(context, len(canvas), canvas.length, self.network.max_positions)
        if canvas.length > self.block_length:
            raise ValueError(f"a canvas of {canvas.length} does not fit this model's blocks of {self.block_length}")

    def _read(self, tokens_BL: Tensor, context: KVContext | None, pad_B: Tensor | None) -> tuple[Tensor, KVContext]:
        check_encode(context, tokens_BL, pad_B, self.network.max_positions)
        rows, length = tokens_BL.shape
        writing = Writing(context, length, pad_B)
        position_BL = self._positions(writing.start, length, rows, writing.pad_B)
        attend = self._blocks(writing.start, length, rows, writing.pad_B)
        embedded_BLD = self.network.embed_tokens(tokens_BL)
        hidden_BLD = self.network.hidden(embedded_BLD, position_BL, attend, writing)
        return hidden_BLD, writing.finish(hidden_BLD[:, -1] if self.facts.shifted else None)

    def _blocks(self, start: int, length: int, rows: int, pad_B: Tensor | None) -> Tensor:
        """Mask [B or 1, 1, L, S + L]: keys in the query's block or an earlier one."""
        number = rows if pad_B is not None else 1
        column_BT = torch.arange(start + length, device=self.device).expand(number, -1)
        place_BT = column_BT if pad_B is None else column_BT - pad_B[:, None]
        block_BT = place_BT.div(self.block_length, rounding_mode="floor")
        seen_BLT = (block_BT[:, None, :] <= block_BT[:, start:, None]) & (place_BT >= 0)[:, None]
        return (seen_BLT if pad_B is None else own_column(seen_BLT, start))[:, None]

    def _positions(self, start: int, length: int, rows: int, pad_B: Tensor | None) -> Tensor:
        column_L = torch.arange(start, start + length, device=self.device)
        if pad_B is None:
            return column_L.expand(rows, length)
        return (column_L - pad_B[:, None]).clamp_min(0)
