"""Redraft: write and edit text by diffusion.

    import redraft

    model = redraft.load()
    print(model.generate("Once upon a time").text)
    print(model.edit("She go to school yesterday .").text)

Names are imported when they are first used: importing redraft does nothing slow and starts nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redraft.core.canvas import Canvas, Status
    from redraft.library import Model, load
    from redraft.results import Edit, EditResult, Result, Score, View
    from redraft.sampling import (
        Ancestral,
        Correct,
        Decoding,
        EntropyBound,
        Factor,
        LeftToRight,
        Margin,
        Remasking,
        Renoising,
        Revising,
        Threshold,
        TopK,
        parse_policy,
    )

__version__ = "0.1.0"

_HOMES = {
    "redraft.core.canvas": ("Canvas", "Status"),
    "redraft.library": ("Model", "load"),
    "redraft.results": ("Edit", "EditResult", "Result", "Score", "View"),
    "redraft.sampling": (
        "Ancestral", "Correct", "Decoding", "EntropyBound", "Factor", "LeftToRight", "Margin", "Remasking",
        "Renoising", "Revising", "Threshold", "TopK", "parse_policy",
    ),
}  # fmt: skip
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Ancestral",
    "Canvas",
    "Correct",
    "Decoding",
    "Edit",
    "EditResult",
    "EntropyBound",
    "Factor",
    "LeftToRight",
    "Margin",
    "Model",
    "Remasking",
    "Renoising",
    "Result",
    "Revising",
    "Score",
    "Status",
    "Threshold",
    "TopK",
    "View",
    "load",
    "parse_policy",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'redraft' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
