"""RND1: what its config.json may say, and which of it means nothing."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.families.rnd1 import FAMILY, RND1_30B, places, read
from redraft.models.architecture import Architecture
from redraft.models.loading import build, inspect, load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import LinearGrid
from redraft.sampling.samplers import infill, sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "rnd1"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def architecture(**changes: Any) -> Architecture:
    made = read(CONFIG | changes).architecture
    assert isinstance(made, Architecture)
    return made


def test_the_published_size_is_qwens_mixture() -> None:
    facts = read(RND1_30B)
    assert (facts.mask_id, facts.stop_ids, facts.shifted) == (151669, (151645,), True)
    layer = facts.architecture.layers[0]
    assert (layer.experts.num_experts, layer.experts.num_chosen, layer.experts.normalised) == (128, 8, True)
    assert (layer.attention.num_heads, layer.attention.head_dim, layer.attention.qk_norm) == (32, 128, True)


def test_the_recommended_decoding_is_one() -> None:
    assert from_json(FAMILY.decoding).max_steps == 256


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_experts_per_tok": 9}, "self.num_chosen=9 experts cannot be chosen of self.num_experts=8"),
        ({"num_experts": None}, "config.json has no 'num_experts'"),
        ({"moe_intermediate_size": "24"}, "moe_intermediate_size='24', which is no int"),
        ({"num_key_value_heads": 3}, "must be a multiple of self.num_key_heads=3"),
        ({"head_dim": 15}, "must be even for rotary positions"),
        ({"rope_scaling": True}, "rope_scaling=True, which is no object"),
        ({"mask_token_id": 320}, "mask id 320 is outside the vocabulary of 320"),
        ({"eos_token_id": [316, 400]}, "stop token 400 id 400 is outside the vocabulary of 320"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


@pytest.mark.parametrize("unread", [{"mlp_only_layers": [0]}, {"decoder_sparse_step": 2}, {"sliding_window": 4}])
def test_fields_that_its_code_does_not_read_change_nothing(unread: dict[str, Any]) -> None:
    assert architecture(**unread) == architecture()


def test_a_rope_scaling_of_false_is_none() -> None:
    assert CONFIG["rope_scaling"] is False
    assert architecture().layers[0].attention.rope.scaling == "default"
    assert architecture(rope_scaling=None) == architecture()


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


def test_a_variant_with_every_part_goes_to_disk_and_back(tmp_path: Path) -> None:
    values = CONFIG | {
        "attention_bias": True, "tie_word_embeddings": True, "num_key_value_heads": 4, "num_experts": 5,
        "num_experts_per_tok": 3, "norm_topk_prob": False,
    }  # fmt: skip
    facts = read(values)
    network = build(FAMILY, facts, "cpu", torch.float32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    tensors = tensors_of(network, places(facts.architecture))
    assert {"model.layers.0.self_attn.o_proj.bias", "model.layers.1.mlp.experts.4.up_proj.weight"} <= tensors.keys()
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file(tensors, tmp_path / "model.safetensors")
    denoiser, checkpoint = load(tmp_path)
    again = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert "lm_head.weight" not in inspect(tmp_path).tensors


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(cache: str) -> None:
    denoiser, _ = load(FOLDER, cache=cache)
    decoding = Decoding(policy=LinearGrid(4), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=16, block_length=8)
        return last.committed

    rows = [[5, 9, 12, 200, 31], [7], [101, 45, 300]]
    assert texts(rows) == [texts([row])[0] for row in rows]


def test_infills_of_different_lengths_share_a_batch() -> None:
    denoiser, _ = load(FOLDER)
    decoding = Decoding(policy=LinearGrid(5), max_steps=5)
    prefixes, suffixes, gaps = [[5, 9, 12], [7]], [[8], [33, 90, 2, 4]], [3, 9]

    def filled(rows: list[int]) -> list[list[int]]:
        given = ([texts[row] for row in rows] for texts in (prefixes, suffixes))
        *_, last = infill(denoiser, *given, decoding, gap=[gaps[row] for row in rows])
        return [last.row_tokens(row) for row in range(len(rows))]

    together = filled([0, 1])
    assert together == filled([0]) + filled([1])
    assert [len(text) for text in together] == [7, 14]
