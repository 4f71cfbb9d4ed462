"""Parallel training: two sharded processes are one process on both their batches, and checkpoints do not tell."""

import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from redraft.core.attention import Facts
from redraft.data.packing import Batch
from redraft.train.checkpoint import load_state
from redraft.train.loop import LOSSES, train
from redraft.train.metrics import read_metrics
from redraft.train.parallel import World, gather, join_world, scatter
from tests.train.tiny_run import config, mixture, model


def torchrun(folder: Path, steps: int, processes: int, *options: str) -> None:
    """A miniature run in several processes on this machine."""
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    subprocess.run(
        [*launcher, "-m", "tests.train.tiny_run", str(folder), str(steps), *options],
        check=True,
        cwd=Path(__file__).parents[2],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        timeout=300,
    )


class Doubled:
    """What two processes see, in one batch."""

    def __init__(self) -> None:
        self.inner = mixture()

    def batch(self, step: int) -> Batch:
        both = self.inner.batch(2 * step), self.inner.batch(2 * step + 1)
        held = {f.name: torch.cat([getattr(b, f.name) for b in both]) for f in fields(Batch) if f.name != "facts_BT"}
        facts_BT = Facts(*(torch.cat(pair) for pair in zip(*(b.facts_BT for b in both), strict=True)))
        return Batch(**held, facts_BT=facts_BT)


def check_close(folder: Path, other: Path) -> None:
    for one, two in zip(*(read_metrics(f / "metrics.jsonl") for f in (folder, other)), strict=True):
        for name in ("step", *LOSSES, "norm"):
            assert one[name] == pytest.approx(two[name], abs=1e-4), (one["step"], name)
    states = [load_state(f / "checkpoint.pt") for f in (folder, other)]
    for part in ("model", "ema"):
        assert states[0][part].keys() == states[1][part].keys()
        for name, value in states[0][part].items():
            torch.testing.assert_close(value, states[1][part][name], atol=1e-4, rtol=0)


@pytest.mark.slow
def test_two_processes_are_one_with_both_batches(tmp_path: Path) -> None:
    train(model(), Doubled(), config(4, muon=False), tmp_path / "one")
    torchrun(tmp_path / "two", 4, 2, "adamw")
    check_close(tmp_path / "two", tmp_path / "one")
    # Sharded state comes back from a whole checkpoint, into two processes or into one.
    train(model(), Doubled(), config(6, muon=False), tmp_path / "one", resume=True)
    torchrun(tmp_path / "two", 6, 2, "adamw")
    check_close(tmp_path / "two", tmp_path / "one")
    for name in ("one", "two"):
        train(model(), Doubled(), config(8, muon=False), tmp_path / name, resume=True)
    check_close(tmp_path / "two", tmp_path / "one")


@pytest.mark.slow
def test_one_process_of_torchrun_is_one_process(tmp_path: Path) -> None:
    train(model(), mixture(), config(3), tmp_path / "plain")
    torchrun(tmp_path / "launched", 3, 1)
    check_close(tmp_path / "launched", tmp_path / "plain")


def test_without_torchrun_there_is_one_process_and_nothing_is_sharded() -> None:
    world = join_world()
    assert world == World(rank=0, size=1, mesh=None)
    made = model()
    before = [(type(p), p.data_ptr()) for p in made.parameters()]
    world.shard(made)
    assert [(type(p), p.data_ptr()) for p in made.parameters()] == before
    value = torch.tensor([1, 2])
    assert world.mean(value) is value
    assert [world.any(flag) for flag in (True, False)] == [True, False]
    with world.first():
        pass
    state = {"step": 1, "model": {"w": value}, "optimizer": [{"groups": ("a",)}]}
    assert gather(state) == state
    assert scatter({"w": value}, {"w": value}) == {"w": value}
