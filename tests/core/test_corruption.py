"""Corruption: distributions by enumeration on small vocabularies, sampling by chi-square.

Shapes: V vocabulary; x, y, z enumerate tokens at times 0, s, t.
"""

import itertools

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Status
from redraft.core.corruption import Absorbing, Corruption, Hybrid, Uniform, corrupt
from redraft.core.rng import Stream, uniform

ALL = [
    Absorbing(3, 4),
    Absorbing(0, 4),
    Uniform(5),
    Uniform(6, text_size=4),
    Hybrid(4, 5, 0.3),
    Hybrid(0, 4, 0.5),
    Hybrid(4, 6, 0.2, text_size=4),  # mask behind the text, one special token behind the mask
    Hybrid(2, 6, 0.9, text_size=5),  # mask inside the text
]
each = pytest.mark.parametrize("corruption", ALL, ids=str)
F64 = torch.float64


def real(value: float) -> Tensor:
    return torch.tensor(value, dtype=F64)


def ids(corruption: Corruption) -> Tensor:
    return torch.arange(corruption.vocab_size)


def chance(counts_V: Tensor, probs_V: Tensor) -> float:
    """p-value of Pearson's chi-square test; 0 where the impossible happened."""
    live_V = probs_V > 0
    if (counts_V[~live_V] > 0).any():
        return 0.0
    expected_V = (probs_V * counts_V.sum())[live_V]
    statistic = ((counts_V[live_V] - expected_V).square() / expected_V).sum()
    freedom = live_V.sum() - 1
    return 1.0 if freedom == 0 else torch.special.gammaincc(freedom.double() / 2, statistic / 2).item()


# ------------------------------------------------------------------------------------------- distributions


@each
def test_marginal_interpolates_and_sums_to_one(corruption: Corruption) -> None:
    pi_V = corruption.stationary(real(0))
    torch.testing.assert_close(pi_V.sum(), real(1))
    for alpha in (0.0, 0.3, 1.0):
        marginal_xV = corruption.marginal(ids(corruption), real(alpha))
        expected_xV = alpha * torch.eye(corruption.vocab_size, dtype=F64) + (1 - alpha) * pi_V
        torch.testing.assert_close(marginal_xV, expected_xV)
        torch.testing.assert_close(marginal_xV.sum(-1), torch.ones(corruption.vocab_size, dtype=F64))


@each
def test_transitions_compose_to_the_marginal(corruption: Corruption) -> None:
    """Chapman-Kolmogorov: one step to s and one from s to t is one step to t."""
    to_s_xy = corruption.transition(ids(corruption), real(1.0), real(0.7))
    s_to_t_yz = corruption.transition(ids(corruption), real(0.7), real(0.2))
    torch.testing.assert_close(to_s_xy @ s_to_t_yz, corruption.marginal(ids(corruption), real(0.2)))


def bayes(corruption: Corruption, alpha_s: float, alpha_t: float) -> Tensor:
    """q(x_s = y | x_t = z, x_0 = x) [x, z, y] from the transition matrices alone; NaN for impossible (x, z)."""
    to_s_xy = corruption.transition(ids(corruption), real(1.0), real(alpha_s))
    s_to_t_yz = corruption.transition(ids(corruption), real(alpha_s), real(alpha_t))
    joint_xzy = to_s_xy[:, None, :] * s_to_t_yz.T[None]
    return joint_xzy / joint_xzy.sum(-1, keepdim=True)


@each
@pytest.mark.parametrize(("alpha_s", "alpha_t"), [(0.8, 0.3), (1.0, 0.4), (0.6, 0.0), (0.9, 0.85)])
def test_posterior_is_bayes_rule_on_the_transitions(corruption: Corruption, alpha_s: float, alpha_t: float) -> None:
    expected_xzy = bayes(corruption, alpha_s, alpha_t)
    tokens_0_xz, tokens_t_xz = torch.meshgrid(ids(corruption), ids(corruption), indexing="ij")
    posterior_xzy = corruption.posterior(tokens_t_xz, tokens_0_xz, real(alpha_s), real(alpha_t))
    possible_xz = ~expected_xzy.isnan().any(-1)
    assert possible_xz.any()
    torch.testing.assert_close(posterior_xzy[possible_xz], expected_xzy[possible_xz])
    torch.testing.assert_close(posterior_xzy.sum(-1), torch.ones_like(tokens_0_xz, dtype=F64))


