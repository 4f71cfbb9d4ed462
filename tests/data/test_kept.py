"""Kept stretches: the plain way and rapidfuzz agree, ties included."""

from random import Random

import pytest

from redraft.data import kept
from redraft.data.kept import kept_stretches, plain_kept_stretches


def mistyped(rng: Random, words: list[int], kinds: int) -> list[int]:
    """A few tokens put in, left out or replaced."""
    out = list(words)
    for _ in range(rng.randrange(6)):
        at, coin = rng.randrange(len(out) + 1), rng.random()
        out[at : at + (coin < 0.7)] = [] if coin < 0.3 else [rng.randrange(kinds)]
    return out


def pairs(count: int) -> list[tuple[list[int], list[int]]]:
    rng, found = Random(0), []
    for _ in range(count):
        kinds = rng.choice([2, 3, 5, 50])
        source = [rng.randrange(kinds) for _ in range(rng.randrange(rng.choice([5, 15, 80])))]
        other = [rng.randrange(kinds) for _ in range(rng.randrange(15))]
        found.append((source, mistyped(rng, source, kinds) if rng.random() < 0.6 else other))
    return found


def test_the_plain_way_keeps_what_rapidfuzz_keeps() -> None:
    pytest.importorskip("rapidfuzz")
    for source, target in pairs(3000):
        assert plain_kept_stretches(source, target) == kept_stretches(source, target)


def test_without_rapidfuzz_the_plain_way_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "Levenshtein", None)
    assert kept_stretches([7, 1, 2, 3, 9], [7, 2, 3, 4, 9]) == [(0, 0, 1), (2, 1, 2), (4, 4, 1)]
    assert kept_stretches([], [1]) == []


def test_kept_stretches_are_the_same_tokens_in_order_and_as_long_as_can_be() -> None:
    for source, target in pairs(300):
        i = j = 0
        for start, to, size in plain_kept_stretches(source, target):
            assert source[start : start + size] == target[to : to + size]
            assert start >= i
            assert to >= j
            assert (start, to) != (i, j) or i == 0
            i, j = start + size, to + size
