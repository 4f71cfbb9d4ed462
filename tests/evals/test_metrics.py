"""The metrics against enumeration: pass@k, intervals that cover, a paired test that knows what chance does."""

from itertools import combinations, product
from math import isclose, isnan

import numpy as np
import pytest

from redraft.evals.gleu import gleu, sentence_statistics
from redraft.evals.metrics import estimate, paired, pass_at_k, ratio, wilson


@pytest.mark.parametrize(("samples", "right", "k"), [(5, 2, 1), (5, 2, 3), (6, 0, 4), (4, 4, 2), (7, 1, 7)])
def test_pass_at_k_is_the_share_of_drawings_with_a_right_answer(samples: int, right: int, k: int) -> None:
    answers = [n < right for n in range(samples)]
    drawn = list(combinations(answers, k))
    assert isclose(pass_at_k(samples, right, k), sum(map(any, drawn)) / len(drawn))


def test_pass_at_k_is_unbiased() -> None:
    """Over all outcomes of 5 samples, each right with chance p, its mean is 1 - (1 - p)**k."""
    p, samples, k = 0.3, 5, 3
    outcomes = product([0, 1], repeat=samples)
    mean = sum(p ** sum(o) * (1 - p) ** (samples - sum(o)) * pass_at_k(samples, sum(o), k) for o in outcomes)
    assert isclose(mean, 1 - (1 - p) ** k)


@pytest.mark.parametrize(("samples", "right", "k"), [(3, 1, 4), (3, 4, 1), (3, 1, 0)])
def test_more_drawn_than_there_are_is_refused(samples: int, right: int, k: int) -> None:
    with pytest.raises(ValueError, match="is nothing"):
        pass_at_k(samples, right, k)


def test_no_success_in_twenty_does_not_promise_that_there_is_none() -> None:
    found = estimate([0.0] * 20)
    assert (found.value, found.low, found.examples) == (0.0, 0.0, 20)
    assert found.high == pytest.approx(0.1611, abs=1e-4)  # Wilson's, by hand: z2 / (n + z2)
    assert wilson(20, 20)[0] == pytest.approx(1 - found.high)


@pytest.mark.parametrize("share", [0.05, 0.5, 0.9])
def test_the_interval_of_shares_covers_the_truth_about_as_often_as_it_says(share: float) -> None:
    rng = np.random.default_rng(0)
    spans = [wilson(float(n), 40) for n in rng.binomial(40, share, 2000)]
    covered = sum(low <= share <= high for low, high in spans) / 2000
    assert 0.92 < covered < 0.99


def test_the_bootstrap_covers_the_truth_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    found = [estimate(rng.beta(2, 3, 60).tolist(), draws=200, seed=n) for n in range(300)]
    assert 0.90 < sum(e.low <= 0.4 <= e.high for e in found) / 300 < 0.99


def test_a_ratio_is_of_sums_and_of_nothing_is_not_a_number() -> None:
    found = ratio([10, 30], [10, 10])
    assert found.value == 2.0
    assert found.low <= 2.0 <= found.high
    assert isnan(ratio([], []).value)


def test_the_paired_test_agrees_with_enumerating_every_swap() -> None:
    first, second = [0.0, 0.0, 1.0, 0.2, 0.1, 0.4], [1.0, 0.5, 1.0, 0.9, 0.3, 0.3]
    differences = np.array(second) - np.array(first)
    signs = np.array(list(product([1, -1], repeat=6)))
    exact = np.mean(abs(signs @ differences) >= abs(differences.sum()) - 1e-12)
    found = paired(first, second, draws=20_000)
    assert found.value == pytest.approx(differences.mean())
    assert found.p == pytest.approx(exact, abs=0.01)


def test_two_equal_runs_do_not_differ_and_a_clear_gain_does() -> None:
    same = paired([0.0, 1.0] * 10, [0.0, 1.0] * 10)
    assert (same.value, same.p) == (0.0, 1.0)
    assert same.low < 0 < same.high
    better = paired([0.0] * 30, [1.0] * 20 + [0.0] * 10)
    assert better.p < 0.001
    assert better.low > 0.4


def test_pairs_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 and 1"):
        paired([0.0, 1.0], [1.0])


def test_a_corpus_metric_is_the_corpus_metric() -> None:
    sources, answers = ["He go home now .", "A b c d e"], ["He goes home now .", "A b c d e"]
    references = [["He goes home now .", "He went home now ."], ["A b c d e", "A b c d f"]]
    statistics = sentence_statistics(sources, answers, references)
    found = estimate(statistics, "gleu")
    assert found.value == pytest.approx(gleu(sources, answers, references))
    assert found.low <= found.high
    worse = sentence_statistics(sources, sources, references)
    assert paired(worse, statistics, "gleu", draws=200).value > 0
