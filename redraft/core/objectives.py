"""Objectives: the NELBO of interpolating corruption in continuous and discrete time, and training losses.

Knows how far a predicted reverse process is from the true one at one noise level, per position, in nats. Refuses to
know networks and how times are averaged into a likelihood (likelihood.py).

The forward process is a Markov chain in continuous time that resamples a token from pi at rate r_t = -alpha'_t/alpha_t.

Shapes: V vocabulary, T tokens of a packed batch; `...` any leading shape, to which alphas broadcast.
"""

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from redraft.core.schedules import Schedule

# ------------------------------------------------------------------------------------------------ training


class Weighting(Protocol):
    """Weight of the cross-entropy of a noisy token at noise level t."""

    def __call__(self, schedule: Schedule, t: Tensor) -> Tensor: ...


def nelbo_weight(schedule: Schedule, t: Tensor) -> Tensor:
    """-alpha'_t / (1 - alpha_t): makes the masked cross-entropy a NELBO (MDLM, arXiv:2406.07524, Eq. 10)."""
    return -schedule.d_alpha(t) / (1 - schedule.alpha(t))


def flat_weight(schedule: Schedule, t: Tensor) -> Tensor:
    """Every noisy token counts the same (MaskGIT, arXiv:2202.04200, Eq. 1): a bound no more, but low variance."""
    del schedule
    return torch.ones_like(t)


@dataclass(frozen=True, slots=True)
class ClippedWeight:
    """The NELBO weight, but never above `maximum`: small t are rare tokens with huge weights."""

    maximum: float

    def __call__(self, schedule: Schedule, t: Tensor) -> Tensor:
        return nelbo_weight(schedule, t).clamp_max(self.maximum)


def weighted_cross_entropy(logits_TV: Tensor, targets_T: Tensor, weight_T: Tensor) -> Tensor:
    """sum_t weight_t * -log p(target_t), a float32 scalar in nats. Divide by the token count you mean.

    Tokens of weight 0 contribute neither value nor gradient, whatever their logits.
    """
    nats_T = torch.nn.functional.cross_entropy(logits_TV.float(), targets_T, reduction="none")
    return torch.where(weight_T > 0, nats_T * weight_T, 0).sum().float()


def antithetic_times(count: int, u: Tensor) -> Tensor:
    """`count` low-discrepancy noise levels in (0, 1] from one uniform u [...] in [0, 1) -> [..., count].

    t_i = 1 - (u + i/count mod 1): each is exactly uniform, together they cover the interval evenly (VDM,
    arXiv:2107.00630, appendix I.1; MDLM section 3.5).
    """
    if count < 1:
        raise ValueError(f"{count=} must be at least 1")
    return 1 - (u[..., None] + torch.arange(count, device=u.device) / count) % 1


@dataclass(frozen=True, slots=True)
class ClippedTimes:
    """Noise levels confined to (low, high] (BD3-LM, arXiv:2503.09573, section 5.3: clipped schedules).

    Trains on the levels whose gradients vary least for a block length; evaluate on the whole interval.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not 0 <= self.low < self.high <= 1:
            raise ValueError(f"{self.low=} and {self.high=} must satisfy 0 <= low < high <= 1")

    def __call__(self, t: Tensor) -> Tensor:
        """Map t in (0, 1] into the interval, uniformly."""
        return self.low + (self.high - self.low) * t
