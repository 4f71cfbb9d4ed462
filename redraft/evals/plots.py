"""Plots: figures of evaluations that can be read on light and on dark pages. Knows colours and axes."""

import base64
import io
from collections.abc import Sequence
from typing import Any

from redraft.evals.sweep import Point, Sweep

INK = "#7d8590"  # grey that stands out on white and on black alike
COLOURS = ("#3b8eea", "#e8912d", "#2fa36b", "#c45ab3", "#d9534f", "#8f7ae5")
STYLE: Any = {
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": INK, "xtick.color": INK, "ytick.color": INK,
    "axes.spines.top": False, "axes.spines.right": False, "legend.frameon": False, "font.size": 10,
    "figure.constrained_layout.use": True, "svg.fonttype": "none", "font.family": "sans-serif",
    "svg.hashsalt": "redraft", "figure.dpi": 160,
}  # fmt: skip
AXES = (("tokens_per_forward", "tokens per forward"), ("tokens_per_second", "tokens per second"))


def draw(sweep: Sweep, kind: str = "svg") -> bytes:
    """Score against tokens per forward and per second, as SVG or PNG. Needs matplotlib."""
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise ValueError("plots are drawn by matplotlib: pip install 'redraft[eval]'") from None
    matplotlib.use("Agg")
    from cycler import cycler
    from matplotlib import pyplot

    with pyplot.rc_context(STYLE | {"axes.prop_cycle": cycler(color=COLOURS)}):
        figure, panels = pyplot.subplots(1, 2, figsize=(9.5, 3.8), sharey=True)
        for axes, (name, title) in zip(panels, AXES, strict=True):
            _panel(axes, sweep, name)
            axes.set_xlabel(title)
        panels[0].set_ylabel("score, percent")
        panels[0].legend(fontsize=8)
        drawn = io.BytesIO()
        figure.savefig(drawn, format=kind, transparent=True, metadata={"Date": None} if kind == "svg" else None)
        pyplot.close(figure)
    return drawn.getvalue()


def _panel(axes: Any, sweep: Sweep, name: str) -> None:
    for number, curve in enumerate(sweep.curves):
        colour = COLOURS[number % len(COLOURS)]
        _marks(axes, curve.points, name, colour, "o", curve.name)
        axes.plot(*_places(curve.points, name), color=colour, linewidth=1)
        for point in curve.points:
            text = point.label.partition(":")[2].split(" canvas ")[0]
            axes.annotate(text, _place(point, name), xytext=(3, 4), textcoords="offset points", fontsize=7)
    for number, point in enumerate(sweep.singles):
        colour = COLOURS[(number + len(sweep.curves)) % len(COLOURS)]
        _marks(axes, [point], name, colour, "D", point.label)
    axes.set_ylim(bottom=min(0.0, axes.get_ylim()[0]))
    axes.set_xlim(left=0)


def _marks(axes: Any, points: Sequence[Point], name: str, colour: str, marker: str, label: str) -> None:
    """Points with the intervals of their scores."""
    kept = [point for point in points if _known(point, name)]
    if not kept:
        return
    across, up = _places(kept, name)
    below = [max(0.0, 100 * (p.score.value - p.score.low)) for p in kept]
    above = [max(0.0, 100 * (p.score.high - p.score.value)) for p in kept]
    axes.errorbar(
        across, up, yerr=[below, above], fmt=marker, color=colour, ecolor=colour, elinewidth=0.6, alpha=0.9,
        markersize=4, label=label,
    )  # fmt: skip


def _known(point: Point, name: str) -> bool:
    value = getattr(point, name).value
    return bool(value == value)


def _place(point: Point, name: str) -> tuple[float, float]:
    return getattr(point, name).value, 100 * point.score.value


def _places(points: Sequence[Point], name: str) -> tuple[list[float], list[float]]:
    held = [_place(point, name) for point in points if _known(point, name)]
    return [x for x, _ in held], [y for _, y in held]


def data_url(svg: bytes) -> str:
    """A picture that a page holds in itself."""
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"
