"""train, convert, models, demo: what makes, changes, describes and shows checkpoints."""

import json
import shlex
import sys
import types
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from redraft.cli import train as train_command
from redraft.data.tokenizer import load_tokenizer
from redraft.library import load
from redraft.models.three_mode import ThreeModeModel
from redraft.train.recipe import Recipe


@pytest.fixture
def trains(monkeypatch, checkpoint) -> dict[str, Any]:
    """Training that takes two steps of nothing; what it was called with is kept."""
    called: dict[str, Any] = {}

    def run_recipe(
        recipe: Recipe, data_dir: Path, folder: Path, *, start: Path | None, resume: bool, progress: Any
    ) -> ThreeModeModel:
        called.update(steps=recipe.train.steps, data_dir=data_dir, folder=folder, resume=resume)
        (folder / "data").mkdir(parents=True, exist_ok=True)
        text_size = load(checkpoint).network.config.text_size
        load_tokenizer(checkpoint / "tokenizer.json", text_size).save(folder / "data" / "tokenizer.json")
        for step in range(2):
            progress({"step": step, "loss": 3.0 - step, "next": 2.0, "norm": 1.0, "rate": 0.1, "tokens_per_s": 9.0})
        return load(checkpoint).network

    def apply_overrides(recipe: Recipe, settings: list[str]) -> Recipe:
        called["set"] = settings
        return replace(recipe, train=replace(recipe.train, steps=2))

    monkeypatch.setattr("redraft.train.recipe.run", run_recipe)
    overrides = types.ModuleType("redraft.train.overrides")
    overrides.apply_overrides = apply_overrides  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "redraft.train.overrides", overrides)
    return called


