"""Likelihood: every bound and every estimator against full enumeration on a toy denoiser, a table over all x_t.

Shapes: N the V^L possible sequences, S samples; rows are independent repetitions of one experiment.
"""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft.core.corruption import Absorbing, Corruption, Hybrid, Uniform
from redraft.core.likelihood import ContinuousTime, DiscreteTime, Estimate, Estimator, MaskCount, estimate_nelbo
from redraft.core.objectives import clean_log_probs, nelbo_integrand, step_kl
from redraft.core.schedules import Cosine, Geometric, Linear, LogLinear, Polynomial, Schedule

F64 = torch.float64
ALL = [Absorbing(2, 3), Absorbing(0, 3), Uniform(3), Hybrid(2, 3, 0.4), Hybrid(3, 4, 0.5, text_size=2)]
each = pytest.mark.parametrize("corruption", ALL, ids=str)


class Table:
    """A denoiser that is a table: random logits [V]*L -> [L, V], float64, with carry-over where noise is absorbing."""

    def __init__(self, corruption: Corruption, length: int = 2, seed: int = 0) -> None:
        size = corruption.vocab_size
        self.corruption, self.length = corruption, length
        self.states_NL = torch.tensor(list(itertools.product(range(size), repeat=length)))
        self.place_L = size ** torch.arange(length - 1, -1, -1)
        generator = torch.Generator().manual_seed(seed)
        logits_NLV = 1.5 * torch.randn(len(self.states_NL), length, size, dtype=F64, generator=generator)
        if isinstance(corruption, Absorbing):
            sure_NLV = torch.nn.functional.one_hot(self.states_NL, size).to(F64).log()
            logits_NLV = torch.where((self.states_NL == corruption.mask_id)[..., None], logits_NLV, sure_NLV)
        self.logits_NLV = logits_NLV

    def __call__(self, tokens_BL: Tensor) -> Tensor:
        return self.logits_NLV[(tokens_BL * self.place_L).sum(-1)]

    def prefix(self, tokens_BL: Tensor) -> Tensor:
        """The same table for prefixes of a row: what is missing reads as the first text token."""
        padded_BL = torch.nn.functional.pad(tokens_BL, (0, self.length - tokens_BL.shape[-1]), value=self.clean_ids[0])
        return self(padded_BL)[:, : tokens_BL.shape[-1]]

    @property
    def clean_ids(self) -> list[int]:
        return [i for i in range(self.corruption.vocab_size) if i not in self.corruption.never_clean]


# ---------------------------------------------------------------------------------------- by enumeration


def expectation(table: Table, tokens_L: Tensor, alpha: Tensor, nats_NL: Tensor) -> Tensor:
    """E over x_t ~ q(x_t | x_0) of the sum over positions of nats_NL."""
    marginal_LV = table.corruption.marginal(tokens_L, alpha)
    probability_N = marginal_LV[torch.arange(table.length), table.states_NL].prod(-1)
    return (probability_N * torch.where(probability_N[:, None] > 0, nats_NL, 0).sum(-1)).sum()


def exact_step(table: Table, tokens_L: Tensor, alpha_s: Tensor, alpha_t: Tensor) -> Tensor:
    args = (table.logits_NLV, table.states_NL, tokens_L.expand(len(table.states_NL), -1), alpha_s, alpha_t)
    return expectation(table, tokens_L, alpha_t, step_kl(*args, table.corruption))


def exact_discrete(table: Table, tokens_L: Tensor, alphas: Tensor) -> float:
    pairs = itertools.pairwise(alphas.unbind())
    return sum((exact_step(table, tokens_L, s, t) for s, t in pairs), torch.zeros((), dtype=F64)).item()


def exact_continuous(table: Table, tokens_L: Tensor, schedule: Schedule, order: int = 60) -> float:
    """Gauss-Legendre over t, plus the jumps at ends that are not exact."""
    nodes, weights = np.polynomial.legendre.leggauss(order)
    tokens_NL = tokens_L.expand(len(table.states_NL), -1)
    total = torch.zeros((), dtype=F64)
    for t, weight in zip(torch.tensor((nodes + 1) / 2), weights / 2, strict=True):
        alpha, d_alpha = schedule.alpha(t), schedule.d_alpha(t)
        nats_NL = nelbo_integrand(table.logits_NLV, table.states_NL, tokens_NL, alpha, d_alpha, table.corruption)
        total = total + weight * expectation(table, tokens_L, alpha, nats_NL)
    first, last = schedule.alpha(torch.tensor([0.0, 1.0], dtype=F64))
    if first < 1:
        total = total + exact_step(table, tokens_L, torch.ones_like(first), first)
    if last > 0:
        total = total + exact_step(table, tokens_L, last, torch.zeros_like(last))
    return total.item()


