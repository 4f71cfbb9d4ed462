"""Paths: there is one way, and nothing before the goal tells which arm it is on."""

import numpy as np

from redraft.data.puzzles.paths import Paths

KIND = Paths(arms=3, length=4, names=12)


def ways(question: str, length: int) -> list[str]:
    """Every way from start to goal along the edges, by trying all."""
    edges, _, ends = question.partition(">")
    steps = {edge[0]: [e[1] for e in edges.split(",") if e[0] == edge[0]] for edge in edges.split(",")}
    found = [ends[0]]
    for _ in range(length - 1):
        found = [way + there for way in found for there in steps.get(way[-1], [])]
    return [way for way in found if way[-1] == ends[1]]


def test_there_is_exactly_one_way() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        question, answer = KIND.draw(rng)
        assert ways(question, KIND.length) == [answer]


def test_the_first_step_is_one_of_as_many_as_there_are_arms() -> None:
    question, answer = KIND.draw(np.random.default_rng(0))
    firsts = {edge[1] for edge in question.partition(">")[0].split(",") if edge[0] == answer[0]}
    assert len(firsts) == 3
    assert answer[1] in firsts


def test_a_way_against_an_edge_or_past_the_goal_is_wrong() -> None:
    assert Paths(arms=1, length=3, names=3).solved("ab,bc>ac", "abc")
    for wrong in ("acb", "cba", "abb", "ab", "abca", "aab"):
        assert not Paths(arms=1, length=3, names=3).solved("ab,bc>ac", wrong)
    assert not Paths(arms=1, length=3, names=3).solved("ba,cb>ac", "abc")


def test_every_name_is_used_and_where_an_edge_stands_says_nothing() -> None:
    rng = np.random.default_rng(0)
    puzzles = [KIND.draw(rng) for _ in range(300)]
    assert set("".join(p.answer for p in puzzles)) == set("abcdefghijkl")
    places = [p.question.index(p.answer[:2]) for p in puzzles]
    assert set(places) == set(range(0, 27, 3))
