"""Predictions: drawn as often as their probability says, and summarised right."""

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from redraft.core.canvas import Action, Controls
from redraft.core.rng import uniform
from redraft.sampling.prediction import COSTLY, best, draw, predict
from redraft.sampling.wrappers import keep_likely


def uniforms(count: int, step: int = 0) -> Tensor:
    return uniform(torch.tensor([7]), torch.tensor([step]), count, 2)


def drawn_counts(logits_V: Tensor, temperature: float | Tensor, count: int) -> Tensor:
    logits_BLV = logits_V.expand(1, count, -1)
    tokens_BL = predict(logits_BLV, temperature, uniforms(count)).tokens_BL
    return tokens_BL[0].bincount(minlength=len(logits_V)).double()


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("per_row", [False, True])
def test_tokens_are_drawn_as_often_as_the_tempered_distribution_says(temperature: float, per_row: bool) -> None:
    logits_V = torch.tensor([2.0, 0.0, 1.0, -1.0, 0.5, 1.9])
    heat = torch.tensor([temperature]) if per_row else temperature
    counts = drawn_counts(logits_V, heat, 40_000)
    expected = (logits_V.double() / temperature).softmax(-1) * 40_000
    assert chisquare(counts, expected).pvalue > 1e-3


def test_a_large_vocabulary_is_drawn_in_its_right_proportions_down_to_the_tail() -> None:
    logits_V = torch.cat([torch.linspace(4, -4, 4992), torch.linspace(12, 8, 8)])[
        torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    ]
    counts = sum(
        predict(logits_V.expand(1, 2000, -1), 1.0, uniforms(2000, step)).tokens_BL[0].bincount(minlength=5000)
        for step in range(5)
    )
    probs_V = logits_V.double().softmax(-1)
    bins = probs_V.argsort().chunk(10)  # equal numbers of tokens, rarest first
    observed = torch.stack([counts[ids].sum() for ids in bins]).double()
    expected = torch.stack([probs_V[ids].sum() for ids in bins]) * 10_000
    observed, expected = observed[expected > 5], expected[expected > 5]
    assert len(observed) > 3
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-3


def test_tokens_of_probability_a_billionth_behind_a_certain_one_are_all_reachable() -> None:
    """A float32 running sum near one cannot tell them apart: its steps are 60 of these tokens wide."""
    rare = 1e-9
    logits_V = torch.full((5000,), rare).log()
    logits_V[0] = 0.0
    last_L = torch.arange(0, 4900, 100)
    u_BL = (1 - (last_L.double() + 0.5) * rare)[None]
    tokens_L = predict(logits_V.expand(1, len(last_L), -1), 1.0, u_BL).tokens_BL[0]
    assert (tokens_L - (4999 - last_L)).abs().max() <= 2


def test_every_stratum_of_the_unit_interval_draws_its_exact_share() -> None:
    logits_V = torch.randn(50, generator=torch.Generator().manual_seed(1))
    u_BL = ((torch.arange(10_000).double() + 0.5) / 10_000)[None]
    counts = predict(logits_V.expand(1, 10_000, -1), 0.7, u_BL).tokens_BL[0].bincount(minlength=50)
    assert (counts - (logits_V.double() / 0.7).softmax(-1) * 10_000).abs().max() <= 1.01


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_a_filtered_token_is_never_drawn_even_at_the_ends_of_the_unit_interval(temperature: float) -> None:
    logits_BLV = torch.tensor([-torch.inf, 1.0, -torch.inf, 0.0, -torch.inf]).expand(1, 4, 5)
    u_BL = torch.tensor([[0.0, 1e-300, 0.5, 1 - 2**-53]], dtype=torch.float64)
    tokens = predict(logits_BLV, temperature, u_BL).tokens_BL[0].tolist()
    assert tokens == [1, 1, 1, 3]