def chains(table: Table, alphas: Tensor) -> tuple[Tensor, list[tuple[Tensor, Tensor]]]:
    """Over whole sequences: pi [N] and, per step, q(x_t | x_s) [N, N] and the model's p(x_s | x_t) [N, N]."""
    corruption, states_NL, place = table.corruption, table.states_NL, torch.arange(table.length)
    probs_NLV = clean_log_probs(table.logits_NLV, corruption).exp()
    steps = []
    for alpha_s, alpha_t in itertools.pairwise(alphas.unbind()):
        forward_NLV = corruption.transition(states_NL, alpha_s, alpha_t)
        reverse_NLV = corruption.posterior(states_NL, probs_NLV, alpha_s, alpha_t)
        steps.append(tuple(step_NLV[:, place, states_NL].prod(-1) for step_NLV in (forward_NLV, reverse_NLV)))
    pi_N = corruption.stationary(alphas)[states_NL].prod(-1)
    return pi_N, steps


def brute_force(table: Table, tokens_L: Tensor, alphas: Tensor) -> tuple[float, float]:
    """(NELBO, -log p(x_0)) by walking every trajectory x_0 -> x_1 -> ... -> x_T."""
    pi_N, steps = chains(table, alphas)
    start = int((tokens_L * table.place_L).sum())
    nelbo, likelihood = 0.0, 0.0
    for path in itertools.product(range(len(pi_N)), repeat=len(steps)):
        forward, reverse = 1.0, float(pi_N[path[-1]])
        for (forward_NN, reverse_NN), x_s, x_t in zip(steps, (start, *path[:-1]), path, strict=True):
            forward *= float(forward_NN[x_s, x_t])
            reverse *= float(reverse_NN[x_t, x_s])
        likelihood += reverse
        if forward > 0:
            nelbo += forward * (math.log(forward) - math.log(reverse))
    return nelbo, -math.log(likelihood)


@each
def test_discrete_nelbo_is_the_elbo_over_all_trajectories_and_bounds_the_likelihood(corruption: Corruption) -> None:
    table = Table(corruption, length=1 if corruption.vocab_size > 3 else 2)
    alphas = DiscreteTime(Cosine(), num_steps=3).alphas()
    for clean in itertools.product(table.clean_ids[:2], repeat=table.length):
        tokens_L = torch.tensor(clean)
        nelbo, nats = brute_force(table, tokens_L, alphas)
        assert exact_discrete(table, tokens_L, alphas) == pytest.approx(nelbo, rel=1e-10)
        assert nats < nelbo


@each
def test_the_models_chain_is_a_distribution_over_clean_sequences(corruption: Corruption) -> None:
    table = Table(corruption)
    pi_N, steps = chains(table, DiscreteTime(Linear(), num_steps=6).alphas())
    for _, reverse_NN in reversed(steps):
        pi_N = pi_N @ reverse_NN
    clean_N = torch.isin(table.states_NL, torch.tensor(table.clean_ids)).all(-1)
    torch.testing.assert_close(pi_N[clean_N].sum(), torch.tensor(1.0, dtype=F64))


@each
def test_discrete_nelbo_converges_to_the_continuous_one(corruption: Corruption) -> None:
    table, tokens_L = Table(corruption), torch.tensor([1, 1])
    limit = exact_continuous(table, tokens_L, Linear())
    gaps = [exact_discrete(table, tokens_L, DiscreteTime(Linear(), n).alphas()) - limit for n in (32, 64, 512)]
    assert 0 < abs(gaps[2]) < 5e-3
    assert gaps[1] / gaps[2] == pytest.approx(8, rel=0.15)  # first order in the step
    assert gaps[0] / gaps[1] == pytest.approx(2, rel=0.15)


@each
def test_continuous_nelbo_does_not_depend_on_the_schedule(corruption: Corruption) -> None:
    table, tokens_L = Table(corruption), torch.tensor([1, 1])
    linear = exact_continuous(table, tokens_L, Linear())
    for schedule in (Cosine(), Polynomial(2.0)):
        assert exact_continuous(table, tokens_L, schedule) == pytest.approx(linear, rel=1e-4)
    for schedule in (LogLinear(1e-6), Geometric(1e-6, 16.0)):  # with their jumps
        assert exact_continuous(table, tokens_L, schedule) == pytest.approx(linear, rel=1e-3)


