"""Merging: a snippet of changed code goes into the text that it was taken from, by the lines they share. No model.

A line such as `// ... existing code ...` stands for what is left out. What the snippet does not touch stays as it is;
where it cannot be placed for certain, it is refused.
"""

import difflib
import itertools
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MAX_PAIRS = 100_000  # of equal lines: what comparing two texts costs grows with them
ALIKE = 0.6  # two lines are versions of one
LEFT_OUT = re.compile(r"^\s*(?://+|#+|--|/\*+|<!--|;+|%+|\*)?\s*(?:\.\.\.|…)\s*(?P<said>.*?)\s*(?:\*/|-->)?\s*$")
BARE = re.compile(r"^\s*(?:\.\.\.|…)")
MEANT = re.compile(r"existing|unchanged|rest of|remains|same as|previous|other", re.I)


@dataclass(frozen=True, slots=True)
class Piece:
    """Lines of a snippet between two marks of something left out. `mark` is how far the one behind is indented."""

    lines: list[str]
    first: bool
    last: bool
    mark: int


def merge(original: str, snippet: str) -> str:
    """The original with the snippet in its place. Raises ValueError where there is no sure place for it."""
    old, new = original.split("\n"), snippet.split("\n")
    if _pairs(old, new) > MAX_PAIRS:
        raise ValueError(f"texts of {len(old)} and {len(new)} lines have too many lines in common to be compared")
    merged: list[str] = []
    place = 0
    for piece in pieces_of(new):
        start, end = _place(old, place, piece)
        merged += [*old[place:start], *piece.lines]
        place = end
    return "\n".join([*merged, *old[place:]])


def _pairs(old: Sequence[str], new: Sequence[str]) -> int:
    counts = Counter(line.rstrip() for line in old)
    return sum(counts[line.rstrip()] for line in new)


def pieces_of(lines: Sequence[str]) -> list[Piece]:
    """The snippet cut at what it leaves out; blank lines beside such a mark are not part of a piece."""
    cuts = [-1, *(n for n, line in enumerate(lines) if is_left_out(line)), len(lines)]
    found = []
    for number, (before, after) in enumerate(itertools.pairwise(cuts)):
        first, last = number == 0, number == len(cuts) - 2
        part = _trimmed(lines[before + 1 : after], front=not first, back=not last)
        if any(line.strip() for line in part):
            found.append(Piece(part, first, last, 0 if last else _indent(lines[after])))
    return found


def is_left_out(line: str) -> bool:
    """Whether a line says that something is left out. Three dots alone may be code; a comment of them is not."""
    match = LEFT_OUT.match(line)
    if match is None:
        return False
    return bool(MEANT.search(match["said"])) or (not BARE.match(line) and not match["said"].strip(" ."))


def _place(old: Sequence[str], begin: int, piece: Piece) -> tuple[int, int]:
    """The lines of the original that a piece takes the place of."""
    bare = [line.rstrip() for line in piece.lines]
    matcher = difflib.SequenceMatcher(None, [line.rstrip() for line in old[begin:]], bare, autojunk=False)
    blocks = [b for b in matcher.get_matching_blocks() if any(_says(bare[b.b + n]) for n in range(b.size))]
    if blocks:
        first, last = blocks[0], blocks[-1]
        head, tail = bare[: first.b], bare[last.b + last.size :]
        return _up(old, begin, begin + first.a, head), _down(old, begin + last.a + last.size, tail, piece.mark)
    if piece.first and not piece.last:
        return begin, begin
    if piece.last and not piece.first:
        return len(old), len(old)
    raise ValueError("the snippet shares no line with the original, so there is no telling where it belongs")


def _up(old: Sequence[str], begin: int, start: int, head: Sequence[str]) -> int:
    """Where the piece begins: lines in front of the first shared one may have been changed, such as a signature."""
    for line in reversed(head):
        if start == begin or difflib.SequenceMatcher(None, old[start - 1], line).ratio() < ALIKE:
            break
        start -= 1
    return start


def _down(old: Sequence[str], end: int, tail: Sequence[str], mark: int) -> int:
    """Where the piece ends: new lines inside a block that nothing is left out of are the rest of that block."""
    depth = next((_indent(line) for line in tail if line), 0)
    if depth <= mark:
        return end
    stop = end
    while stop < len(old) and (not old[stop].strip() or _indent(old[stop]) >= depth):
        stop += 1
    while stop > end and not old[stop - 1].strip():
        stop -= 1
    return stop


def _trimmed(lines: Sequence[str], *, front: bool, back: bool) -> list[str]:
    part = list(lines)
    while front and part and not part[0].strip():
        part.pop(0)
    while back and part and not part[-1].strip():
        part.pop()
    return part


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())


def _says(line: str) -> bool:
    """Whether a line is more than brackets: those are the same everywhere."""
    return any(letter.isalnum() for letter in line)
