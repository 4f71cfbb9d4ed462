"""Prediction: one forward's logits reduced to what a policy may look at.

Knows the vocabulary axis, and is the last to see it. Refuses to know statuses, policies and loops.

Shapes: B rows, L canvas positions, V vocabulary.
"""

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from redraft.core.canvas import Action, Canvas, Controls

COSTLY = frozenset({"margin_BL", "entropy_BL"})  # summaries that are made only for who reads them


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

    def spread(self, canvas: Canvas, at_BL: Tensor) -> "Prediction":
        """[1, N] predictions of the positions `at_BL`, in order, at their places on a canvas.

        About the others nothing is predicted: WRITE of the token that stands there, with confidence 0.
        """
        elsewhere = {"tokens_BL": canvas.tokens_BL, "best_BL": canvas.tokens_BL}
        placed: dict[str, Tensor] = {}
        for name, value in ((f.name, getattr(self, f.name)) for f in fields(self)):
            ground = elsewhere.get(name)
            placed[name] = value.new_zeros(at_BL.shape) if ground is None else ground.clone()
            placed[name][at_BL] = value[0]
        placed["proposal_BL"] = placed["proposal_BL"].masked_fill(~at_BL, int(Action.WRITE))
        return Prediction(**placed)

    def widen(self, extra: int) -> "Prediction":
        """Append `extra` positions about which nothing is predicted: WRITE of token 0 with confidence 0."""
        padded = {f.name: torch.nn.functional.pad(getattr(self, f.name), (0, extra)) for f in fields(self)}
        padded["proposal_BL"] = torch.nn.functional.pad(self.proposal_BL, (0, extra), value=int(Action.WRITE))
        return Prediction(**padded)


def predict(
    logits_BLV: Tensor,
    temperature: float | Tensor,
    u_BL: Tensor | None,
    *,
    current_BL: Tensor | None = None,
    controls: Controls | None = None,
    indels: bool = False,
    unsure_ids: tuple[int, ...] = (),
    reads: frozenset[str] = COSTLY,
) -> Prediction:
    """Draw a token per position and summarise its distribution.

    `temperature` is a float or one per row [B]; 0 takes the most probable token. `u_BL` are uniforms in [0, 1): one
    per position, not one Gumbel per vocabulary entry; None will do at temperature 0. `current_BL` are the ids on the
    canvas (by default the predicted ones). Without `indels` the model's controls are impossible before anything else is
    computed. A position that predicts one of `unsure_ids` has confidence 0; the confidence of every other token is its
    probability among those that are left. Of the `COSTLY` summaries only those in `reads` are made; others are NaN.
    """
    if controls is not None and not indels:
        logits_BLV = forbid(logits_BLV, controls.ids)
    logits_BLV = logits_BLV.float()
    logp_BLV = logits_BLV.log_softmax(-1)
    top_logp_BL, top_BL = best(logp_BLV)
    tokens_BL = _choose(logp_BLV, top_BL, temperature, u_BL)
    proposal_BL, slots_BL = _proposal(tokens_BL, controls if indels else None)
    sure_logp_BLV = forbid(logits_BLV, unsure_ids).log_softmax(-1) if unsure_ids else logp_BLV
    unread_BL = torch.full_like(top_logp_BL, torch.nan)
    return Prediction(
        tokens_BL=tokens_BL,
        confidence_BL=_probability(sure_logp_BLV, tokens_BL),
        margin_BL=_margin(logp_BLV) if "margin_BL" in reads else unread_BL,
        entropy_BL=_entropy(logp_BLV) if "entropy_BL" in reads else unread_BL,
        proposal_BL=proposal_BL,
        slots_BL=slots_BL,
        current_BL=_probability(logp_BLV, tokens_BL if current_BL is None else current_BL),
        best_BL=top_BL,
        best_confidence_BL=top_logp_BL.exp().nan_to_num(0.0),
    )


def best(scores_BLV: Tensor) -> tuple[Tensor, Tensor]:
    """The highest score of every position and the first id that has it: `max`, block by block, which is faster."""
    size = _block(scores_BLV.shape[-1])
    if size is None:
        top = scores_BLV.max(-1)
        return top.values, top.indices
    blocks = scores_BLV.unflatten(-1, (-1, size))
    value_BL, block_BL = blocks.amax(-1).max(-1)
    inside_BLK = blocks.gather(-2, block_BL[..., None, None].expand(*block_BL.shape, 1, size))[..., 0, :]
    return value_BL, block_BL * size + inside_BLK.max(-1).indices


def _block(num_ids: int) -> int | None:
    """In what steps to look for an id among so many; None where looking at all of them is as fast."""
    return None if num_ids < 1024 else next((size for size in (64, 48, 32) if num_ids % size == 0), None)


