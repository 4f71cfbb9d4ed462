"""Prediction: one forward's logits reduced to what a policy may look at.

Knows the vocabulary axis, and is the last to see it. Refuses to know statuses, policies and loops.

Shapes: B rows, L canvas positions, V vocabulary.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from redraft.core.canvas import Action, Controls


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the model says about every position, without the vocabulary axis. All tensors are [B, L].

    tokens_BL      int64, the predicted token: drawn at a temperature, or the most probable one
    confidence_BL  its probability at temperature 1
    margin_BL      probability of the most probable token minus that of the second
    entropy_BL     nats, at temperature 1; +inf where the logits are no distribution
    proposal_BL    int64 `Action` that the token asks for: WRITE, or DELETE or INSERT where it is a control
    slots_BL       int64, how many slots that INSERT opens; 0 elsewhere
    current_BL     probability of the token that is on the canvas now, at temperature 1
    best_BL        int64, the most probable token, whatever was drawn
    best_confidence_BL  its probability at temperature 1
    """

    tokens_BL: Tensor
    confidence_BL: Tensor
    margin_BL: Tensor
    entropy_BL: Tensor
    proposal_BL: Tensor
    slots_BL: Tensor
    current_BL: Tensor
    best_BL: Tensor
    best_confidence_BL: Tensor

    def widen(self, extra: int) -> "Prediction":
        """Append `extra` positions about which nothing is predicted: WRITE of token 0 with confidence 0."""
        padded = {f.name: torch.nn.functional.pad(getattr(self, f.name), (0, extra)) for f in fields(self)}
        padded["proposal_BL"] = torch.nn.functional.pad(self.proposal_BL, (0, extra), value=int(Action.WRITE))
        return Prediction(**padded)


def predict(
    logits_BLV: Tensor,
    temperature: float | Tensor,
    u_BL: Tensor,
    *,
    current_BL: Tensor | None = None,
    controls: Controls | None = None,
    indels: bool = False,
    unsure_ids: tuple[int, ...] = (),
) -> Prediction:
    """Draw a token per position and summarise its distribution.

    `temperature` is a float or one per row [B]; 0 takes the most probable token. `u_BL` are uniforms in [0, 1): one
    per position, not one Gumbel per vocabulary entry. `current_BL` are the ids on the canvas (by default the
    predicted ones). Without `indels` the model's controls are impossible before anything else is computed. A position
    that predicts one of `unsure_ids` has confidence 0; the confidence of every other token is its probability among
    those that are left.
    """
    if controls is not None and not indels:
        logits_BLV = forbid(logits_BLV, controls.ids)
    # One pass each: normalise, exponentiate, rank. topk(2) costs a third more than argmax and yields the margin too.
    logp_BLV = logits_BLV.float().log_softmax(-1).clamp_min_(torch.finfo(torch.float32).min)  # 0 * -inf is not 0
    probs_BLV = logp_BLV.exp()
    top_BL2 = logp_BLV.topk(min(2, logp_BLV.shape[-1]), -1)
    tokens_BL = _choose(logits_BLV, probs_BLV, top_BL2.indices[..., 0], temperature, u_BL)
    best_BL2 = top_BL2.values.exp().nan_to_num(0.0)
    proposal_BL, slots_BL = _proposal(tokens_BL, controls if indels else None)
    sure_logp_BLV = forbid(logits_BLV, unsure_ids).float().log_softmax(-1) if unsure_ids else logp_BLV
    confidence_BL = _probability(sure_logp_BLV, tokens_BL)
    now_BL = _probability(logp_BLV, tokens_BL if current_BL is None else current_BL)
    # The last use of both, so one is overwritten: a fresh tensor as wide as the vocabulary costs more than the product.
    entropy_BL = probs_BLV.mul_(logp_BLV).sum(-1).neg()
    return Prediction(
        tokens_BL=tokens_BL,
        confidence_BL=confidence_BL,
        margin_BL=best_BL2[..., 0] - best_BL2[..., 1:].sum(-1),
        entropy_BL=entropy_BL.nan_to_num(torch.inf).clamp_min(0.0),
        proposal_BL=proposal_BL,
        slots_BL=slots_BL,
        current_BL=now_BL,
        best_BL=top_BL2.indices[..., 0],
        best_confidence_BL=best_BL2[..., 0],
    )


def draw(weights_BLV: Tensor, u_BL: Tensor) -> Tensor:
    """Inverse CDF: ids [..., L] with probability proportional to the weights, which need not sum to one.

    The running sum is float64: in float32 it loses the tail of a large vocabulary (what a token of probability 1e-8
    adds to a sum near one is nothing), which silently lowers the temperature.
    """
    cdf_BLV = weights_BLV.cumsum(-1, dtype=torch.float64)
    total_BL = cdf_BLV[..., -1]
    # Strictly below the total, so that the last token with any weight is the last that can be drawn.
    target_BL = torch.minimum(u_BL.double() * total_BL, total_BL.nextafter(torch.zeros_like(total_BL)))
    index_BL = torch.searchsorted(cdf_BLV, target_BL[..., None], right=True)[..., 0]
    return index_BL.clamp_max(weights_BLV.shape[-1] - 1)


def forbid(logits_BLV: Tensor, ids: tuple[int, ...]) -> Tensor:
    """The same logits with the given ids impossible."""
    logits_BLV = logits_BLV.clone()
    for token_id in ids:  # a few fills on the device; an index tensor would have to be copied there
        logits_BLV[..., token_id] = -torch.inf
    return logits_BLV


def _choose(
    logits_BLV: Tensor, probs_BLV: Tensor, best_BL: Tensor, temperature: float | Tensor, u_BL: Tensor
) -> Tensor:
    if isinstance(temperature, Tensor):
        heat_BL1 = torch.where(temperature > 0, temperature, 1.0).float()[:, None, None]
        drawn_BL = draw(_tempered(logits_BLV, heat_BL1), u_BL)
        return torch.where(temperature[:, None] > 0, drawn_BL, best_BL)
    if temperature == 0:
        return best_BL
    return draw(probs_BLV if temperature == 1 else _tempered(logits_BLV, temperature), u_BL)


def _tempered(logits_BLV: Tensor, temperature: float | Tensor) -> Tensor:
    """Unnormalised probabilities at a temperature; the best token has weight 1, so nothing overflows."""
    logits_BLV = logits_BLV.float()
    return ((logits_BLV - logits_BLV.amax(-1, keepdim=True)) / temperature).exp()


def _probability(logp_BLV: Tensor, ids_BL: Tensor) -> Tensor:
    """Probability of the given ids; 0 for an id the model does not have (a mask beyond its vocabulary)."""
    known_BL = (ids_BL >= 0) & (ids_BL < logp_BLV.shape[-1])
    logp_BL = logp_BLV.gather(-1, torch.where(known_BL, ids_BL, 0)[..., None])[..., 0]
    return torch.where(known_BL, logp_BL.exp(), 0.0).nan_to_num(0.0)


def _proposal(tokens_BL: Tensor, controls: Controls | None) -> tuple[Tensor, Tensor]:
    proposal_BL = torch.full_like(tokens_BL, int(Action.WRITE))
    slots_BL = torch.zeros_like(tokens_BL)
    if controls is None:
        return proposal_BL, slots_BL
    for count, insert_id in enumerate(controls.insert_ids, start=1):
        slots_BL = torch.where(tokens_BL == insert_id, count, slots_BL)
    proposal_BL = torch.where(slots_BL > 0, int(Action.INSERT), proposal_BL)
    return torch.where(tokens_BL == controls.delete_id, int(Action.DELETE), proposal_BL), slots_BL
