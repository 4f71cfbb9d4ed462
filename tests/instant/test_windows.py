"""Windows on characters: what is cut where, what is shown, and how rows go back into the text."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.instant.windows import Window, split_row, windows


def _bytes(text: str) -> list[int]:
    return list(text.encode())


def _without(text: str, parts: list[Window]) -> str:
    for part in reversed(parts):
        text = text[: part.start] + text[part.end :]
    return text


TEXTS = st.text(alphabet="ab .!?\n\té€😀\u0301", max_size=120)


@given(TEXTS)
def test_every_window_holds_its_own_characters_and_together_they_cover_all_words(text: str) -> None:
    parts = windows(text, [], _bytes, 30)
    assert [bytes(p.tokens).decode() for p in parts] == [text[p.start : p.end] for p in parts]
    assert all(a.end <= b.start for a, b in itertools.pairwise(parts))
    assert not _without(text, parts).strip()


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


def test_long_sentences_are_cut_at_spaces_and_long_words_between_characters() -> None:
    parts = windows("word " * 50, [], _bytes, 40)
    assert len(parts) > 5
    assert all(len(p.tokens) <= 40 for p in parts)
    text = "e\u0301" * 100
    parts = windows(text, [], _bytes, 40)
    assert all(len(p.tokens) <= 40 and text[p.start] == "e" for p in parts)
    assert _without(text, parts) == ""


def test_line_breaks_and_indentation_stay_outside_every_window() -> None:
    text = "  First line.  \n\n\tSecond line here.\n"
    assert [text[p.start : p.end] for p in windows(text, [], _bytes, 50)] == ["First line.", "Second line here."]


def test_overlap_shows_a_window_the_text_around_it_in_its_own_line() -> None:
    text = "One. Two three. Four.\nFive."
    parts = windows(text, [], _bytes, 11, overlap=4)
    assert [(bytes(p.before), bytes(p.tokens), bytes(p.after)) for p in parts] == [
        (b"", b"One.", b" Two"), (b"ne. ", b"Two three.", b" Fou"), (b"ee. ", b"Four.", b""), (b"", b"Five.", b"")
    ]  # fmt: skip
    assert parts[1].row == _bytes("ne. Two three. Fou")
    assert parts[1].free == [False] * 4 + [True] * 10 + [False] * 4
    with pytest.raises(ValueError, match="overlap"):
        windows(text, [], _bytes, 11, overlap=-1)


@given(st.text("ab", min_size=1, max_size=12), st.lists(st.text("ab", max_size=4), min_size=6, max_size=6), st.data())
def test_every_lock_is_found_again_in_a_row_whatever_stands_between(
    text: str, fresh: list[str], data: st.DataObject
) -> None:
    """Locks of the same letters as everything else: where they stand is ambiguous, the text is not."""
    edges = sorted(data.draw(st.sets(st.integers(0, len(text)), min_size=2, max_size=6)))
    locks = list(zip(edges[::2], edges[1::2], strict=False))
    for window in windows(text, locks, _bytes, 1000):
        new = iter(fresh)
        row = [token for p in window.pieces for token in (_bytes(next(new)) if p.free else p.tokens)]
        parts = split_row(window, row)
        assert bytes(t for part in parts for t in row[part]) == bytes(row)
        for piece, part in zip(window.pieces, parts, strict=True):
            assert piece.free or tuple(row[part]) == piece.tokens


def test_what_a_tokenizer_drops_ends_a_window_where_it_is_locked() -> None:
    def letters(text: str) -> list[int]:
        return _bytes(text.replace(" ", ""))

    parts = windows("ab cd", [(2, 3)], letters, 50)
    assert [(p.start, p.end) for p in parts] == [(0, 2), (3, 5)]
