"""LLaDA-MoE: told from LLaDA, its fields read as its code reads them, its tensors found under its names."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.families import llada
from redraft.families.llada_moe import FAMILY, places, read
from redraft.models.architecture import Architecture
from redraft.models.loading import build, inspect, load, tensors_of
from redraft.models.registry import find_family
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "llada_moe"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def architecture(**changes: Any) -> Architecture:
    made = read(CONFIG | changes).architecture
    assert isinstance(made, Architecture)
    return made


def test_architectures_tells_it_from_dense_llada() -> None:
    assert CONFIG["model_type"] == llada.LLADA_8B["model_type"]
    assert find_family(CONFIG) is FAMILY
    assert find_family(llada.LLADA_8B) is llada.FAMILY


def test_the_recommended_decoding_is_one() -> None:
    assert from_json(FAMILY.decoding).max_steps == 256


def test_a_vocabulary_of_the_published_size_has_the_published_mask() -> None:
    assert read(CONFIG | {"vocab_size": 157184}).mask_id == 156895
    assert read(CONFIG | {"mask_token_id": 317}).mask_id == 317


def test_layers_are_dense_or_mixed_as_stated() -> None:
    layers = architecture().layers
    assert [layer.experts is None for layer in layers] == [True, False, False]
    assert [layer.feed is None for layer in layers] == [False, True, True]
    assert all(layer.experts for layer in architecture(moe_layer_freq=[1, 1, 1], dense_intermediate_size=None).layers)


def test_weights_of_experts_are_never_renormalised_or_scaled() -> None:
    experts = architecture(norm_topk_prob=True, routed_scaling_factor=2.5).layers[1].experts
    assert experts == architecture().layers[1].experts
    assert experts is not None
    assert (experts.normalised, experts.scale) == (False, 1.0)


def test_parts_come_and_go_with_their_fields() -> None:
    changed = architecture(qk_layernorm=False, attention_bias=True, partial_rotary_factor=0.5, num_key_value_heads=2)
    attention = changed.layers[0].attention
    assert (attention.qk_norm, attention.qkv_bias, attention.out_bias) == (False, True, True)
    assert (attention.rope.share, attention.num_key_heads) == (0.5, 2)


def test_shared_experts_and_biases_lie_under_the_codes_names() -> None:
    facts = architecture(shared_expert_intermediate_size=40, moe_router_enable_expert_bias=True)
    names = places(facts)
    assert names["model.layers.1.mlp.expert_bias"].parameter == "transformer.layers.1.experts.router.bias"
    assert "model.layers.1.shared_expert.gate_proj.weight" in names
    assert not any(name.startswith("model.layers.0.shared_expert") for name in names)


def test_a_bias_of_an_expert_is_part_of_its_weight() -> None:
    """The code adds it to the probability, and multiplies by the sum."""
    facts = read(CONFIG | {"moe_router_enable_expert_bias": True})
    network = build(FAMILY, facts, "cpu", torch.float32).eval().requires_grad_(False)
    router = network.transformer.layers[1].experts.router  # type: ignore[union-attr, index]
    router.score.weight.zero_()
    router.bias.copy_(torch.arange(8) / 10)
    route = router(torch.randn(1, 48))
    assert route.index_TC.tolist() == [[7, 6, 5]]
    torch.testing.assert_close(route.weight_TC, torch.tensor([[0.825, 0.725, 0.625]]))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"moe_layer_freq": [0, 1]}, r"moe_layer_freq=\[0, 1\], which is not one for each of 3 layers"),
        ({"moe_layer_freq": 1}, "moe_layer_freq=1, which is no list"),
        ({"moe_router_score_function": "sigmoid"}, "moe_router_score_function='sigmoid'"),
        ({"clip_qkv": 8.0}, "clip_qkv=8.0"),
        ({"num_experts_per_tok": 9}, "self.num_chosen=9 experts cannot be chosen of self.num_experts=8"),
        ({"num_attention_heads": 5}, "hidden_size=48, which 5 heads cannot share"),
        ({"expert_intermediate_size": None}, "config.json has no 'expert_intermediate_size'"),
        ({"dense_intermediate_size": None}, "config.json has no 'dense_intermediate_size'"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
        ({"eos_token_id": 400}, "stop token 400 id 400 is outside the vocabulary of 320"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


def test_a_variant_with_every_part_goes_to_disk_and_back(tmp_path: Path) -> None:
    values = CONFIG | {
        "shared_expert_intermediate_size": 40, "moe_router_enable_expert_bias": True, "attention_bias": True,
        "num_key_value_heads": 2, "tie_word_embeddings": True,
    }  # fmt: skip
    facts = read(values)
    network = build(FAMILY, facts, "cpu", torch.float32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    tensors = tensors_of(network, places(facts.architecture))
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file(tensors, tmp_path / "model.safetensors")
    denoiser, checkpoint = load(tmp_path)
    again = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)
    assert "lm_head.weight" not in inspect(tmp_path).tensors


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(cache: str) -> None:
    denoiser, _ = load(FOLDER, cache=cache)
    decoding = Decoding(policy=TopK(num_steps=4), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=16, block_length=8)
        return last.committed

    rows = [[5, 9, 12, 200, 31], [7], [101, 45, 300]]
    assert texts(rows) == [texts([row])[0] for row in rows]
