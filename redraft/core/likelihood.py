"""Likelihood: unbiased estimates of the NELBO of a denoiser, with their standard errors.

Knows how to average objectives over times and noise. Refuses to know networks: a denoiser is a function from noisy
tokens [B, L] to logits [B, L, V]. Every row is estimated from its own seed, whoever else is in the batch.

Shapes: B rows, L positions, V vocabulary, K times, S samples.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Protocol

import torch
from torch import Tensor

from redraft.core.corruption import Absorbing, Corruption, forward_noise
from redraft.core.objectives import antithetic_times, nelbo_integrand, step_kl
from redraft.core.rng import Stream, uniform
from redraft.core.schedules import Schedule, grid

DenoiserFn = Callable[[Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A Monte Carlo estimate of nats per row, from independent samples.

    mean_nats_B       float64, unbiased
    standard_error_B  float64, of that mean
    num_samples       independent samples per row
    num_tokens_B      int64, how many tokens the nats are of
    """

    mean_nats_B: Tensor
    standard_error_B: Tensor
    num_samples: int
    num_tokens_B: Tensor

    def __add__(self, other: "Estimate") -> "Estimate":
        """The sum of two independent estimates, such as consecutive blocks of a row."""
        return Estimate(
            self.mean_nats_B + other.mean_nats_B,
            torch.hypot(self.standard_error_B, other.standard_error_B),
            min(self.num_samples, other.num_samples),
            self.num_tokens_B + other.num_tokens_B,
        )

    def per_token(self) -> tuple[float, float]:
        """Nats per token over all rows, and its standard error. A host sync."""
        num_tokens = self.num_tokens_B.sum()
        error = self.standard_error_B.square().sum().sqrt()
        return (self.mean_nats_B.sum() / num_tokens).item(), (error / num_tokens).item()


@dataclass(frozen=True, slots=True)
class Scorer:
    """Rows to score, the denoiser that scores them, and a counter that makes every draw of noise a new one."""

    denoiser_fn: DenoiserFn
    tokens_BL: Tensor
    editable_BL: Tensor
    corruption: Corruption
    seed_B: Tensor
    draws: Iterator[int]
    leave_one_out: bool

    def times(self, num: int) -> Tensor:
        """Low-discrepancy noise levels [B, K]."""
        return antithetic_times(num, uniform(self.seed_B, self._next_draw_B(), 1, Stream.TIME)[:, 0])

    def noise(self, alpha_B: Tensor) -> Tensor:
        """x_t [B, L]."""
        draw_B = self._next_draw_B()
        return forward_noise(self.tokens_BL, self.editable_BL, 1 - alpha_B, self.corruption, self.seed_B, draw_B)[0]

    def shuffle(self) -> Tensor:
        """A random rank [B, L] among the editable positions of each row; the others rank behind."""
        u_BL = uniform(self.seed_B, self._next_draw_B(), self.tokens_BL.shape[-1], Stream.CORRUPT)
        return u_BL.masked_fill(~self.editable_BL, torch.inf).argsort(-1).argsort(-1)

    def integrand(self, schedule: Schedule, t_B: Tensor) -> Tensor:
        """The continuous-time integrand at t, summed over editable positions [B]; one forward."""
        alpha_B, d_alpha_B = schedule.alpha(t_B), schedule.d_alpha(t_B)
        noisy_BL = self.noise(alpha_B)
        logits_BLV = self._logits(noisy_BL, alpha_B)
        return self._sum(
            nelbo_integrand(logits_BLV, noisy_BL, self.tokens_BL, alpha_B[:, None], d_alpha_B[:, None], self.corruption)
        )

    def step(self, noisy_BL: Tensor, alpha_s_B: Tensor, alpha_t_B: Tensor) -> Tensor:
        """The KL of one reverse step from x_t, summed over editable positions [B]; one forward."""
        logits_BLV = self._logits(noisy_BL, alpha_t_B)
        return self._sum(
            step_kl(logits_BLV, noisy_BL, self.tokens_BL, alpha_s_B[:, None], alpha_t_B[:, None], self.corruption)
        )

    def _logits(self, noisy_BL: Tensor, alpha_B: Tensor) -> Tensor:
        logits_BLV = self.denoiser_fn(noisy_BL)
        if not self.leave_one_out:
            return logits_BLV
        return self.corruption.leave_one_out(logits_BLV, noisy_BL, alpha_B[:, None])

    def _sum(self, nats_BL: Tensor) -> Tensor:
        return torch.where(self.editable_BL, nats_BL.double(), 0).sum(-1)

    def _next_draw_B(self) -> Tensor:
        return torch.full_like(self.seed_B, next(self.draws))


