"""Sudoku: every row, column and box holds every digit once. Boxes of any size: 2 x 2 boxes make the 4 x 4 grid.

A question is the grid, row by row, with "." where nothing is given; it has exactly one answer.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from redraft.data.puzzles.groups import refined
from redraft.data.puzzles.puzzle import Puzzle

OPEN = "."
DIGITS = "123456789"
SMALL = 4  # grids of this many rows are few enough (288) to be listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Sudoku:
    """Puzzles with `min_givens` to `max_givens` digits given, each number as often as digging reaches it."""

    box_rows: int = 2
    box_columns: int = 2
    min_givens: int = 4
    max_givens: int = 6

    def __post_init__(self) -> None:
        if self.box_rows < 1 or self.box_columns < 1 or not 2 <= self.side <= len(DIGITS):
            raise ValueError(f"boxes of {self.box_rows} x {self.box_columns} make no grid of 2 to 9 digits a side")
        if not 0 < self.min_givens <= self.max_givens <= self.side**2:
            raise ValueError(f"{self.min_givens=} and {self.max_givens=} must be a range within {self.side**2} cells")

    @property
    def side(self) -> int:
        return self.box_rows * self.box_columns

    @property
    def question_length(self) -> int:
        return self.side**2

    @property
    def answer_length(self) -> int:
        return self.side**2

    def draw(self, rng: np.random.Generator) -> Puzzle:
        """Dig holes into a random grid while its answer stays the only one; grids where too few can be dug are left."""
        while True:
            grid = self._random_grid(rng)
            wanted = int(rng.integers(self.min_givens, self.max_givens + 1))
            held = list(grid)
            for cell in rng.permutation(len(held)).tolist():
                if sum(c != OPEN for c in held) == wanted:
                    return Puzzle("".join(held), grid)
                kept, held[cell] = held[cell], OPEN
                if self.count("".join(held)) > 1:
                    held[cell] = kept

    def vary(self, puzzle: Puzzle, rng: np.random.Generator) -> Puzzle:
        """Digits renamed; bands, stacks and the lines in them in another order; mirrored where boxes are square."""
        place = np.arange(self.side**2).reshape(self.side, self.side)
        place = place[_shuffled_lines(rng, self.box_rows, self.box_columns)]
        place = place[:, _shuffled_lines(rng, self.box_columns, self.box_rows)]
        if self.box_rows == self.box_columns and rng.random() < 0.5:
            place = place.T
        names = dict(zip(DIGITS[: self.side], rng.permutation(list(DIGITS[: self.side])), strict=True)) | {OPEN: OPEN}
        return Puzzle(*("".join(names[text[n]] for n in place.flat) for text in puzzle))

    def solved(self, question: str, answer: str) -> bool:
        if len(answer) != len(question) or any(q not in (OPEN, a) for q, a in zip(question, answer, strict=True)):
            return False
        units, digits = _units(self.box_rows, self.box_columns), set(DIGITS[: self.side])
        return all({answer[cell] for cell in unit} == digits for unit in units)

    def group(self, question: str) -> str:
        lines, boxes = _relations(self.box_rows, self.box_columns)
        held = np.array(list(question))
        same = (held[:, None] == held) & (held != OPEN)
        return refined([c != OPEN for c in question], [lines, boxes, same])

    def count(self, question: str, most: int = 2) -> int:
        """How many answers a question has, counted up to `most`."""
        if self.side == SMALL and self.box_rows == self.box_columns:
            digits = np.frombuffer(question.encode(), np.uint8)
            given = digits != ord(OPEN)
            return min(most, int((_small_grids()[:, given] == digits[given]).all(1).sum()))
        return sum(1 for _, _ in zip(range(most), self.answers(question), strict=False))

    def answers(self, question: str, rng: np.random.Generator | None = None) -> Iterator[str]:
        """Every answer, one after another, the cell with fewest digits left first; with `rng` in random order."""
        units = _units_of(self.box_rows, self.box_columns)
        full = (1 << self.side) - 1
        used = [0] * (3 * self.side)  # digits used, as bits, by row, column and box
        for cell, char in enumerate(question):
            for unit in units[cell]:
                bit = 0 if char == OPEN else 1 << DIGITS.index(char)
                if used[unit] & bit:
                    return
                used[unit] |= bit
        cells = list(question)
        yield from _fill(cells, [n for n, c in enumerate(question) if c == OPEN], used, units, full, rng)

    def _random_grid(self, rng: np.random.Generator) -> str:
        if self.side == SMALL and self.box_rows == self.box_columns:
            grids = _small_grids()
            return grids[int(rng.integers(len(grids)))].tobytes().decode()
        return next(self.answers(OPEN * self.side**2, rng))


def _fill(
    cells: list[str], empty: list[int], used: list[int], units: Sequence[tuple[int, int, int]], full: int,
    rng: np.random.Generator | None,
) -> Iterator[str]:  # fmt: skip
    """Every completion of `cells`; `cells`, `empty` and `used` are as before when the iteration is over."""
    if not empty:
        yield "".join(cells)
        return
    left = [full & ~(used[row] | used[column] | used[box]) for row, column, box in (units[cell] for cell in empty)]
    chosen = min(range(len(empty)), key=lambda n: left[n].bit_count())
    cell, bits = empty.pop(chosen), left[chosen]
    digits = [d for d in range(full.bit_length()) if bits >> d & 1]
    for d in digits if rng is None else rng.permutation(digits).tolist():
        cells[cell] = DIGITS[d]
        for unit in units[cell]:
            used[unit] |= 1 << d
        yield from _fill(cells, empty, used, units, full, rng)
        for unit in units[cell]:
            used[unit] &= ~(1 << d)
    cells[cell] = OPEN
    empty.insert(chosen, cell)


def _shuffled_lines(rng: np.random.Generator, per_box: int, num_boxes: int) -> NDArray[np.int64]:
    """An order of lines that keeps those of one box together."""
    lines = [rng.permutation(per_box) + per_box * box for box in rng.permutation(num_boxes)]
    return np.concatenate(lines)


@cache
def _units_of(box_rows: int, box_columns: int) -> tuple[tuple[int, int, int], ...]:
    """The row, column and box of every cell, numbered through."""
    side = box_rows * box_columns
    places = [divmod(cell, side) for cell in range(side**2)]
    return tuple((r, side + c, 2 * side + r // box_rows * box_rows + c // box_columns) for r, c in places)


@cache
def _units(box_rows: int, box_columns: int) -> tuple[tuple[int, ...], ...]:
    """The cells of every row, column and box."""
    of = _units_of(box_rows, box_columns)
    return tuple(tuple(c for c, held in enumerate(of) if unit in held) for unit in range(3 * box_rows * box_columns))


@cache
def _relations(box_rows: int, box_columns: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which cells share a line, and which a box. Rows and columns are told apart only where turning would show."""
    row, column, box = (np.array(part) for part in zip(*_units_of(box_rows, box_columns), strict=True))
    lines = (row[:, None] == row) | (column[:, None] == column)
    return lines, box[:, None] == box


@cache
def _small_grids() -> NDArray[np.uint8]:
    """Every 4 x 4 grid, as characters [288, 16]."""
    grids = Sudoku().answers(OPEN * SMALL**2)
    return np.array([list(grid.encode()) for grid in grids], np.uint8)
