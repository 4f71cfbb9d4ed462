"""Plots: figures that can be read on light and on dark pages. Knows colours and axes, no data."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

INK = "#7d8590"  # grey that stands out on white and on black alike
COLOURS = ("#3b8eea", "#e8912d", "#2fa36b", "#c45ab3", "#d9534f", "#8f7ae5")
STYLE: Any = {
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlecolor": INK, "axes.titlesize": "medium",
    "legend.frameon": False, "font.size": 10, "figure.constrained_layout.use": True, "figure.dpi": 160,
}  # fmt: skip


@contextmanager
def figure(path: Path, *, columns: int = 1, width: float = 6.4, height: float = 4.0) -> Iterator[list[Any]]:
    """The axes of a figure that is saved, with a transparent ground, when the block ends."""
    import matplotlib

    matplotlib.use("Agg")
    from cycler import cycler
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE | {"axes.prop_cycle": cycler(color=COLOURS)}):
        drawn, axes = pyplot.subplots(1, columns, figsize=(width, height), squeeze=False)
        yield list(axes[0])
        path.parent.mkdir(parents=True, exist_ok=True)
        drawn.savefig(path, transparent=True)
        pyplot.close(drawn)
