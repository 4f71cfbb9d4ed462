"""A pool: puzzles drawn once, in text, parted by group into those to train on and those to test on.

Knows a kind of puzzle and a seed. Refuses to know tokens.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redraft.data.puzzles.puzzle import Puzzle, PuzzleKind

SHARE = 10  # one group in so many is for testing

Letters = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Pool:
    """Puzzles as characters: questions [N, Q] and answers [N, A]."""

    questions: Letters
    answers: Letters

    def __len__(self) -> int:
        return len(self.questions)

    def __getitem__(self, index: int) -> Puzzle:
        return Puzzle(self.questions[index].tobytes().decode(), self.answers[index].tobytes().decode())

    def save(self, path: Path) -> None:
        np.savez(path, questions=self.questions, answers=self.answers)


def load_pool(path: Path) -> Pool:
    with np.load(path) as held:
        return Pool(held["questions"], held["answers"])


def held_out(group: str) -> bool:
    """True for the groups that are never trained on."""
    return zlib.crc32(group.encode()) % SHARE == 0


def draw_pools(kind: PuzzleKind, train: int, test: int, *, forms: int = 1, seed: int = 0) -> tuple[Pool, Pool]:
    """A pool of `train` puzzles and one of `test` different ones, the same whenever they are asked for.

    Of every group drawn for training there are `forms` puzzles, for kinds that take long to draw. Raises ValueError
    when a kind has too few puzzles to test on.
    """
    rng = np.random.default_rng([seed, zlib.crc32(repr(kind).encode())])
    learnt: list[Puzzle] = []
    asked: dict[str, Puzzle] = {}
    for puzzle in islice(_drawn(kind, rng), 100 * (train + SHARE * test)):
        if held_out(kind.group(puzzle.question)):
            if len(asked) < test:
                asked.setdefault(puzzle.question, puzzle)
        elif len(learnt) < train:
            learnt += [puzzle, *(kind.vary(puzzle, rng) for _ in range(forms - 1))]
        if len(learnt) >= train and len(asked) >= test:
            return _pool(learnt[:train]), _pool(list(asked.values()))
    raise ValueError(f"{kind} has no {train} puzzles to train on and {test} different ones to test on")


def _drawn(kind: PuzzleKind, rng: np.random.Generator) -> Iterator[Puzzle]:
    while True:
        yield kind.draw(rng)


def _pool(puzzles: list[Puzzle]) -> Pool:
    columns = zip(*puzzles, strict=True)
    return Pool(*(np.array([list(text.encode()) for text in texts], np.uint8) for texts in columns))
