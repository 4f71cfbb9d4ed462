"""Every kind of puzzle: what it draws is as long as it says, right by its own checker, of one group in every form."""

from itertools import pairwise

import numpy as np
import pytest

from redraft.data.puzzles.countdown import Countdown
from redraft.data.puzzles.paths import Paths
from redraft.data.puzzles.puzzle import Puzzle, PuzzleKind
from redraft.data.puzzles.sudoku import Sudoku
from redraft.data.puzzles.zebra import Zebra

KINDS: list[PuzzleKind] = [
    Sudoku(),
    Sudoku(box_rows=2, box_columns=3, min_givens=10, max_givens=14),
    Paths(arms=3, length=4, names=12),
    Countdown(most=20),
    Zebra(),
    Zebra(houses=4, sorts=2, max_clues=9),
]


def drawn(kind: PuzzleKind, count: int = 40, seed: int = 0) -> list[Puzzle]:
    rng = np.random.default_rng(seed)
    return [kind.draw(rng) for _ in range(count)]


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_every_puzzle_has_the_length_it_says_and_its_own_answer_is_right(kind: PuzzleKind) -> None:
    for puzzle in drawn(kind):
        assert (len(puzzle.question), len(puzzle.answer)) == (kind.question_length, kind.answer_length)
        assert kind.solved(*puzzle)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_one_seed_draws_the_same_puzzles_and_another_others(kind: PuzzleKind) -> None:
    assert drawn(kind, 10) == drawn(kind, 10)
    assert drawn(kind, 10) != drawn(kind, 10, seed=1)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_another_form_of_a_puzzle_is_right_and_of_the_same_group(kind: PuzzleKind) -> None:
    rng = np.random.default_rng(1)
    for puzzle in drawn(kind, 20):
        form = kind.vary(puzzle, rng)
        assert kind.solved(*form)
        assert (len(form.question), len(form.answer)) == (kind.question_length, kind.answer_length)
        assert kind.group(form.question) == kind.group(puzzle.question)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_different_puzzles_are_hardly_ever_of_one_group(kind: PuzzleKind) -> None:
    groups = {kind.group(puzzle.question) for puzzle in drawn(kind, 40)}
    assert len(groups) > 20


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_an_answer_with_one_character_changed_is_wrong(kind: PuzzleKind) -> None:
    """True of sudoku, zebra and paths by the uniqueness of their answers; of countdown by arithmetic."""
    rng = np.random.default_rng(2)
    for question, answer in drawn(kind):
        place = int(rng.integers(len(answer)))
        others = sorted(set(answer) - {answer[place]})
        changed = answer[:place] + others[int(rng.integers(len(others)))] + answer[place + 1 :]
        assert not kind.solved(question, changed)


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_answers_of_another_length_and_of_other_characters_are_wrong(kind: PuzzleKind) -> None:
    for question, answer in drawn(kind, 5):
        for bad in ("", answer[:-1], answer + answer[-1], "?" * len(answer), answer[::-1]):
            assert not kind.solved(question, bad) or bad == answer


@pytest.mark.parametrize("kind", KINDS, ids=repr)
def test_the_answer_to_another_puzzle_is_wrong(kind: PuzzleKind) -> None:
    puzzles = drawn(kind, 30)
    for one, other in pairwise(puzzles):
        if one.answer != other.answer:
            assert not kind.solved(one.question, other.answer)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Sudoku(min_givens=0), "min_givens=0"),
        (lambda: Sudoku(box_rows=4, box_columns=4), "4 x 4"),
        (lambda: Paths(arms=3, length=5, names=12), "names=12"),
        (lambda: Paths(length=1), "length=1"),
        (lambda: Countdown(most=100), "most=100"),
        (lambda: Zebra(houses=7), "houses=7"),
        (lambda: Zebra(max_clues=0), "max_clues=0"),
    ],
)
def test_impossible_sizes_are_refused_by_name(make: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()  # type: ignore[operator]
