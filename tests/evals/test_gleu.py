"""GLEU: counted by hand on small cases, and properties it must have."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.evals.gleu import corpus_gleu, gleu, mean_gleu, sentence_statistics

WORDS = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), min_size=4, max_size=9).map(" ".join)


def test_counts_of_a_small_case_are_those_made_by_hand() -> None:
    source, hypothesis, reference = "he go to school", "he goes to school", "he goes to the school"
    [[found]] = sentence_statistics([source], [hypothesis], [[reference]])
    # Unigrams: 4 shared. Bigrams: "he goes", "goes to" shared; "to school" was kept and the reference has it nowhere.
    # Trigrams: "he goes to" shared, "goes to school" is new and wrong. The 4-gram is not in the reference.
    assert found == (4, 5, 4, 4, 2 - 1, 3, 1, 2, 0, 1)


def test_a_kept_error_costs_its_count_and_never_more_than_all() -> None:
    [[found]] = sentence_statistics(["bad bad ok"], ["bad bad ok"], [["good good ok"]])
    assert found[2:4] == (0, 3)  # 1 shared - 2 kept, floored


def test_the_score_is_the_geometric_mean_times_the_brevity_penalty() -> None:
    assert corpus_gleu([(4, 6, 4, 4, 2, 3, 1, 2, 1, 1)]) == pytest.approx(
        math.exp(1 - 6 / 4) * (1 * 2 / 3 * 1 / 2 * 1) ** 0.25
    )


def test_a_long_hypothesis_has_no_brevity_penalty() -> None:
    assert corpus_gleu([(8, 6, 4, 8, 3, 7, 2, 6, 1, 5)]) == pytest.approx((4 / 8 * 3 / 7 * 2 / 6 * 1 / 5) ** 0.25)


def test_source_errors_repeated_by_the_reference_are_no_errors() -> None:
    source = "the the cat sat down"
    [[found]] = sentence_statistics([source], [source], [["the cat sat down"]])
    assert found[2:6] == (4, 5, 3 - 1, 4)  # the second "the" is no gain and no loss; "the the" is a loss


@given(WORDS, WORDS)
def test_the_reference_itself_scores_one(source: str, reference: str) -> None:
    assert gleu([source], [reference], [[reference]]) == 1.0


def test_an_unchanged_source_scores_less_than_an_equally_distant_hypothesis_without_its_errors() -> None:
    reference = "she goes to school every day with her friends ."
    source = "she go to school every day with her friends ."
    unchanged, other = (gleu([source], [text], [[reference]]) for text in (source, source.replace("go", "walks")))
    assert 0 < unchanged < other < 1


@given(st.lists(st.tuples(WORDS, WORDS, WORDS), min_size=2, max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_sentences_does_not_matter(rows: list[tuple[str, str, str]], rng: Random) -> None:
    def score(triples: list[tuple[str, str, str]]) -> float:
        sources, hypotheses, references = zip(*triples, strict=True)
        return gleu(sources, hypotheses, [[r] for r in references])

    shuffled = rng.sample(rows, len(rows))
    assert score(shuffled) == pytest.approx(score(rows))


def test_several_references_are_averaged_over_draws() -> None:
    source, hypothesis = "a b c d e f", "a b c d e g"
    close, far = "a b c d e g", "a b c x e f y"
    one = [gleu([source], [hypothesis], [[reference]]) for reference in (close, far)]
    both = gleu([source], [hypothesis], [[close, far]], iterations=2000)
    assert both == pytest.approx(sum(one) / 2, abs=0.05)
    assert gleu([source], [hypothesis], [[close, close]]) == pytest.approx(one[0])


def test_the_same_seed_draws_the_same_references() -> None:
    statistics = sentence_statistics(
        ["a b c d e"] * 3, ["a b c d e"] * 3, [["a b c d e", "a b c d x", "a b c d e f g"]] * 3
    )
    scores = {mean_gleu(statistics, iterations=3, seed=seed) for seed in (0, 0, 1, 2)}
    assert len(scores) > 1
    assert mean_gleu(statistics, iterations=3, seed=7) == mean_gleu(statistics, iterations=3, seed=7)


def test_lists_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 hypotheses"):
        gleu(["a"], ["a", "b"], [["a"]])
    with pytest.raises(ValueError, match="a reference for each"):
        gleu(["a"], ["a"], [[]])
