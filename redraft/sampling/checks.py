"""Checks: what a decision's fields must be. Every failure is a ValueError that names the field and the value.

Knows numbers and ids. Refuses to know which decision asks.
"""

import math
from typing import Any


def check_number(name: str, value: Any, *, low: float, high: float | None = None, optional: bool = False) -> None:
    """Raise ValueError unless low <= value <= high; NaN, infinity, booleans and text are no numbers."""
    if value is None and optional:
        return
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not low <= value <= (math.nextafter(math.inf, 0) if high is None else high):
        raise ValueError(f"{name}={value!r} must be {f'at least {low}' if high is None else f'in [{low}, {high}]'}")


def check_count(name: str, value: Any, *, low: int = 1, optional: bool = False) -> None:
    """Raise ValueError unless value is an int of at least `low`."""
    if value is None and optional:
        return
    if not isinstance(value, int) or isinstance(value, bool) or value < low:
        raise ValueError(f"{name}={value!r} must be an integer of at least {low}")


def check_flag(name: str, value: Any) -> None:
    """Raise ValueError unless value is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name}={value!r} must be true or false")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise ValueError unless value is among the choices."""
    if value not in choices:
        raise ValueError(f"{name}={value!r} must be one of {', '.join(choices)}")


def check_positive(name: str, value: Any, *, high: float | None = None, optional: bool = False) -> None:
    """Raise ValueError unless 0 < value <= high."""
    check_number(name, value, low=0, high=high, optional=optional)
    if value == 0:
        raise ValueError(f"{name}={value!r} must be above 0")


def check_id(name: str, value: Any) -> None:
    """Raise ValueError unless value can be a token id."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{name}={value!r} must be a token id")
