"""Speculative acceptance: drafted tokens kept so that what comes out has exactly the target's distribution.

Leviathan et al. (arXiv:2211.17192, Algorithm 1) and Chen et al. (arXiv:2302.01318, Algorithm 2). Pure functions of
probabilities and uniforms. Refuses to know which model drafted and which one judges.

Shapes: B rows, L drafted positions, V vocabulary.
"""

import torch
from torch import Tensor

from redraft.sampling.prediction import draw


def accept_drafts(
    draft_BL: Tensor,
    draft_probs_BLV: Tensor | None,
    target_probs_BMV: Tensor,
    u_accept_BL: Tensor,
    u_residual_B: Tensor,
) -> tuple[Tensor, Tensor]:
    """How many drafted tokens to keep per row [B], 0..L, and the token that follows them [B].

    `draft_probs_BLV` is what each draft was drawn from, or None for a point mass (a greedy draft, a lookup).
    `target_probs_BMV` has M = L + 1 positions: the judge's distribution at each draft and after the last. The token
    that follows comes from the judge's last distribution if all were kept, else from what of the judge's distribution
    the draft had not covered.
    """
    length = draft_BL.shape[-1]
    if target_probs_BMV.shape[1] != length + 1:
        raise ValueError(f"{target_probs_BMV.shape[1]} target positions for {length} drafts; there must be one more")
    target_BL = _of(target_probs_BMV[:, :length], draft_BL)
    draft_prob_BL = torch.ones_like(target_BL) if draft_probs_BLV is None else _of(draft_probs_BLV, draft_BL)
    accepted_BL = u_accept_BL * draft_prob_BL < target_BL  # u < p / q without dividing by zero
    num_accepted_B = accepted_BL.long().cumprod(-1).sum(-1)
    return num_accepted_B, draw(
        _next_weights(draft_BL, draft_probs_BLV, target_probs_BMV, num_accepted_B), u_residual_B
    )


def _next_weights(
    draft_BL: Tensor, draft_probs_BLV: Tensor | None, target_probs_BMV: Tensor, num_accepted_B: Tensor
) -> Tensor:
    """Weights [B, V] of the following token: the target minus the draft, floored at zero, where a draft was refused."""
    rows_B = torch.arange(draft_BL.shape[0], device=draft_BL.device)
    target_BV = target_probs_BMV[rows_B, num_accepted_B]
    if draft_BL.shape[-1] == 0:
        return target_BV
    last_B = num_accepted_B.clamp_max(draft_BL.shape[-1] - 1)
    if draft_probs_BLV is None:
        draft_BV = torch.zeros_like(target_BV).scatter(-1, draft_BL[rows_B, last_B][:, None], 1.0)
    else:
        draft_BV = draft_probs_BLV[rows_B, last_B].to(target_BV.dtype)
    refused_B1 = (num_accepted_B < draft_BL.shape[-1])[:, None]
    residual_BV = (target_BV - draft_BV).clamp_min(0)
    # Rounding can refuse where draft and target agree; then nothing is left over, and the target itself is right.
    residual_BV = torch.where(residual_BV.sum(-1, keepdim=True) > 0, residual_BV, target_BV)
    return torch.where(refused_B1, residual_BV, target_BV)


def _of(probs_BLV: Tensor, ids_BL: Tensor) -> Tensor:
    return probs_BLV.gather(-1, ids_BL[..., None])[..., 0]
