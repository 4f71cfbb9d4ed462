"""Windows: the parts of a text that are edited side by side, and how what came out goes back into the text.

A text is cut into windows of a few sentences; what lies between windows (line breaks, indentation) is never shown to a
model. A window is cut again at the borders of locks and every piece is tokenised alone, so that a lock is a run of
whole tokens that stand FIXED. What goes back is only what stands between locks: a lock's characters are never decoded.

Knows characters and token rows. Refuses to know models.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redraft.data.sentences import split_sentences
from redraft.instant.locks import Span, merged

Tokenise = Callable[[str], list[int]]


@dataclass(frozen=True, slots=True)
class Piece:
    """Characters start:end of a text as tokens, which are free to change or locked."""

    start: int
    end: int
    tokens: tuple[int, ...]
    free: bool


@dataclass(frozen=True, slots=True)
class Window:
    """Neighbouring pieces that are edited together; `before` and `after` are shown and belong to other windows."""

    pieces: tuple[Piece, ...]
    before: tuple[int, ...] = ()
    after: tuple[int, ...] = ()

    @property
    def start(self) -> int:
        return self.pieces[0].start

    @property
    def end(self) -> int:
        return self.pieces[-1].end

    @property
    def tokens(self) -> list[int]:
        return [token for piece in self.pieces for token in piece.tokens]

    @property
    def row(self) -> list[int]:
        """The tokens on the canvas, neighbours included."""
        return [*self.before, *self.tokens, *self.after]

    @property
    def free(self) -> list[bool]:
        """Which tokens of `row` may change."""
        own = [piece.free for piece in self.pieces for _ in piece.tokens]
        return [*[False] * len(self.before), *own, *[False] * len(self.after)]


def windows(
    text: str, locked: Sequence[Span], tokenise: Tokenise, max_tokens: int, overlap: int = 0, longest: int | None = None
) -> list[Window]:
    """The parts of a text worth editing, in order, of as many whole sentences as fit `max_tokens`.

    A sentence is cut only where it is longer than that, or than `longest` where given: half a sentence looks wrong to
    a model. With `overlap` a window is shown so many tokens at most of the text on both sides of it, in its paragraph.
    """
    if max_tokens < 1 or overlap < 0:
        raise ValueError(f"a window of {max_tokens} tokens and {overlap} of overlap is none")
    locked = merged(locked)
    cut = [window for start, end in _stretches(text, tokenise, max_tokens, longest or max_tokens)
           for window in _windows(_pieces(text, start, end, locked, tokenise))]  # fmt: skip
    return [_shown(text, window, tokenise, overlap) for window in cut] if overlap else cut


def split_row(window: Window, tokens: Sequence[int]) -> list[slice]:
    """Where in an edited `row` each piece stands now.

    FIXED tokens stay in order, so the tokens of every lock are there, in a run: the first such run is as good as any.
    """
    place, slices = len(window.before), []
    stop = len(tokens) - len(window.after)
    for number, piece in enumerate(window.pieces):
        start = place
        if not piece.free:
            place += len(piece.tokens)
        elif number + 1 == len(window.pieces):
            place = stop
        elif number + 2 == len(window.pieces):
            place = stop - len(window.pieces[-1].tokens)
        else:
            place = _find(tokens, window.pieces[number + 1].tokens, start)
        slices.append(slice(start, place))
    assert place == stop, "a lock that stands FIXED is never cut, moved or lost"
    return slices


def _find(tokens: Sequence[int], run: Sequence[int], start: int) -> int:
    """Where a run of tokens first begins, from `start` on."""
    for place in range(start, len(tokens) - len(run) + 1):
        if tuple(tokens[place : place + len(run)]) == tuple(run):
            return place
    raise AssertionError(f"{run} is not among {tokens} from {start} on")


def _pieces(text: str, start: int, end: int, locked: Sequence[Span], tokenise: Tokenise) -> list[Piece]:
    """start:end cut at the borders of locks."""
    found: list[Piece] = []
    place = start
    for lock_start, lock_end in locked:
        first, last = max(lock_start, start), min(lock_end, end)
        if first >= last:
            continue
        if place < first:
            found.append(Piece(place, first, tuple(tokenise(text[place:first])), free=True))
        found.append(Piece(first, last, tuple(tokenise(text[first:last])), free=False))
        place = last
    if place < end:
        found.append(Piece(place, end, tuple(tokenise(text[place:end])), free=True))
    return found


def _windows(pieces: Sequence[Piece]) -> list[Window]:
    """One window, but for pieces without a token: what stands on both sides of them could not be told apart."""
    groups: list[list[Piece]] = [[]]
    for piece in pieces:
        if piece.tokens:
            groups[-1].append(piece)
        else:
            groups.append([])
    return [Window(tuple(group)) for group in groups if any(piece.free for piece in group)]


def _shown(text: str, window: Window, tokenise: Tokenise, overlap: int) -> Window:
    """The window with the text around it, up to the ends of its line."""
    line_start = text.rfind("\n", 0, window.start) + 1
    line_end = text.find("\n", window.end)
    reach = overlap * 8  # characters: more than so many tokens are rarely longer
    before = text[max(line_start, window.start - reach) : window.start]
    after = text[window.end : min(line_end if line_end >= 0 else len(text), window.end + reach)]
    return Window(window.pieces, tuple(tokenise(before)[-overlap:]), tuple(tokenise(after)[:overlap]))


def _stretches(text: str, tokenise: Tokenise, max_tokens: int, longest: int) -> list[Span]:
    """Runs of whole sentences within one line, stripped, as long as fits."""
    stretches: list[Span] = []
    for line in re.finditer(r"[^\n]+", text):
        run: Span | None = None
        size = 0
        for start, end in _sentences(text, *line.span()):
            count = len(tokenise(text[run[1] if run else start : end]))
            if run and size + count <= max_tokens:
                run, size = (run[0], end), size + count
                continue
            if run:
                stretches.append(run)
            run, size = (start, end), count
        if run:
            stretches.append(run)
    return [piece for stretch in stretches for piece in _split_long(text, stretch, tokenise, longest)]


def _sentences(text: str, start: int, end: int) -> list[Span]:
    """Sentences of text[start:end] without the white space around them, in the text's offsets."""
    found = []
    for first, last in split_sentences(text[start:end]):
        piece = text[start + first : start + last]
        if piece.strip():
            head = len(piece) - len(piece.lstrip())
            found.append((start + first + head, start + first + len(piece.rstrip())))
    return found


def _split_long(text: str, stretch: Span, tokenise: Tokenise, max_tokens: int) -> list[Span]:
    """A sentence that is too long is cut in halves until its parts fit: at a space, or between any two characters."""
    start, end = stretch
    if end - start < 2 or len(tokenise(text[start:end])) <= max_tokens:
        return [stretch]
    left, right = _halves(text, start, end)
    return [piece for half in (left, right) for piece in _split_long(text, half, tokenise, max_tokens)]


def _halves(text: str, start: int, end: int) -> tuple[Span, Span]:
    middle = (start + end) // 2
    space = text.rfind(" ", start + 1, middle + 1)
    if space < 0:
        space = text.find(" ", middle, end - 1)
    if space > start:
        return (start, space), (space + 1, end)
    while middle + 1 < end and unicodedata.combining(text[middle]):  # a mark stays with its letter
        middle += 1
    return (start, middle), (middle, end)
