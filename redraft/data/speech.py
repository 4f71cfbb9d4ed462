"""Speech: clean text as a transcript has it, without capitals and marks, with fillers, repetitions and false starts.

Knows words. Refuses to know tokens, models, or how to mend anything.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

FILLERS = ("um", "uh", "er", "uhm", "well", "like", "you know", "i mean", "so", "okay so", "hm")
CORRECTIONS = (
    "no wait", "sorry", "no sorry", "i mean", "no i mean", "or rather", "scratch that", "wait no", "actually no",
    "no make that", "oh wait",
)  # fmt: skip
_MARKS = ".,!?;:\"()[]{}\u201c\u201d\u2018\u2019\u2014\u2013\u2026-'*"


@dataclass(frozen=True, slots=True)
class Speech:
    """How often, per word, something is said that was not meant; a text is said smoothly with chance `smooth`."""

    filler: float = 0.05
    repeat: float = 0.03
    restart: float = 0.012
    smooth: float = 0.4

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name}={getattr(self, name)} must be in [0, 1]")


def bare(text: str) -> str:
    """A text in lower case without marks, on its lines; apostrophes and hyphens inside a word stay."""
    return "\n".join(" ".join(_bare_words(line.split())) for line in text.split("\n"))


def _bare_words(words: Sequence[str]) -> list[str]:
    stripped = (part for word in words for part in re.split(r"\u2014|--+|\.\.+", word))
    return [word for word in (part.strip(_MARKS).lower() for part in stripped) if word]


def spoken(text: str, rng: Random, speech: Speech = Speech()) -> str:
    """`text` as somebody said it and a machine wrote it down. Line breaks stay where they are."""
    smooth = rng.random() < speech.smooth
    lines = [_bare_words(line.split()) for line in text.split("\n")]
    return "\n".join(" ".join(line if smooth else _stumbled(line, rng, speech)) for line in lines)


def _stumbled(words: Sequence[str], rng: Random, speech: Speech) -> list[str]:
    said: list[str] = []
    for n, word in enumerate(words):
        if rng.random() < speech.filler:
            said.append(rng.choice(FILLERS))
        if rng.random() < speech.restart:
            said += _false_start(words, n, rng)
        if rng.random() < speech.repeat:
            said += words[n : n + rng.randint(1, 2)]
        said.append(word)
    return said


def _false_start(words: Sequence[str], n: int, rng: Random) -> list[str]:
    """Something else of the text begun, given up, and what was meant begun anew."""
    at = rng.randrange(len(words))
    begun = [*words[n : n + rng.randint(0, 2)], *words[at : at + rng.randint(1, 2)]]
    return [*begun, rng.choice(CORRECTIONS)]
