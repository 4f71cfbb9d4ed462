"""Sudoku: one answer each, counted by brute force; the known numbers of grids and of classes."""

from itertools import permutations, product

import numpy as np
import pytest

from redraft.data.puzzles.sudoku import OPEN, Sudoku

SMALL = Sudoku()


def brute_force(question: str) -> list[str]:
    """All answers of a 4 x 4 puzzle, by trying rows: written without the solver."""
    rows = ["".join(p) for p in permutations("1234")]
    fits = [[r for r in rows if all(q in (OPEN, c) for q, c in zip(question[4 * n : 4 * n + 4], r, strict=True))]
            for n in range(4)]  # fmt: skip
    found = []
    for grid in product(*fits):
        columns = all(len({row[c] for row in grid}) == 4 for c in range(4))
        boxes = all(len({*grid[r][c : c + 2], *grid[r + 1][c : c + 2]}) == 4 for r in (0, 2) for c in (0, 2))
        if columns and boxes:
            found.append("".join(grid))
    return found


def test_every_puzzle_has_exactly_one_answer_by_brute_force() -> None:
    rng = np.random.default_rng(0)
    for _ in range(25):
        question, answer = SMALL.draw(rng)
        assert brute_force(question) == [answer]


def test_a_larger_puzzle_has_exactly_one_answer() -> None:
    kind, rng = Sudoku(box_rows=2, box_columns=3, min_givens=10, max_givens=12), np.random.default_rng(0)
    for _ in range(5):
        question, answer = kind.draw(rng)
        assert list(kind.answers(question)) == [answer]


def test_there_are_288_small_grids() -> None:
    assert len(set(SMALL.answers(OPEN * 16))) == 288


def test_small_puzzles_of_four_givens_are_of_thirteen_groups() -> None:
    """The number of classes of 4 x 4 puzzles with four givens; the name of a group tells all of them apart."""
    kind, rng = Sudoku(min_givens=4, max_givens=4), np.random.default_rng(0)
    assert len({kind.group(kind.draw(rng).question) for _ in range(300)}) == 13


@pytest.mark.parametrize("question", [OPEN * 16, "1..." + OPEN * 12, "12341..." + OPEN * 8, "11.." + OPEN * 12])
def test_counting_answers_agrees_with_brute_force(question: str) -> None:
    assert SMALL.count(question, most=1000) == len(brute_force(question))
    assert len(list(SMALL.answers(question))) == len(brute_force(question))


def test_the_checker_accepts_every_answer_and_nothing_else() -> None:
    question = "12.." + OPEN * 12
    right = set(brute_force(question))
    candidates = {*right, *brute_force("21.." + OPEN * 12), "1234123412341234"}
    assert {answer for answer in candidates if SMALL.solved(question, answer)} == right


def test_the_number_of_givens_stays_in_its_range_and_varies() -> None:
    rng = np.random.default_rng(0)
    counts = {16 - SMALL.draw(rng).question.count(OPEN) for _ in range(60)}
    assert counts == {4, 5, 6}


def test_a_large_grid_has_givens_in_range_and_an_answer() -> None:
    kind = Sudoku(box_rows=3, box_columns=3, min_givens=32, max_givens=36)
    puzzle = kind.draw(np.random.default_rng(0))
    assert 32 <= 81 - puzzle.question.count(OPEN) <= 36
    assert kind.count(puzzle.question) == 1
    assert kind.solved(*puzzle)
