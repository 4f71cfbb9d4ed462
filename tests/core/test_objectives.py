"""Objectives: closed forms against rates and posteriors written out, and against the published formulas.

Shapes: V vocabulary; x enumerates clean tokens, z noisy ones, y where a jump may go.
"""

import pytest
import torch
from torch import Tensor

from redraft.core.corruption import Absorbing, Corruption, Hybrid, Uniform
from redraft.core.objectives import (
    ClippedTimes,
    ClippedWeight,
    antithetic_times,
    clean_log_probs,
    flat_weight,
    nelbo_integrand,
    nelbo_weight,
    step_kl,
    weighted_cross_entropy,
)
from redraft.core.schedules import Cosine, Linear, LogLinear

ALL = [
    Absorbing(3, 4),
    Absorbing(0, 4),
    Uniform(5),
    Uniform(6, text_size=4),
    Hybrid(4, 5, 0.3),
    Hybrid(4, 6, 0.2, text_size=4),  # mask behind the text, one special token behind the mask
    Hybrid(2, 6, 0.9, text_size=5),  # mask inside the text
]
each = pytest.mark.parametrize("corruption", ALL, ids=str)
F64 = torch.float64


def real(value: float) -> Tensor:
    return torch.tensor(value, dtype=F64)


def cases(corruption: Corruption, alpha: float, seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    """Every possible (clean, noisy) pair with logits of its own: logits [N, V], noisy [N], clean [N]."""
    ids = torch.arange(corruption.vocab_size)
    clean_xz, noisy_xz = torch.meshgrid(ids, ids, indexing="ij")
    possible_xz = corruption.marginal(ids, real(alpha)) > 0
    possible_xz[list(corruption.never_clean)] = False
    clean, noisy = clean_xz[possible_xz], noisy_xz[possible_xz]
    logits = 2 * torch.randn(
        len(clean), corruption.vocab_size, dtype=F64, generator=torch.Generator().manual_seed(seed)
    )
    if isinstance(corruption, Absorbing):  # carry-over: SUBS knows an unmasked token
        sure = torch.nn.functional.one_hot(noisy, corruption.vocab_size).to(F64).log()
        logits = torch.where((noisy == corruption.mask_id)[:, None], logits, sure)
    return logits, noisy, clean


# --------------------------------------------------------------------------------------- continuous time


def integrand_from_rates(logits_V: Tensor, z: int, x: int, alpha: float, d_alpha: float, c: Corruption) -> float:
    """sum_{y != z} R' - R + R log(R / R') with every rate written out; terms with R = 0 are R'."""
    rate, pi_V = -d_alpha / alpha, c.stationary(logits_V)
    true_V = c.marginal(torch.tensor(x), real(alpha))
    model_V = c.marginal(clean_log_probs(logits_V, c).exp(), real(alpha))
    total = 0.0
    for y in range(c.vocab_size):
        if y == z or pi_V[z] == 0:
            continue
        true = (rate * pi_V[z] * true_V[y] / true_V[z]).item()
        model = (rate * pi_V[z] * model_V[y] / model_V[z]).item()
        total += model - true + (true * torch.log(real(true / model)).item() if true > 0 else 0.0)
    return total


@each
@pytest.mark.parametrize("alpha", [0.05, 0.5, 0.97])
def test_integrand_is_the_divergence_of_the_jump_rates(corruption: Corruption, alpha: float) -> None:
    logits, noisy, clean = cases(corruption, alpha)
    closed = nelbo_integrand(logits, noisy, clean, real(alpha), real(-1.7), corruption)
    rates = [
        integrand_from_rates(logits[n], int(noisy[n]), int(clean[n]), alpha, -1.7, corruption)
        for n in range(len(clean))
    ]
    torch.testing.assert_close(closed, torch.tensor(rates, dtype=F64), rtol=1e-9, atol=1e-10)
    assert (closed >= 0).all()
    assert (closed > 1e-3).any()


def test_absorbing_integrand_is_mdlms_weighted_cross_entropy() -> None:
    corruption, schedule, t = Absorbing(3, 4), Cosine(), real(0.3)
    logits, noisy, clean = cases(corruption, 0.5)
    nats = -clean_log_probs(logits, corruption).gather(-1, clean[:, None])[:, 0]
    expected = torch.where(noisy == 3, nelbo_weight(schedule, t) * nats, 0)
    closed = nelbo_integrand(logits, noisy, clean, schedule.alpha(t), schedule.d_alpha(t), corruption)
    torch.testing.assert_close(closed, expected)


def test_uniform_integrand_is_udlms_formula() -> None:
    """alpha'/(N alpha) [N/x_z - N/p_z - sum_j x_j/x_z log(p_z x_j / (p_j x_z))], mixtures times N, arXiv:2412.10193"""
    size, alpha, d_alpha = 5, 0.4, -0.8
    logits, noisy, clean = cases(Uniform(size), alpha)
    rows = torch.arange(len(clean))
    x_V = size * alpha * torch.eye(size, dtype=F64)[clean] + 1 - alpha
    p_V = size * alpha * logits.softmax(-1) + 1 - alpha
    x_z, p_z = x_V[rows, noisy], p_V[rows, noisy]
    inner = (x_V / x_z[:, None] * torch.log(p_z[:, None] * x_V / (p_V * x_z[:, None]))).sum(-1)
    expected = d_alpha / (size * alpha) * (size / x_z - size / p_z - inner)
    torch.testing.assert_close(
        nelbo_integrand(logits, noisy, clean, real(alpha), real(d_alpha), Uniform(size)), expected
    )


@each
def test_integrand_is_zero_for_a_perfect_prediction(corruption: Corruption) -> None:
    _, noisy, clean = cases(corruption, 0.6)
    certain = torch.nn.functional.one_hot(clean, corruption.vocab_size).to(F64).log()
    closed = nelbo_integrand(certain, noisy, clean, real(0.6), real(-1.0), corruption)
    torch.testing.assert_close(closed, torch.zeros_like(closed))


def test_hybrid_without_uniform_share_is_absorbing() -> None:
    logits, noisy, clean = cases(Absorbing(3, 4), 0.3)
    args = (logits, noisy, clean, real(0.3), real(-1.0))
    torch.testing.assert_close(nelbo_integrand(*args, Hybrid(3, 4, 0.0)), nelbo_integrand(*args, Absorbing(3, 4)))


@pytest.mark.parametrize("alpha", [1e-6, 1e-3, 0.5, 0.999])
@pytest.mark.parametrize("corruption", [Uniform(1000), Hybrid(999, 1000, 0.1), Absorbing(999, 1000)], ids=str)
def test_float32_keeps_the_digits_it_can(corruption: Corruption, alpha: float) -> None:
    generator = torch.Generator().manual_seed(1)
    logits = 5 * torch.randn(200, 1000, generator=generator)
    clean = torch.randint(999, (200,), generator=generator)
    noise = corruption.noise(torch.rand(200, generator=generator))
    noisy = torch.where(torch.arange(200) % 2 == 0, noise, clean)
    args = (noisy, clean, real(alpha), real(-1.0), corruption)
    single, double = nelbo_integrand(logits, *args), nelbo_integrand(logits.double(), *args)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), double, rtol=1e-3, atol=1e-4)


