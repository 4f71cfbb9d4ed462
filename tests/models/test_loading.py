"""Loading: every family's folder comes in and goes out bit for bit; what does not fit is refused before it costs."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.models import loading
from redraft.models.family import Place
from redraft.models.loading import inspect, load, stored_dtype, tensors_of, widest_dtype
from redraft.models.writing import shards, write_folder
from tests.models.golden_folders import FOLDERS, LLADA, MOE, copy_of, edit_config, edit_weights

every_family = pytest.mark.parametrize("source", FOLDERS, ids=lambda folder: folder.name)
HEAD, EMBED = "model.transformer.ff_out.weight", "model.transformer.wte.weight"  # as LLaDA calls them
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return copy_of(LLADA, tmp_path / "model")


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return {n: w for file in folder.glob("*.safetensors") for n, w in load_file(file).items()}


def same_bits(ours: dict[str, torch.Tensor], theirs: dict[str, torch.Tensor]) -> bool:
    """Names, types, shapes and every bit, so that NaN equals itself and -0 is not 0."""
    described = [{n: (w.dtype, w.shape) for n, w in held.items()} for held in (ours, theirs)]
    return described[0] == described[1] and all(
        torch.equal(ours[n].flatten().view(torch.uint8), theirs[n].flatten().view(torch.uint8)) for n in ours
    )


# ------------------------------------------------------------------ in and out


@every_family
def test_a_checkpoint_comes_out_as_it_went_in(source: Path, tmp_path: Path) -> None:
    denoiser, checkpoint = load(source)
    write_folder(denoiser.network, checkpoint, tmp_path / "out")
    assert same_bits(weights(tmp_path / "out"), weights(source))
    assert (tmp_path / "out" / "config.json").read_bytes() == (source / "config.json").read_bytes()


@every_family
def test_a_checkpoint_in_half_precision_and_shards_comes_out_as_it_went_in(source: Path, tmp_path: Path) -> None:
    denoiser, checkpoint = load(source)
    write_folder(denoiser.network, checkpoint, tmp_path / "half", dtype=torch.bfloat16, shard_bytes=50_000)
    assert len(list((tmp_path / "half").glob("model-*.safetensors"))) > 2
    assert all(w.dtype == torch.bfloat16 for w in weights(tmp_path / "half").values())
    again, held = load(tmp_path / "half")
    assert stored_dtype(held) == torch.bfloat16
    assert next(again.network.parameters()).dtype == torch.bfloat16
    write_folder(again.network, held, tmp_path / "again")
    assert same_bits(weights(tmp_path / "again"), weights(tmp_path / "half"))
    assert same_bits(weights(tmp_path / "half"), {n: w.bfloat16() for n, w in weights(source).items()})


@every_family
def test_every_tensor_has_one_place_and_every_number_one_tensor(source: Path) -> None:
    checkpoint = inspect(source)
    network = loading.build(checkpoint.family, checkpoint.facts, "cpu", torch.float32)
    parameters = dict(network.named_parameters())
    with torch.no_grad():
        for parameter in parameters.values():
            parameter.zero_()
        for place in checkpoint.places.values():
            place.view(parameters[place.parameter]).add_(1)
    assert all(bool((parameter == 1).all()) for parameter in parameters.values())
    assert checkpoint.num_parameters == sum(parameter.numel() for parameter in parameters.values())


def test_tensors_are_those_of_the_file(folder: Path) -> None:
    denoiser, checkpoint = load(folder)
    assert same_bits(tensors_of(denoiser.network, checkpoint.places), weights(folder))
    assert not denoiser.network.training
    assert not any(parameter.requires_grad for parameter in denoiser.network.parameters())


def test_a_dtype_may_be_asked_for(folder: Path) -> None:
    denoiser, _ = load(folder, dtype=torch.bfloat16)
    assert {parameter.dtype for parameter in denoiser.network.parameters()} == {torch.bfloat16}
    with pytest.raises(RuntimeError):
        load(folder, device="nonsense")


def test_biases_that_choose_experts_are_not_rounded(tmp_path: Path) -> None:
    sources = [folder for folder in FOLDERS if any(n.endswith("router.bias") for n in _parameters(folder))]
    for source in sources:
        denoiser, _ = load(source, dtype=torch.bfloat16)
        exact, _ = load(source)
        ours, theirs = dict(denoiser.network.named_parameters()), dict(exact.network.named_parameters())
        names = [name for name in ours if name.endswith("router.bias")]
        assert all(torch.equal(ours[name], theirs[name].float()) for name in names)


def _parameters(folder: Path) -> list[str]:
    return [place.parameter for place in inspect(folder).places.values()]


def test_tensors_of_several_types_come_out_in_their_own(folder: Path, tmp_path: Path) -> None:
    def mix(held: dict[str, torch.Tensor]) -> None:
        for number, name in enumerate(sorted(held)):
            held[name] = held[name].to((torch.bfloat16, torch.float16, torch.float32)[number % 3])

    edit_weights(folder, mix)
    widest = widest_dtype(inspect(folder))
    denoiser, checkpoint = load(folder, dtype=widest)
    write_folder(denoiser.network, checkpoint, tmp_path / "out")
    assert widest == torch.float32
    assert same_bits(weights(tmp_path / "out"), weights(folder))


def test_a_tensor_longer_than_a_chunk_is_read_whole(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "CHUNK", 1000)
    denoiser, checkpoint = load(folder)
    assert same_bits(tensors_of(denoiser.network, checkpoint.places), weights(folder))


def test_what_else_the_folder_holds_is_copied(folder: Path, tmp_path: Path) -> None:
    for name in ("tokenizer.json", "merges.txt", "generation_config.json", "chat_template.jinja", "optimizer.bin"):
        (folder / name).write_text(f'"{name}"')
    denoiser, checkpoint = load(folder)
    out = tmp_path / "out"
    write_folder(denoiser.network, checkpoint, out)
    copied = {"tokenizer.json", "merges.txt", "generation_config.json", "chat_template.jinja"}
    assert {file.name for file in out.iterdir()} == copied | {"config.json", "model.safetensors"}
    assert (out / "merges.txt").read_text() == '"merges.txt"'
    write_folder(denoiser.network, checkpoint, out)  # an older one is replaced


def test_nothing_of_others_is_written_over(folder: Path, tmp_path: Path) -> None:
    denoiser, checkpoint = load(folder)
    (tmp_path / "diary").mkdir()
    (tmp_path / "diary" / "monday.txt").write_text("rain")
    with pytest.raises(ValueError, match=r"'monday\.txt'.*nothing was written"):
        write_folder(denoiser.network, checkpoint, tmp_path / "diary")
    with pytest.raises(ValueError, match="is the checkpoint itself"):
        write_folder(denoiser.network, checkpoint, folder)
    assert [file.name for file in (tmp_path / "diary").iterdir()] == ["monday.txt"]


def test_a_writing_that_fails_leaves_the_old_folder(folder: Path, tmp_path: Path) -> None:
    denoiser, checkpoint = load(folder)
    write_folder(denoiser.network, checkpoint, tmp_path / "out")
    before = weights(tmp_path / "out")
    checkpoint.places[EMBED] = Place("embed.wait")
    with pytest.raises(KeyError):
        write_folder(denoiser.network, checkpoint, tmp_path / "out", dtype=torch.bfloat16)
    assert same_bits(weights(tmp_path / "out"), before)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model", "out"]


def test_the_noted_dtype_follows_the_weights_wherever_it_is_noted(folder: Path, tmp_path: Path) -> None:
    edit_config(folder, torch_dtype="float32", text_config={"dtype": "float32", "kept": 1})
    denoiser, checkpoint = load(folder)
    write_folder(denoiser.network, checkpoint, tmp_path / "out", dtype=torch.float16)
    values = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (values["torch_dtype"], values["text_config"]) == ("float16", {"dtype": "float16", "kept": 1})
    assert values.keys() == checkpoint.values.keys()


def test_shards_hold_as_much_as_they_may() -> None:
    sizes = {"a": 5, "b": 5, "c": 11, "d": 1, "e": 9}
    assert shards(sizes, 10) == [["a", "b"], ["c"], ["d", "e"]]
    assert shards({"a": 1}, 10) == [["a"]]


# ------------------------------------------------------------------ tied heads, tensors of no use


def tied(folder: Path, head: Callable[[torch.Tensor], torch.Tensor] | None = None) -> Path:
    """A LLaDA whose configuration ties its head; what it stores as one all the same is made of the embedding."""
    edit_config(folder, weight_tying=True)

    def change(held: dict[str, torch.Tensor]) -> None:
        del held[HEAD]
        if head is not None:
            held[HEAD] = head(held[EMBED])

    edit_weights(folder, change)
    return folder


def test_a_tied_checkpoint_may_store_its_head_all_the_same(folder: Path, tmp_path: Path) -> None:
    tied(folder, head=torch.clone)
    denoiser, checkpoint = load(folder)
    network = denoiser.network
    assert network.head is None
    assert checkpoint.num_parameters == sum(parameter.numel() for parameter in network.parameters())
    write_folder(network, checkpoint, tmp_path / "out")
    assert same_bits(weights(tmp_path / "out"), weights(folder))


def test_a_tied_checkpoint_need_not_store_its_head(folder: Path) -> None:
    assert load(tied(folder))[0].network.head is None


def test_a_tied_checkpoint_whose_head_differs_is_refused(folder: Path) -> None:
    with pytest.raises(ValueError, match=f"{HEAD}, which is tied to {EMBED} and differs|{EMBED}, which is tied"):
        load(tied(folder, head=lambda embed: embed + 1))


def test_a_tied_head_of_another_shape_is_refused(folder: Path) -> None:
    refused(tied(folder, head=lambda embed: embed[1:].clone()), HEAD, "[319, 64], not [320, 64]")


def test_tensors_that_text_needs_none_of_are_passed_over_and_kept(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from redraft.models import registry

    extra = {"vision.patch.weight": torch.randn(3, 2), "vision.table": torch.arange(5)}
    edit_weights(folder, lambda held: held.update(extra))
    refused(folder, "unknown vision.patch.weight", "unknown vision.table")
    known = tuple(replace(family, ignored=("vision.",)) for family in registry.families())
    monkeypatch.setattr(registry, "families", lambda: known)
    denoiser, checkpoint = load(folder)
    write_folder(denoiser.network, checkpoint, tmp_path / "out")
    assert same_bits(weights(tmp_path / "out"), weights(folder))
    write_folder(denoiser.network, checkpoint, tmp_path / "half", dtype=torch.float16)
    half = weights(tmp_path / "half")
    assert (half["vision.patch.weight"].dtype, half["vision.table"].dtype) == (torch.float16, torch.int64)


# ------------------------------------------------------------------ refusals


def refused(folder: Path, *said: str) -> None:
    began = time.process_time()
    with pytest.raises(ValueError) as caught:
        load(folder)
    assert time.process_time() - began < 1
    for words in (str(folder), *said):
        assert words in str(caught.value)


@pytest.mark.parametrize("half", [0, 7, 100, 5000, -1])
def test_a_truncated_file_is_refused(folder: Path, half: int) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[:half])
    refused(folder, "model.safetensors is truncated")


def test_missing_and_unknown_tensors_are_named(folder: Path) -> None:
    def rename(held: dict[str, torch.Tensor]) -> None:
        held["model.transformer.wet.weight"] = held.pop(EMBED)

    edit_weights(folder, rename)
    refused(folder, f"missing {EMBED}", "unknown model.transformer.wet.weight")


def test_of_many_problems_a_few_are_named_and_the_rest_counted(folder: Path) -> None:
    save_file({"x": torch.ones(1)}, folder / "model.safetensors")
    edit_config(folder, n_layers=1)
    refused(folder, "missing", "more)")


def test_an_embedding_that_does_not_fit_the_vocabulary_is_refused(folder: Path) -> None:
    edit_config(folder, vocab_size=321, embedding_size=321)
    refused(folder, f"{EMBED} is [320, 64], not [321, 64]")


def test_weights_stored_as_whole_numbers_are_refused(folder: Path) -> None:
    edit_weights(folder, lambda held: held.update({EMBED: held[EMBED].to(torch.int8)}))
    refused(folder, f"{EMBED} is stored as I8")


@pytest.mark.parametrize("kind", ["gpt2", "bert", None, 7, [], {}])
def test_an_unknown_model_type_is_answered_with_the_families(folder: Path, kind: object) -> None:
    edit_config(folder, model_type=kind)
    refused(folder, f"model_type={kind!r}", "Families: ", "llada (llada)")


@pytest.mark.parametrize("named", [None, [], ["LlamaForCausalLM"], 5, "LLaDAModelLM", [5], {"a": 1}])
def test_architectures_of_another_kind_are_refused(folder: Path, named: object) -> None:
    edit_config(folder, architectures=named)
    refused(folder, "config.json")


@pytest.mark.parametrize("layers", [1, 3, 100, 10_000, 10_001, 1_000_000, 1 << 60, -1, 0])
def test_another_number_of_layers_is_refused_however_large(folder: Path, layers: int) -> None:
    edit_config(folder, n_layers=layers)
    refused(folder)


@pytest.mark.parametrize("size", [1 << 22, 1 << 40, 0, -64])
@pytest.mark.parametrize("name", ["d_model", "embedding_size", "mlp_hidden_size", "max_sequence_length", "n_heads"])
def test_a_size_that_is_not_the_files_is_refused_before_it_is_allocated(folder: Path, name: str, size: int) -> None:
    edit_config(folder, **{name: size})
    if name == "max_sequence_length" and size == 1 << 22:
        return
    refused(folder)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"n_heads": 3}, "d_model=64, which 3 heads cannot share"),
        ({"n_heads": 4, "n_kv_heads": 3}, "must be a multiple of"),
        ({"n_heads": 64}, "must be even"),
        ({"mask_token_id": 320}, "mask id 320 is outside the vocabulary of 320"),
        ({"mask_token_id": -1}, "outside the vocabulary"),
        ({"pad_token_id": 10**9}, "pad id 1000000000 is outside"),
        ({"eos_token_id": [3, 400]}, "stop token 400"),
        ({"rope_theta": -1.0}, "theta"),
        ({"rms_norm_eps": 0.0}, "norm_eps"),
        ({"n_layers": "two"}, "n_layers='two'"),
        ({"n_layers": None}, "no 'n_layers'"),
        ({"n_layers": 2.0}, "n_layers=2.0"),
    ],
)
def test_fields_that_contradict_each_other_are_refused_by_name(
    folder: Path, changes: dict[str, Any], said: str
) -> None:
    edit_config(folder, **changes)
    refused(folder, "config.json (llada)", said)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_experts": 2}, {"num_experts": 5}, {"num_experts": 1 << 20}, {"num_experts": 10**30},
        {"num_experts_per_tok": 100}, {"num_experts_per_tok": 0}, {"num_hidden_layers": 9_999},
    ],
    ids=str,
)  # fmt: skip
def test_experts_that_are_not_there_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = copy_of(MOE, tmp_path / "model")
    edit_config(folder, **changes)
    refused(folder)


STRANGE: list[object] = [None, -1, 10**12, "x", [], {"a": []}, [None], True, 1e400, 0.5]


@every_family
def test_whatever_a_field_says_loading_works_or_says_why_in_under_a_second(source: Path, tmp_path: Path) -> None:
    folder = copy_of(source, tmp_path / "model")
    values = json.loads((source / "config.json").read_text())
    for name in values:
        for strange in STRANGE:
            (folder / "config.json").write_text(json.dumps(values | {name: strange}))
            began = time.process_time()
            assert str(folder) in said(folder), (name, strange)
            assert time.process_time() - began < 1, (name, strange)


def said(folder: Path) -> str:
    """Why a folder is refused, or which it is."""
    try:
        return str(inspect(folder).folder)
    except ValueError as error:
        return str(error)


def test_a_name_that_is_neither_folder_nor_hub_name_is_refused() -> None:
    with pytest.raises(ValueError, match="no checkpoint folder 'nowhere'"):
        load("nowhere")


# ------------------------------------------------------------------ memory


def run_peak_memory(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.peak_memory", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    values: dict[str, Any] = json.loads(done.stdout)
    return values


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="peak memory is read from /proc")
def test_loading_takes_the_models_memory_and_little_more(tmp_path: Path) -> None:
    values = run_peak_memory("--megabytes", 60, "--folder", tmp_path / "random")
    assert values["model_mb"] == pytest.approx(60, rel=0.1)
    assert 0.8 < values["peak_over_model"] < 1.0 + 40 / values["model_mb"]
