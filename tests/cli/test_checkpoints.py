"""inspect, models, convert --to hf, bench: what is said of open checkpoints, and what is made of them."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from redraft.cli import bench
from redraft.models import registry
from tests.models.golden_folders import FOLDERS, LLADA, MOE, copy_of, edit_config


@pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
def test_inspect_says_of_every_family_what_its_file_holds(answer, run, source: Path) -> None:
    values = answer("inspect", source)
    held = load_file(source / "model.safetensors")
    assert values["tensors"] == len(held)
    assert values["bytes"] == sum(weight.nbytes for weight in held.values())
    assert values["dtype"] == "float32"
    assert values["family"] in {family.name for family in registry.families()}
    code, out, _ = run("inspect", source)
    assert (code, values["title"] in out, values["attention"] in out) == (0, True, True)


def test_inspect_states_sizes_and_needs(answer, run) -> None:
    values = answer("inspect", LLADA)
    held = sum(weight.numel() for weight in load_file(LLADA / "model.safetensors").values())
    assert values["parameters"] == held
    assert values["weight_bytes"]["bfloat16"] == 2 * held
    assert values["weight_bytes"]["int4"] < values["weight_bytes"]["int8"] < 2 * held
    assert (values["experts"], values["block_length"], values["shards"], values["unused_tensors"]) == (None, None, 1, 0)
    assert "not exact" in run("inspect", LLADA)[1]


def test_inspect_counts_the_experts_a_token_is_sent_to(answer, run) -> None:
    values = answer("inspect", MOE)
    assert values["experts"] == {"layers": 2, "experts": 8, "chosen": 3}
    assert values["active_parameters"] < values["parameters"]
    assert "3 of 8 experts" in run("inspect", MOE)[1]


def test_inspect_knows_our_own_models_too(answer, run, checkpoint) -> None:
    values = answer("inspect", checkpoint)
    assert (values["family"], values["format"]) == (None, "redraft")
    assert "story, dialogue" in run("inspect", checkpoint)[1]


def test_inspect_says_what_is_wrong_in_one_line(run, tmp_path: Path) -> None:
    folder = copy_of(LLADA, tmp_path / "model")
    edit_config(folder, n_layers=3)
    code, out, err = run("inspect", folder)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert "missing model.transformer.blocks.2." in err
    assert "no checkpoint folder" in run("inspect", tmp_path / "gone")[2]


# ------------------------------------------------------------------ models


def test_models_lists_every_family_with_what_was_proven(answer, run) -> None:
    values = answer("models")
    assert [family["name"] for family in values["families"]] == [family.name for family in registry.families()]
    assert all(family["proven"] and family["checkpoints"] for family in values["families"])
    out = run("models")[1]
    assert "GSAI-ML/LLaDA-8B-Base" in out
    assert "compared on random weights" in out


# ------------------------------------------------------------------ convert


def test_convert_to_hf_gives_back_what_came(answer, tmp_path: Path) -> None:
    source, out = copy_of(MOE, tmp_path / "model"), tmp_path / "out"
    (source / "tokenizer.json").write_text("{}")
    values = answer("convert", source, out, "--to", "hf")
    assert values["dtype"] == "stored"
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (out, source))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert (out / "config.json").read_bytes() == (source / "config.json").read_bytes()
    assert (out / "tokenizer.json").read_text() == "{}"


def test_convert_to_hf_in_another_precision_notes_it(answer, tmp_path: Path) -> None:
    answer("convert", MOE, tmp_path / "out", "--to", "hf", "--dtype", "bfloat16")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["torch_dtype"] == "bfloat16"
    held = load_file(tmp_path / "out" / "model.safetensors")
    assert {weight.dtype for weight in held.values()} == {torch.bfloat16}


def test_a_format_that_is_not_the_models_is_refused(run, checkpoint, tmp_path: Path) -> None:
    assert "which no family reads" in run("convert", checkpoint, tmp_path / "out", "--to", "hf")[2]
    assert "model_type='llada'" in run("convert", LLADA, tmp_path / "out", "--to", "qwen3")[2]
    assert not (tmp_path / "out").exists()


# ------------------------------------------------------------------ bench


@pytest.fixture
def rehearsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Presets of the sizes of the fixtures, and a probe that takes no time."""
    named = {}
    for source in FOLDERS:
        values = json.loads((source / "config.json").read_text())
        family = registry.find_family(values)
        if family.network is None:
            named[source.name] = replace(family, presets={source.name: values})
    monkeypatch.setattr(bench, "presets", lambda: named)
    monkeypatch.setattr(bench, "probe", lambda *_: bench.Machine(1e10, 1e11))