@each
@pytest.mark.parametrize("alpha", [0.0, 1e-4, 0.5, 0.9999])
def test_gradients_are_finite_and_vanish_where_the_loss_does(corruption: Corruption, alpha: float) -> None:
    _, noisy, clean = cases(corruption, max(alpha, 1e-4))
    logits = torch.randn(len(clean), corruption.vocab_size, requires_grad=True)
    loss = nelbo_integrand(logits, noisy, clean, real(alpha), real(-1.0), corruption)
    loss.sum().backward()
    assert logits.grad is not None
    assert loss.isfinite().all()
    assert logits.grad.isfinite().all()
    assert (logits.grad[corruption.stationary(logits)[noisy] == 0] == 0).all()


def test_gradient_is_the_numerical_one() -> None:
    corruption = Hybrid(4, 6, 0.2, text_size=4)
    logits, noisy, clean = cases(corruption, 0.3)
    logits.requires_grad_()
    assert torch.autograd.gradcheck(
        lambda v: nelbo_integrand(v, noisy, clean, real(0.3), real(-1.0), corruption), (logits,)
    )


# ----------------------------------------------------------------------------------------- discrete time


@each
@pytest.mark.parametrize(("alpha_s", "alpha_t"), [(0.8, 0.3), (1.0, 0.4), (0.6, 0.0), (1.0, 0.0), (0.9, 0.89)])
def test_step_kl_is_the_kl_of_the_two_posteriors(corruption: Corruption, alpha_s: float, alpha_t: float) -> None:
    logits, noisy, clean = cases(corruption, alpha_t)
    true_V = corruption.posterior(noisy, clean, real(alpha_s), real(alpha_t))
    model_V = corruption.posterior(noisy, clean_log_probs(logits, corruption).exp(), real(alpha_s), real(alpha_t))
    expected = torch.where(true_V > 0, true_V * (true_V / model_V).log(), 0).sum(-1)
    closed = step_kl(logits, noisy, clean, real(alpha_s), real(alpha_t), corruption)
    torch.testing.assert_close(closed, expected)
    assert (closed > 1e-4).any()


@each
def test_short_steps_per_time_become_the_integrand(corruption: Corruption) -> None:
    t, schedule = real(0.4), Cosine()
    logits, noisy, clean = cases(corruption, 0.5)
    integrand = nelbo_integrand(logits, noisy, clean, schedule.alpha(t), schedule.d_alpha(t), corruption)
    errors = []
    for step in (1e-2, 1e-3, 1e-4):
        kl = step_kl(logits, noisy, clean, schedule.alpha(t - step), schedule.alpha(t), corruption)
        errors.append((kl / step - integrand).abs().max().item())
    assert errors[2] < 1e-2 * max(integrand.max().item(), 1)
    assert errors[0] > 5 * errors[1] > 25 * errors[2]


