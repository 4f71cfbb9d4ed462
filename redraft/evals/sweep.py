"""Sweep: one task under many decodings, as curves of quality against speed, and the area under each.

Knows runs and their settings. Refuses to know how runs come about and how curves are drawn. The area is AUP, accuracy
under parallelism, as d3LLM's authors define it (arXiv:2601.07568): it grows with tokens per forward as long as the
score holds, and counts nothing behind a loss of five points.
"""

import itertools
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from redraft.evals.baselines import REFERENCES
from redraft.evals.metrics import METRICS, Estimate, Piece
from redraft.evals.records import Header, Record, Run
from redraft.evals.summary import Summary, pieces, summarise

ALPHA = 3.0  # how hard a loss of score is punished
DROP = 5.0  # points below the slowest setting that still count
DRAWS = {"mean": 500}  # other metrics: fewer, they are slow
FEW_DRAWS = 60


def expand(spec: str) -> list[str]:
    """Every spec that braces stand for: threshold:{0.9,0.5} is threshold:0.9 and threshold:0.5."""
    parts = re.split(r"\{([^{}]*)\}", spec)
    if any(brace in part for part in parts for brace in "{}"):
        raise ValueError(f"{spec!r} has braces that do not close")
    choices = [part.split(",") if number % 2 else [part] for number, part in enumerate(parts)]
    return ["".join(words) for words in itertools.product(*choices)]


def aup(pairs: Iterable[tuple[float, float]], best: float) -> float:
    """Accuracy under parallelism of (tokens per forward, score from 0 to 100) pairs.

    With pairs in order of speed, and those more than DROP below the first left out:
    r_1 y_1 + sum (r_i - r_{i-1}) (y_i W(y_i) + y_{i-1} W(y_{i-1})) / 2, W(y) = min(1, exp(-ALPHA (1 - y / best))).
    `best` is the highest score of any method on the task. Raises ValueError without pairs.
    """
    ordered = sorted(pairs)
    if not ordered:
        raise ValueError("an area needs at least one pair of tokens per forward and a score")
    kept = [(rate, score) for rate, score in ordered if score >= ordered[0][1] - DROP]
    weighed = [(rate, score * _weight(score, best)) for rate, score in kept]
    steps = itertools.pairwise(weighed)
    return kept[0][0] * kept[0][1] + sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in steps)


def _weight(score: float, best: float) -> float:
    return min(1.0, math.exp(-ALPHA * (1 - score / best))) if best > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Point:
    """A run as a place on the plane."""

    label: str
    score: Estimate
    tokens_per_forward: Estimate
    tokens_per_second: Estimate
    unanswered: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Points of one policy, slowest first, and the area under them."""

    name: str
    points: tuple[Point, ...]
    aup: Estimate


@dataclass(frozen=True, slots=True)
class Sweep:
    """Curves of one model on one task, and single points beside them: other modes and baselines."""

    header: Header
    curves: tuple[Curve, ...]
    singles: tuple[Point, ...]

    def to_json(self) -> dict[str, Any]:
        header = self.header
        names = ("task", "version", "model", "ask", "max_tokens", "samples", "seed", "data", "date", "redraft")
        return {name: getattr(header, name) for name in names} | {
            "machine": dict(header.machine), "aup": {"alpha": ALPHA, "drop": DROP, "source": "arXiv:2601.07568"},
            "curves": [asdict(curve) for curve in self.curves], "singles": [asdict(point) for point in self.singles],
        }  # fmt: skip


def curve_of(header: Header) -> str | None:
    """The curve that a run is a point of: its policy without the numbers, and its canvas. None: of no curve."""
    if header.mode != "diffusion" or not header.setting or header.setting in REFERENCES:
        return None
    policy, _, canvas = header.setting.partition(" canvas ")
    shape = re.sub(r"(?<![a-z_])-?\d[\w.]*", "", policy)
    name = re.sub(r"[:,=]+(?=[,)]|$)", "", shape)
    return f"{name}, canvas {canvas}" if canvas else name


def sweep_of(runs: Sequence[Run]) -> Sweep:
    """The curves of one task and model. Raises ValueError for runs that do not belong together."""
    first = runs[0].header
    for run in runs:
        for name in ("task", "version", "data"):
            if getattr(run.header, name) != getattr(first, name):
                raise ValueError(f"a sweep is of one {name}: {getattr(first, name)!r}, {getattr(run.header, name)!r}")
    grouped: dict[str, list[Run]] = {}
    for run in runs:
        grouped.setdefault(curve_of(run.header) or "", []).append(run)
    singles = grouped.pop("", [])
    draws = _draws(runs)
    curves = [_curve(name, members, draws, runs) for name, members in grouped.items()]
    return Sweep(first, tuple(curves), tuple(_point(summarise(run)) for run in singles))


def _point(found: Summary) -> Point:
    return Point(found.header.label, found.score, found.tokens_per_forward, found.tokens_per_second, found.unanswered)


def _curve(name: str, members: Sequence[Run], draws: list[np.ndarray], runs: Sequence[Run]) -> Curve:
    points = sorted((_point(summarise(run)) for run in members), key=lambda point: point.tokens_per_forward.value)
    tables = {id(run): _Table(run, _shared(runs)) for run in runs}
    value = _area(members, runs, tables, None)
    found = [_area(members, runs, tables, places) for places in draws]
    low, high = np.nanpercentile(found, [2.5, 97.5]) if found else (value, value)
    return Curve(name, tuple(points), Estimate(value, float(low), float(high), len(_shared(runs))))


def _shared(runs: Sequence[Run]) -> list[str]:
    """Examples that every run has."""
    held = [set(run.by_example()) for run in runs]
    return [name for name in runs[0].by_example() if all(name in names for names in held)]


def _draws(runs: Sequence[Run]) -> list[np.ndarray]:
    """Examples drawn with replacement, the same ones for every run: what one finds hard the others may, too."""
    count = len(_shared(runs))
    rng = np.random.default_rng(0)
    rounds = DRAWS.get(runs[0].header.metric, FEW_DRAWS)
    return [rng.integers(count, size=count) for _ in range(rounds)] if count else []


class _Table:
    """A run by example: what each contributes to the score, its tokens and its forwards."""

    def __init__(self, run: Run, names: Sequence[str]) -> None:
        examples = run.by_example()
        held = [examples[name] for name in names]
        self.metric = run.header.metric
        self.pieces: list[Piece] = pieces(run.header, held)
        self.tokens = np.array([_sum(records, "tokens") for records in held], float)
        self.forwards = np.array([_sum(records, "forwards") for records in held], float)

    def place(self, places: np.ndarray | None) -> tuple[float, float]:
        """Tokens per forward, and the score in percent."""
        chosen = np.arange(len(self.pieces)) if places is None else places
        score = METRICS[self.metric]([self.pieces[n] for n in chosen], None)
        below = self.forwards[chosen].sum()
        return float(self.tokens[chosen].sum() / below) if below else 0.0, 100 * score


def _sum(records: Sequence[Record], name: str) -> int:
    return sum(getattr(record, name) or 0 for record in records if record.forwards)


def _area(members: Sequence[Run], runs: Sequence[Run], tables: dict[int, _Table], places: np.ndarray | None) -> float:
    found = {id(run): tables[id(run)].place(places) for run in runs}
    best = max(score for _, score in found.values())
    return aup([found[id(run)] for run in members], best)
