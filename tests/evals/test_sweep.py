"""Sweeps: braces, areas against numbers worked out by hand, curves of runs, and a plot of them."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redraft.evals import runner
from redraft.evals.askers import Manner, Reply
from redraft.evals.data import load_examples
from redraft.evals.plots import draw
from redraft.evals.records import Run
from redraft.evals.registry import get_task
from redraft.evals.sweep import aup, curve_of, expand, sweep_of
from tests.evals.conftest import write_rows

COUNT = 20


def test_braces_stand_for_several_specs() -> None:
    assert expand("threshold:{0.9,0.5}") == ["threshold:0.9", "threshold:0.5"]
    assert expand("revising:(threshold:{0.9,0.5}),{1,2}")[2] == "revising:(threshold:0.5),1"
    assert expand("margin:1") == ["margin:1"]
    for broken in ("threshold:{0.9", "a{b{c}}"):
        with pytest.raises(ValueError, match="braces that do not close"):
            expand(broken)


def test_the_area_is_that_of_its_definition() -> None:
    assert aup([(1.0, 80.0)], best=80) == 80
    # Nothing lost: the area under the curve from 0.
    assert aup([(1, 80), (3, 80), (5, 80)], best=80) == pytest.approx(5 * 80)
    # By hand: 1 * 80 + (2 - 1) * (80 w(80) + 76 w(76)) / 2.
    w80, w76 = math.exp(-3 * (1 - 80 / 90)), math.exp(-3 * (1 - 76 / 90))
    assert aup([(2, 76), (1, 80)], best=90) == pytest.approx(80 + (80 * w80 + 76 * w76) / 2)
    # More than five points below the slowest: not counted, wherever it stands.
    assert aup([(1, 80), (2, 74.9), (3, 76)], best=80) == aup([(1, 80), (3, 76)], best=80)
    assert aup([(1, 0), (4, 0)], best=0) == 0
    with pytest.raises(ValueError, match="at least one pair"):
        aup([], best=1)


class Knows:
    """Is right about a share of the examples, at a rate of tokens per forward."""

    def __init__(self, share: float, rate: int, setting: str, mode: str = "diffusion") -> None:
        self.share, self.rate, self.setting, self.mode = share, rate, setting, mode

    def manner(self, task: Any) -> Manner:
        return Manner("model", self.mode, "chat", {"policy": self.setting}, 8, self.setting)

    def ask(self, task: Any, example: Any, sample: int, seed: int) -> Reply:
        number = int(example.id.rpartition("/")[2])
        return Reply(example.target if number < self.share * COUNT else "no", 0.5, 8, 8 // self.rate)


@pytest.fixture
def runs(tmp_path: Path) -> list[Run]:
    rows = [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(COUNT)]
    write_rows(tmp_path / "gsm8k_test.jsonl", rows)
    task = get_task("gsm8k")
    examples = load_examples(task, tmp_path)[0]
    askers = [
        Knows(0.5, 8, "threshold:0.5"), Knows(0.8, 2, "threshold:0.9"), Knows(0.8, 4, "threshold:0.7"),
        Knows(0.75, 2, "threshold:0.9 canvas 8"), Knows(0.8, 1, "", "ar"), Knows(0.9, 1, "one-per-step"),
    ]  # fmt: skip
    found = []
    for number, asker in enumerate(askers):
        about = runner.header(task, asker.manner(task), data="x", samples=1, seed=0)
        found.append(runner.run(task, examples, asker, tmp_path / f"{number}.jsonl", about))
    return found


def test_runs_become_curves_slowest_first_and_what_stands_beside_them(runs: list[Run]) -> None:
    sweep = sweep_of(runs)
    assert [curve.name for curve in sweep.curves] == ["threshold", "threshold, canvas 8"]
    assert [point.label for point in sweep.singles] == ["ar", "diffusion one-per-step"]
    curve = sweep.curves[0]
    assert [p.tokens_per_forward.value for p in curve.points] == [2, 4, 8]
    assert [p.tokens_per_second.value for p in curve.points] == [16, 16, 16]
    weight = math.exp(-3 * (1 - 80 / 90))  # the best is the baseline's
    assert curve.aup.value == pytest.approx(2 * 80 + 2 * 80 * weight)
    assert curve.aup.low < curve.aup.value < curve.aup.high
    assert json.loads(json.dumps(sweep.to_json()))["curves"][0]["aup"]["value"] == curve.aup.value


def test_runs_of_another_task_are_no_part_of_a_sweep(runs: list[Run]) -> None:
    other = Run(replace(runs[0].header, data="other"), runs[0].records)
    with pytest.raises(ValueError, match="a sweep is of one data"):
        sweep_of([runs[0], other])


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("threshold:0.9", "threshold"), ("threshold", "threshold"), ("top_k:num_steps=8", "top_k:num_steps"),
        ("revising:(threshold:0.9),0.8", "revising:(threshold)"), ("threshold:0.9 canvas 16", "threshold, canvas 16"),
        ("llada", None), ("", None),
    ],
)  # fmt: skip
def test_a_setting_names_its_curve(runs: list[Run], setting: str, name: str | None) -> None:
    assert curve_of(replace(runs[0].header, setting=setting)) == name


def test_the_plot_is_a_picture_with_its_words_in_it(runs: list[Run]) -> None:
    svg = draw(sweep_of(runs))
    assert svg == draw(sweep_of(runs))  # no date, no random names
    for words in (b"tokens per forward", b"tokens per second", b"threshold, canvas 8", b"one-per-step"):
        assert words in svg
    assert draw(sweep_of(runs), "png").startswith(b"\x89PNG")
