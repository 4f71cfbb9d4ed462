"""countdown: reach a target from three numbers, minutes of one CPU core.

With --set mixture.learns=next the same network learns the same puzzles from left to right.
"""

from recipes.sudoku import small_puzzles
from redraft.data.puzzles.countdown import Countdown
from redraft.train.recipe import Recipe


def countdown() -> Recipe:
    """The first number must fit the target, and the sums between must be right."""
    return small_puzzles("countdown", Countdown(most=9), steps=1500)
