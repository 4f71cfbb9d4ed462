"""paths: the way from the centre of a star to the end of one of its arms, minutes of one CPU core.

With --set mixture.learns=next the same network learns the same puzzles from left to right.
"""

from recipes.sudoku import small_puzzles
from redraft.data.puzzles.paths import Paths
from redraft.train.recipe import Recipe


def paths() -> Recipe:
    """The first step needs to know the last: trivial backwards from the goal, a guess from left to right."""
    return small_puzzles("paths", Paths(arms=2, length=4, names=8), steps=2000, layers=2)