def test_train_leaves_a_checkpoint_that_loads(run, trains, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, said, log = run("train", "tiny", "--data-dir", tmp_path, "--out", out, "--set", "train.steps=2", "--json")
    assert code == 0, log
    values = json.loads(said)
    assert set(values) >= {"out", "model", "recipe", "step", "loss", "tokens_per_s", "wall_s"}
    assert (values["step"], values["loss"]) == (1, 2.0)
    assert "step 2/2  loss 2.000 (next 2.00) 9 tokens/s" in log
    assert load(values["model"]).generate("The", max_tokens=4).nfe >= 1
    assert (trains["set"], trains["resume"], trains["folder"]) == (["train.steps=2"], False, out)


def test_train_refuses_before_it_makes_anything(run, trains, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for options, said in (
        (["--data-dir", tmp_path / "gone"], "there is no folder"),
        (["--data-dir", tmp_path, "--resume"], "holds no checkpoint to resume from"),
        (["--data-dir", tmp_path, "--threads", 0], "--threads must be at least 1"),
    ):
        code, _, err = run("train", "tiny", "--out", out, *options)
        assert (code, said in err) == (2, True), err
    assert not out.exists()


def test_an_interrupted_run_says_how_to_go_on(run, trains, monkeypatch, tmp_path: Path) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(train_command, "_train", interrupted)
    code, _, err = run("train", "tiny", "--data-dir", tmp_path, "--out", tmp_path / "run")
    assert (code, "--resume" in err) == (130, True)


def test_a_loss_that_is_no_number_is_an_error_of_one_line(run, trains, monkeypatch, tmp_path: Path) -> None:
    def exploded(*_: object, **__: object) -> None:
        raise FloatingPointError("the loss is NaN at step 7")

    monkeypatch.setattr(train_command, "_train", exploded)
    code, _, err = run("train", "tiny", "--data-dir", tmp_path, "--out", tmp_path / "run")
    assert (code, "NaN at step 7" in err, err.count("\n")) == (2, True, 1)


# ------------------------------------------------------------------ convert, models


def test_convert_to_qwen3_writes_a_folder_that_says_so(answer, checkpoint, tmp_path: Path) -> None:
    out = tmp_path / "qwen3"
    values = answer("convert", checkpoint, out, "--to", "qwen3", "--dtype", "float32")
    assert values.keys() == {"path", "format", "dtype", "bytes"}
    assert json.loads((out / "config.json").read_text())["model_type"] == "qwen3"
    assert values["bytes"] == sum(file.stat().st_size for file in out.iterdir())


def test_convert_to_another_precision_keeps_weights_and_card(answer, checkpoint, tmp_path: Path) -> None:
    answer("convert", checkpoint, tmp_path / "wide", "--to", "redraft", "--dtype", "float32")
    before, after = load(checkpoint).network, load(tmp_path / "wide").network
    assert all(torch.equal(p, q) for p, q in zip(before.parameters(), after.parameters(), strict=True))
    assert (tmp_path / "wide" / "README.md").read_text() == (checkpoint / "README.md").read_text()


def test_convert_never_writes_over_its_source_or_a_strange_folder(run, checkpoint, tmp_path: Path) -> None:
    before = sorted(file.name for file in checkpoint.iterdir())
    assert "is the checkpoint itself" in run("convert", checkpoint, checkpoint, "--to", "qwen3")[2]
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "monday.txt").write_text("rain")
    code, _, err = run("convert", checkpoint, tmp_path / "diary", "--to", "qwen3")
    assert (code, "nothing was written" in err) == (2, True)
    assert (tmp_path / "diary" / "monday.txt").read_text() == "rain"
    assert sorted(file.name for file in checkpoint.iterdir()) == before


def test_models_describes_a_folder_without_reading_weights(answer, run, checkpoint) -> None:
    (values,) = answer("models", checkpoint)["models"]
    network = load(checkpoint).network
    assert values["parameters"] == sum(p.numel() for p in network.parameters())
    assert (values["context"], values["labels"], values["format"]) == (256, ["story", "dialogue"], "redraft")
    assert values["about"] == "Random weights, for tests."
    assert values["bytes"] == sum(file.stat().st_size for file in checkpoint.iterdir())
    assert set(values) == {
        "path", "format", "parameters", "context", "labels", "instructions", "about", "bytes"
    }  # fmt: skip
    assert "story, dialogue" in run("models", checkpoint)[1]


def test_models_of_a_package_without_any_says_so(answer, run, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("redraft.cli.models.WEIGHTS", tmp_path)
    assert answer("models")["models"] == []
    assert "no model in this package" in run("models")[1]


def test_models_refuses_a_folder_that_is_no_checkpoint(run, tmp_path: Path) -> None:
    assert "it has no config.json" in run("models", tmp_path)[2]
    (tmp_path / "config.json").write_text("{}")
    assert "model.safetensors is missing" in run("models", tmp_path)[2]
    (tmp_path / "config.json").write_text("no")
    code, _, err = run("models", tmp_path)
    assert (code, "is not JSON" in err) == (2, True)


# ------------------------------------------------------------------ demo


def test_the_demo_shows_three_things_and_what_they_cost(run, checkpoint) -> None:
    code, out, err = run("demo", "--model", checkpoint)
    assert (code, err) == (0, "")
    for heading in ("1. Noise", "2. What happened", "3. A letter", "one token at a time", "Try next"):
        assert heading in out
    assert "tokens/forward" in out
    assert "░" in out


def test_the_demo_in_json_measures_the_ratio_it_tells(answer, checkpoint) -> None:
    values = answer("demo", "--model", checkpoint, "--seed", 1)
    rates = [values[name]["tokens_per_second"] for name in ("story", "autoregressive")]
    assert values["speed_ratio"] == pytest.approx(rates[0] / rates[1], rel=0.02)
    assert set(values) == {
        "model", "load_s", "story", "infill", "edit", "autoregressive", "speed_ratio", "wall_s"
    }  # fmt: skip


def test_puzzles_are_trained_without_a_folder_of_texts_and_the_hint_works(run, tmp_path: Path) -> None:
    small = [
        "model.hidden_size=16", "model.intermediate_size=16", "model.head_dim=8", "model.num_hidden_layers=1",
        "train.steps=2", "train.compile=false", "mixture.train=50", "mixture.test=2", "mixture.rows=4",
        "mixture.puzzle.arms=2", "mixture.puzzle.length=3",
    ]  # fmt: skip
    settings = [part for value in small for part in ("--set", value)]
    out = tmp_path / "run"
    code, said, log = run("train", "paths", "--data-dir", tmp_path / "gone", "--out", out, *settings)
    assert code == 0, log
    hint = shlex.split(said.split("`")[1])
    assert hint[:3] == ["redraft", "generate", "--model"]
    code, said, log = run(*hint[1:], "--json")
    assert code == 0, log
    assert json.loads(said)["tokens"] == 3
    assert load(out / "model").defaults.block_length == 3
