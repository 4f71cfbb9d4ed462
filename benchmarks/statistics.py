"""Statistics: means and ratios with their standard errors. Knows numbers, one per example, not what they mean."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np


class Measured(TypedDict):
    """A number, the standard error of it, and how many examples it is from."""

    value: float
    standard_error: float
    examples: int


def ratio(numerators: Sequence[float], denominators: Sequence[float]) -> Measured:
    """sum(numerators) / sum(denominators); the error by the delta method, examples being independent.

    Of nothing (denominators that sum to 0) both are not a number, and so is the error of a single example.
    """
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    total, count = below.sum(), len(below)
    value = above.sum() / total if total else np.nan
    # As for a variance, one degree of freedom is gone: the ratio was fitted to these examples.
    squares = ((above - value * below) ** 2).sum() * count / (count - 1) if count > 1 else np.nan
    error = np.sqrt(squares) / total if total else np.nan
    return {"value": float(value), "standard_error": float(error), "examples": count}


def mean(values: Sequence[float]) -> Measured:
    return ratio(values, np.ones(len(values)).tolist())


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes of repeated measurements."""
    low, first, middle, third, high = np.percentile(np.asarray(values, float), [0, 25, 50, 75, 100])
    names = ("min", "quarter", "median", "three_quarters", "max")
    return dict(zip(names, map(float, (low, first, middle, third, high)), strict=True))


def text(measured: Measured, decimals: int = 3) -> str:
    return f"{measured['value']:.{decimals}f} ± {measured['standard_error']:.{decimals}f}"
