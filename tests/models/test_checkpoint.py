"""Checkpoints: what is written is what is read, and a folder that does not fit is refused with the reason."""

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.models import checkpoint
from redraft.models.checkpoint import load_checkpoint, read_config, save_checkpoint, to_qwen3
from redraft.models.three_mode import ThreeModeModel
from tests.models.tiny import CONFIG, ids, tiny_model


def save(model: ThreeModeModel, folder: Path, dtype: torch.dtype = torch.float32) -> Path:
    tokenizer = folder.parent / "made_up_tokenizer.json"
    tokenizer.write_text('{"made": "up"}')
    save_checkpoint(model, folder, tokenizer_file=tokenizer, dtype=dtype)
    return folder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save(tiny_model(), tmp_path / "model")


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")


# ------------------------------------------------------------------ round trips


def test_a_model_comes_back_exactly_in_single_precision(tmp_path: Path) -> None:
    model = tiny_model(labels=("story", "tale"), condition_size=5, self_conditioning=True)
    back = load_checkpoint(save(model, tmp_path / "model"))
    assert back.config == model.config
    assert back.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(back.state_dict()[name], value) for name, value in model.state_dict().items())
    assert not back.training
    assert not any(p.requires_grad for p in back.parameters())
    assert torch.equal(back.score(ids(1, 5))[0], model.score(ids(1, 5))[0])


def test_a_model_comes_back_rounded_in_half_precision(tmp_path: Path) -> None:
    model = tiny_model()
    folder = save(model, tmp_path / "model", torch.bfloat16)
    held, single = load_checkpoint(folder, dtype=torch.bfloat16), load_checkpoint(folder)
    for name, value in model.state_dict().items():
        assert held.state_dict()[name].dtype == torch.bfloat16
        assert torch.equal(held.state_dict()[name], value.bfloat16())
        assert torch.equal(single.state_dict()[name], value.bfloat16().float())
    assert held.score(ids(1, 5))[0].isfinite().any()


def test_half_precision_halves_the_file(tmp_path: Path) -> None:
    sizes = [
        (save(tiny_model(), tmp_path / str(dtype), dtype) / "model.safetensors").stat().st_size
        for dtype in (torch.float32, torch.bfloat16)
    ]
    assert 0.5 <= sizes[1] / sizes[0] < 0.6


def test_everything_given_is_in_the_folder(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{}")
    save_checkpoint(
        tiny_model(),
        tmp_path / "out",
        tokenizer_file=tmp_path / "tokenizer.json",
        generation={"steps": 8},
        card="# Card",
    )
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "config.json", "generation_config.json", "model.safetensors", "README.md", "tokenizer.json",
    }  # fmt: skip
    assert json.loads((tmp_path / "out" / "generation_config.json").read_text()) == {"steps": 8}
    assert (tmp_path / "out" / "README.md").read_text() == "# Card"


# ------------------------------------------------------------------ refusals


def refused(folder: Path, *said: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError) as caught:
        load_checkpoint(folder)
    assert time.process_time() - began < 2
    for words in said:
        assert words in str(caught.value)


def test_a_folder_without_config_is_refused(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path), "no config.json")
    refused(tmp_path / "nowhere", "nowhere", "no config.json")


def test_a_file_in_place_of_a_folder_is_refused(folder: Path) -> None:
    refused(folder / "model.safetensors", "no config.json")


@pytest.mark.parametrize("content", [b"not json", b'{"vocab_size": ', b"\xff\xfe\x00", b"[1, 2]", b'"redraft"', b""])
def test_a_config_that_is_not_a_json_object_is_refused(folder: Path, content: bytes) -> None:
    (folder / "config.json").write_bytes(content)
    refused(folder, "config.json")


@pytest.mark.parametrize("kind", ["llama", None, 7])
def test_another_model_type_is_refused_by_name(folder: Path, kind: object) -> None:
    edit_config(folder, model_type=kind)
    refused(folder, f"model_type={kind!r}", "'redraft'")


def test_an_unknown_field_is_refused_with_the_nearest(folder: Path) -> None:
    edit_config(folder, hiden_size=32)
    refused(folder, "'hiden_size'", "did you mean 'hidden_size'?")