def test_top_k_and_top_p_logits_are_drawn_in_renormalised_proportions() -> None:
    logits_V = torch.tensor([3.0, 2.0, 1.0, 0.0, -1.0])
    counts = drawn_counts(keep_likely(logits_V, top_k=3, top_p=0.9), 1.0, 30_000)
    expected = logits_V[:2].double().softmax(-1) * 30_000  # the top 2 of 3 hold 0.91
    assert counts[2:].sum() == 0
    assert chisquare(counts[:2], expected).pvalue > 1e-3


def test_draw_stays_below_a_total_that_rounds() -> None:
    weights_V = torch.tensor([0.1] * 7 + [0.0], dtype=torch.float64)
    assert draw(weights_V[None, None], torch.tensor([[1 - 2**-53]], dtype=torch.float64)).item() == 6


def test_temperature_zero_and_a_vanishing_temperature_take_the_best_token() -> None:
    logits_BLV = torch.randn(2, 9, 30, generator=torch.Generator().manual_seed(0)) * 1e3
    u_BL = uniform(torch.arange(2), torch.zeros(2).long(), 9, 2)
    best_BL = logits_BLV.argmax(-1)
    for temperature in (0.0, 1e-30, torch.tensor([0.0, 1e-6])):
        assert torch.equal(predict(logits_BLV, temperature, u_BL).tokens_BL, best_BL)


def test_confidence_margin_entropy_and_current_are_those_of_the_temperature_one_distribution() -> None:
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
    prediction = predict(probs.log()[None, None], 0.1, torch.tensor([[0.5]]), current_BL=torch.tensor([[2]]))
    assert prediction.tokens_BL.item() == 0
    assert prediction.confidence_BL.item() == pytest.approx(0.5)
    assert prediction.margin_BL.item() == pytest.approx(0.2)
    assert prediction.current_BL.item() == pytest.approx(0.15)
    assert prediction.entropy_BL.item() == pytest.approx(-(probs * probs.log()).sum().item(), abs=1e-6)


def test_a_token_outside_the_vocabulary_has_probability_zero() -> None:
    prediction = predict(torch.zeros(1, 2, 4), 0.0, torch.zeros(1, 2), current_BL=torch.tensor([[4, 3]]))
    assert prediction.current_BL.tolist() == [[0.0, 0.25]]


def test_impossible_and_broken_logits_give_finite_confidence_and_no_nan() -> None:
    inf, nan = torch.inf, torch.nan
    logits_BLV = torch.tensor([[[0.0, -inf, -inf], [-inf, -inf, -inf], [nan, 0.0, 1.0], [inf, 0.0, 0.0]]])
    for temperature in (0.0, 1.0, 0.5):
        prediction = predict(logits_BLV, temperature, torch.full((1, 4), 0.5))
        assert prediction.entropy_BL.tolist() == [[0.0, inf, inf, inf]]
        assert prediction.confidence_BL.tolist() == [[1.0, 0.0, 0.0, 0.0]]
        assert ((prediction.tokens_BL >= 0) & (prediction.tokens_BL < 3)).all()
        assert prediction.margin_BL.isfinite().all()


def test_controls_are_impossible_without_indels_and_proposals_with_them() -> None:
    controls = Controls(delete_id=3, insert_ids=(4, 5))
    logits_BLV = torch.eye(6)[None] * 5
    u_BL = torch.zeros(1, 6)
    plain = predict(logits_BLV, 0.0, u_BL, controls=controls)
    assert (plain.tokens_BL[0] < 3).all()
    assert plain.confidence_BL[0, 5].item() == pytest.approx(1 / 3)
    assert (plain.proposal_BL == Action.WRITE).all()
    free = predict(logits_BLV, 0.0, u_BL, controls=controls, indels=True)
    assert free.tokens_BL[0].tolist() == [0, 1, 2, 3, 4, 5]
    assert free.proposal_BL[0].tolist() == [Action.WRITE] * 3 + [Action.DELETE, Action.INSERT, Action.INSERT]
    assert free.slots_BL[0].tolist() == [0, 0, 0, 0, 1, 2]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_unsure_tokens_are_predicted_without_confidence_and_leave_theirs_to_the_others(temperature: float) -> None:
    probs = torch.tensor([0.5, 0.3, 0.15, 0.05])
    logits_BLV = torch.stack([probs.log(), probs.flip(0).log()])[None]
    plain = predict(logits_BLV, temperature, torch.tensor([[0.2, 0.9]]))
    unsure = predict(logits_BLV, temperature, torch.tensor([[0.2, 0.9]]), unsure_ids=(0, 2))
    assert torch.equal(unsure.tokens_BL, plain.tokens_BL)
    assert unsure.tokens_BL.tolist() == [[0, 3]]
    assert unsure.confidence_BL[0].tolist() == [0.0, pytest.approx(0.5 / 0.65)]
    assert torch.equal(unsure.current_BL, plain.current_BL)


