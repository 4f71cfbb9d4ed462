"""Zebra: houses in a row, each with one thing of every sort, and clues about what shares a house or lives next door.

Things are letters, sort by sort: with three houses "abc" are of the first sort. A clue is three characters:
"=ad" same house, "!ad" another house, "<ad" directly left of, "~ad" next to each other, "@a2" in the second house.
A question is its clues in any order, filled up with "."; it has exactly one answer, the things of the houses in order.
"""

from dataclasses import dataclass
from functools import cache
from itertools import permutations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from redraft.data.puzzles.groups import refined
from redraft.data.puzzles.puzzle import Puzzle

THINGS = "abcdefghijklmnopqrstuvwxyz"
KINDS = "=!<~@"


@dataclass(frozen=True, slots=True, kw_only=True)
class Zebra:
    """`houses` houses with one thing of each of `sorts` sorts, told in at most `max_clues` clues."""

    houses: int = 3
    sorts: int = 3
    max_clues: int = 8

    def __post_init__(self) -> None:
        if not 2 <= self.houses <= 5 or not 1 <= self.sorts <= 4 or self.houses * self.sorts > len(THINGS):
            raise ValueError(f"{self.houses=} must be in [2, 5] and {self.sorts=} in [1, 4]")
        if self.max_clues < 1:
            raise ValueError(f"{self.max_clues=} must be at least 1")

    @property
    def question_length(self) -> int:
        return 3 * self.max_clues

    @property
    def answer_length(self) -> int:
        return self.houses * self.sorts

    def draw(self, rng: np.random.Generator) -> Puzzle:
        """True clues until only one answer is left, less those that say nothing new."""
        table = _table(self.houses, self.sorts)
        while True:
            answer = int(rng.integers(len(table.answers)))
            order = rng.permutation(np.flatnonzero(table.true[:, answer]))
            chosen = _without_spare(table.true, _until_unique(table.true, order))
            if len(chosen) <= self.max_clues:
                clues = [table.clues[n] for n in rng.permutation(chosen)]
                return Puzzle(self._written(clues), table.answers[answer])

    def vary(self, puzzle: Puzzle, rng: np.random.Generator) -> Puzzle:
        """Things and sorts renamed, clues in another order."""
        sorts = [rng.permutation(self.houses) + self.houses * s for s in rng.permutation(self.sorts)]
        names = dict(zip(THINGS, (THINGS[n] for n in np.concatenate(sorts)), strict=False))
        clues = _clues(puzzle.question)
        clues = [_in_order("".join(names.get(c, c) for c in clues[n])) for n in rng.permutation(len(clues))]
        houses = [puzzle.answer[n : n + self.sorts] for n in range(0, len(puzzle.answer), self.sorts)]
        answer = "".join(c for house in houses for c in sorted(names[c] for c in house))
        return Puzzle(self._written(clues), answer)

    def solved(self, question: str, answer: str) -> bool:
        table = _table(self.houses, self.sorts)
        if answer not in table.place:
            return False
        return all(table.true[table.clues.index(clue), table.place[answer]] for clue in _clues(question))

    def group(self, question: str) -> str:
        count = self.houses * self.sorts
        sort = np.arange(count) // self.houses
        related = {kind: np.zeros((count, count), bool) for kind in "=!<~"}
        colours = [0] * count
        for clue in _clues(question):
            kind, here = clue[0], THINGS.index(clue[1])
            if kind == "@":
                colours[here] = int(clue[2])
                continue
            there = THINGS.index(clue[2])
            related[kind][here, there] = True
            related[kind][there, here] |= kind != "<"
        left = related["<"]
        return refined(colours, [sort[:, None] == sort, *related.values(), left.T])

    def count(self, question: str) -> int:
        """How many answers a question has."""
        table = _table(self.houses, self.sorts)
        rows = [table.clues.index(clue) for clue in _clues(question)]
        return int(table.true[rows].all(0).sum())

    def _written(self, clues: list[str]) -> str:
        return "".join(clues).ljust(self.question_length, ".")


class Table(NamedTuple):
    """Every answer, every clue, and which clue is true of which answer [clues, answers]."""

    answers: list[str]
    place: dict[str, int]
    clues: list[str]
    true: NDArray[np.bool_]


@cache
def _table(houses: int, sorts: int) -> Table:
    orders = list(permutations(range(houses)))
    # where[a, t]: the house of thing t in answer a.
    where = np.array([np.concatenate(chosen) for chosen in product(orders, repeat=sorts)])
    sort = np.arange(houses * sorts) // houses
    clues: list[str] = []
    true: list[NDArray[np.bool_]] = []
    for one, house in product(range(houses * sorts), range(houses)):
        clues.append(f"@{THINGS[one]}{house + 1}")
        true.append(where[:, one] == house)
    for one, other in product(range(houses * sorts), repeat=2):
        apart = where[:, other] - where[:, one]
        kinds = {"=": apart == 0, "!": apart != 0} if one < other and sort[one] != sort[other] else {}
        kinds |= {"<": apart == 1} if one != other else {}
        kinds |= {"~": abs(apart) == 1} if one < other else {}
        for kind, holds in kinds.items():
            clues.append(f"{kind}{THINGS[one]}{THINGS[other]}")
            true.append(holds)
    answers = ["".join(THINGS[t] for t in np.lexsort((np.arange(len(row)), row))) for row in where]
    return Table(answers, {answer: n for n, answer in enumerate(answers)}, clues, np.array(true))


def _until_unique(true: NDArray[np.bool_], order: NDArray[np.int64]) -> list[int]:
    left = np.ones(true.shape[1], bool)
    chosen: list[int] = []
    for clue in order.tolist():
        fewer = left & true[clue]
        if fewer.sum() < left.sum():
            chosen, left = [*chosen, clue], fewer
        if left.sum() == 1:
            break
    return chosen


def _without_spare(true: NDArray[np.bool_], chosen: list[int]) -> list[int]:
    for clue in list(chosen):
        others = [c for c in chosen if c != clue]
        if others and true[others].all(0).sum() == 1:
            chosen = others
    return chosen


def _in_order(clue: str) -> str:
    """A clue that says the same both ways names the earlier thing first."""
    return clue if clue[0] in "<@" else clue[0] + "".join(sorted(clue[1:]))


def _clues(question: str) -> list[str]:
    told = question.rstrip(".")
    return [told[n : n + 3] for n in range(0, len(told), 3)]