def any_order_loss(table: Table, tokens_L: Tensor, mask: int) -> float:
    """Mean over all orders of the autoregressive loss of the table."""
    orders = list(itertools.permutations(range(table.length)))
    total = 0.0
    for order in orders:
        canvas_L = torch.full_like(tokens_L, mask)
        for place in order:
            log_p_LV = clean_log_probs(table(canvas_L[None])[0], table.corruption)
            total -= log_p_LV[place, tokens_L[place]].item()
            canvas_L[place] = tokens_L[place]
    return total / len(orders)


@pytest.mark.parametrize("corruption", ALL[:2], ids=str)
def test_absorbing_nelbo_is_the_expected_any_order_autoregressive_loss(corruption: Absorbing) -> None:
    table = Table(corruption, length=3)
    tokens_L = torch.tensor([1, table.clean_ids[0], 1])
    expected = any_order_loss(table, tokens_L, corruption.mask_id)
    assert exact_continuous(table, tokens_L, Linear()) == pytest.approx(expected, rel=1e-10)


# -------------------------------------------------------------------------------------------- estimators


def rows_of(tokens_L: Tensor, rows: int) -> Tensor:
    return tokens_L.expand(rows, -1)


def assert_unbiased(estimate: Estimate, exact: float) -> None:
    """Rows are independent repetitions: their mean must be within 4 of its standard errors."""
    mean_B = estimate.mean_nats_B
    error = mean_B.std() / len(mean_B) ** 0.5
    assert abs(mean_B.mean() - exact) < 4 * error, f"{mean_B.mean():.5f} is not {exact:.5f} to within 4 x {error:.5f}"
    assert error < 0.02 * exact


@each
@pytest.mark.parametrize(
    "estimator",
    [
        ContinuousTime(Linear()),
        ContinuousTime(Polynomial(2.0)),
        ContinuousTime(Cosine(), times=2),
        ContinuousTime(LogLinear(0.2)),
        ContinuousTime(Geometric(0.2, 3.0)),
    ],
    ids=str,
)
def test_continuous_estimates_are_unbiased(corruption: Corruption, estimator: ContinuousTime) -> None:
    table, tokens_L = Table(corruption), torch.tensor([1, 1])
    estimate = estimate_nelbo(table, rows_of(tokens_L, 20_000), corruption, estimator, num_samples=4)
    assert_unbiased(estimate, exact_continuous(table, tokens_L, estimator.schedule))


@each
@pytest.mark.parametrize("estimator", [DiscreteTime(Linear(), 5), DiscreteTime(Cosine(), 500, times=3)], ids=str)
def test_discrete_estimates_are_unbiased(corruption: Corruption, estimator: DiscreteTime) -> None:
    table, tokens_L = Table(corruption), torch.tensor([1, 1])
    estimate = estimate_nelbo(table, rows_of(tokens_L, 20_000), corruption, estimator, num_samples=4)
    assert_unbiased(estimate, exact_discrete(table, tokens_L, estimator.alphas()))


@pytest.mark.parametrize("times", [1, 2])
def test_mask_count_estimates_are_unbiased_and_of_lower_variance(times: int) -> None:
    corruption = Absorbing(2, 3)
    table, tokens_L = Table(corruption, length=3), torch.tensor([1, 0, 1])
    tokens_BL = rows_of(tokens_L, 10_000)
    by_count = estimate_nelbo(table, tokens_BL, corruption, MaskCount(times), num_samples=4)
    by_time = estimate_nelbo(table, tokens_BL, corruption, ContinuousTime(Polynomial(2.0), times), num_samples=4)
    assert_unbiased(by_count, exact_continuous(table, tokens_L, Linear()))
    assert by_count.mean_nats_B.var() < by_time.mean_nats_B.var() / 2


def test_antithetic_times_beat_as_many_independent_forwards() -> None:
    corruption, schedule = Absorbing(2, 3), Polynomial(4.0)
    table, tokens_BL = Table(corruption, length=5), rows_of(torch.tensor([1, 0, 1, 1, 0]), 5000)
    antithetic = estimate_nelbo(table, tokens_BL, corruption, ContinuousTime(schedule, times=4), num_samples=2)
    independent = estimate_nelbo(table, tokens_BL, corruption, ContinuousTime(schedule), num_samples=8)
    assert antithetic.mean_nats_B.var() < 0.75 * independent.mean_nats_B.var()


