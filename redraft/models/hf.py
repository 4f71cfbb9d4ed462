"""Any module of transformers, run as a denoiser: support on the day a model appears, and what to compare ours with.

The module is called with `input_ids`, `attention_mask` and `position_ids`, nothing kept between calls: the context is
the clean tokens themselves. Slower than a family of our own, and exact. Knows masks, positions and shifts; refuses to
know what is inside the module.
Shapes: B rows, L canvas positions, S context tokens, T = S + L, V vocabulary.
"""

from typing import Any, Literal, get_args

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.corruption import Absorbing
from redraft.models.base import aligned, places_in_text
from redraft.models.context import TokenContext, check_encode, check_room, held_columns, own_column

# full          every token sees every other
# block_causal  tokens see their own block and those before it
# own           the module decides; it is told which columns hold a token
Attention = Literal["full", "block_causal", "own"]


class HuggingFaceDenoiser:
    """A denoiser around `module`, whose output holds `logits` [B, T, V].

    mask_id            the token that absorbing noise is
    attention          who sees whom. For `full` and `block_causal` the module gets a mask [B, 1, T, T] to add to its
                       scores, which every causal decoder of transformers takes; for `own` a mask [B, T] of 0 and 1
    shifted            the logits at a position predict the next one
    block_length       block_causal: tokens per block, counted from the first token of a text
    counted_positions  positions count tokens; else they count columns, padding among them
    max_positions      how long a text may be; None: what the module's configuration says
    """

    controls: Controls | None = None
    keeps_keys = False  # nothing is kept at all

    def __init__(
        self,
        module: Any,
        *,
        mask_id: int,
        attention: Attention = "full",
        shifted: bool = False,
        block_length: int | None = None,
        counted_positions: bool = False,
        max_positions: int | None = None,
    ) -> None:
        if attention not in get_args(Attention):
            raise ValueError(f"{attention=} must be one of {', '.join(get_args(Attention))}")
        if (attention == "block_causal") != (block_length is not None and block_length >= 1):
            raise ValueError(
                f"{block_length=} does not go with {attention=}: block-causal models have one, of 1 or more"
            )
        self.module, self.attention, self.shifted = module, attention, shifted
        self.block_length, self.counted_positions = block_length, counted_positions
        config = module.config.get_text_config()
        if not 0 <= mask_id < config.vocab_size:
            raise ValueError(f"{mask_id=} is outside the vocabulary of {config.vocab_size}")
        self.mask_id = mask_id
        self.corruption = Absorbing(mask_id, config.vocab_size)
        self.max_positions: int = config.max_position_embeddings if max_positions is None else max_positions

    @property
    def looks_ahead(self) -> bool:
        """Bidirectional modules were trained on texts whose end is noise."""
        return self.block_length is None

    @property
    def device(self) -> torch.device:
        device: torch.device = next(self.module.parameters()).device
        return device

    def encode(
        self, tokens_BL: Tensor, context: TokenContext | None = None, pad_B: Tensor | None = None
    ) -> TokenContext:
        check_encode(context, tokens_BL, pad_B, self.max_positions)
        return TokenContext(tokens_BL, pad_B) if context is None else context.extend(tokens_BL)

    def denoise(self, canvas: Canvas, context: TokenContext | None = None) -> Tensor:
        check_room(context, len(canvas), canvas.length, self.max_positions)
        held_BS = held_columns(context, len(canvas), canvas.tokens_BL.device)
        held_BT = torch.cat([held_BS, canvas.present_BL], 1)
        tokens_BT = canvas.tokens_BL if context is None else torch.cat([context.tokens_BS, canvas.tokens_BL], 1)
        made = self.module(
            input_ids=tokens_BT,
            attention_mask=self._mask(held_BT),
            position_ids=places_in_text(held_BT, self.counted_positions),
        )
        logits_BLV = self._aligned(made.logits.float(), held_BT)[:, held_BS.shape[1] :]
        return logits_BLV.index_fill(-1, torch.tensor(self.mask_id, device=logits_BLV.device), -torch.inf)

    def _mask(self, held_BT: Tensor) -> Tensor:
        if self.attention == "own":
            return held_BT.long()
        seen_BTT = held_BT[:, None].expand(-1, held_BT.shape[1], -1)
        if self.block_length is not None:
            column_T = torch.arange(held_BT.shape[1], device=held_BT.device)
            block_BT = (column_T - _first(held_BT)[:, None]).div(self.block_length, rounding_mode="floor")
            seen_BTT = seen_BTT & (block_BT[:, None, :] <= block_BT[..., None])
        # Added to scores, which modules do whatever computes their attention; some of those ways take no booleans.
        dtype = self.module.dtype
        hidden = torch.zeros((), dtype=dtype, device=held_BT.device).sub(torch.finfo(dtype).max)
        return torch.where(own_column(seen_BTT, 0), torch.zeros_like(hidden), hidden)[:, None]

    def _aligned(self, logits_BTV: Tensor, held_BT: Tensor) -> Tensor:
        """Logits that score their own position. Nothing stands before a row's first token, so it scores itself."""
        if not self.shifted:
            return logits_BTV
        column_T = torch.arange(held_BT.shape[1], device=held_BT.device)
        first_BT = column_T == _first(held_BT)[:, None]
        return torch.where(first_BT[..., None], logits_BTV, aligned(logits_BTV, None, shifted=True))


def _first(held_BT: Tensor) -> Tensor:
    """The column [B] of every row's first token."""
    return held_BT.long().argmax(-1)
