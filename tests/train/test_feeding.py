"""Feeding: the same batches in the same order, whoever makes them, and nothing left behind."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from redraft.data.packing import Batch
from redraft.train.feeding import Batches, feed, side_by_side
from tests.train.tiny_run import mixture


def tensors(batch: Batch) -> list[torch.Tensor]:
    return [*(getattr(batch, f.name) for f in fields(batch) if f.name != "facts_BT"), *batch.facts_BT]


def same(one: Batch, other: Batch) -> bool:
    return all(a.dtype == b.dtype and torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def fed(numbers: range, together: int, workers: int, data: Batches | None = None) -> list[Batch]:
    with feed(data or mixture(), numbers, lambda batch: batch, together=together, workers=workers) as batches:
        return list(batches)


@pytest.mark.parametrize("workers", [0, 1, 3])
def test_any_number_of_workers_makes_the_batches_of_the_mixture_in_order(workers: int) -> None:
    found = fed(range(5, 12), 1, workers)
    assert len(found) == 7
    assert all(same(batch, mixture().batch(n)) for n, batch in enumerate(found, 5))


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_side_by_side_are_all_their_rows(workers: int) -> None:
    made = [mixture().batch(n) for n in range(6)]
    found = fed(range(6), 3, workers)
    assert len(found) == 2
    assert all(same(batch, side_by_side(made[3 * n : 3 * n + 3])) for n, batch in enumerate(found))
    assert found[0].tokens_BT.shape[0] == 3 * made[0].tokens_BT.shape[0]
    assert torch.equal(found[1].tokens_BT[: len(made[3].tokens_BT)], made[3].tokens_BT)


class Broken:
    """Fails at the third batch."""

    def batch(self, step: int) -> Batch:
        if step == 2:
            raise ValueError("no third batch")
        return mixture().batch(step)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_batch_that_cannot_be_made_stops_the_run_with_its_reason(workers: int) -> None:
    with pytest.raises(ValueError, match="no third batch"):
        fed(range(4), 1, workers, Broken())


class Killed:
    """Its worker dies without a word, as one does that is killed for memory."""

    def batch(self, step: int) -> Batch:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError


def test_a_worker_that_dies_is_noticed() -> None:
    with pytest.raises(RuntimeError, match=r"the worker that makes batch 0 ended with process.exitcode=-9"):
        fed(range(4), 1, 2, Killed())


def test_leaving_early_ends_the_workers() -> None:
    before = set(multiprocessing.active_children())
    with feed(mixture(), range(1000), lambda batch: batch, workers=2) as batches:
        next(batches)
    del batches
    assert set(multiprocessing.active_children()) == before


def test_workers_draw_nothing_from_the_generator_of_the_weights() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    fed(range(2), 1, 2)
    assert torch.equal(torch.get_rng_state(), before)


def test_workers_end_when_the_run_is_killed() -> None:
    program = (
        "from tests.train.test_feeding import *\n"
        "with feed(mixture(), range(10**6), lambda batch: batch, workers=2) as batches:\n"
        "    next(batches)\n"
        "    print(*(child.pid for child in multiprocessing.active_children()), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=Path(__file__).parents[2], capture_output=True, text=True
    )
    workers = [int(pid) for pid in done.stdout.split()]
    assert len(workers) == 2
    ends = time.monotonic() + 20
    while any(running(pid) for pid in workers):
        assert time.monotonic() < ends, "workers outlive their run"
        time.sleep(0.1)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
