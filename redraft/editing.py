"""Editing text: windows, locked spans and minimal edits. Knows characters and token rows, no model.

A text is cut into windows of a few sentences that are edited side by side; what lies between windows
(line breaks, indentation) is never shown to a model. A window is cut again at the borders of locked
spans and each piece is tokenised alone, so that a locked span is a run of whole tokens whose bytes
cannot change.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from redraft.data.sentences import split_sentences
from redraft.results import Edit
from redraft.sampling.decoding import Decoding

Span = tuple[int, int]
Tokenise = Callable[[str], list[int]]
WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Window:
    """Characters start:end of a text as tokens; `free` says which of them may change."""

    start: int
    end: int
    tokens: list[int]
    free: list[bool]


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in a text: tokens far in front of it, which are context, near it and behind it, which it is filled with.

    `fit` gives a middle exactly the white space that joins it to both sides.
    """

    far: list[int]
    near: list[int]
    after: list[int]
    fit: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """An edit before any forward: windows, shortest first, the prompt in front of each and the tokens behind it.

    `margin` is the nats that an edited window must gain by the causal mode to be taken; None: any edit is.
    """

    windows: list[Window]
    prompt: list[int]
    end: tuple[int, ...]
    decoding: Decoding
    strength: float
    margin: float | None
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What an edit makes of a window: its new tokens, and the forwards it took until nothing changed any more."""

    window: Window
    tokens: list[int]
    forwards: int


def find_locks(text: str, locks: Sequence[str]) -> list[Span]:
    """Every occurrence of every locked string, merged. Raises ValueError for a lock the text does not hold."""
    spans: list[Span] = []
    for lock in locks:
        if not lock:
            raise ValueError("a lock must not be empty")
        found = [m.span() for m in re.finditer(re.escape(lock), text)]
        if not found:
            raise ValueError(f"lock {lock!r} does not occur in the text")
        spans += found
    return _merged(spans)


def windows(text: str, locks: Sequence[Span], tokenise: Tokenise, max_tokens: int) -> list[Window]:
    """The parts of a text worth editing, in order, none longer than `max_tokens` unless it cannot be cut."""
    locks = _merged(locks)
    found: list[Window] = []
    for start, end in _stretches(text, tokenise, max_tokens):
        window = _window(text, start, end, locks, tokenise)
        if any(window.free):
            found.append(window)
    return found


def replace_spans(text: str, changes: Sequence[tuple[int, int, str]]) -> str:
    """The text with (start, end, new) applied; spans are in order and do not overlap."""
    parts, last = [], 0
    for start, end, new in changes:
        parts += [text[last:start], new]
        last = end
    return "".join([*parts, text[last:]])


def edits_of(text: str, changes: Sequence[tuple[int, int, str]]) -> tuple[Edit, ...]:
    """The minimal edits inside every (start, end, new), with offsets into the whole text."""
    return tuple(
        Edit(start + edit.start, start + edit.end, edit.before, edit.after)
        for start, end, new in changes
        for edit in minimal_edits(text[start:end], new)
    )


def minimal_edits(before: str, after: str) -> tuple[Edit, ...]:
    """Word-level edits that turn `before` into `after`."""
    if before == after:
        return ()
    old, new = WORDS.findall(before), WORDS.findall(after)
    offset = [0]
    for word in old:
        offset.append(offset[-1] + len(word))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return tuple(
        Edit(offset[i], offset[i_end], before[offset[i] : offset[i_end]], "".join(new[j:j_end]))
        for tag, i, i_end, j, j_end in matcher.get_opcodes()
        if tag != "equal"
    )


def _merged(spans: Sequence[Span]) -> list[Span]:
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _stretches(text: str, tokenise: Tokenise, max_tokens: int) -> list[Span]:
    """Runs of whole sentences within one line, stripped, as long as fits."""
    stretches: list[Span] = []
    for line in re.finditer(r"[^\n]+", text):
        run: Span | None = None
        for start, end in _sentences(text, *line.span()):
            if run and len(tokenise(text[run[0] : end])) <= max_tokens:
                run = (run[0], end)
                continue
            if run:
                stretches.append(run)
            run = (start, end)
        if run:
            stretches.append(run)
    return [piece for stretch in stretches for piece in _split_long(text, stretch, tokenise, max_tokens)]


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
    """A sentence that is too long is cut at spaces, in halves, until its parts fit."""
    start, end = stretch
    if len(tokenise(text[start:end])) <= max_tokens:
        return [stretch]
    middle = text.rfind(" ", start + 1, (start + end) // 2 + 1)
    if middle < 0:
        middle = text.find(" ", (start + end) // 2, end)
    if middle < 0:
        return [stretch]
    halves = ((start, middle), (middle + 1, end))
    return [piece for half in halves if half[0] < half[1] for piece in _split_long(text, half, tokenise, max_tokens)]


def _window(text: str, start: int, end: int, locks: list[Span], tokenise: Tokenise) -> Window:
    tokens: list[int] = []
    free: list[bool] = []
    for first, last, locked in _pieces(start, end, locks):
        ids = tokenise(text[first:last])
        tokens += ids
        free += [not locked] * len(ids)
    return Window(start, end, tokens, free)


def _pieces(start: int, end: int, locks: list[Span]) -> list[tuple[int, int, bool]]:
    """start:end cut at lock borders; (first, last, locked)."""
    pieces: list[tuple[int, int, bool]] = []
    place = start
    for lock_start, lock_end in locks:
        first, last = max(lock_start, start), min(lock_end, end)
        if first >= last:
            continue
        if place < first:
            pieces.append((place, first, False))
        pieces.append((first, last, True))
        place = last
    return [*pieces, (place, end, False)] if place < end else pieces