@pytest.mark.parametrize("corruption", [Uniform(4), Hybrid(4, 5, 0.3), Absorbing(4, 5)], ids=str)
def test_reconstruction_is_minus_the_log_probability_of_the_clean_token(corruption: Corruption) -> None:
    logits, noisy, clean = cases(corruption, 0.4)
    model_V = corruption.posterior(noisy, clean_log_probs(logits, corruption).exp(), real(1.0), real(0.4))
    expected = -model_V.gather(-1, clean[:, None])[:, 0].log()
    torch.testing.assert_close(step_kl(logits, noisy, clean, real(1.0), real(0.4), corruption), expected)


@each
def test_ids_that_are_never_clean_get_no_mass(corruption: Corruption) -> None:
    probs_V = clean_log_probs(torch.randn(3, corruption.vocab_size), corruption).exp()
    torch.testing.assert_close(probs_V.sum(-1), torch.ones(3))
    for never in corruption.never_clean:
        assert (probs_V[:, never] == 0).all()


# ---------------------------------------------------------------------------------------------- training


def test_cross_entropy_is_the_weighted_sum_in_nats() -> None:
    logits, targets = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 0, 1])
    weight = torch.tensor([1.0, 0, 2, 0.5, 0, 3])
    expected = sum(-weight[i] * logits[i].log_softmax(-1)[targets[i]] for i in range(6))
    torch.testing.assert_close(weighted_cross_entropy(logits, targets, weight), expected)


def test_tokens_of_weight_zero_have_no_value_and_no_gradient() -> None:
    logits = torch.randn(3, 4)
    logits[1, 2] = -torch.inf  # an impossible target
    logits.requires_grad_()
    loss = weighted_cross_entropy(logits, torch.tensor([0, 2, 1]), torch.tensor([1.0, 0.0, 1.0]))
    loss.backward()
    assert loss.isfinite()
    assert logits.grad is not None
    assert (logits.grad[1] == 0).all()
    assert (logits.grad[0] != 0).all()


def test_nelbo_weight_is_one_over_t_for_the_linear_schedule() -> None:
    t = torch.linspace(0.05, 1, 20, dtype=F64)
    torch.testing.assert_close(nelbo_weight(Linear(), t), 1 / t)
    torch.testing.assert_close(nelbo_weight(LogLinear(), t), 1 / t)


def test_weightings_agree_where_they_should() -> None:
    t = torch.tensor([0.01, 0.5, 1.0], dtype=F64)
    assert ClippedWeight(5.0)(Linear(), t).tolist() == [5.0, 2.0, 1.0]
    assert flat_weight(Linear(), t).tolist() == [1.0, 1.0, 1.0]


def test_antithetic_times_put_one_time_in_every_cell() -> None:
    u = torch.rand(50, dtype=F64, generator=torch.Generator().manual_seed(0))
    times = antithetic_times(8, u)
    assert times.shape == (50, 8)
    assert times.min() > 0
    assert times.max() <= 1
    cells = (times * 8).ceil().long().sort(-1).values
    assert torch.equal(cells, torch.arange(1, 9).expand(50, -1))


def test_antithetic_times_reach_one_but_never_zero() -> None:
    assert antithetic_times(4, torch.tensor(0.0)).tolist() == [1.0, 0.75, 0.5, 0.25]


def test_every_antithetic_time_is_exactly_uniform() -> None:
    """Over equally spaced u, each of the times visits the same equally spaced points."""
    u = (torch.arange(120, dtype=F64) + 0.5) / 120
    expected = (torch.arange(120, dtype=F64) + 0.5) / 120
    for times in antithetic_times(8, u).unbind(-1):
        torch.testing.assert_close(times.sort().values, expected)


def test_antithetic_times_reduce_the_variance_of_a_mean() -> None:
    """By a factor of `count`, to leading order: the mean errs by at most one cell, 1/count, not 1/sqrt(count)."""
    generator = torch.Generator().manual_seed(0)
    low = antithetic_times(8, torch.rand(4000, dtype=F64, generator=generator))
    independent = torch.rand(4000, 8, dtype=F64, generator=generator)
    assert low.square().mean(-1).var() < independent.square().mean(-1).var() / 7
    torch.testing.assert_close(low.square().mean(), real(1 / 3), atol=2e-3, rtol=0)


def test_clipped_times_are_uniform_on_their_interval() -> None:
    assert ClippedTimes(0.3, 0.8)(torch.tensor([0.0, 0.5, 1.0])).tolist() == pytest.approx([0.3, 0.55, 0.8])
    with pytest.raises(ValueError, match="low"):
        ClippedTimes(0.8, 0.3)
    with pytest.raises(ValueError, match="count"):
        antithetic_times(0, torch.tensor(0.5))
