"""Zebra: one answer each, and clues that mean what they say, by trying everything."""

from itertools import permutations, product

import numpy as np
import pytest

from redraft.data.puzzles.zebra import Zebra

KIND = Zebra(houses=3, sorts=3, max_clues=8)


def true(clue: str, houses: list[str]) -> bool:
    """Whether a clue holds, read off the houses: written without the table."""
    where = {thing: n for n, house in enumerate(houses) for thing in house}
    kind, one, other = clue
    if kind == "@":
        return where[one] == int(other) - 1
    gap = where[other] - where[one]
    return {"=": gap == 0, "!": gap != 0, "<": gap == 1, "~": abs(gap) == 1}[kind]


def clues(question: str) -> list[str]:
    told = question.rstrip(".")
    return [told[n : n + 3] for n in range(0, len(told), 3)]


def brute_force(question: str) -> list[str]:
    found = []
    for orders in product(permutations("abc"), permutations("def"), permutations("ghi")):
        houses = ["".join(things) for things in zip(*orders, strict=True)]
        if all(true(clue, houses) for clue in clues(question)):
            found.append("".join(houses))
    return found


def test_every_puzzle_has_exactly_one_answer_and_the_checker_takes_it_alone() -> None:
    rng = np.random.default_rng(0)
    everything = brute_force("")
    assert len(everything) == 6**3
    for _ in range(25):
        question, answer = KIND.draw(rng)
        assert brute_force(question) == [answer]
        assert KIND.count(question) == 1
        assert [other for other in everything if KIND.solved(question, other)] == [answer]


def test_no_clue_is_spare() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        told = clues(KIND.draw(rng).question)
        for clue in told:
            assert len(brute_force("".join(c for c in told if c != clue))) > 1


@pytest.mark.parametrize("kind", "=!<~@")
def test_every_kind_of_clue_is_drawn(kind: str) -> None:
    rng = np.random.default_rng(0)
    assert any(kind in KIND.draw(rng).question for _ in range(60))


def test_mirrored_houses_are_another_group() -> None:
    """ "<" has a direction, so the name of a group must have one too."""
    assert KIND.group("<ab<bc") == KIND.group("<bc<ab") == KIND.group("<de<ef")
    assert KIND.group("@a1<ab") != KIND.group("@a1<ba")