@each
def test_posterior_marginalises_back_to_the_marginal_at_s(corruption: Corruption) -> None:
    tokens_0_xz, tokens_t_xz = torch.meshgrid(ids(corruption), ids(corruption), indexing="ij")
    posterior_xzy = corruption.posterior(tokens_t_xz, tokens_0_xz, real(0.8), real(0.3))
    at_t_xz = corruption.marginal(ids(corruption), real(0.3))
    at_s_xy = torch.einsum("xz,xzy->xy", at_t_xz, posterior_xzy)
    torch.testing.assert_close(at_s_xy, corruption.marginal(ids(corruption), real(0.8)))


def test_absorbing_model_posterior_is_subs() -> None:
    """At a mask: unmask with probability (alpha_s - alpha_t) / (1 - alpha_t); elsewhere keep the token."""
    corruption = Absorbing(3, 4)
    probs_V = torch.tensor([0.5, 0.2, 0.3, 0.0], dtype=F64)
    step_V = corruption.posterior(torch.tensor(3), probs_V, real(0.6), real(0.2))
    torch.testing.assert_close(step_V, 0.5 * probs_V + torch.tensor([0, 0, 0, 0.5], dtype=F64))
    certain_elsewhere_V = torch.tensor([1.0, 0, 0, 0], dtype=F64)
    kept_V = corruption.posterior(torch.tensor(1), certain_elsewhere_V, real(0.6), real(0.2))
    assert kept_V.tolist() == [0, 1, 0, 0]


@pytest.mark.parametrize("corruption", ALL[:2], ids=str)
def test_absorbing_model_posterior_is_the_mixture_of_true_ones(corruption: Corruption) -> None:
    mask = corruption.never_clean[0]
    probs_x = torch.rand(4, dtype=F64).index_fill(0, torch.tensor([mask]), 0)
    probs_x = probs_x / probs_x.sum()
    mixture_y = torch.einsum("x,xy->y", probs_x, bayes(corruption, 0.8, 0.3)[:, mask].nan_to_num())
    torch.testing.assert_close(corruption.posterior(torch.tensor(mask), probs_x, real(0.8), real(0.3)), mixture_y)


def test_uniform_model_posterior_is_udlms_formula() -> None:
    """arXiv:2412.10193, the posterior at pi = 1/N with x replaced by a prediction."""
    size, alpha_s, alpha_t = 5, 0.8, 0.3
    probs_V = torch.rand(size, dtype=F64)
    probs_V = probs_V / probs_V.sum()
    z_V = torch.eye(size, dtype=F64)[2]
    ratio = alpha_t / alpha_s
    top_V = (
        size * alpha_t * z_V * probs_V
        + (ratio - alpha_t) * z_V
        + (alpha_s - alpha_t) * probs_V
        + (alpha_s - alpha_t) * (1 - alpha_s) / (size * alpha_s)
    )
    expected_V = top_V / (size * alpha_t * probs_V[2] + 1 - alpha_t)
    step_V = Uniform(size).posterior(torch.tensor(2), probs_V, real(alpha_s), real(alpha_t))
    torch.testing.assert_close(step_V, expected_V)


@pytest.mark.parametrize("corruption", [Uniform(3), Hybrid(3, 4, 0.4), Absorbing(3, 4)], ids=str)
def test_leave_one_out_prediction_makes_the_reverse_step_exact(corruption: Corruption) -> None:
    """On a joint distribution of two tokens, everything by enumeration over (x, x') clean and (z, z') noisy."""
    text, alpha_s, alpha_t = 3, 0.7, 0.4
    joint_xx = torch.rand(text, text, dtype=F64, generator=torch.Generator().manual_seed(0))
    joint_xx = joint_xx / joint_xx.sum()
    at_t_xz = corruption.marginal(torch.arange(text), real(alpha_t))
    posterior_xzy = corruption.posterior(
        ids(corruption).expand(text, -1),
        torch.arange(text)[:, None].expand(-1, corruption.vocab_size),
        real(alpha_s),
        real(alpha_t),
    )
    for z, other in itertools.product(range(corruption.vocab_size), repeat=2):
        others_x = (joint_xx * at_t_xz[:, other]).sum(-1)
        others_x = others_x / others_x.sum()  # p(x | z')
        own_x = others_x * at_t_xz[:, z]
        own_x = own_x / own_x.sum()  # p(x | z, z')
        logits_V = own_x.log()
        if corruption.vocab_size > text:
            logits_V = torch.cat([logits_V, torch.tensor([-torch.inf], dtype=F64)])
        left_out_V = corruption.leave_one_out(logits_V, torch.tensor(z), real(alpha_t)).softmax(-1)
        if corruption.stationary(real(0))[z] > 0:
            torch.testing.assert_close(left_out_V[:text], others_x)
        step_V = corruption.posterior(torch.tensor(z), left_out_V, real(alpha_s), real(alpha_t))
        exact_V = torch.einsum("x,xy->y", own_x, posterior_xzy[:, z])
        torch.testing.assert_close(step_V, exact_V)


