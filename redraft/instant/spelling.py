"""Spelling: what a word that is none may have been meant to be. A list of words proposes, a model decides.

A model of word pieces sees a misspelt word as a few odd pieces, and a small one often knows no way back. The list of a
checkpoint's words is a better source of candidates than its weights, and its causal mode a good judge of them: how many
nats likelier is the whole window with the candidate in the word's place? (A noisy channel, Kernighan et al., 1990.)

Knows words and token rows. Refuses to know windows, locks and the model behind `gains`.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redraft.instant.diffs import Edit
from redraft.instant.words import WORD, Words

Gains = Callable[[list[tuple[list[int], list[int]]]], list[float]]
ROWS = 48  # pairs judged in one forward


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """When a candidate takes the place of a word that is none.

    near, far  nats it must gain when it is one slip of a finger away, or two
    shortest   letters of a word that is looked at
    most       candidates that the model is asked about
    """

    near: float = 3.0
    far: float = 6.0
    shortest: int = 4
    most: int = 8

    def __post_init__(self) -> None:
        if self.shortest < 2 or self.most < 1:
            raise ValueError(f"{self.shortest=} must be at least 2 and {self.most=} at least 1")

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A candidate for text[start:end], so many slips away."""

    start: int
    end: int
    word: str
    slips: int

    def edit(self, text: str, confidence: float | None = None) -> Edit:
        return Edit(self.start, self.end, text[self.start : self.end], self.word, confidence)


@dataclass(frozen=True)
class Speller:
    """A list of words and a judge: `gains` says how many nats likelier the second row of a pair is than the first."""

    words: Words
    encode: Callable[[str], list[int]]
    gains: Gains
    spelling: Spelling

    def doubts(self, text: str) -> list[tuple[int, int]]:
        """Where small-letter words stand that are no words. A name, an acronym or a number is nobody's mistake."""
        return [
            match.span()
            for match in WORD.finditer(text)
            if len(match.group()) >= self.spelling.shortest
            and match.group().isascii()
            and match.group().isalpha()
            and match.group().islower()
            and match.group() not in self.words
        ]

    def proposals(self, text: str, start: int, end: int) -> list[Proposal]:
        """Words near text[start:end], the nearest first, then those that begin and end alike."""
        # Where it is used: a machine that only trains need not have it.
        from rapidfuzz.distance import OSA
        from rapidfuzz.process import extract

        word = text[start:end]
        reach = 1 if end - start < 5 else 2
        found = extract(
            word, self.words.sorted, scorer=OSA.distance, score_cutoff=reach, limit=8 * self.spelling.most
        )  # fmt: skip
        alike = [(slips, w[:1] != word[:1], w[-1:] != word[-1:], abs(len(w) - len(word)), w) for w, slips, _ in found]
        best = sorted(alike)[: self.spelling.most]
        return [Proposal(start, end, w, int(slips)) for slips, *_, w in best]

    def mend(self, shown: Sequence[tuple[str, Sequence[tuple[int, int]]]]) -> list[list[tuple[Edit, float]]]:
        """For every text with its doubtful words: the edits that are taken, each with the nats it gains.

        Words of one text are judged one by one, with the others as they stand.
        """
        asked = [(n, p) for n, (text, where) in enumerate(shown) for span in where for p in self.proposals(text, *span)]
        gains = self._gains([(shown[n][0], p) for n, p in asked])
        found: list[list[tuple[Edit, float]]] = [[] for _ in shown]
        rivals_of: dict[tuple[int, int, int], list[tuple[Proposal, float]]] = {}
        for (n, p), gain in zip(asked, gains, strict=True):
            rivals_of.setdefault((n, p.start, p.end), []).append((p, gain))
        for (n, _, _), rivals in rivals_of.items():
            proposal, gain = max(rivals, key=lambda rival: rival[1] - self._needs(rival[0]))
            if gain > self._needs(proposal):
                edit = proposal.edit(shown[n][0], _share(gain, [g for _, g in rivals]))
                found[n].append((edit, gain))
        return found

    def _needs(self, proposal: Proposal) -> float:
        return self.spelling.near if proposal.slips < 2 else self.spelling.far

    def _gains(self, asked: Sequence[tuple[str, Proposal]]) -> list[float]:
        rows = {text: self.encode(text) for text in dict.fromkeys(text for text, _ in asked)}
        pairs = [(rows[text], self.encode(text[: p.start] + p.word + text[p.end :])) for text, p in asked]
        return [gain for n in range(0, len(pairs), ROWS) for gain in self.gains(pairs[n : n + ROWS])]


def _share(gain: float, rivals: Sequence[float]) -> float:
    """The probability of a candidate among its rivals and the word as it stands."""
    most = max(*rivals, 0.0)
    return round(math.exp(gain - most) / (sum(math.exp(g - most) for g in rivals) + math.exp(-most)), 4)
