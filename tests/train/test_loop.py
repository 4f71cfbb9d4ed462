"""The loop: it learns, a killed run resumes to the same numbers, and nothing of a run is lost by accident."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.data.packing import Batch
from redraft.models.three_mode import ThreeModeModel
from redraft.train import loop
from redraft.train.checkpoint import load_state
from redraft.train.loop import LOSSES, TrainConfig, train
from redraft.train.metrics import read_metrics
from tests.models.tiny import tiny_model
from tests.train.tiny_run import config, mixture, model

STEPS = 10
TIMES = ("tokens_per_s",)


class Batches:
    """Batches of the mixture, changed on the way."""

    def __init__(self, change: Callable[[int, Batch], Batch] = lambda step, batch: batch) -> None:
        self.inner, self.change = mixture(), change

    def batch(self, step: int) -> Batch:
        return self.change(step, self.inner.batch(step))


class Same:
    """The same few examples at every step."""

    def __init__(self) -> None:
        self.held = mixture().batch(0)

    def batch(self, step: int) -> Batch:
        return self.held


def metrics(folder: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in r.items() if k not in TIMES} for r in read_metrics(folder / "metrics.jsonl")]


def same_tensors(one: Any, other: Any) -> bool:
    """Nested states equal to the last bit."""
    if isinstance(one, Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same_tensors(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same_tensors, one, other))
    return bool(one == other)


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ThreeModeModel]:
    folder = tmp_path_factory.mktemp("unbroken")
    return folder, train(model(), mixture(), config(STEPS), folder)


def check_same_run(folder: Path, trained: ThreeModeModel, unbroken: tuple[Path, ThreeModeModel]) -> None:
    assert metrics(folder) == metrics(unbroken[0])
    assert same_tensors(load_state(folder / "checkpoint.pt"), load_state(unbroken[0] / "checkpoint.pt"))
    assert same_tensors(dict(trained.state_dict()), dict(unbroken[1].state_dict()))


# ------------------------------------------------------------------ learning


def test_every_part_of_the_loss_falls_on_a_few_examples(tmp_path: Path) -> None:
    """Overfitting: after 30 steps on one batch every part is below a fifth of where it began."""
    records: list[dict[str, Any]] = []
    train(model(), Same(), config(30, checkpoint_every=1000), tmp_path, progress=records.append)
    for part in LOSSES:
        assert records[-1][part] < 0.2 * records[0][part], part


def test_the_returned_model_has_the_averaged_weights(unbroken: tuple[Path, ThreeModeModel]) -> None:
    folder, trained = unbroken
    state = load_state(folder / "checkpoint.pt")
    assert same_tensors(dict(trained.named_parameters()), state["ema"])
    assert not same_tensors(state["ema"], state["model"])


def test_a_run_leaves_its_files(unbroken: tuple[Path, ThreeModeModel]) -> None:
    folder, _ = unbroken
    assert {file.name for file in folder.iterdir()} == {"checkpoint.pt", "config.json", "loss.png", "metrics.jsonl"}
    assert [record["step"] for record in metrics(folder)] == [0, 2, 4, 6, 8, 9]
    assert set(LOSSES) < set(metrics(folder)[0])
    assert load_state(folder / "checkpoint.pt")["step"] == STEPS


def test_a_run_with_automatic_half_precision_is_close_to_single_precision(tmp_path: Path) -> None:
    for name, bf16 in (("half", True), ("single", False)):
        train(model(), mixture(), config(2, bf16=bf16), tmp_path / name)
    half, single = (metrics(tmp_path / name)[0]["loss"] for name in ("half", "single"))
    assert half == pytest.approx(single, rel=0.02)
    assert half != single


# ------------------------------------------------------------------ resuming


def test_a_run_killed_at_any_moment_resumes_to_the_same_numbers(
    tmp_path: Path, unbroken: tuple[Path, ThreeModeModel]
) -> None:
    """SIGKILL some time after the seventh step began, in another process; the rest is run here."""
    program = [sys.executable, "-m", "tests.train.tiny_run", str(tmp_path), str(STEPS)]
    process = subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 6:
            time.sleep(random.random() * 0.02)
            process.send_signal(signal.SIGKILL)
            break
    process.stdout.close()
    assert process.wait() == -signal.SIGKILL
    assert 6 <= load_state(tmp_path / "checkpoint.pt")["step"] <= STEPS
    check_same_run(tmp_path, train(model(), mixture(), config(STEPS), tmp_path, resume=True), unbroken)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("last", [0, 2, 7])
def test_a_run_broken_after_any_step_resumes_to_the_same_numbers(
    tmp_path: Path, unbroken: tuple[Path, ThreeModeModel], last: int
) -> None:
    def stop(record: dict[str, Any]) -> None:
        if record["step"] == last:
            raise Interrupted

    with pytest.raises(Interrupted):
        train(model(), mixture(), config(STEPS), tmp_path, progress=stop)
    check_same_run(tmp_path, train(model(), mixture(), config(STEPS), tmp_path, resume=True), unbroken)


def test_time_runs_out_with_a_checkpoint(tmp_path: Path, unbroken: tuple[Path, ThreeModeModel]) -> None:
    steps: list[int] = []
    for _ in range(2):
        train(
            model(), mixture(), config(STEPS, minutes=0.0), tmp_path, resume=True,
            progress=lambda record: steps.append(record["step"]),
        )  # fmt: skip
    assert steps == [0, 1]
    assert load_state(tmp_path / "checkpoint.pt")["step"] == 2
    trained = train(model(), mixture(), config(STEPS), tmp_path, resume=True)
    assert same_tensors(dict(trained.state_dict()), dict(unbroken[1].state_dict()))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    first = train(model(), mixture(), config(3), tmp_path)
    before, lines = (tmp_path / "checkpoint.pt").read_bytes(), metrics(tmp_path)
    again = train(model(), mixture(), config(3), tmp_path, resume=True)
    assert (tmp_path / "checkpoint.pt").read_bytes() == before
    assert metrics(tmp_path) == lines
    assert same_tensors(dict(again.state_dict()), dict(first.state_dict()))


def test_a_finished_run_goes_on_when_more_steps_are_asked_for(tmp_path: Path) -> None:
    train(model(), mixture(), config(3), tmp_path)
    train(model(), mixture(), config(5), tmp_path, resume=True)
    assert load_state(tmp_path / "checkpoint.pt")["step"] == 5
    assert metrics(tmp_path)[-1]["step"] == 4


def test_resuming_where_there_is_nothing_starts(tmp_path: Path) -> None:
    train(model(), mixture(), config(1), tmp_path, resume=True)
    assert load_state(tmp_path / "checkpoint.pt")["step"] == 1


# ------------------------------------------------------------------ refusals


def test_a_folder_that_holds_a_run_is_not_overwritten(tmp_path: Path) -> None:
    train(model(), mixture(), config(2), tmp_path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    with pytest.raises(ValueError, match="already holds a run; resume it or name another folder"):
        train(model(), mixture(), config(5), tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_a_run_of_another_model_is_not_resumed(tmp_path: Path) -> None:
    train(model(), mixture(), config(1), tmp_path)
    with pytest.raises(ValueError, match=r"checkpoint\.pt holds another model"):
        train(tiny_model().requires_grad_(True), mixture(), config(2), tmp_path, resume=True)


@pytest.mark.parametrize("name", ["steps", "checkpoint_every", "log_every"])
def test_counts_below_one_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}=0 must be at least 1"):
        TrainConfig(**({"steps": 1} | {name: 0}))  # type: ignore[arg-type]


# ------------------------------------------------------------------ numbers that are none


def finite(state: dict[str, Any]) -> bool:
    return all(value.isfinite().all() for part in ("model", "ema") for value in state[part].values())


def test_a_loss_that_is_not_a_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    def spoil(step: int, batch: Batch) -> Batch:
        return replace(batch, weight_BT=batch.weight_BT * torch.inf) if step == 5 else batch

    with pytest.raises(FloatingPointError, match="step 5 has loss nan"):
        train(model(), Batches(spoil), config(STEPS), tmp_path)
    state = load_state(tmp_path / "checkpoint.pt")
    assert state["step"] == 3
    assert finite(state)


def test_a_gradient_that_is_not_a_number_stops_the_run_before_it_is_saved(tmp_path: Path) -> None:
    """The loss is still fine at that step, and the step is one that would be saved."""
    live = model()

    def spoil(record: dict[str, Any]) -> None:
        if record["step"] == 4:
            live.embed.weight.register_hook(lambda grad: grad * torch.nan)

    with pytest.raises(FloatingPointError, match=r"step 5 has loss \d.* and gradient norm nan"):
        train(live, mixture(), config(STEPS), tmp_path, progress=spoil)
    state = load_state(tmp_path / "checkpoint.pt")
    assert state["step"] == 3
    assert finite(state)


@pytest.mark.parametrize(("name", "value"), [("workers", -1), ("attention", "'flash'"), ("batches", 0)])
def test_impossible_settings_are_refused_by_name(name: str, value: object) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        TrainConfig(steps=1, **{name: value.strip("'") if isinstance(value, str) else value})  # type: ignore[arg-type]


# ------------------------------------------------------------------ how batches are made


def test_workers_change_no_number(tmp_path: Path, unbroken: tuple[Path, ThreeModeModel]) -> None:
    trained = train(model(), mixture(), config(STEPS, workers=2), tmp_path)
    check_same_run(tmp_path, trained, unbroken)


def test_a_run_with_several_batches_a_step_resumes_to_the_same_numbers(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(record: dict[str, Any]) -> None:
        if record["step"] == 3:
            raise Stop

    whole = train(model(), mixture(), config(5, batches=2), tmp_path / "whole")
    with pytest.raises(Stop):
        train(model(), mixture(), config(5, batches=2), tmp_path / "parted", progress=stop)
    parted = train(model(), mixture(), config(5, batches=2), tmp_path / "parted", resume=True)
    assert same_tensors(dict(whole.state_dict()), dict(parted.state_dict()))
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parted")


def test_every_checkpoint_is_told(tmp_path: Path) -> None:
    told: list[int] = []
    train(model(), mixture(), config(7), tmp_path, saved=told.append)
    assert told == [3, 6, 7]


def test_a_machine_without_matplotlib_trains_and_keeps_the_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "find_spec", lambda name: None)
    train(model(), mixture(), config(1), tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {"checkpoint.pt", "config.json", "metrics.jsonl"}