def test_the_best_token_is_known_whatever_was_drawn() -> None:
    probs = torch.tensor([0.5, 0.3, 0.2])
    prediction = predict(probs.log().expand(1, 2, 3), 1.0, torch.tensor([[0.1, 0.9]]))
    assert prediction.tokens_BL.tolist() == [[0, 2]]
    assert prediction.best_BL.tolist() == [[0, 0]]


def test_a_rows_prediction_is_bitwise_the_same_alone_and_among_others() -> None:
    logits_BLV = torch.randn(5, 13, 997, generator=torch.Generator().manual_seed(2)) * 4
    u_BL = uniform(torch.arange(5), torch.zeros(5).long(), 13, 2)
    together = predict(logits_BLV, 0.8, u_BL)
    alone = predict(logits_BLV[3:4, :9], 0.8, u_BL[3:4, :9])
    for name in ("tokens_BL", "confidence_BL", "margin_BL", "entropy_BL", "current_BL"):
        assert torch.equal(getattr(together, name)[3:4, :9], getattr(alone, name))


def test_prediction_does_not_write_into_the_logits() -> None:
    logits_BLV = torch.tensor([[[0.0, -torch.inf, 2.0]]])
    before = logits_BLV.clone()
    predict(logits_BLV, 0.5, torch.tensor([[0.3]]), controls=Controls(delete_id=0))
    assert torch.equal(logits_BLV, before)


def test_the_best_of_a_large_vocabulary_is_found_block_by_block() -> None:
    scores_BLV = torch.randn(2, 5, 2048, generator=torch.Generator().manual_seed(0)).mul_(2).round_()  # with ties
    scores_BLV[0, 0] = -torch.inf
    value_BL, id_BL = best(scores_BLV)
    assert torch.equal(value_BL, scores_BLV.amax(-1))
    for row, first in zip(scores_BLV.flatten(0, 1).tolist(), id_BL.flatten().tolist(), strict=True):
        assert first == row.index(max(row))


def test_a_large_vocabulary_is_drawn_block_by_block_as_at_once() -> None:
    weights_BLV = torch.rand(1, 1, 2048, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    weights_BLV[..., torch.arange(2048) % 64 < 40] = 0.0
    weights_BLV[..., 640:1280] = 0.0
    u_BL = torch.cat([uniforms(5000), torch.tensor([[0.0, 1 - 2**-53]], dtype=torch.float64)], 1)
    many_BLV = weights_BLV.expand(1, 5002, -1)
    cdf_V = weights_BLV[0, 0].cumsum(-1)
    expected = torch.searchsorted(cdf_V, u_BL[0] * cdf_V[-1], right=True)
    drawn = draw(many_BLV, u_BL)[0]
    assert (weights_BLV[0, 0][drawn] > 0).all()
    assert torch.equal(drawn[:-1], expected[:-1])
    assert drawn[-1] == weights_BLV[0, 0].nonzero().max()


def test_what_nobody_reads_is_not_a_number() -> None:
    logits_BLV = torch.randn(1, 3, 9, generator=torch.Generator().manual_seed(0))
    whole, bare = predict(logits_BLV, 0.0, None), predict(logits_BLV, 0.0, None, reads=frozenset())
    for name in COSTLY:
        assert getattr(whole, name).isfinite().all()
        assert getattr(bare, name).isnan().all()
    assert torch.equal(whole.confidence_BL, bare.confidence_BL)
