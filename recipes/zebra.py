"""zebra: three houses, three sorts of things, clues; minutes of one CPU core.

With --set mixture.learns=next the same network learns the same puzzles from left to right.
"""

from recipes.sudoku import small_puzzles
from redraft.data.puzzles.zebra import Zebra
from redraft.train.recipe import Recipe


def zebra() -> Recipe:
    """Some things have their house by a clue of their own, others only once those are placed."""
    return small_puzzles("zebra", Zebra(houses=3, sorts=3, max_clues=8), steps=1500)
