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

    Of nothing (denominators that sum to 0) both are not a number.
    """
    above, below = np.asarray(numerators, float), np.asarray(denominators, float)
    value = above.sum() / below.sum() if below.sum() else float("nan")
    rest = above - value * below
    scale = len(rest) / max(len(rest) - 1, 1)  # as for a variance: the ratio was fitted to these examples
    error = np.sqrt(scale * (rest**2).sum()) / below.sum() if below.sum() else float("nan")
    return {"value": float(value), "standard_error": float(error), "examples": len(rest)}


def mean(values: Sequence[float]) -> Measured:
    return ratio(values, np.ones(len(values)).tolist())


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, quartiles and extremes of repeated measurements."""
    low, first, middle, third, high = np.percentile(np.asarray(values, float), [0, 25, 50, 75, 100])
    names = ("min", "quarter", "median", "three_quarters", "max")
    return dict(zip(names, map(float, (low, first, middle, third, high)), strict=True))


def text(measured: Measured, decimals: int = 3) -> str:
    return f"{measured['value']:.{decimals}f} ± {measured['standard_error']:.{decimals}f}"
