"""Bidirectional: every token sees every other, context and noise ahead included (LLaDA, Dream, RND1, MDLM).

What is clean changes with what is noisy, so nothing can be kept exactly: the context is the tokens themselves.
`refreshed` holds the approximations. Shapes: B rows, L canvas positions, S context tokens, T = S + L, D model,
V vocabulary.
"""

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.core.corruption import Corruption
from redraft.models.base import FamilyDenoiser, aligned, keys_only, places_in_text
from redraft.models.context import TokenContext, check_encode, check_room, held_columns
from redraft.models.spans import Span
from redraft.models.transformer import Attend, KeysAndValues


class View(NamedTuple):
    """Context and canvas side by side: what stands where, and which columns hold a token."""

    tokens_BT: Tensor
    position_BT: Tensor
    attend: Tensor | None
    time_B: Tensor | None


class BidirectionalDenoiser(FamilyDenoiser):
    """Runs context, canvas and the noise ahead of it together at every forward."""

    looks_ahead = True
    keeps_keys = False

    def span_of(self, tokens_L: Tensor, start: int, canvas: Canvas | None, before: list[int]) -> Span:
        tokens_T = torch.cat([torch.tensor(before, dtype=torch.long, device=tokens_L.device), tokens_L])
        return super().span_of(tokens_T, 0, canvas, [])

    def seen(self, start: int, length: int, canvas: Canvas | None) -> Attend:
        return None

    def encode(
        self, tokens_BL: Tensor, context: TokenContext | None = None, pad_B: Tensor | None = None
    ) -> TokenContext:
        check_encode(context, tokens_BL, pad_B, self.network.max_positions)
        return TokenContext(tokens_BL, pad_B) if context is None else context.extend(tokens_BL)

    def denoise(self, canvas: Canvas, context: Any | None = None) -> Tensor:
        logits_BLV = super().denoise(canvas, context)
        level_B = self.time(canvas)
        if not self.facts.leave_one_out or level_B is None:
            return logits_BLV
        noise = cast(Corruption, self.corruption)
        return noise.put_back(logits_BLV, canvas.tokens_BL[:, : logits_BLV.shape[1]], 1 - level_B[:, None])

    def scores(self, canvas: Canvas, context: TokenContext | None = None, columns: int | None = None) -> Tensor:
        start = 0 if context is None else context.length
        end = start + (canvas.length if columns is None else columns)
        hidden_BTD = aligned(self._run(self._view(canvas, context)), None, self.facts.shifted)
        return self.network.logits(hidden_BTD[:, start:end])

    def _view(self, canvas: Canvas, context: TokenContext | None) -> View:
        check_room(context, len(canvas), canvas.length, self.network.max_positions)
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        held_BT = torch.cat([held_BS, canvas.present_BL], 1)
        tokens_BT = canvas.tokens_BL if context is None else torch.cat([context.tokens_BS, canvas.tokens_BL], 1)
        position_BT = places_in_text(held_BT, self.facts.counted_positions)
        return View(tokens_BT, position_BT, keys_only(held_BT), self.time(canvas))

    def _run(self, view: View, memory: KeysAndValues | None = None, start: int = 0, end: int | None = None) -> Tensor:
        """Hidden states of the columns from `start` to `end`, which see themselves and what the memory adds."""
        embedded_BND = self.network.embed_tokens(view.tokens_BT[:, start:end])
        position_BN = view.position_BT[:, start:end]
        return self.network.hidden(embedded_BND, position_BN, view.attend, memory, canvas=True, time_B=view.time_B)

    def time(self, canvas: Canvas) -> Tensor | None:
        """The noise level in [0, 1] that networks with time conditioning are told: steps left of `max_steps`."""
        steps = self.facts.max_steps
        return None if steps is None else (1 - canvas.step_B.double() / steps).clamp_min(1 / steps)
