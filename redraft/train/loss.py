"""The three-mode loss: next token, block diffusion, edit reverse process and infill in one forward.

Knows a model and a batch. Shapes: B rows, T packed tokens, N positions that carry a loss.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from redraft.core.attention import causal_context, flex_block_mask, sdpa_mask
from redraft.data.packing import Batch, Part
from redraft.models.three_mode import ThreeModeModel
from redraft.models.transformer import Attend


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


def attention_for(batch: Batch) -> Attend:
    """The packed batch's attention: FlexAttention on a GPU, a boolean mask elsewhere."""
    if batch.tokens_BT.device.type == "cuda":
        return flex_block_mask(causal_context, batch.facts_BT, compiled=True)  # type: ignore[no-any-return]
    return sdpa_mask(causal_context, batch.facts_BT)


def three_mode_loss(
    model: ThreeModeModel,
    batch: Batch,
    config: LossConfig,
    *,
    remember: bool = False,
    mean: Callable[[Tensor], Tensor] = lambda value: value,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Scalar loss and the mean of each part in nats per token.

    With `remember` a first pass without gradient makes the predictions that self-conditioning feeds back. `mean`
    averages over processes: with it, the mean of their losses is the loss of all their batches together.
    """
    attend = attention_for(batch)
    memory = _first_pass(model, batch, attend) if remember else None
    hidden_BTD = model.packed(batch.tokens_BT, batch.facts_BT, attend, label_BT=batch.label_BT, memory_BTD=memory)
    chosen = batch.weight_BT > 0
    nats_N = F.cross_entropy(model.head(hidden_BTD[chosen]), batch.targets_BT[chosen], reduction="none")
    weighted_N = nats_N * batch.weight_BT[chosen]
    part_N = batch.part_BT[chosen]
    total = weighted_N.new_zeros(())
    report: dict[str, Tensor] = {}
    for part in PARTS:
        nats = (weighted_N * (part_N == part)).sum() / _denominator(batch, part, mean)
        total = total + config.of(part) * nats
        report[part.name.lower()] = nats.detach()
    return total, report


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