def _margin(logp_BLV: Tensor) -> Tensor:
    best_BL2 = logp_BLV.topk(min(2, logp_BLV.shape[-1]), -1).values.exp().nan_to_num(0.0)
    return best_BL2[..., 0] - best_BL2[..., 1:].sum(-1)


def _entropy(logp_BLV: Tensor) -> Tensor:
    logp_BLV = logp_BLV.clamp_min(torch.finfo(torch.float32).min)  # 0 * -inf is not 0
    return logp_BLV.exp().mul_(logp_BLV).sum(-1).neg().nan_to_num(torch.inf).clamp_min(0.0)


def draw(weights_BLV: Tensor, u_BL: Tensor) -> Tensor:
    """Inverse CDF: ids [..., L] with probability proportional to the weights, which need not sum to one.

    The running sum is float64: in float32 it loses the tail of a large vocabulary (what a token of probability 1e-8
    adds to a sum near one is nothing), which silently lowers the temperature.
    """
    size = _block(weights_BLV.shape[-1])
    if size is None:
        return _inverse(weights_BLV, u_BL)
    blocks = weights_BLV.unflatten(-1, (-1, size))
    cdf_BLN = blocks.sum(-1, dtype=torch.float64).cumsum(-1)
    target_BL = _target(cdf_BLN, u_BL)
    block_BL1 = _found(cdf_BLN, target_BL)[..., None]
    within_BLK = blocks.gather(-2, block_BL1[..., None].expand(*block_BL1.shape, size))[..., 0, :]
    before_BL = torch.where(block_BL1 > 0, cdf_BLN.gather(-1, (block_BL1 - 1).clamp_min(0)), 0.0)[..., 0]
    inside_BLK = within_BLK.cumsum(-1, dtype=torch.float64)
    # Two sums may round differently: what lies behind this block's last weight is its last weight.
    inside_BL = torch.minimum(target_BL - before_BL, _below(inside_BLK[..., -1]))
    return block_BL1[..., 0] * size + _found(inside_BLK, inside_BL)


def _inverse(weights_BLV: Tensor, u_BL: Tensor) -> Tensor:
    cdf_BLV = weights_BLV.cumsum(-1, dtype=torch.float64)
    return _found(cdf_BLV, _target(cdf_BLV, u_BL))


def _target(cdf_BLV: Tensor, u_BL: Tensor) -> Tensor:
    """Strictly below the total, so that the last token with any weight is the last that can be drawn."""
    total_BL = cdf_BLV[..., -1]
    return torch.minimum(u_BL.double() * total_BL, _below(total_BL))


def _below(total_BL: Tensor) -> Tensor:
    return total_BL.nextafter(torch.zeros_like(total_BL))


def _found(cdf_BLV: Tensor, target_BL: Tensor) -> Tensor:
    index_BL = torch.searchsorted(cdf_BLV, target_BL[..., None], right=True)[..., 0]
    return index_BL.clamp_max(cdf_BLV.shape[-1] - 1)


def forbid(logits_BLV: Tensor, ids: tuple[int, ...]) -> Tensor:
    """The same logits with the given ids impossible."""
    logits_BLV = logits_BLV.clone()
    for token_id in ids:  # a few fills on the device; an index tensor would have to be copied there
        logits_BLV[..., token_id] = -torch.inf
    return logits_BLV


def _choose(logp_BLV: Tensor, best_BL: Tensor, temperature: float | Tensor, u_BL: Tensor | None) -> Tensor:
    if not isinstance(temperature, Tensor) and temperature == 0:
        return best_BL
    assert u_BL is not None
    if isinstance(temperature, Tensor):
        heat_BL1 = torch.where(temperature > 0, temperature, 1.0).float()[:, None, None]
        drawn_BL = draw(_tempered(logp_BLV, heat_BL1), u_BL)
        return torch.where(temperature[:, None] > 0, drawn_BL, best_BL)
    return draw(logp_BLV.exp() if temperature == 1 else _tempered(logp_BLV, temperature), u_BL)


def _tempered(logits_BLV: Tensor, temperature: float | Tensor) -> Tensor:
    """Unnormalised probabilities at a temperature; the best token has weight 1, so nothing overflows."""
    return (logits_BLV - logits_BLV.amax(-1, keepdim=True)).div_(temperature).exp_()


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


def believed(logits_BLV: Tensor, tokens_BL: Tensor) -> Tensor:
    """Log probability [B, L] of the tokens."""
    logits_BLV = logits_BLV.float()
    return logits_BLV.gather(-1, tokens_BL[..., None])[..., 0] - logits_BLV.logsumexp(-1)