class Estimator(Protocol):
    """How to draw one unbiased sample of the NELBO."""

    def sample(self, scorer: Scorer) -> Tensor:
        """Nats [B], independent of every other call."""
        ...


@dataclass(frozen=True, slots=True)
class ContinuousTime:
    """The integral over t, at `times` low-discrepancy times per sample.

    Where the schedule stops short of alpha = 1 or 0 (LogLinear, Geometric) the chain jumps the rest of the way and the
    jump is counted, one more forward: at the clean end it is the reconstruction term; at the noise end it makes the
    prior term exactly zero. So the result bounds -log p(x_0) whatever the schedule, and without jumps does
    not depend on it: evaluate with the schedule of least variance, not the one of training. A lone noisy token at small
    t has a huge weight: for absorbing noise its second moment is the integral of alpha'^2 / (1 - alpha), which diverges
    (as log 1/t) for Linear, Cosine and LogLinear, so that a stated error may miss rare outliers. It is finite for
    Polynomial(2), and `MaskCount` has no such weights at all.
    """

    schedule: Schedule
    times: int = 1

    def sample(self, scorer: Scorer) -> Tensor:
        t_BK = scorer.times(self.times)
        nats_B = torch.stack([scorer.integrand(self.schedule, t_B) for t_B in t_BK.unbind(-1)]).mean(0)
        first, last = self.schedule.alpha(torch.tensor([0.0, 1.0], dtype=t_BK.dtype, device=t_BK.device))
        for alpha_s, alpha_t in ((torch.ones_like(first), first), (last, torch.zeros_like(last))):
            if alpha_s > alpha_t:
                alpha_s_B, alpha_t_B = alpha_s.expand(len(t_BK)), alpha_t.expand(len(t_BK))
                nats_B = nats_B + scorer.step(scorer.noise(alpha_t_B), alpha_s_B, alpha_t_B)
        return nats_B


@dataclass(frozen=True, slots=True)
class DiscreteTime:
    """The sum over a chain of `num_steps` steps (D3PM, arXiv:2107.03006, Eq. 1), at `times` of them per sample.

    The chain runs from alpha = 1 to alpha = 0 exactly, whatever the ends of the schedule: its first step is the
    reconstruction term, and its prior term is zero.
    """

    schedule: Schedule
    num_steps: int
    times: int = 1

    def alphas(self) -> Tensor:
        """alpha after 0, 1, ..., num_steps steps of noise, float64."""
        alphas = self.schedule.alpha(grid(self.num_steps))
        return torch.cat([torch.ones_like(alphas[:1]), alphas[1:-1], torch.zeros_like(alphas[:1])])

    def sample(self, scorer: Scorer) -> Tensor:
        t_BK = scorer.times(self.times)
        alphas, index_BK = self.alphas().to(t_BK.device), (t_BK * self.num_steps).ceil().long()
        steps = [scorer.step(scorer.noise(alphas[i_B]), alphas[i_B - 1], alphas[i_B]) for i_B in index_BK.unbind(-1)]
        return self.num_steps * torch.stack(steps).mean(0)