def test_bench_scales_what_it_measured_and_says_so(answer, run, rehearsed) -> None:
    options = ("bench", "--random", "llada", "--layers", 1, "--canvas", "8,16", "--context", 32, "--repeats", 2)
    values = answer(*options)
    assert (values["layers"], values["layers_built"], values["extrapolated"]) == (2, 1, True)
    assert [row["canvas"] for row in values["forwards"]] == [8, 16]
    for row in values["forwards"]:
        assert row["seconds"] == pytest.approx(row["head_s"] + 2 * max(row["measured_s"] - row["head_s"], 0))
        assert row["times_floor"] > 0
    out = run(*options)[1]
    assert "1 of 2 layers built; their time is EXTRAPOLATED to all" in out
    assert "run again in every forward" in out


@pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
def test_every_family_of_decoders_can_be_rehearsed(answer, rehearsed, source: Path) -> None:
    if source.name not in bench.presets():
        pytest.skip("its network is its own")
    values = answer("bench", "--random", source.name, "--canvas", "8", "--context", "16", "--repeats", "1")
    (row,) = values["forwards"]
    assert row["measured_s"] > 0
    assert row["compute_floor_s"] > 0


def test_bench_takes_quantised_weights(answer, rehearsed) -> None:
    pytest.importorskip("torchao")
    options = ("--canvas", "8", "--context", "16", "--repeats", "1")
    floors = [
        answer("bench", "--random", "llada", *options, *more)["forwards"][0]["memory_floor_s"]
        for more in ((), ("--quantize", "int8"), ("--quantize", "int4"))
    ]
    assert floors[0] > floors[1] > floors[2]


@pytest.mark.parametrize("name", sorted(bench.presets()))
def test_every_preset_is_of_the_size_it_is_named_after(name: str) -> None:
    from redraft.models.floors import num_active, num_parameters

    family = bench.presets()[name]
    facts = family.read(family.presets[name])
    assert 0 < num_active(facts.architecture) <= num_parameters(facts.architecture)
    sizes = {"llada-8b": 8.0, "dream-7b": 7.6, "sdar-8b": 8.2, "rnd1-30b": 30.5, "llada2-mini": 16.3}
    if name in sizes:
        assert num_parameters(facts.architecture) / 1e9 == pytest.approx(sizes[name], rel=0.1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--random", "lada"], "did you mean 'llada'?"),
        (["--random", "llada", "--canvas", "8,x"], "must be lengths"),
        (["--random", "llada", "--canvas", "0"], "must be lengths"),
        (["--random", "llada", "--context", "0"], "--context must be at least 1"),
        (["--random", "llada", "--repeats", "0"], "--repeats must be at least 1"),
        (["--random", "llada", "--layers", "0"], "--layers must be at least 1"),
        (["--random", "llada", "--quantize", "int2"], "unknown kind 'int2'"),
        ([], "--random"),
    ],
)
def test_bench_refuses_what_it_cannot_time(run, rehearsed, options: list[str], said: str) -> None:
    code, out, err = run("bench", *options)
    assert (code, out) == (2, "")
    assert said in err


def test_a_model_without_a_canvas_is_not_timed(run) -> None:
    assert "qwen3-8b is autoregressive: it fills no canvas" in run("bench", "--random", "qwen3-8b")[2]


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_bench_on_a_gpu_that_is_not_there_is_refused(run, rehearsed) -> None:
    assert "there is no GPU" in run("bench", "--random", "llada", "--device", "cuda")[2]


def test_a_million_random_numbers_fill_any_tensor() -> None:
    weight = torch.full((3, 700_000), 9.0)
    bench.scatter(weight)
    assert float(weight.abs().max()) < 1
    assert float(weight.std()) == pytest.approx(0.02, rel=0.05)


def test_of_several_probes_the_best_rates_count() -> None:
    assert bench.best([bench.Machine(1.0, 4.0), bench.Machine(2.0, 3.0)]) == bench.Machine(2.0, 4.0)


def test_the_machines_rates_are_positive() -> None:
    def call() -> Any:
        return torch.ones(100) @ torch.ones(100)

    seconds = bench.timed(call, 3, "cpu")
    assert len(seconds) == 3
    assert min(seconds) > 0
