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

from redraft.core.corruption import Absorbing, Corruption
from redraft.core.schedules import Schedule

# ------------------------------------------------------------------------------------------------- bounds


def nelbo_integrand(
    logits: Tensor, tokens_t: Tensor, tokens_0: Tensor, alpha: Tensor, d_alpha: Tensor, corruption: Corruption
) -> Tensor:
    """Integrand over t of the continuous-time NELBO, per position [...], in nats; 0 <= alpha < 1.

    The reverse of the forward chain jumps from z = x_t to y at rate R(y) = r_t pi(z) q_t(y|x_0) / q_t(z|x_0). The
    model's rate R' puts p(x_0) in the place of x_0. Between two chains with these rates the KL grows at

        sum_{y != z} R' - R + R log(R / R')
            =  r_t pi(z) / q_t(z|x_0) * (KL(q_t(.|x_0) || q_t(.|p)) + rho - 1 - log rho)

    with rho = q_t(z|x_0) / q_t(z|p) (the form of GIDD, arXiv:2503.04482, at constant pi). For uniform noise it is
    UDLM's (arXiv:2412.10193). For absorbing noise it is, at a mask, -alpha'/(1 - alpha) times the cross-entropy (MDLM,
    arXiv:2406.07524; MD4, arXiv:2406.04329) and needs no sum over the vocabulary.
    """
    if isinstance(corruption, Absorbing):
        return _at_masks(-d_alpha / (1 - alpha), logits, tokens_t, tokens_0, corruption)
    log_p = clean_log_probs(logits, corruption)
    log_pi_V = corruption.log_stationary(log_p)
    alpha = alpha.clamp_min(1e-12)  # the rate diverges at alpha = 0, the divergences vanish faster
    log_true_z = _log_mixture(_log_one_hot(tokens_0, tokens_t, log_p), log_pi_V[tokens_t], alpha)
    log_rho = log_true_z - _log_mixture(_at(log_p, tokens_t), log_pi_V[tokens_t], alpha)
    divergence = _mixture_kl(log_p, tokens_0, log_pi_V, alpha) + torch.expm1(log_rho) - log_rho
    return (-d_alpha / alpha).to(log_p.dtype) * (log_pi_V[tokens_t] - log_true_z).exp() * divergence


def step_kl(
    logits: Tensor, tokens_t: Tensor, tokens_0: Tensor, alpha_s: Tensor, alpha_t: Tensor, corruption: Corruption
) -> Tensor:
    """KL(q(x_s | x_t, x_0) || p(x_s | x_t)) per position [...], in nats; alpha_s > alpha_t.

    One term of the discrete-time NELBO (D3PM, arXiv:2107.03006, Eq. 1); both sides are `Corruption.posterior`. At
    alpha_s = 1 it is the reconstruction term -log p(x_0 | x_t). A chain whose last alpha is 0 ends in pi whatever x_0
    was, so its prior term is exactly 0.
    """
    if isinstance(corruption, Absorbing):
        return _at_masks((alpha_s - alpha_t) / (1 - alpha_t), logits, tokens_t, tokens_0, corruption)
    log_p = clean_log_probs(logits, corruption)
    log_pi_V = corruption.log_stationary(log_p)
    log_one_hot_z, log_p_z, log_pi_z = _log_one_hot(tokens_0, tokens_t, log_p), _at(log_p, tokens_t), log_pi_V[tokens_t]
    true_t, true_s = (_log_mixture(log_one_hot_z, log_pi_z, alpha) for alpha in (alpha_t, alpha_s))
    model_t, model_s = (_log_mixture(log_p_z, log_pi_z, alpha) for alpha in (alpha_t, alpha_s))
    # x_t was there already at s, or else noise put it there since; q(x_t | x_s) itself cancels in the ratio.
    stay = (alpha_t / alpha_s).to(log_p.dtype) * (true_s - true_t).exp()
    stayed = torch.where(stay > 0, stay * (true_s - model_s), 0)
    arrived = (1 - alpha_t / alpha_s).to(log_p.dtype) * (log_pi_z - true_t).exp()
    return stayed + arrived * _mixture_kl(log_p, tokens_0, log_pi_V, alpha_s) + model_t - true_t


