"""Shards: what fits comes back, what does not is said, and pieces that do not belong together are refused."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.train.checkpoint import load_state, save_atomically
from redraft.train.loop import train
from redraft.train.metrics import read_metrics
from redraft.train.shards import MIB, PARTS, Limits, read_shards, resumable, write_shards
from tests.train.tiny_run import config, mixture, model

NOTES = {"plan": {"batches": 3}}


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("run")
    train(model(), mixture(), config(4), folder)
    return load_state(folder / "checkpoint.pt")


def halved(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.bfloat16().float() for name, value in tensors.items()}


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_everything_that_fits_comes_back_in_half_precision(state: Any, tmp_path: Path) -> None:
    assert write_shards(state, tmp_path, Limits(), NOTES) == PARTS
    back, notes = read_shards(tmp_path)
    assert (back["step"], notes) == (4, NOTES)
    assert same(back["model"], halved(state["model"]))
    assert same(back["ema"], halved(state["ema"]))
    for part, (made, held) in enumerate(zip(back["optimizer"], state["optimizer"], strict=True)):
        assert made["state"].keys() == held["state"].keys(), part
        for index, values in held["state"].items():
            for name, value in values.items():
                expected = value if value.ndim == 0 else value.bfloat16().float()
                assert torch.equal(made["state"][index][name], expected)


def test_weights_take_less_room_than_half_precision(state: Any, tmp_path: Path) -> None:
    write_shards(state, tmp_path, Limits(), NOTES)
    numbers = sum(value.numel() for part in ("model", "ema") for value in state[part].values())
    numbers += sum(v.numel() for one in state["optimizer"] for held in one["state"].values() for v in held.values())
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 0.85 * 2 * numbers


def test_files_keep_to_their_limits_and_what_does_not_fit_stays_out(state: Any, tmp_path: Path) -> None:
    all_of_it = Limits(files=8, mib=0.05, total_mib=0.4)
    assert write_shards(state, tmp_path, all_of_it, NOTES) == PARTS
    many = len(list(tmp_path.iterdir()))
    few = Limits(files=3, mib=0.05, total_mib=0.15)
    assert write_shards(state, tmp_path, few, NOTES) in (("ema",), ("ema", "model"))
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) <= 3 < many
    assert max(sizes) <= 0.05 * MIB
    assert sum(sizes) <= 0.15 * MIB
    assert set(read_shards(tmp_path)[0]) <= {"step", "ema", "model"}
    with pytest.raises(ValueError, match="averaged weights take"):
        write_shards(state, tmp_path, Limits(files=1, mib=0.01), NOTES)


@pytest.mark.parametrize("limits", [Limits(), Limits(files=1, mib=0.12)], ids=["all", "averages"])
def test_a_run_goes_on_from_shards(state: Any, tmp_path: Path, limits: Limits) -> None:
    write_shards(state, tmp_path, limits, NOTES)
    held, _ = read_shards(tmp_path)
    whole = resumable(held, model(), config(4).optim)
    save_atomically(whole, tmp_path / "run" / "checkpoint.pt")
    train(model(), mixture(), config(8), tmp_path / "run", resume=True)
    records = read_metrics(tmp_path / "run" / "metrics.jsonl")
    assert [record["step"] for record in records] == [4, 6, 7]
    assert load_state(tmp_path / "run" / "checkpoint.pt")["step"] == 8


def test_shards_that_are_not_one_whole_are_refused(state: Any, tmp_path: Path) -> None:
    limits = Limits(files=8, mib=0.05, total_mib=0.4)
    for name, step in (("one", 4), ("other", 5)):
        write_shards(state | {"step": step}, tmp_path / name, limits, NOTES)
    (tmp_path / "missing").mkdir()
    shutil.copy(tmp_path / "one" / "shard-0.bin", tmp_path / "missing")
    shutil.copytree(tmp_path / "one", tmp_path / "mixed")
    shutil.copy(tmp_path / "other" / "shard-1.bin", tmp_path / "mixed")
    shutil.copytree(tmp_path / "one", tmp_path / "damaged")
    spoilt = bytearray((tmp_path / "damaged" / "shard-1.bin").read_bytes())
    spoilt[-1] ^= 1
    (tmp_path / "damaged" / "shard-1.bin").write_bytes(spoilt)
    for name in ("missing", "mixed", "damaged"):
        with pytest.raises(ValueError, match="not one whole"):
            read_shards(tmp_path / name)
    with pytest.raises(ValueError, match="holds no shards"):
        read_shards(tmp_path)
