"""Metrics: from scores of examples to a number with its interval, and from two runs to a difference with its own.

Knows numbers. Examples are what is drawn at random; several answers to one example are averaged first, or become
pass@k. Refuses to know tasks and models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import comb, sqrt
from random import Random
from typing import Any

import numpy as np

from redraft.evals import corpora
from redraft.evals.gleu import corpus_gleu, mean_gleu

Z = 1.959963984540054  # of 95 %
# What one example contributes: a score, or the statistics that a corpus metric sums.
Piece = Any


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number, its 95 % interval and how many examples it is from."""

    value: float
    low: float
    high: float
    examples: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Second minus first, its 95 % interval, and how likely one so large is if both are alike (two-sided)."""

    value: float
    low: float
    high: float
    p: float
    examples: int


def pass_at_k(samples: int, right: int, k: int) -> float:
    """The chance that one of k answers, drawn from `samples` of which `right` are right, is right; unbiased."""
    if not 1 <= k <= samples or not 0 <= right <= samples:
        raise ValueError(f"pass@{k} of {samples} samples with {right} right is nothing")
    return 1 - comb(samples - right, k) / comb(samples, k)


def mean(pieces: Sequence[Piece], rng: Random | None = None) -> float:
    return sum(pieces) / len(pieces)


def gleu(pieces: Sequence[Piece], rng: Random | None = None) -> float:
    """Corpus GLEU of sentence statistics. Given randomness, one draw of references: for resampling."""
    statistics = [[tuple(row) for row in alternatives] for alternatives in pieces]
    if rng is None:
        return mean_gleu(statistics)
    return corpus_gleu([alternatives[rng.randrange(len(alternatives))] for alternatives in statistics])


METRICS: Mapping[str, Callable[[Sequence[Piece], Random | None], float]] = {
    "mean": mean,
    "gleu": gleu,
    **corpora.METRICS,
}


def estimate(pieces: Sequence[Piece], metric: str = "mean", *, draws: int = 1000, seed: int = 0) -> Estimate:
    """The metric with a bootstrap interval; of scores that are all 0 or 1, Wilson's.

    A bootstrap of no successes says that there never will be one; Wilson's interval does not.
    """
    count = len(pieces)
    if not count:
        return Estimate(float("nan"), float("nan"), float("nan"), 0)
    combine = METRICS[metric]
    value = combine(pieces, None)
    if metric == "mean" and set(pieces) <= {0.0, 1.0}:
        return Estimate(value, *wilson(sum(pieces), count), count)
    return Estimate(value, *_percentiles(resampled(pieces, metric, draws, seed)), count)


def resampled(pieces: Sequence[Piece], metric: str, draws: int, seed: int) -> list[float]:
    """The metric of as many examples, drawn with replacement, again and again."""
    rng, count = np.random.default_rng(seed), len(pieces)
    if metric == "mean":
        scores = np.asarray(pieces, float)
        return [float(scores[rng.integers(count, size=count)].mean()) for _ in range(draws)]
    plain, combine = Random(seed), METRICS[metric]
    return [combine([pieces[n] for n in rng.integers(count, size=count)], plain) for _ in range(draws // 5)]


def wilson(successes: float, count: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share."""
    share, square = successes / count, Z * Z
    middle = (share + square / (2 * count)) / (1 + square / count)
    half = Z * sqrt(share * (1 - share) / count + square / (4 * count * count)) / (1 + square / count)
    return max(0.0, middle - half), min(1.0, middle + half)


def ratio(above: Sequence[float], below: Sequence[float], *, draws: int = 1000, seed: int = 0) -> Estimate:
    """sum(above) / sum(below) with a bootstrap interval over pairs; of nothing, not a number."""
    top, bottom, count = np.asarray(above, float), np.asarray(below, float), len(below)
    if not bottom.sum():
        return Estimate(float("nan"), float("nan"), float("nan"), count)
    places = np.random.default_rng(seed).integers(count, size=(draws, count))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = top[places].sum(1) / bottom[places].sum(1)
    return Estimate(float(top.sum() / bottom.sum()), *_percentiles(found[np.isfinite(found)].tolist()), count)


def paired(
    first: Sequence[Piece], second: Sequence[Piece], metric: str = "mean", *, draws: int = 2000, seed: int = 0
) -> Difference:
    """Second minus first on the same examples: an interval, by bootstrap over pairs where scores are not all 0 or 1,
    and a test that swaps within pairs."""
    if len(first) != len(second) or not first:
        raise ValueError(f"pairs need the same examples: {len(first)} and {len(second)}")
    differ = _mean_difference if metric == "mean" else _difference_of(METRICS[metric], seed)
    rounds, count = (draws if metric == "mean" else draws // 10), len(first)
    rng = np.random.default_rng(seed)
    fair = differ(first, second)  # by the same draws of references as what it is compared with
    swapped = [differ(*_swapped(first, second, rng.random(count) < 0.5)) for _ in range(rounds)]
    extreme = sum(abs(other) >= abs(fair) - 1e-12 for other in swapped)
    if metric == "mean" and {*first, *second} <= {0.0, 1.0}:
        low, high = _interval_of_shares(first, second)
    else:
        taken = (rng.integers(count, size=count) for _ in range(rounds))
        low, high = _percentiles([differ(*_taken(first, second, places)) for places in taken])
    value = METRICS[metric](second, None) - METRICS[metric](first, None)
    return Difference(value, low, high, (extreme + 1) / (rounds + 1), count)


def _interval_of_shares(first: Sequence[Piece], second: Sequence[Piece]) -> tuple[float, float]:
    """Agresti and Min's 95 % interval of a difference of paired shares: half an example more in every cell.

    Where no pair differs, a bootstrap would say that none ever will.
    """
    lost = sum(a > b for a, b in zip(first, second, strict=True)) + 0.5
    won = sum(b > a for a, b in zip(first, second, strict=True)) + 0.5
    count = len(first) + 2
    middle, half = (won - lost) / count, Z * sqrt(won + lost - (won - lost) ** 2 / count) / count
    return max(-1.0, middle - half), min(1.0, middle + half)


def _mean_difference(first: Sequence[Piece], second: Sequence[Piece]) -> float:
    return float(np.mean(second) - np.mean(first))


def _difference_of(combine: Callable, seed: int) -> Callable[[Sequence[Piece], Sequence[Piece]], float]:
    return lambda first, second: combine(second, Random(seed)) - combine(first, Random(seed))


def _taken(first: Sequence[Piece], second: Sequence[Piece], places: np.ndarray) -> tuple[list[Piece], list[Piece]]:
    return [first[n] for n in places], [second[n] for n in places]


def _swapped(first: Sequence[Piece], second: Sequence[Piece], swap: np.ndarray) -> tuple[list[Piece], list[Piece]]:
    pairs = [(b, a) if swaps else (a, b) for a, b, swaps in zip(first, second, swap, strict=True)]
    return [a for a, _ in pairs], [b for _, b in pairs]


def _percentiles(values: Sequence[float]) -> tuple[float, float]:
    low, high = np.percentile(np.asarray(values, float), [2.5, 97.5])
    return float(low), float(high)
