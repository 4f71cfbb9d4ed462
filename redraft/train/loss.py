"""The three-mode loss: next token, block diffusion, edit reverse process and infill in one forward.

Knows a model and a batch. Shapes: B rows, T packed tokens, N positions that carry a loss.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from redraft.core.attention import causal_context, flex_block_mask, sdpa_mask
from redraft.data.packing import Batch, Part
from redraft.models.three_mode import ThreeModeModel
from redraft.models.transformer import Attend
from redraft.train.head import head_loss


@dataclass(frozen=True, slots=True, kw_only=True)
class LossConfig:
    """Weights of the parts, each a mean per token of its own kind."""

    next: float = 0.5
    block: float = 1.0
    edit: float = 1.0
    gap: float = 0.5

    def of(self, part: Part) -> float:
        return {Part.NEXT: self.next, Part.BLOCK: self.block, Part.EDIT: self.edit, Part.GAP: self.gap}[part]


PARTS = (Part.NEXT, Part.BLOCK, Part.EDIT, Part.GAP)


ATTENTION = ("auto", "flex", "mask")


def attention_for(batch: Batch, kind: str = "auto") -> Attend:
    """The packed batch's attention: a boolean mask, or FlexAttention's block mask, by default on a GPU.

    The block mask is made without compiling: rows are a few blocks wide, and a compiler would see another function
    every step.
    """
    if kind == "flex" or (kind == "auto" and batch.tokens_BT.device.type == "cuda"):
        return flex_block_mask(causal_context, batch.facts_BT)  # type: ignore[no-any-return]
    return sdpa_mask(causal_context, batch.facts_BT)


class Chosen(NamedTuple):
    """Which positions go through the head, counted through all rows, and their weights. Spare ones weigh nothing."""

    index_N: Tensor
    weight_N: Tensor

    def to(self, device: torch.device | str) -> "Chosen":
        return Chosen(*(value.to(device, non_blocking=True) for value in self))


def choose(batch: Batch, shares: int | None = None) -> Chosen:
    """The positions that weigh something, in order.

    With `shares` their number is rounded up to a multiple of that share of all positions, so that a GPU sees few sizes;
    chosen on the processor, before the batch goes to the GPU, it need not wait for the number either.
    """
    weight_T = batch.weight_BT.flatten()
    weighs_T = weight_T > 0
    order_T = weighs_T.to(torch.uint8).argsort(descending=True, stable=True)
    number = int(weighs_T.sum())
    if shares is not None:
        multiple = max(1, len(weight_T) // shares)
        number = min(len(weight_T), -(-number // multiple) * multiple)
    return Chosen(order_T[:number], weight_T[order_T[:number]])


def three_mode_loss(
    model: ThreeModeModel,
    batch: Batch,
    config: LossConfig,
    *,
    remember: bool = False,
    attention: str = "auto",
    chosen: Chosen | None = None,
    mean: Callable[[Tensor], Tensor] = lambda value: value,
    compiled: bool = False,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Scalar loss and the mean of each part in nats per token.

    With `remember` a first pass without gradient makes the predictions that self-conditioning feeds back; `chosen` is
    `choose(batch)`, where that was done before; `compiled` fuses the head's loss. `mean` averages over processes: with
    it, the mean of their losses is the loss of all their batches together.
    """
    attend = attention_for(batch, attention)
    memory = _first_pass(model, batch, attend) if remember else None
    hidden_BTD = model.packed(batch.tokens_BT, batch.facts_BT, attend, label_BT=batch.label_BT, memory_BTD=memory)
    index_N, weight_N = chosen if chosen is not None else choose(batch)
    part_N = batch.part_BT.flatten()[index_N]
    # A spare position may have a target that can never be said, and infinity times 0 is no number.
    targets_N = batch.targets_BT.flatten()[index_N].where(weight_N > 0, 0)
    share_N = torch.zeros_like(weight_N)
    scale_N = torch.zeros_like(weight_N)
    for part in PARTS:
        own_N = weight_N * (part_N == part) / _denominator(batch, part, mean)
        share_N, scale_N = share_N + own_N, scale_N + own_N * config.of(part)
    hidden_ND = hidden_BTD.flatten(0, 1).index_select(0, index_N)
    total, nats_N = head_loss(
        hidden_ND, model.embed.weight, model.banned_V, targets_N, scale_N, compiled=compiled
    )  # fmt: skip
    return total, {part.name.lower(): (nats_N * share_N * (part_N == part)).sum() for part in PARTS}


def _denominator(batch: Batch, part: Part, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """Blocks count all their tokens (the NELBO's per-token mean), the others their weights."""
    own = batch.part_BT == part
    if part == Part.BLOCK:
        return mean(own.sum()).clamp_min(1)
    return mean((batch.weight_BT * own).sum()).clamp_min(1e-6)


@torch.no_grad()
def _first_pass(model: ThreeModeModel, batch: Batch, attend: Attend) -> Tensor:
    hidden = model.packed(batch.tokens_BT, batch.facts_BT, attend, label_BT=batch.label_BT)
    return model.remember(model.head(hidden)) * batch.facts_BT.canvas[..., None]
