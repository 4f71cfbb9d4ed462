"""Words: which spellings are words, as a checkpoint's own list says. Knows letters. Refuses to know why it is asked.

The list is one of plain lower-case words, gzipped, counted in the text that the model was trained on.
"""

import gzip
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

WORD = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
FILE = "words.txt.gz"
SINGLE = frozenset("aio")  # a letter alone is a word of English only where it is one of these


@dataclass(frozen=True)
class Words:
    """Spellings that are words. Case does not matter, and neither does a possessive ending."""

    known: frozenset[str]

    @cached_property
    def sorted(self) -> list[str]:
        """All of them, in alphabetical order."""
        return sorted(self.known)

    def __contains__(self, word: str) -> bool:
        plain = word.lower().replace("\u2019", "'")
        return plain in self.known or plain.removesuffix("'s") in self.known

    def save(self, path: Path) -> None:
        """The same words give the same bytes."""
        path.write_bytes(gzip.compress("\n".join(self.sorted).encode(), mtime=0))


def load_words(folder: Path) -> Words | None:
    """The words beside a checkpoint; None where it brings none."""
    path = folder / FILE
    if not path.exists():
        return None
    try:
        return Words(frozenset(gzip.decompress(path.read_bytes()).decode().split("\n")))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no gzipped list of words: {error}") from None


def count_words(texts: Iterable[str], fewest: int = 4, fewest_names: int = 8) -> Words:
    """The words that texts use at least so often, in small letters or, as names are, always with a capital."""
    small: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for text in texts:
        for word in WORD.findall(text.replace("\u2019", "'")):
            (small if word.islower() else other)[word.lower()] += 1
    often = {word for word, count in small.items() if count >= fewest}
    names = {word for word, count in other.items() if count >= fewest_names}
    return Words(frozenset(word for word in often | names if len(word) > 1 or word in SINGLE))


def touching(text: str, start: int, end: int) -> list[str]:
    """The words of a text that overlap or border start:end."""
    return [match.group() for match in WORD.finditer(text) if match.end() >= start and match.start() <= end]