@pytest.mark.parametrize(
    "estimator", [ContinuousTime(Polynomial(2.0), times=2), MaskCount(), DiscreteTime(Linear(), 7)], ids=str
)
def test_the_stated_standard_error_is_the_spread_over_repetitions(estimator: Estimator) -> None:
    corruption = Absorbing(2, 3)
    table, tokens_BL = Table(corruption), rows_of(torch.tensor([1, 0]), 10_000)
    estimate = estimate_nelbo(table, tokens_BL, corruption, estimator, num_samples=8)
    stated, seen = estimate.standard_error_B.square().mean(), estimate.mean_nats_B.var()
    assert (stated / seen).item() == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize(
    ("estimator", "block_length"),
    [(MaskCount(), None), (MaskCount(), 2), (DiscreteTime(Linear(), 7), None), (ContinuousTime(Polynomial(2.0)), None)],
    ids=str,
)
def test_the_stated_error_covers_the_exact_value_in_95_percent_of_1000_repeats(
    estimator: Estimator, block_length: int | None
) -> None:
    corruption = Absorbing(2, 3)
    table, tokens_L = Table(corruption, length=4), torch.tensor([1, 0, 1, 1])
    denoiser = table if block_length is None else table.prefix
    estimate = estimate_nelbo(
        denoiser, rows_of(tokens_L, 1000), corruption, estimator, num_samples=64, block_length=block_length
    )
    exact = exact_blocks(table, tokens_L, block_length) if isinstance(estimator, MaskCount) else (
        exact_discrete(table, tokens_L, estimator.alphas())
        if isinstance(estimator, DiscreteTime)
        else exact_continuous(table, tokens_L, Linear())
    )  # fmt: skip
    off_B = (estimate.mean_nats_B - exact).abs()
    # 1000 coins of 95 %, to within three of their standard deviations (2 %); a tenth of the error would not do.
    assert (off_B <= 1.96 * estimate.standard_error_B).double().mean().item() == pytest.approx(0.95, abs=0.021)
    assert (off_B <= 0.196 * estimate.standard_error_B).double().mean().item() < 0.25


def exact_blocks(table: Table, tokens_L: Tensor, block_length: int | None) -> float:
    """The bound by enumeration: of every block, the expected loss of every number of masks."""
    length, total = len(tokens_L), 0.0
    for start in range(0, length, block_length or length):
        block = range(start, min(start + (block_length or length), length))
        for count in range(1, len(block) + 1):
            subsets = list(itertools.combinations(block, count))
            for hidden in subsets:
                row_1L = tokens_L[None, : block[-1] + 1].clone()
                row_1L[0, list(hidden)] = table.corruption.never_clean[0]
                logits_LV = (table if block_length is None else table.prefix)(row_1L)[0]
                logs_LV = clean_log_probs(logits_LV, table.corruption)
                nats = -sum(logs_LV[place, tokens_L[place]].item() for place in hidden)
                total += nats / count / len(subsets)
    return total


def test_a_row_alone_is_estimated_as_in_the_batch() -> None:
    corruption = Hybrid(2, 3, 0.4)
    table = Table(corruption)
    tokens_BL, seed_B = torch.tensor([[0, 1], [1, 1], [1, 0]]), torch.tensor([8, 3, 5])
    estimator = ContinuousTime(Linear(), times=2)
    together = estimate_nelbo(table, tokens_BL, corruption, estimator, num_samples=3, seed_B=seed_B)
    alone = estimate_nelbo(table, tokens_BL[1:2], corruption, estimator, num_samples=3, seed_B=seed_B[1:2])
    assert alone.mean_nats_B[0] == together.mean_nats_B[1]
    assert alone.standard_error_B[0] == together.standard_error_B[1]


def test_what_is_not_editable_stays_clean_and_is_not_counted() -> None:
    corruption = Uniform(3)
    table, tokens_BL = Table(corruption, length=3), torch.tensor([[2, 1, 0]]).expand(500, -1)
    seen: list[Tensor] = []

    def spy(noisy_BL: Tensor) -> Tensor:
        seen.append(noisy_BL)
        return table(noisy_BL)

    editable_BL = torch.tensor([False, True, False]).expand(500, -1)
    estimate = estimate_nelbo(
        spy, tokens_BL, corruption, ContinuousTime(Linear()), num_samples=4, editable_BL=editable_BL
    )
    noisy_BL = torch.cat(seen)
    assert (noisy_BL[:, 0] == 2).all()
    assert (noisy_BL[:, 2] == 0).all()
    assert (noisy_BL[:, 1] != 1).any()
    assert (estimate.num_tokens_B == 1).all()


