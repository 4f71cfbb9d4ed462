"""Differences: what turns one text into another, as few words, characters or tokens as possible.

Knows strings and lists of ids. Refuses to know models and why anything was changed.
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Edit:
    """A change to the original text: original[start:end] == before becomes after. Offsets in characters.

    `confidence` is the model's, in (0, 1]: the probability of the least likely token that it wrote here, at the moment
    of writing. A deletion writes none and has that of the text around it. None where no model was asked.
    """

    start: int
    end: int
    before: str
    after: str
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class TokenEdit:
    """ids[start:end] of the original become `after`."""

    start: int
    end: int
    after: tuple[int, ...]


def minimal_edits(before: str, after: str) -> tuple[Edit, ...]:
    """Word-level edits that turn `before` into `after`."""
    old, new = WORDS.findall(before), WORDS.findall(after)
    return tuple(
        Edit(start, end, before[start:end], after[new_start:new_end])
        for start, end, new_start, new_end in _changed(old, new)
    )


def character_edits(edit: Edit) -> tuple[Edit, ...]:
    """The same change, as characters that go and characters that come; combining marks count one by one."""
    return tuple(
        replace(
            edit, start=edit.start + start, end=edit.start + end, before=edit.before[start:end],
            after=edit.after[new_start:new_end],
        )
        for start, end, new_start, new_end in _changed(edit.before, edit.after)
    )  # fmt: skip


def token_edits(before: Sequence[int], after: Sequence[int]) -> tuple[TokenEdit, ...]:
    """The fewest runs of ids that turn one row of tokens into another."""
    return tuple(TokenEdit(i, i_end, tuple(after[j:j_end])) for i, i_end, j, j_end in _runs(before, after))


def word_changes(before: str, after: str) -> list[tuple[int, int, int, int]]:
    """Runs of changed words, (start, end) in both texts; runs with nothing but white space between are one."""
    merged: list[tuple[int, int, int, int]] = []
    for change in _changed(WORDS.findall(before), WORDS.findall(after)) if before != after else []:
        if merged and not before[merged[-1][1] : change[0]].strip():
            change = (merged[-1][0], change[1], merged.pop()[2], change[3])
        merged.append(change)
    return merged


def apply_edits(text: str, edits: Sequence[Edit]) -> str:
    """The text with every edit made; edits are in order and do not overlap."""
    parts, last = [], 0
    for edit in edits:
        parts += [text[last : edit.start], edit.after]
        last = edit.end
    return "".join([*parts, text[last:]])


def unified(before: str, after: str, name: str) -> str:
    """Unified diff; empty when the texts are equal."""
    old, new = (text.splitlines(keepends=True) for text in (before, after))
    lines = difflib.unified_diff(old, new, f"a/{name}", f"b/{name}")
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def token_starts(ids: Sequence[int], decode: Callable[[list[int]], str]) -> list[int]:
    """The character at which each token begins, and the length of the whole text.

    Tokens that share a character begin where it does.
    """
    whole, alone = decode(list(ids)), [decode([token]) for token in ids]
    if "".join(alone) == whole:
        lengths = [len(piece) for piece in alone]
    else:
        ends = [_agreeing(decode(list(ids[:n])), whole) for n in range(len(ids) + 1)]
        return [*ends[:-1], len(whole)]
    starts = [0]
    for length in lengths:
        starts.append(starts[-1] + length)
    return starts


def _agreeing(prefix: str, whole: str) -> int:
    """How much of a prefix is the whole text's too: a character cut in two is not."""
    for n, (one, other) in enumerate(zip(prefix, whole, strict=False)):
        if one != other:
            return n
    return min(len(prefix), len(whole))


def _runs(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int, int, int, int]]:
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    return [(i, i_end, j, j_end) for tag, i, i_end, j, j_end in matcher.get_opcodes() if tag != "equal"]


def _changed(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int, int, int]]:
    """Changed runs of pieces, in characters of both texts."""
    old_place, new_place = _places(old), _places(new)
    return [(old_place[i], old_place[i_end], new_place[j], new_place[j_end]) for i, i_end, j, j_end in _runs(old, new)]


def _places(pieces: Sequence[str]) -> list[int]:
    places = [0]
    for piece in pieces:
        places.append(places[-1] + len(piece))
    return places
