"""A puzzle: a question and one right answer, as short texts of fixed lengths; and what a kind of puzzle must offer.

Knows characters. A kind is a frozen dataclass in a file of its own beside this one; its fields are its sizes. Refuses
to know models, tokens and how puzzles become batches.
"""

from typing import NamedTuple, Protocol

import numpy as np


class Puzzle(NamedTuple):
    """A question and a right answer; there may be others where a kind allows it."""

    question: str
    answer: str


class PuzzleKind(Protocol):
    """Puzzles of one kind and size: all questions have `question_length` characters, all answers `answer_length`."""

    @property
    def question_length(self) -> int: ...

    @property
    def answer_length(self) -> int: ...

    def draw(self, rng: np.random.Generator) -> Puzzle:
        """A random puzzle."""
        ...

    def vary(self, puzzle: Puzzle, rng: np.random.Generator) -> Puzzle:
        """A random puzzle of the same group: as hard, with other names, order or orientation."""
        ...

    def solved(self, question: str, answer: str) -> bool:
        """Whether the answer is right, whichever right answer it is."""
        ...

    def group(self, question: str) -> str:
        """A name shared by all puzzles that are this one in disguise. A group is trained on or tested on, not both."""
        ...
