"""Tokens become text that only grows: whole characters, exact stops, however many come at once."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.server.text import Reader, first_stop, painted, undecided


def decode(tokens: Sequence[int]) -> str:
    """Tokens are bytes."""
    return bytes(tokens).decode(errors="replace")


def read(text: bytes, stops: Sequence[str], cuts: Sequence[int]) -> tuple[str, list[str]]:
    """The text of a reader that is shown so many tokens more each time, and what it gave."""
    reader, given_out = Reader(decode, stops), []
    shown = 0
    for cut in [*cuts, len(text)]:
        shown = min(len(text), shown + cut)
        given_out.append(reader.read(list(text[:shown]), shown == len(text)))
        if reader.stopped:
            break
    return reader.text, given_out


texts = st.text(alphabet="abé漢🦊\n", max_size=30)
cuts = st.lists(st.integers(1, 5), min_size=60, max_size=60)
stops = st.lists(st.text(alphabet="abé🦊", min_size=1, max_size=3), max_size=3)


@given(texts, stops, cuts)
def test_the_text_does_not_depend_on_how_many_tokens_come_at_once(text: str, stops: list[str], cuts: list[int]) -> None:
    data = text.encode()
    whole, pieces = read(data, stops, cuts)
    assert "".join(pieces) == whole == read(data, stops, [1] * len(data))[0]


@given(texts, cuts)
def test_no_half_character_is_given_out(text: str, cuts: list[int]) -> None:
    whole, pieces = read(text.encode(), [], cuts)
    assert whole == text
    assert all("\ufffd" not in piece for piece in pieces)


@given(texts, stops)
def test_a_text_is_cut_where_the_first_stop_is_complete(text: str, stops: list[str]) -> None:
    ends = [n for n in range(len(text) + 1) if any(text[:n].endswith(stop) for stop in stops)]
    whole, _ = read(text.encode(), stops, [])
    if not ends:
        assert whole == text
    else:
        longest = max(len(stop) for stop in stops if text[: ends[0]].endswith(stop))
        assert whole == text[: ends[0] - longest]


def test_what_may_become_a_stop_is_held_back_until_it_cannot() -> None:
    reader = Reader(decode, ["END"])
    assert [reader.read(list(b"an E"), False), reader.read(list(b"an EN"), False)] == ["an ", ""]
    assert reader.read(list(b"an ENt"), False) == "ENt"
    assert undecided("so EN", ["END", "NO"]) == 2


def test_bytes_that_are_no_character_are_shown_in_the_end() -> None:
    reader = Reader(decode)
    assert reader.read([97, 0xE2, 0x82], False) == "a"
    assert reader.read([97, 0xE2, 0x82], True) == "\ufffd"


def test_white_space_in_front_is_dropped_where_that_is_wanted() -> None:
    reader = Reader(decode, strip=True)
    assert [reader.read(list(b"  "), False), reader.read(list(b"  a "), False)] == ["", "a "]


@pytest.mark.parametrize(("text", "wanted", "counted"), [(b"abcd", "ab", 2), (b"cd", "", 0), (b"ab", "ab", 2)])
def test_tokens_are_counted_up_to_the_stop(text: bytes, wanted: str, counted: int) -> None:
    reader = Reader(decode, ["c"])
    assert reader.read(list(text), True) == reader.text == wanted
    assert reader.counted(list(text)) == counted


def test_of_stops_complete_at_once_the_longest_cuts() -> None:
    assert first_stop("xaab", ["ab", "aab"]) == 1


def test_noise_without_a_spelling_is_painted_and_characters_stay_whole() -> None:
    fox = "🦊".encode()
    hidden = lambda tokens: decode([token for token in tokens if token])  # noqa: E731
    assert painted([*fox, 0, 98], [False] * 4 + [True, False], hidden) == "🦊░b"