@each
def test_what_was_left_out_can_be_put_back(corruption: Corruption) -> None:
    """Also where nothing was: at pure noise, and where noise cannot have put the token there."""
    tokens_T = ids(corruption)
    logits_TV = torch.randn(len(tokens_T), corruption.vocab_size, dtype=F64, generator=torch.Generator().manual_seed(0))
    for alpha in (0.0, 0.3, 0.99):
        alpha_T = real(alpha).expand(len(tokens_T))
        left_out_TV = corruption.leave_one_out(logits_TV, tokens_T, alpha_T)
        torch.testing.assert_close(corruption.put_back(left_out_TV, tokens_T, alpha_T), logits_TV)


# ------------------------------------------------------------------------------------------------ sampling


@each
def test_noise_is_the_inverse_cdf_of_pi(corruption: Corruption) -> None:
    """Equally spaced uniforms must give every token its share, to within one count."""
    num = 10_000
    tokens = corruption.noise(((torch.arange(num) + 0.5) / num).double())
    shares_V = torch.bincount(tokens, minlength=corruption.vocab_size) / num
    torch.testing.assert_close(shares_V.double(), corruption.stationary(real(0)), atol=2 / num, rtol=0)


@each
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_stays_in_the_support_at_the_ends_of_the_unit_interval(
    corruption: Corruption, dtype: torch.dtype
) -> None:
    u = torch.tensor([0.0, 1 - torch.finfo(dtype).eps / 2], dtype=dtype)
    assert (corruption.stationary(real(0))[corruption.noise(u)] > 0).all()


@each
def test_paths_sampled_step_by_step_follow_the_marginals(corruption: Corruption) -> None:
    rows, start, alphas = 40_000, 1, [1.0, 0.9, 0.6, 0.5, 0.1]
    tokens = torch.full((rows,), start)
    generator = torch.Generator().manual_seed(3)
    for alpha_s, alpha_t in itertools.pairwise(alphas):
        probs_BV = corruption.transition(tokens, real(alpha_s), real(alpha_t))
        tokens = torch.multinomial(probs_BV, 1, generator=generator)[:, 0]
        counts_V = torch.bincount(tokens, minlength=corruption.vocab_size).double()
        assert chance(counts_V, corruption.marginal(torch.tensor(start), real(alpha_t))) > 1e-5


@each
def test_ancestral_paths_with_the_true_posterior_return_to_the_clean_token(corruption: Corruption) -> None:
    rows, start, alphas = 20_000, 1, [0.0, 0.3, 0.7, 1.0]
    generator = torch.Generator().manual_seed(4)
    tokens = corruption.noise(torch.rand(rows, dtype=F64, generator=generator))
    clean = torch.full((rows,), start)
    for alpha_t, alpha_s in itertools.pairwise(alphas):
        probs_BV = corruption.posterior(tokens, clean, real(alpha_s), real(alpha_t))
        tokens = torch.multinomial(probs_BV, 1, generator=generator)[:, 0]
        counts_V = torch.bincount(tokens, minlength=corruption.vocab_size).double()
        assert chance(counts_V, corruption.marginal(torch.tensor(start), real(alpha_s))) > 1e-5


# ------------------------------------------------------------------------------------------------- corrupt


@each
@pytest.mark.parametrize("level", [0.15, 0.5, 0.9])
def test_corrupt_draws_the_marginal_and_hits_the_stated_share(corruption: Corruption, level: float) -> None:
    tokens_BL = torch.ones(200, 200, dtype=torch.long)
    canvas = corrupt(
        tokens_BL,
        torch.ones_like(tokens_BL, dtype=torch.bool),
        torch.full((200,), level),
        corruption,
        torch.arange(200),
    )
    counts_V = torch.bincount(canvas.tokens_BL.flatten(), minlength=corruption.vocab_size).double()
    assert chance(counts_V, corruption.marginal(torch.tensor(1), real(1 - level))) > 1e-5
    hits = torch.tensor([canvas.noisy_BL.sum(), (~canvas.noisy_BL).sum()]).double()
    assert chance(hits, torch.tensor([level, 1 - level], dtype=F64)) > 1e-5


@each
def test_corrupt_never_touches_what_is_not_editable(corruption: Corruption) -> None:
    tokens_BL = torch.arange(4).repeat(8, 5)
    editable_BL = torch.arange(20) % 3 == 0
    canvas = corrupt(tokens_BL, editable_BL.expand(8, -1), torch.ones(8), corruption, torch.arange(8))
    assert (canvas.status_BL[:, ~editable_BL] == Status.FIXED).all()
    assert torch.equal(canvas.tokens_BL[:, ~editable_BL], tokens_BL[:, ~editable_BL])
    assert (canvas.status_BL[:, editable_BL] == Status.NOISY).all()


