"""Differences: edits lead from one text to another, and are as small as they can be."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from redraft.instant.diffs import (
    Edit,
    apply_edits,
    character_edits,
    minimal_edits,
    token_edits,
    token_starts,
    unified,
    word_changes,
)

TEXTS = st.text(alphabet="ab .!\n\té€😀\u0301", max_size=80)


@given(TEXTS, TEXTS)
def test_edits_of_words_and_of_characters_lead_from_one_text_to_the_other(before: str, after: str) -> None:
    edits = minimal_edits(before, after)
    fine = [small for edit in edits for small in character_edits(edit)]
    for found in (edits, fine):
        assert all(before[e.start : e.end] == e.before for e in found)
        assert apply_edits(before, found) == after
    assert sum(len(e.before) + len(e.after) for e in fine) <= sum(len(e.before) + len(e.after) for e in edits)


@given(TEXTS, TEXTS)
def test_runs_of_changed_words_lead_there_too_and_no_two_are_divided_by_white_space_alone(
    before: str, after: str
) -> None:
    runs = word_changes(before, after)
    edits = [Edit(i, i_end, before[i:i_end], after[j:j_end]) for i, i_end, j, j_end in runs]
    assert apply_edits(before, edits) == after
    assert all(before[a.end : b.start].strip() for a, b in itertools.pairwise(edits))


@given(st.lists(st.integers(0, 3)), st.lists(st.integers(0, 3)))
def test_edits_of_tokens_lead_from_one_row_to_the_other(before: list[int], after: list[int]) -> None:
    row = list(before)
    for edit in reversed(token_edits(before, after)):
        row[edit.start : edit.end] = edit.after
    assert row == after


def test_an_unchanged_text_has_no_edits_and_one_changed_word_is_one_edit() -> None:
    assert minimal_edits("She go home.", "She go home.") == ()
    assert unified("a\n", "a\n", "x") == ""
    (edit,) = minimal_edits("She go home.", "She goes home.")
    assert (edit.start, edit.end, edit.before, edit.after) == (4, 6, "go", "goes")
    assert character_edits(edit) == (Edit(6, 6, "", "es"),)


@given(st.text(alphabet="aé€😀\u0301", max_size=12))
def test_tokens_that_share_a_character_begin_where_it_does(text: str) -> None:
    ids = list(text.encode())
    starts = token_starts(ids, lambda some: bytes(some).decode(errors="replace"))
    wanted = [place for place, letter in enumerate(text) for _ in letter.encode()]
    assert starts == [*wanted, len(text)]
