"""Spelling: a list proposes, a judge decides, and what is no mistake of anybody's is left alone."""

from copy import copy
from dataclasses import replace

import pytest

import redraft
from redraft.defaults import Defaults
from redraft.editing import chosen_speller
from redraft.instant.diffs import apply_edits
from redraft.instant.spelling import Speller, Spelling
from redraft.instant.words import Words
from redraft.library import Model

LISTED = "the then there their cat cart sat on mat definitely separate went house horse"
KNOWN = Words(frozenset(LISTED.split()))
GOOD = {"definitely": 9.0, "house": 5.0, "horse": 4.0, "then": 2.0, "cart": 7.0}


def encode(text: str) -> list[int]:
    return [ord(letter) for letter in text]


def speller(**changes: float) -> Speller:
    """A judge that likes some words, and nothing else."""

    def gains(pairs: list[tuple[list[int], list[int]]]) -> list[float]:
        texts = ["".join(map(chr, new)) for _, new in pairs]
        return [max((value for word, value in GOOD.items() if word in text.split()), default=-1.0) for text in texts]

    return Speller(KNOWN, encode, gains, Spelling(**changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["the cat sat", "Zephyr sat", "NASA sat", "abc1 x2y3", "sta", "café", "the cat's mat"])
def test_words_names_numbers_and_short_words_are_not_doubted(text: str) -> None:
    assert speller().doubts(text) == []


def test_the_best_of_the_candidates_is_taken_where_the_word_stands() -> None:
    ((edit, gain),) = speller().mend([("the hosue sat", [(4, 9)])])[0]
    assert (edit.start, edit.end, edit.before, edit.after, gain) == (4, 9, "hosue", "house", 5.0)
    assert edit.confidence is not None
    assert 0.5 < edit.confidence < 1


def test_two_slips_need_more_nats_than_one() -> None:
    text = "it is definately so"
    where = [(6, 16)]
    assert speller(near=3.0, far=8.0).mend([(text, where)])[0][0][0].after == "definitely"
    assert speller(near=8.9, far=8.9).mend([(text, where)])[0]
    assert speller(near=9.1, far=9.1).mend([(text, where)]) == [[]]


def test_a_candidate_that_gains_too_little_leaves_the_word() -> None:
    assert speller().mend([("the thenn sat", [(4, 9)])]) == [[]]


def test_texts_are_judged_each_with_its_own_words() -> None:
    found = speller().mend([("hosue", [(0, 5)]), ("the cat", []), ("a caart", [(2, 7)])])
    assert [[edit.after for edit, _ in row] for row in found] == [["house"], [], ["cart"]]


def test_candidates_are_near_and_the_nearest_come_first() -> None:
    proposals = speller().proposals("hosue", 0, 5)
    assert [p.word for p in proposals] == ["house", "horse"]
    assert [p.slips for p in proposals] == [1, 2]


@pytest.mark.parametrize("values", [{"shortest": 1}, {"most": 0}])
def test_what_cannot_be_asked_for_is_refused(values: dict[str, int]) -> None:
    with pytest.raises(ValueError, match=next(iter(values))):
        Spelling(**values)  # type: ignore[arg-type]


# ------------------------------------------------------------------ in a model's edits

TEXT = "The hosue is on a hill.\nIt has a smal gardden behind it.\n"
EAGER = Spelling(near=-1e9, far=-1e9)


@pytest.fixture(scope="module")
def shipped() -> Model:
    return redraft.load()


def eager(model: Model) -> Model:
    """The shipped model, which takes any word of its list for one that is none."""
    assert model.words is not None
    found = copy(model)
    found.defaults = replace(model.defaults, edit_spelling=EAGER)
    return found


def test_words_that_the_model_leaves_are_mended_in_place(shipped: Model) -> None:
    result = eager(shipped).edit(TEXT)
    assert apply_edits(TEXT, list(result.edits)) == result.text
    assert not {"hosue", "smal", "gardden"} & set(result.text.split())
    assert result.text.count("\n") == TEXT.count("\n")


def test_a_lock_keeps_a_word_that_is_none(shipped: Model) -> None:
    result = eager(shipped).edit(TEXT, locks=["hosue", "ardden"])
    assert "hosue" in result.text
    assert "ardden" in result.text
    assert "smal " not in result.text


def test_other_instructions_and_recommendations_mend_no_spelling(shipped: Model) -> None:
    assert chosen_speller(eager(shipped), "proofread this") is not None
    assert chosen_speller(eager(shipped), "simplify") is None
    plain = copy(shipped)
    plain.defaults = replace(shipped.defaults, edit_spelling=None)
    assert chosen_speller(plain, "fix") is None


def test_a_recommendation_of_spelling_survives_json() -> None:
    defaults = Defaults(edit_spelling=Spelling(near=2.5, most=3))
    assert Defaults.from_json(defaults.to_json()) == defaults
    with pytest.raises(ValueError, match="nearest"):
        Defaults.from_json({"edit_spelling": {"nearest": 1.0}})
