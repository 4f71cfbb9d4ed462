"""Bidirectional: every token sees every other, context and noise ahead included (LLaDA, Dream, RND1, MDLM).

What is clean changes with what is noisy, so nothing can be kept exactly: the context is the tokens themselves.
Shapes: B rows, L canvas positions, S context tokens, T = S + L, D model, V vocabulary.
"""

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.models.base import FamilyDenoiser, aligned, keys_only, places_in_text
from redraft.models.context import TokenContext, check_encode, check_room, held_columns


class BidirectionalDenoiser(FamilyDenoiser):
    """Runs context, canvas and the noise ahead of it together at every forward."""

    looks_ahead = True

    def encode(
        self, tokens_BL: Tensor, context: TokenContext | None = None, pad_B: Tensor | None = None
    ) -> TokenContext:
        check_encode(context, tokens_BL, pad_B, self.network.max_positions)
        return TokenContext(tokens_BL, pad_B) if context is None else context.extend(tokens_BL)

    def scores(self, canvas: Canvas, context: TokenContext | None = None, columns: int | None = None) -> Tensor:
        start = 0 if context is None else context.length
        end = start + (canvas.length if columns is None else columns)
        hidden_BTD = aligned(self._hidden(canvas, context), None, self.facts.shifted)
        return self.network.logits(hidden_BTD[:, start:end])

    def _hidden(self, canvas: Canvas, context: TokenContext | None) -> Tensor:
        check_room(context, len(canvas), canvas.length, self.network.max_positions)
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        held_BT = torch.cat([held_BS, canvas.present_BL], 1)
        tokens_BT = canvas.tokens_BL if context is None else torch.cat([context.tokens_BS, canvas.tokens_BL], 1)
        position_BT = places_in_text(held_BT, self.facts.counted_positions)
        time_B = self.time(canvas)
        embedded_BTD = self.network.embed_tokens(tokens_BT)
        return self.network.hidden(embedded_BTD, position_BT, keys_only(held_BT), canvas=True, time_B=time_B)

    def time(self, canvas: Canvas) -> Tensor | None:
        """The noise level in [0, 1] that networks with time conditioning are told: steps left of `max_steps`."""
        steps = self.facts.max_steps
        return None if steps is None else (1 - canvas.step_B.double() / steps).clamp_min(1 / steps)