def test_blocks_of_one_absorbing_token_are_exactly_the_autoregressive_likelihood() -> None:
    corruption = Absorbing(2, 3)
    table, tokens_L = Table(corruption, length=3), torch.tensor([1, 0, 1])
    expected = 0.0
    for place in range(3):
        prefix_L = torch.cat([tokens_L[:place], torch.tensor([2])])
        log_p_LV = clean_log_probs(table.prefix(prefix_L[None])[0], corruption)
        expected -= log_p_LV[-1, tokens_L[place]].item()
    estimate = estimate_nelbo(table.prefix, tokens_L[None], corruption, MaskCount(), num_samples=2, block_length=1)
    assert estimate.mean_nats_B.item() == pytest.approx(expected, rel=1e-12)
    assert estimate.standard_error_B.item() == pytest.approx(0, abs=1e-12)
    assert estimate.per_token()[0] == pytest.approx(expected / 3, rel=1e-12)


@pytest.mark.parametrize("corruption", [Absorbing(2, 3), Uniform(3)], ids=str)
def test_block_estimates_are_unbiased_and_know_their_error(corruption: Corruption) -> None:
    """Blocks of 2 and 1 of a row of 3; the second given the first."""
    table, tokens_L = Table(corruption, length=3), torch.tensor([1, 0, 1])
    exact = 0.0
    nodes, weights = np.polynomial.legendre.leggauss(40)
    for start, stop in ((0, 2), (2, 3)):
        inside = list(itertools.product(range(3), repeat=stop - start))
        tokens_NL = torch.tensor([[*tokens_L[:start].tolist(), *block] for block in inside])
        logits_NLV, clean_NL = table.prefix(tokens_NL), tokens_L[:stop].expand(len(inside), -1)
        for t, weight in zip(torch.tensor((nodes + 1) / 2), weights / 2, strict=True):
            alpha = Linear().alpha(t)
            nats_NL = nelbo_integrand(logits_NLV, tokens_NL, clean_NL, alpha, Linear().d_alpha(t), corruption)
            places = torch.arange(start, stop)
            chance_N = corruption.marginal(tokens_L, alpha)[places, tokens_NL[:, start:]].prod(-1)
            nats_N = torch.where(chance_N[:, None] > 0, nats_NL[:, start:], 0).sum(-1)
            exact += weight * (chance_N * nats_N).sum().item()
    estimate = estimate_nelbo(
        table.prefix,
        rows_of(tokens_L, 10_000),
        corruption,
        ContinuousTime(Polynomial(2.0)),
        num_samples=8,
        block_length=2,
    )
    assert_unbiased(estimate, exact)
    stated, seen = estimate.standard_error_B.square().mean(), estimate.mean_nats_B.var()
    assert (stated / seen).item() == pytest.approx(1, abs=0.1)
    assert (estimate.num_tokens_B == 3).all()


@pytest.mark.parametrize("corruption", [Uniform(3), Hybrid(2, 3, 0.5)], ids=str)
def test_leave_one_out_turns_full_evidence_back_into_the_same_estimate(corruption: Corruption) -> None:
    """At one fixed noise level, a denoiser with the own token's evidence multiplied in scores like the plain one."""
    table, tokens_BL = Table(corruption), rows_of(torch.tensor([1, 0]), 100)
    half = DiscreteTime(Linear(), num_steps=2)  # levels 0.5 and 1; at 1 there is no evidence to leave out

    def informed(noisy_BL: Tensor) -> Tensor:
        ids = torch.arange(corruption.vocab_size)
        likelihood_zV = corruption.marginal(ids, torch.tensor(0.5, dtype=F64)).T  # q(z | x)
        return table(noisy_BL) + likelihood_zV[noisy_BL].log()

    plain = estimate_nelbo(table, tokens_BL, corruption, half, num_samples=2)
    undone = estimate_nelbo(informed, tokens_BL, corruption, half, num_samples=2, leave_one_out=True)
    same_B = (plain.mean_nats_B - undone.mean_nats_B).abs() < 1e-9
    assert 0.1 < same_B.double().mean() < 0.5  # the quarter of the rows whose two samples both drew level 0.5


def test_bad_requests_are_refused_by_name() -> None:
    corruption = Uniform(3)
    table, tokens_BL = Table(corruption), torch.tensor([[0, 1]])
    with pytest.raises(ValueError, match="num_samples"):
        estimate_nelbo(table, tokens_BL, corruption, ContinuousTime(Linear()), num_samples=1)
    with pytest.raises(ValueError, match="block_length"):
        estimate_nelbo(table, tokens_BL, corruption, ContinuousTime(Linear()), num_samples=2, block_length=0)
    with pytest.raises(ValueError, match="absorbing"):
        estimate_nelbo(table, tokens_BL, corruption, MaskCount(), num_samples=2)
