"""Locks: what of a text must come out bit for bit as it went in. Knows characters. Refuses to know tokens."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import regex

Span = tuple[int, int]
SECONDS = 2.0  # that a pattern may take over a text: some take longer than anyone lives


@dataclass(frozen=True, slots=True)
class Locks:
    """What an edit must leave alone.

    literals  strings, wherever they occur
    patterns  regular expressions, wherever they match
    lines     (first, last) line numbers from 1, the last included
    spans     (start, end) characters
    """

    literals: tuple[str, ...] = ()
    patterns: tuple[str, ...] = ()
    lines: tuple[Span, ...] = ()
    spans: tuple[Span, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.literals or self.patterns or self.lines or self.spans)

    def find(self, text: str) -> list[Span]:
        """Every locked stretch of a text, merged and in order.

        Raises ValueError, naming the lock, for one that is not in the text.
        """
        found = [span for lock in self.literals for span in _literal(text, lock)]
        found += [span for pattern in self.patterns for span in _matches(text, pattern)]
        found += [_lines(text, first, last) for first, last in self.lines]
        found += [_checked(text, start, end, "lock of characters") for start, end in self.spans]
        return merged(found)

    def held(self, text: str) -> "Locks":
        """Those of the locks that a text has something of: for a text that is still being written."""

        def there(find: Callable[..., object], *values: object) -> bool:
            try:
                find(text, *values)
            except ValueError:
                return False
            return True

        return replace(
            self,
            literals=tuple(lock for lock in self.literals if lock and lock in text),
            patterns=tuple(pattern for pattern in self.patterns if there(_matches, pattern)),
            lines=tuple(lines for lines in self.lines if there(_lines, *lines)),
            spans=tuple(span for span in self.spans if there(_checked, *span)),
        )

    def check(self) -> None:
        """Raise ValueError for what can be no lock in any text: an empty string, or no regular expression."""
        if not all(self.literals):
            raise ValueError("a lock must not be empty")
        for pattern in self.patterns:
            _compiled(pattern)


def locks_of(locks: "Sequence[str] | Locks") -> Locks:
    """Plain strings are literals."""
    if isinstance(locks, Locks):
        return locks
    if isinstance(locks, str):
        raise ValueError(f"{locks=} must be a list of strings, not one string")
    return Locks(literals=tuple(locks))


def merged(spans: Sequence[Span]) -> list[Span]:
    """The same characters as few spans, in order; empty spans are dropped."""
    found: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((start, end))
    return found


def outside(spans: Sequence[Span], length: int) -> list[Span]:
    """What of `length` characters lies in none of the spans."""
    edges = [0, *(edge for span in merged(spans) for edge in span), length]
    return [(start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end]


def checked_spans(text: str, spans: Sequence[Span]) -> list[Span]:
    """The spans, merged. Raises ValueError for one that is not of this text."""
    return merged([_checked(text, start, end) for start, end in spans])


def _literal(text: str, lock: str) -> list[Span]:
    if not lock:
        raise ValueError("a lock must not be empty")
    found, place = [], text.find(lock)
    while place >= 0:  # occurrences may overlap: "aa" is twice in "aaa"
        found.append((place, place + len(lock)))
        place = text.find(lock, place + 1)
    if not found:
        raise ValueError(f"lock {lock!r} does not occur in the text")
    return found


def _matches(text: str, pattern: str) -> list[Span]:
    compiled = _compiled(pattern)
    try:
        found = [m.span() for m in compiled.finditer(text, timeout=SECONDS, concurrent=True) if m.group()]
    except TimeoutError:
        raise ValueError(f"lock pattern {pattern!r} takes more than {SECONDS:g} s over this text") from None
    if not found:
        raise ValueError(f"lock pattern {pattern!r} matches nothing in the text")
    return found


def _compiled(pattern: str) -> "regex.Pattern[str]":
    try:
        return regex.compile(pattern, regex.MULTILINE)
    except regex.error as error:
        raise ValueError(f"lock pattern {pattern!r} is no regular expression: {error}") from None


def _lines(text: str, first: int, last: int) -> Span:
    """From the first line's first character to the last line's last, its line end left out."""
    ends = [match.start() for match in re.finditer("\n", text)] + [len(text)]
    count = len(ends) - (text.endswith("\n") and len(ends) > 1)
    if not 1 <= first <= last <= count:
        raise ValueError(f"lock of lines {first}-{last} is not in a text of {count} lines")
    return (ends[first - 2] + 1 if first > 1 else 0, ends[last - 1])


def _checked(text: str, start: int, end: int, what: str = "span") -> Span:
    if not 0 <= start <= end <= len(text):
        raise ValueError(f"{what} {start}:{end} is not in a text of {len(text)} characters")
    return (start, end)
