"""Metrics of a run: JSON lines on disk and a plot of the loss. Knows numbers, no model."""

import json
from pathlib import Path
from typing import Any


class MetricsLog:
    """Appends records to `metrics.jsonl`; on resume, records behind the checkpoint are dropped."""

    def __init__(self, path: Path, start: int = 0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [r for r in read_metrics(path) if r["step"] < start] if path.exists() else []
        fresh = path.with_suffix(".partial")
        fresh.write_text("".join(json.dumps(r) + "\n" for r in kept))
        fresh.replace(path)

    def write(self, record: dict[str, Any]) -> None:
        with self.path.open("a") as file:
            file.write(json.dumps(record) + "\n")


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """All whole records; a last line cut short by a kill is left out."""
    records = []
    for line in path.read_text().splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records


def plot_losses(records: list[dict[str, Any]], path: Path, parts: tuple[str, ...]) -> None:
    """Smoothed loss of every part over steps, as PNG. Needs matplotlib (the `train` extra)."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    for name in parts:
        points = [(r["step"], r[name]) for r in records if name in r]
        if points:
            steps, values = zip(*points, strict=True)
            axes.plot(steps, _smooth(list(values)), label=name)
    axes.set(xlabel="step", ylabel="nats per token", title="training loss (exponentially smoothed)")
    axes.legend()
    axes.grid(alpha=0.3)
    figure.savefig(path, dpi=120)


def _smooth(values: list[float], decay: float = 0.95) -> list[float]:
    smooth, weight, out = 0.0, 0.0, []
    for value in values:
        smooth, weight = decay * smooth + (1 - decay) * value, decay * weight + (1 - decay)
        out.append(smooth / weight)
    return out