def test_a_missing_field_is_refused_by_name(folder: Path) -> None:
    path = folder / "config.json"
    values = json.loads(path.read_text())
    del values["mask_token_id"]
    path.write_text(json.dumps(values))
    refused(folder, "mask_token_id")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vocab_size", "64"), ("hidden_size", 32.0), ("num_hidden_layers", True), ("rope_theta", None),
        ("self_conditioning", 1), ("insert_token_ids", [59, "60"]), ("insert_token_ids", 59), ("labels", "story"),
        ("labels", [1]),
    ],
)  # fmt: skip
def test_a_value_of_another_type_is_refused_by_name(folder: Path, name: str, value: object) -> None:
    edit_config(folder, **{name: value})
    refused(folder, f"{name}={value!r} must be")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vocab_size", 0), ("vocab_size", 10**12), ("num_key_value_heads", 0), ("num_key_value_heads", 3),
        ("head_dim", 7), ("head_dim", 0), ("max_position_embeddings", 10**12), ("text_size", 65), ("text_size", 0),
        ("mask_token_id", 64), ("insert_token_ids", [-1]), ("rope_theta", 0), ("uniform_share", 1.5),
        ("condition_size", -1),
    ],
)  # fmt: skip
def test_a_value_out_of_range_is_refused_by_name(folder: Path, name: str, value: object) -> None:
    edit_config(folder, **{name: value})
    number = value[0] if isinstance(value, list) else value
    refused(folder, str(number))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("hidden_size", 1 << 20), ("num_hidden_layers", 1_000_000), ("num_hidden_layers", 1),
        ("intermediate_size", 1 << 20), ("vocab_size", 1 << 20), ("num_attention_heads", 8), ("labels", ["story"]),
        ("self_conditioning", True), ("condition_size", 1 << 20),
    ],
)  # fmt: skip
def test_sizes_that_the_weights_do_not_have_are_refused_before_anything_is_allocated(
    folder: Path, name: str, value: object
) -> None:
    edit_config(folder, **{name: value})
    refused(folder, "model.safetensors", "config.json")


def test_a_missing_weights_file_is_refused(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    refused(folder, "model.safetensors is missing")


@pytest.mark.parametrize("kept", [0, 4, 200, 0.5, -1])
def test_a_truncated_weights_file_is_refused(folder: Path, kept: float) -> None:
    path = folder / "model.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content)) if kept == 0.5 else int(kept)])
    refused(folder, "model.safetensors is truncated or not a safetensors file")


def test_weights_that_are_not_safetensors_are_refused(folder: Path) -> None:
    torch.save({}, folder / "model.safetensors")
    refused(folder, "not a safetensors file")


def test_a_missing_tensor_is_refused_by_name(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.pop("transformer.norm.weight"))
    refused(folder, "missing transformer.norm.weight")


def test_an_unknown_tensor_is_refused_by_name(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update(surplus=torch.zeros(2)))
    refused(folder, "unknown surplus")


def test_a_tensor_of_another_shape_is_refused_with_both_shapes(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update(canvas_marker=torch.zeros(31)))
    refused(folder, "canvas_marker is [31], not [32]")


def test_many_problems_are_counted_and_not_all_listed(folder: Path) -> None:
    edit_weights(folder, lambda weights: weights.update({f"surplus_{n}": torch.zeros(1) for n in range(9)}))
    refused(folder, "unknown surplus_0", "and 4 more")


# ------------------------------------------------------------------ atomic replacement


def test_a_checkpoint_replaces_an_older_one(folder: Path) -> None:
    newer = tiny_model(seed=1)
    save(newer, folder)
    assert torch.equal(load_checkpoint(folder).embed.weight, newer.embed.weight)
    assert {path.name for path in folder.parent.iterdir()} == {"model", "made_up_tokenizer.json"}


def test_a_save_that_fails_half_way_leaves_the_old_checkpoint(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {file.name: file.read_bytes() for file in folder.iterdir()}

    def full_disk(weights: object, path: Path, metadata: object) -> None:
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full_disk)
    with pytest.raises(OSError, match="no space"):
        save(tiny_model(seed=1), folder)
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    monkeypatch.undo()
    newer = tiny_model(seed=1)
    save(newer, folder)  # what the failure left behind is in nobody's way
    assert torch.equal(load_checkpoint(folder).embed.weight, newer.embed.weight)


@pytest.mark.parametrize("name", ["thesis.tex", "checkpoint.pt"])
def test_a_folder_that_holds_something_else_is_not_overwritten(folder: Path, name: str) -> None:
    """A training run has a config.json too."""
    (folder / name).write_text("dear")
    before = (folder / "model.safetensors").read_bytes()
    for write in (
        lambda: save(tiny_model(seed=1), folder),
        lambda: to_qwen3(tiny_model(seed=1), folder, tokenizer_file=folder / "tokenizer.json"),
    ):
        with pytest.raises(ValueError, match=f"holds '{name}'"):
            write()
    assert (folder / name).read_text() == "dear"
    assert (folder / "model.safetensors").read_bytes() == before


def test_an_empty_folder_is_filled(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    assert read_config(save(tiny_model(), tmp_path / "model")) == CONFIG


def test_a_config_survives_json() -> None:
    config = replace(CONFIG, labels=("a", "b"), condition_size=3)
    assert type(config).from_json(json.loads(json.dumps(config.to_json()))) == config