def clean_log_probs(logits: Tensor, corruption: Corruption) -> Tensor:
    """log p(x_0) [..., V], at least float32, with no mass on ids that are never clean (SUBS, arXiv:2406.07524)."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    never = torch.tensor(corruption.never_clean, dtype=torch.long, device=logits.device)
    return logits.index_fill(-1, never, -torch.inf).log_softmax(-1)


def _at_masks(weight: Tensor, logits: Tensor, tokens_t: Tensor, tokens_0: Tensor, corruption: Absorbing) -> Tensor:
    nats = -_at(clean_log_probs(logits, corruption), tokens_0)
    return torch.where(tokens_t == corruption.mask_id, weight.to(nats.dtype) * nats, 0)


def _mixture_kl(log_p: Tensor, tokens_0: Tensor, log_pi_V: Tensor, alpha: Tensor) -> Tensor:
    """KL between q_t(. | x_0) and q_t(. | p), in one pass over V.

    With q_t(y|p) = noise(y) (1 + odds(y)), noise = (1 - alpha) pi and odds = alpha p / noise, the logarithms of noise
    cancel and no small difference of large terms is left:

        KL = noise(x_0) log(1 + alpha / noise(x_0)) - sum_y noise(y) log(1 + odds(y))
             + alpha log(q_t(x_0|x_0) / q_t(x_0|p))
    """
    log_pi_0 = log_pi_V[tokens_0]
    log_true_0 = _log_mixture(torch.zeros_like(log_pi_0), log_pi_0, alpha)
    log_model_0 = _log_mixture(_at(log_p, tokens_0), log_pi_0, alpha)
    noise = (1 - alpha).to(log_p.dtype)
    certain = _soft_odds(torch.zeros_like(log_pi_0), log_pi_0, alpha) * log_pi_0.exp()
    predicted = (_soft_odds(log_p, log_pi_V, alpha[..., None]) * log_pi_V.exp()).sum(-1)
    return noise * (certain - predicted) + alpha.to(log_p.dtype) * (log_true_0 - log_model_0)


def _soft_odds(log_p: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
    """log(1 + alpha p / ((1 - alpha) pi)), and 0 where there is no noise at all."""
    log_noise = torch.log1p(-alpha).to(log_p.dtype) + log_pi
    log_noise = torch.where(log_noise > -torch.inf, log_noise, torch.inf)
    return torch.nn.functional.softplus(alpha.log().to(log_p.dtype) + log_p - log_noise, threshold=40)


def _log_mixture(log_p: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
    """log(alpha p + (1 - alpha) pi)."""
    return torch.logaddexp(alpha.log().to(log_p.dtype) + log_p, torch.log1p(-alpha).to(log_p.dtype) + log_pi)


def _log_one_hot(tokens_0: Tensor, at: Tensor, like: Tensor) -> Tensor:
    """log [x_0 = at]: 0 or -inf."""
    return torch.where(tokens_0 == at, 0.0, -torch.inf).to(like.dtype)


def _at(values_V: Tensor, tokens: Tensor) -> Tensor:
    return values_V.gather(-1, tokens[..., None])[..., 0]


# ------------------------------------------------------------------------------------------------ training


class Weighting(Protocol):
    """Weight of the cross-entropy of a noisy token at noise level t."""

    def __call__(self, schedule: Schedule, t: Tensor) -> Tensor: ...


def nelbo_weight(schedule: Schedule, t: Tensor) -> Tensor:
    """-alpha'_t / (1 - alpha_t): makes the masked cross-entropy a NELBO (MDLM, arXiv:2406.07524)."""
    return -schedule.d_alpha(t) / (1 - schedule.alpha(t))


def flat_weight(schedule: Schedule, t: Tensor) -> Tensor:
    """Every noisy token counts the same (MaskGIT, arXiv:2202.04200): a bound no more, but low variance."""
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
    arXiv:2107.00630; MDLM, arXiv:2406.07524).
    """
    if count < 1:
        raise ValueError(f"{count=} must be at least 1")
    return 1 - (u[..., None] + torch.arange(count, dtype=u.dtype, device=u.device) / count) % 1


@dataclass(frozen=True, slots=True)
class ClippedTimes:
    """Noise levels confined to (low, high] (the clipped schedules of BD3-LM, arXiv:2503.09573).

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
