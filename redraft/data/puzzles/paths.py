"""Paths: a star of arms, its edges in any order, and the way from the centre to the end of one arm.

The first step of the way is a guess unless one looks ahead to the goal; every later step is one edge, and backwards
from the goal the whole way is one edge after another (Bachmann and Nagarajan, arXiv:2403.06963).
A question is the edges, two names each and outward, then the centre and the goal: "bc,ab,ad,de>ac".
"""

from dataclasses import dataclass

import numpy as np

from redraft.data.puzzles.puzzle import Puzzle

NAMES = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass(frozen=True, slots=True, kw_only=True)
class Paths:
    """Stars of `arms` arms; a way has `length` nodes, both ends included. Names are the first `names` of NAMES."""

    arms: int = 3
    length: int = 5
    names: int = 20

    def __post_init__(self) -> None:
        if self.arms < 1 or self.length < 2:
            raise ValueError(f"a star needs arms and steps, not {self.arms=} and {self.length=}")
        if not self.num_nodes <= self.names <= len(NAMES):
            raise ValueError(f"{self.names=} must be {self.num_nodes} (the nodes) to {len(NAMES)}")

    @property
    def num_nodes(self) -> int:
        return self.arms * (self.length - 1) + 1

    @property
    def question_length(self) -> int:
        return 3 * (self.num_nodes - 1) + 2

    @property
    def answer_length(self) -> int:
        return self.length

    def draw(self, rng: np.random.Generator) -> Puzzle:
        chosen = [NAMES[n] for n in rng.choice(self.names, self.num_nodes, replace=False)]
        centre, steps = chosen[0], self.length - 1
        arms = [centre + "".join(chosen[1 + a * steps : 1 + (a + 1) * steps]) for a in range(self.arms)]
        edges = [arm[n : n + 2] for arm in arms for n in range(steps)]
        return Puzzle(self._written(edges, centre + arms[0][-1], rng), arms[0])

    def vary(self, puzzle: Puzzle, rng: np.random.Generator) -> Puzzle:
        """The edges in another order."""
        edges, ends = _read(puzzle.question)
        return Puzzle(self._written(edges, ends, rng), puzzle.answer)

    def solved(self, question: str, answer: str) -> bool:
        edges, ends = _read(question)
        steps = {answer[n : n + 2] for n in range(len(answer) - 1)}
        return len(answer) == self.length and answer[0] + answer[-1] == ends and steps <= set(edges)

    def group(self, question: str) -> str:
        edges, ends = _read(question)
        return ",".join([*sorted(edges), ends])

    def _written(self, edges: list[str], ends: str, rng: np.random.Generator) -> str:
        return ",".join(edges[n] for n in rng.permutation(len(edges))) + ">" + ends


def _read(question: str) -> tuple[list[str], str]:
    edges, _, ends = question.partition(">")
    return edges.split(","), ends
