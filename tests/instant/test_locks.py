"""Locks: what is found, what is refused, and that nothing a model writes can touch it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.lock_soak import CASES, Scribbler, one_case
from redraft.instant.locks import Locks, checked_spans, locks_of, merged, outside

TEXT = "one two\nthree two one\n"


def test_every_kind_of_lock_is_found_and_overlaps_are_one() -> None:
    assert Locks(literals=("two",)).find(TEXT) == [(4, 7), (14, 17)]
    assert Locks(patterns=(r"t\w+",)).find(TEXT) == [(4, 7), (8, 13), (14, 17)]
    assert Locks(patterns=("^three",)).find(TEXT) == [(8, 13)]
    assert Locks(lines=((2, 2),)).find(TEXT) == [(8, 21)]
    assert Locks(lines=((1, 2),)).find(TEXT) == [(0, 21)]
    assert Locks(spans=((0, 3), (2, 5))).find(TEXT) == [(0, 5)]
    assert Locks(literals=("abab",)).find("ababab") == [(0, 6)]
    assert locks_of(["two"]) == Locks(literals=("two",))


@pytest.mark.parametrize(
    ("locks", "said"),
    [
        (Locks(literals=("xyz",)), "lock 'xyz' does not occur"),
        (Locks(literals=("",)), "must not be empty"),
        (Locks(patterns=("q+",)), "pattern 'q\\+' matches nothing"),
        (Locks(patterns=("x*",)), "matches nothing"),
        (Locks(patterns=("(",)), "no regular expression"),
        (Locks(lines=((2, 3),)), "lines 2-3 is not in a text of 2 lines"),
        (Locks(lines=((0, 1),)), "lines 0-1"),
        (Locks(spans=((3, 99),)), "lock of characters 3:99 is not in a text of 22"),
    ],
)
def test_a_lock_that_is_not_in_the_text_is_refused_by_name(locks: Locks, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        locks.find(TEXT)


def test_one_string_is_no_list_of_locks() -> None:
    with pytest.raises(ValueError, match="must be a list"):
        locks_of("two")


SPANS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 30)).map(lambda pair: (min(pair), max(pair))), max_size=6)


@given(SPANS)
def test_what_is_outside_spans_is_every_other_character(spans: list[tuple[int, int]]) -> None:
    inside = {place for start, end in spans for place in range(start, end)}
    assert {place for start, end in merged(spans) for place in range(start, end)} == inside
    assert {place for start, end in outside(spans, 30) for place in range(start, end)} == set(range(30)) - inside
    assert checked_spans("x" * 30, spans) == merged(spans)


@settings(max_examples=CASES, deadline=None)
@given(st.integers(0, 10**9))
def test_locks_survive_scribbling_bit_for_bit(seed: int) -> None:
    one_case(Scribbler(), seed)


def test_the_scribbler_would_be_caught_without_locks() -> None:
    text = "the locked words stand here"
    assert not re.search("locked words", Scribbler().edit(text, Locks(), 3))
