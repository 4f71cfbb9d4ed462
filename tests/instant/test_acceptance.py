"""Acceptance: a whole word's change is taken or refused as one, by spelling, belief and gain."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from redraft.instant.acceptance import Acceptance, Change, Row, changes
from redraft.instant.diffs import Edit
from redraft.instant.words import Words, count_words, load_words

KNOWN = Words(frozenset(["he", "go", "talked", "goes", "to", "yesterday", "dog", "don't"]))
SURE = Change(Edit(0, 2, "go", "goes", 0.9), lost=("go",), made=("goes",), written=0.9, settled=-0.1, gain=5.0)


def _decode(ids: list[int]) -> str:
    return bytes(ids).decode(errors="replace")


def _row(text: str, nats: dict[int, float] | None = None, written: dict[int, float] | None = None) -> Row:
    ids = list(text.encode())
    return Row(ids, [(nats or {}).get(n, 0.0) for n in range(len(ids))], [(written or {}).get(n, 0.0) for n in ids])


def test_a_sure_change_into_a_word_is_taken() -> None:
    assert Acceptance().takes(SURE, KNOWN)


@pytest.mark.parametrize(
    "change",
    [
        replace(SURE, made=("t",)),  # half a word is no word
        replace(SURE, written=0.4),
        replace(SURE, settled=math.log(0.5)),
        replace(SURE, settled=None),  # the text was still moving
        replace(SURE, gain=2.0),
        replace(SURE, edit=Edit(3, 3, "", "to "), lost=(), made=("to",), written=0.8),  # insertions need more
    ],
)
def test_half_words_doubts_and_small_gains_are_refused(change: Change) -> None:
    assert not Acceptance().takes(change, KNOWN)


def test_where_the_old_was_no_word_less_is_asked_of_the_new() -> None:
    mended = replace(SURE, edit=Edit(0, 5, "dgoes", "goes"), lost=("dgoes",), written=0.4, gain=1.5)
    assert Acceptance().takes(mended, KNOWN)
    assert not Acceptance(spelled=False).takes(mended, KNOWN)
    assert not Acceptance().takes(replace(mended, lost=("Dgoes",)), KNOWN)  # a name is no mistake


def test_without_a_list_of_words_only_the_model_speaks() -> None:
    assert Acceptance().takes(replace(SURE, made=("t",)), None)


def test_a_change_knows_its_words_its_least_sure_token_and_what_was_gained() -> None:
    old = _row("he go to", nats={3: -4.0, 4: -1.0})
    new = _row("he goes to", nats={5: -0.2}, written={ord("e"): 0.8, ord("s"): 0.7})
    (change,) = changes("he go to", 100, old, new, _decode)
    assert (change.edit.start, change.edit.end, change.edit.before, change.edit.after) == (103, 105, "go", "goes")
    assert (change.lost, change.made) == (("go",), ("goes",))
    assert change.written == pytest.approx(0.7)
    assert change.settled == pytest.approx(-0.2)
    assert change.gain == pytest.approx(5.0 - 0.2)
    assert change.edit.confidence == pytest.approx(0.7)


def test_deleting_the_rest_of_a_word_makes_the_rest_that_stays_a_new_word() -> None:
    (change,) = changes("he taked it", 0, _row("he taked it"), _row("he t it"), _decode)
    assert (change.lost, change.made) == (("taked",), ("t",))
    assert not Acceptance(gain=-99, mended=-99).takes(change, KNOWN)


def test_an_insertion_is_measured_by_the_token_behind_it() -> None:
    (change,) = changes("he dog", 0, _row("he dog", nats={3: -3.0}), _row("he to dog"), _decode)
    assert change.inserts
    assert change.gain == pytest.approx(3.0)


def test_an_acceptance_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="written=2"):
        Acceptance(written=2)


def test_words_are_counted_saved_and_found_whatever_their_case(tmp_path: Path) -> None:
    words = count_words(["the dog and the dog's bone. The Dog don\u2019t x " * 4, "Zoë Zoë"])
    assert all(word in words for word in ("dog", "DOG", "dog's", "don't", "don\u2019t", "bone's"))
    assert not any(word in words for word in ("x", "zoë", "bones", ""))
    words.save(tmp_path / "words.txt.gz")
    assert load_words(tmp_path) == words
    assert load_words(tmp_path / "nowhere") is None
    (tmp_path / "words.txt.gz").write_bytes(b"no list")
    with pytest.raises(ValueError, match=r"words\.txt\.gz is no gzipped list"):
        load_words(tmp_path)
