"""Countdown: reach a target from three numbers, each used once, by two sums, differences, products or whole quotients.

The first number written must fit what follows it. A question is "12,05,40:20", an answer "12*05=60,60-40=20"; all
numbers have two digits. Any answer that counts right is right.
"""

import re
from dataclasses import dataclass

import numpy as np

from redraft.data.puzzles.puzzle import Puzzle

OPERATIONS = "+-*/"
ANSWER = re.compile(r"(\d\d)([-+*/])(\d\d)=(\d\d),(\d\d)([-+*/])(\d\d)=(\d\d)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Countdown:
    """Three numbers from 1 to `most`; a target and what is between are from 1 to 99."""

    most: int = 30

    def __post_init__(self) -> None:
        if not 1 <= self.most <= 99:
            raise ValueError(f"{self.most=} must be in [1, 99]")

    @property
    def question_length(self) -> int:
        return len("11,22,33:44")

    @property
    def answer_length(self) -> int:
        return len("11+22=33,33+44=77")

    def draw(self, rng: np.random.Generator) -> Puzzle:
        while True:
            numbers = rng.integers(1, self.most + 1, 3).tolist()
            first, second = (OPERATIONS[n] for n in rng.integers(len(OPERATIONS), size=2))
            between = result(numbers[0], first, numbers[1])
            if between is None:
                continue
            left, right = (between, numbers[2]) if rng.random() < 0.5 else (numbers[2], between)
            target = result(left, second, right)
            if target is None:
                continue
            answer = f"{numbers[0]:02}{first}{numbers[1]:02}={between:02},{left:02}{second}{right:02}={target:02}"
            return Puzzle(_asked(rng.permutation(numbers).tolist(), target), answer)

    def vary(self, puzzle: Puzzle, rng: np.random.Generator) -> Puzzle:
        """The numbers in another order."""
        numbers, target = _read(puzzle.question)
        return Puzzle(_asked(rng.permutation(numbers).tolist(), target), puzzle.answer)

    def solved(self, question: str, answer: str) -> bool:
        found = ANSWER.fullmatch(answer)
        if found is None:
            return False
        first, second = found[2], found[6]
        a, b, between, c, d, target = (int(found[n]) for n in (1, 3, 4, 5, 7, 8))
        numbers, wanted = _read(question)
        if result(a, first, b) != between or result(c, second, d) != target or target != wanted:
            return False
        used = [sorted([a, b, other]) for here, other in ((c, d), (d, c)) if here == between]
        return sorted(numbers) in used

    def group(self, question: str) -> str:
        numbers, target = _read(question)
        return f"{sorted(numbers)}:{target}"


def result(left: int, operation: str, right: int) -> int | None:
    """What the operation makes of two numbers; None where that is no whole number from 1 to 99."""
    if operation == "/" and (right == 0 or left % right):
        return None
    value = {"+": left + right, "-": left - right, "*": left * right, "/": left // max(right, 1)}[operation]
    return value if 1 <= value <= 99 else None


def _asked(numbers: list[int], target: int) -> str:
    return ",".join(f"{n:02}" for n in numbers) + f":{target:02}"


def _read(question: str) -> tuple[list[int], int]:
    numbers, _, target = question.partition(":")
    return [int(n) for n in numbers.split(",")], int(target)