def test_corrupt_marks_spared_editable_tokens_accepted_and_keeps_them() -> None:
    tokens_BL = torch.arange(1000)[None]
    canvas = corrupt(
        tokens_BL,
        torch.ones_like(tokens_BL, dtype=torch.bool),
        torch.tensor([0.5]),
        Absorbing(1000, 1001),
        torch.tensor([1]),
    )
    spared_BL = canvas.status_BL == Status.ACCEPTED
    assert torch.equal(spared_BL, ~canvas.noisy_BL)
    assert torch.equal(canvas.tokens_BL[spared_BL], tokens_BL[spared_BL])
    assert (canvas.tokens_BL[canvas.noisy_BL] == 1000).all()


def test_literal_mask_tokens_are_not_taken_for_noise() -> None:
    tokens_BL = torch.full((1, 50), 3)
    canvas = corrupt(
        tokens_BL, torch.ones_like(tokens_BL, dtype=torch.bool), torch.tensor([0.0]), Absorbing(3, 4), torch.tensor([0])
    )
    assert not canvas.noisy_BL.any()
    assert canvas.done_B.all()


def test_a_row_does_not_depend_on_its_neighbours() -> None:
    tokens_BL = torch.randint(4, (6, 30), generator=torch.Generator().manual_seed(0))
    editable_BL, level_B = torch.ones_like(tokens_BL, dtype=torch.bool), torch.linspace(0.2, 1, 6)
    seed_B, corruption = torch.tensor([5, 9, 2, 7, 7, 0]), Hybrid(4, 6, 0.4, text_size=4)
    together = corrupt(tokens_BL, editable_BL, level_B, corruption, seed_B)
    for row in range(6):
        one = slice(row, row + 1)
        alone = corrupt(tokens_BL[one], editable_BL[one], level_B[one], corruption, seed_B[one])
        assert torch.equal(alone.tokens_BL, together.tokens_BL[one])
        assert torch.equal(alone.status_BL, together.status_BL[one])
    assert not torch.equal(together.noisy_BL[0], together.noisy_BL[1])


def test_stronger_noise_hits_a_superset_for_the_same_seed() -> None:
    tokens_BL = torch.zeros(2, 500, dtype=torch.long)
    canvas = corrupt(tokens_BL, tokens_BL == 0, torch.tensor([0.3, 0.6]), Uniform(9), torch.tensor([4, 4]))
    weak_L, strong_L = canvas.noisy_BL
    assert (weak_L <= strong_L).all()
    assert weak_L.sum() < strong_L.sum()


def test_levels_may_differ_by_position() -> None:
    tokens_BL = torch.zeros(3, 40, dtype=torch.long)
    level_BL = (torch.arange(40) >= 20).float().expand(3, -1)
    canvas = corrupt(tokens_BL, tokens_BL == 0, level_BL, Uniform(9), torch.arange(3))
    assert torch.equal(canvas.noisy_BL, level_BL == 1)


def test_empty_slack_passes_through() -> None:
    tokens_BL = torch.arange(10)[None]
    status_BL = torch.where(tokens_BL < 7, int(Status.ACCEPTED), int(Status.EMPTY))
    editable_BL = torch.ones_like(tokens_BL, dtype=torch.bool)
    canvas = corrupt(tokens_BL, editable_BL, torch.ones(1), Absorbing(10, 11), torch.tensor([0]), status_BL)
    assert (canvas.status_BL[tokens_BL >= 7] == Status.EMPTY).all()
    assert canvas.noisy_BL.sum() == 7
    assert torch.equal(canvas.tokens_BL[tokens_BL >= 7], tokens_BL[tokens_BL >= 7])


def test_which_positions_are_hit_is_independent_of_what_lands_there() -> None:
    seed_B, step_B = torch.arange(400), torch.zeros(400, dtype=torch.long)
    hit_BL = uniform(seed_B, step_B, 100, Stream.CORRUPT) < 0.5
    kind_BL = uniform(seed_B, step_B, 100, Stream.NOISE) < 0.5
    counts = torch.bincount((2 * hit_BL + 1 * kind_BL).flatten()).double()
    assert chance(counts, torch.full((4,), 0.25, dtype=F64)) > 1e-5


def test_values_out_of_range_are_refused_by_name() -> None:
    for make, name in [
        (lambda: Absorbing(4, 4), "mask_id"),
        (lambda: Uniform(4, text_size=5), "text_size"),
        (lambda: Hybrid(1, 4, 1.5), "uniform_share"),
        (lambda: Hybrid(0, 4, 0.5, text_size=1), "text_size"),
    ]:
        with pytest.raises(ValueError, match=name):
            make()
