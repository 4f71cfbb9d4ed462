"""SDAR, dense and mixed: fields, names, blocks of more than one length, rows of a batch apart."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.families import sdar, sdar_moe
from redraft.models.architecture import Architecture
from redraft.models.family import Family
from redraft.models.loading import build, load, tensors_of
from redraft.models.registry import find_family
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import LeftToRight, Policy, Threshold
from redraft.sampling.samplers import sample

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
BOTH = pytest.mark.parametrize("family", [sdar.FAMILY, sdar_moe.FAMILY], ids=lambda family: family.name)


def config(family: Family, **changes: Any) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((FIXTURES / family.name / "config.json").read_text())
    return values | changes


def architecture(family: Family, **changes: Any) -> Architecture:
    made = family.read(config(family, **changes)).architecture
    assert isinstance(made, Architecture)
    return made


@BOTH
def test_a_configuration_finds_its_family_and_decoding(family: Family) -> None:
    assert find_family(config(family)) is family
    assert isinstance(from_json(family.decoding).policy, Threshold)


@BOTH
def test_blocks_and_mask_are_what_the_configuration_says(family: Family) -> None:
    facts = family.read(config(family))
    assert (facts.block_length, facts.mask_id, facts.stop_ids) == (4, 317, (315,))
    assert (facts.shifted, facts.counted_positions) == (False, True)
    assert family.read(config(family, block_size=16)).block_length == 16
    silent = config(family, vocab_size=151936, block_size=None, mask_token_id=None)
    assert (family.read(silent).block_length, family.read(silent).mask_id) == (4, 151669)


@pytest.mark.parametrize(("name", "billions"), [("sdar-4b", 4.4), ("sdar-8b", 8.2)])
def test_the_published_sizes_are_their_names(name: str, billions: float) -> None:
    facts = sdar.FAMILY.read(sdar.FAMILY.presets[name])
    parameters = build(sdar.FAMILY, facts, "meta", torch.float32).parameters()
    assert round(sum(p.numel() for p in parameters) / 1e9, 1) == billions


def test_parts_come_and_go_with_their_fields() -> None:
    attention = architecture(sdar.FAMILY, attention_bias=True, num_key_value_heads=4).layers[0].attention
    assert (attention.qkv_bias, attention.out_bias, attention.qk_norm) == (True, True, True)
    assert (attention.num_key_heads, attention.head_dim) == (4, 16)
    assert architecture(sdar.FAMILY, tie_word_embeddings=True).tied
    mixed = architecture(sdar_moe.FAMILY, mlp_only_layers=[0], norm_topk_prob=False, num_experts=6)
    assert [layer.experts is None for layer in mixed.layers] == [True, False]
    experts = mixed.layers[1].experts
    assert experts is not None
    assert (experts.num_experts, experts.normalised, experts.score) == (6, False, "softmax")


@BOTH
@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"use_sliding_window": True}, "use_sliding_window=True"),
        ({"block_size": 0}, "needs a block length, not 0"),
        ({"block_size": "4"}, "block_size='4', which is no int"),
        ({"mask_token_id": 320}, "mask id 320 is outside the vocabulary of 320"),
        ({"num_key_value_heads": 3}, "must be a multiple of self.num_key_heads=3"),
        ({"num_hidden_layers": None}, "config.json has no 'num_hidden_layers'"),
        ({"rope_scaling": {"rope_type": "spiral"}}, "rope scaling 'spiral'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(
    family: Family, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        family.read(config(family, **changes))


def test_more_experts_chosen_than_there_are_is_refused() -> None:
    with pytest.raises(ValueError, match=r"self.num_chosen=9 experts cannot be chosen of self.num_experts=8"):
        sdar_moe.read(config(sdar_moe.FAMILY, num_experts_per_tok=9))


@BOTH
def test_the_checkpoint_is_given_back_bit_for_bit(family: Family) -> None:
    denoiser, checkpoint = load(FIXTURES / family.name)
    stored = load_file(FIXTURES / family.name / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


@BOTH
def test_a_variant_with_every_part_goes_to_disk_and_back(family: Family, tmp_path: Path) -> None:
    values = config(family, attention_bias=True, num_key_value_heads=4, tie_word_embeddings=True, mlp_only_layers=[1])
    facts = family.read(values)
    network = build(family, facts, "cpu", torch.float32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    tensors = tensors_of(network, family.places(facts.architecture))
    assert "model.layers.0.self_attn.o_proj.bias" in tensors
    assert "lm_head.weight" not in tensors
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file(tensors, tmp_path / "model.safetensors")
    denoiser, checkpoint = load(tmp_path)
    again = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


@BOTH
@pytest.mark.parametrize("block_length", [4, 8])
@pytest.mark.parametrize("policy", [Threshold(0.7, 4), LeftToRight(num_steps=2)], ids=["threshold", "sequential"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(family: Family, block_length: int, policy: Policy) -> None:
    denoiser, _ = load(FIXTURES / family.name, block_length=block_length)
    decoding = Decoding(policy=policy, max_steps=8)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=10, block_length=block_length)
        return last.committed

    prompts = [list(range(9)), [5, 6], list(range(40, 56))]
    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]