@dataclass(frozen=True, slots=True)
class MaskCount:
    """Absorbing noise alone: mask exactly k of the n tokens, k uniform in 1..n, and weigh by n / k.

    The integral over t done exactly, given k: the same bound as `ContinuousTime`, of lower variance (LLaDA,
    arXiv:2502.09992, Eq. 6 and 14). Also the any-order view (arXiv:2110.02037): each k is one step of a random order.
    """

    times: int = 1

    def sample(self, scorer: Scorer) -> Tensor:
        if not isinstance(scorer.corruption, Absorbing):
            raise ValueError(f"MaskCount needs absorbing noise, not {scorer.corruption}")
        num_B = scorer.editable_BL.sum(-1)
        counts_BK = (scorer.times(self.times) * num_B[:, None]).ceil().long().clamp_min(1)
        return torch.stack([self._masked(scorer, num_B, k_B) for k_B in counts_BK.unbind(-1)]).mean(0)

    def _masked(self, scorer: Scorer, num_B: Tensor, count_B: Tensor) -> Tensor:
        hit_BL = scorer.editable_BL & (scorer.shuffle() < count_B[:, None])
        noisy_BL = scorer.corruption.noise(hit_BL.double()).where(hit_BL, scorer.tokens_BL)
        clean_B, noise_B = torch.ones_like(num_B, dtype=torch.double), torch.zeros_like(num_B, dtype=torch.double)
        return num_B / count_B * scorer.step(noisy_BL, clean_B, noise_B)  # from all noise to clean: cross-entropy


@torch.no_grad()
def estimate_nelbo(
    denoiser_fn: DenoiserFn,
    tokens_BL: Tensor,
    corruption: Corruption,
    estimator: Estimator,
    *,
    num_samples: int,
    seed_B: Tensor | int = 0,
    editable_BL: Tensor | None = None,
    block_length: int | None = None,
    leave_one_out: bool = False,
) -> Estimate:
    """NELBO of the editable tokens (by default all) given the others, per row.

    block_length   sum over blocks, each given clean earlier ones (BD3-LM, arXiv:2503.09573): the denoiser sees the row
                   up to the end of the block it scores, never beyond. None: the whole row is one block.
    leave_one_out  for denoisers trained by cross-entropy on tokens that noise may have replaced: their prediction holds
                   the evidence of the position's own token already (see `Corruption.leave_one_out`).

    `seed_B` may be one int: row b then gets seed + b. Raises ValueError for fewer than two samples.
    """
    if num_samples < 2:
        raise ValueError(f"{num_samples=} must be at least 2 for a standard error")
    length = tokens_BL.shape[-1]
    if block_length is not None and block_length < 1:
        raise ValueError(f"{block_length=} must be at least 1")
    if not isinstance(seed_B, Tensor):
        seed_B = seed_B + torch.arange(len(tokens_BL), device=tokens_BL.device)
    editable_BL = torch.ones_like(tokens_BL, dtype=torch.bool) if editable_BL is None else editable_BL
    row = Scorer(denoiser_fn, tokens_BL, editable_BL, corruption, seed_B, count(), leave_one_out)
    starts = range(0, length, block_length or length)
    estimates = [_average(estimator, _block(row, start, start + starts.step), num_samples) for start in starts]
    return sum(estimates[1:], estimates[0])


def _block(row: Scorer, start: int, stop: int) -> Scorer:
    """The positions from start to stop of a row that ends there."""
    tokens_BL, editable_BL = row.tokens_BL[:, :stop], row.editable_BL[:, :stop]
    inside_L = torch.arange(tokens_BL.shape[-1], device=tokens_BL.device) >= start
    return replace(row, tokens_BL=tokens_BL, editable_BL=editable_BL & inside_L)


def _average(estimator: Estimator, scorer: Scorer, num_samples: int) -> Estimate:
    nats_SB = torch.stack([estimator.sample(scorer) for _ in range(num_samples)])
    error_B = nats_SB.std(0) / num_samples**0.5
    return Estimate(nats_SB.mean(0), error_B, num_samples, scorer.editable_BL.sum(-1))
