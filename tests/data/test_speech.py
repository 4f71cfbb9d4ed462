"""Transcripts lose marks and capitals, gain slips, and never lose a word."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.data.speech import CORRECTIONS, FILLERS, Speech, bare, spoken

TEXT = '"Well," said Ann, "it\'s ten o\'clock -- and Tom isn\'t here." She looked out.\nIs he well-known?'
BARE = "well said ann it's ten o'clock and tom isn't here she looked out\nis he well-known"
FLUENT = Speech(filler=0, repeat=0, restart=0)


def test_marks_and_capitals_go_and_apostrophes_stay() -> None:
    assert bare(TEXT) == BARE
    assert spoken(TEXT, Random(0), FLUENT) == BARE
    assert spoken(TEXT, Random(0), Speech(filler=1, repeat=1, restart=1, smooth=1)) == BARE


def is_within(words: list[str], said: list[str]) -> bool:
    rest = iter(said)
    return all(word in rest for word in words)


@given(st.integers(0, 2**32))
def test_every_word_that_was_meant_is_still_there_in_its_order(seed: int) -> None:
    said = spoken(TEXT, Random(seed), Speech(smooth=0, filler=0.3, repeat=0.3, restart=0.2))
    assert said.count("\n") == 1
    for meant, line in zip(BARE.split("\n"), said.split("\n"), strict=True):
        assert is_within(meant.split(), line.split())


@pytest.mark.parametrize(("name", "added"), [("filler", FILLERS), ("restart", CORRECTIONS)])
def test_slips_come_as_often_as_asked_for(name: str, added: tuple[str, ...]) -> None:
    speech = Speech(**{"filler": 0.0, "repeat": 0.0, "restart": 0.0, "smooth": 0.0} | {name: 0.1})
    text = " ".join(f"w{n}" for n in range(2000))
    said = spoken(text, Random(1), speech)
    count = sum(f" {slip} w" in said for slip in added)
    assert count == len(added)
    gained = len(said.split()) - 2000
    assert 150 < gained < 1200


def test_repeated_words_are_the_ones_that_follow() -> None:
    said = spoken("a b c d", Random(3), Speech(filler=0, repeat=1, restart=0, smooth=0)).split()
    assert set(said) == {"a", "b", "c", "d"}
    assert len(said) > 8 - 1


@pytest.mark.parametrize("text", ["", "\n", "...", " - ", "\u6f22\u5b57"])
def test_texts_of_no_words_stay_empty(text: str) -> None:
    assert spoken(text, Random(0)).strip() in ("", "\u6f22\u5b57")


def test_chances_outside_their_range_are_named() -> None:
    with pytest.raises(ValueError, match=r"filler=1\.5"):
        Speech(filler=1.5)
