"""Windows, locks and minimal edits, on characters."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.editing import edits_of, find_locks, minimal_edits, replace_spans, windows


def _bytes(text: str) -> list[int]:
    return list(text.encode())


TEXTS = st.text(alphabet="ab .!?\n\té€😀\u0301", max_size=120)


@given(TEXTS)
def test_every_window_holds_its_own_characters_and_together_they_cover_all_words(text: str) -> None:
    parts = windows(text, [], _bytes, 30)
    assert [bytes(p.tokens).decode() for p in parts] == [text[p.start : p.end] for p in parts]
    assert all(a.end <= b.start for a, b in itertools.pairwise(parts))
    outside = replace_spans(text, [(p.start, p.end, "") for p in parts])
    assert not outside.strip()


@given(TEXTS, st.data())
def test_locked_characters_are_exactly_the_tokens_that_may_not_change(text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, max(len(text) - 1, 0)))
    end = data.draw(st.integers(start, len(text)))
    lock = [(start, end)] if start < end else []
    for part in windows(text, lock, _bytes, 1000):
        held = bytes(t for t, free in zip(part.tokens, part.free, strict=True) if not free).decode()
        assert held == text[max(start, part.start) : max(min(end, part.end), max(start, part.start))]


def test_a_window_with_nothing_free_is_left_out() -> None:
    assert windows("all of it", [(0, 9)], _bytes, 50) == []


def test_long_sentences_are_cut_at_spaces() -> None:
    text = "word " * 50
    parts = windows(text, [], _bytes, 40)
    assert len(parts) > 5
    assert all(len(p.tokens) <= 40 and not text[p.start : p.end].startswith(" ") for p in parts)


def test_line_breaks_and_indentation_stay_outside_every_window() -> None:
    text = "  First line.  \n\n\tSecond line here.\n"
    assert [text[p.start : p.end] for p in windows(text, [], _bytes, 50)] == ["First line.", "Second line here."]


def test_every_occurrence_of_a_lock_is_found_and_overlaps_are_merged() -> None:
    assert find_locks("abcabc", ["ab", "bc"]) == [(0, 6)]
    with pytest.raises(ValueError, match="'xyz' does not occur"):
        find_locks("abc", ["xyz"])
    with pytest.raises(ValueError, match="must not be empty"):
        find_locks("abc", [""])


@given(TEXTS, TEXTS)
def test_minimal_edits_applied_to_the_original_give_the_edited_text(before: str, after: str) -> None:
    edits = minimal_edits(before, after)
    assert all(before[e.start : e.end] == e.before for e in edits)
    assert replace_spans(before, [(e.start, e.end, e.after) for e in edits]) == after


def test_an_unchanged_text_has_no_edits_and_one_changed_word_is_one_edit() -> None:
    assert minimal_edits("She go home.", "She go home.") == ()
    (edit,) = minimal_edits("She go home.", "She goes home.")
    assert (edit.start, edit.end, edit.before, edit.after) == (4, 6, "go", "goes")


def test_edits_of_several_windows_have_offsets_into_the_whole_text() -> None:
    text = "She go home.\nHe stay. They is late."
    edits = edits_of(text, [(0, 12, "She goes home."), (13, 21, "He stay."), (22, 35, "They are late.")])
    assert [(e.start, e.end, e.before, e.after) for e in edits] == [(4, 6, "go", "goes"), (27, 29, "is", "are")]
    assert [text[e.start : e.end] for e in edits] == ["go", "is"]
