"""LLaDA2: fields read as its code reads them, control tokens of 2.2, rows of a batch apart while text is revised."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from redraft.core.canvas import Controls
from redraft.families.llada2 import FAMILY, places, read
from redraft.models.architecture import Architecture, ExpertFacts
from redraft.models.loading import build, load, tensors_of
from redraft.models.registry import find_family
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import Revising, Threshold
from redraft.sampling.samplers import sample
from redraft.sampling.stops import Settled

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "llada2_moe"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def architecture(**changes: Any) -> Architecture:
    made = read(CONFIG | changes).architecture
    assert isinstance(made, Architecture)
    return made


def experts(**changes: Any) -> ExpertFacts:
    made = architecture(**changes).layers[-1].experts
    assert made is not None
    return made


def test_a_configuration_finds_its_family_and_decoding() -> None:
    assert find_family(CONFIG) is FAMILY
    assert from_json(FAMILY.decoding).policy == Threshold(0.95)


def test_the_configuration_says_neither_block_nor_mask() -> None:
    assert (read(CONFIG).block_length, read(CONFIG).mask_id, read(CONFIG).stop_ids) == (32, 319, ())
    published = read(CONFIG | {"vocab_size": 157184})
    assert (published.mask_id, published.stop_ids) == (156895, (156892,))


@pytest.mark.parametrize(("name", "billions"), [("llada2-mini", 16), ("llada2-flash", 103)])
def test_the_published_sizes_are_their_names(name: str, billions: int) -> None:
    network = build(FAMILY, read(FAMILY.presets[name]), "meta", torch.float32)
    assert round(sum(p.numel() for p in network.parameters()) / 1e9) == billions


def test_the_first_layers_are_dense() -> None:
    assert [layer.experts is None for layer in architecture().layers] == [True, False, False]
    assert [layer.feed is None for layer in architecture(first_k_dense_replace=2).layers] == [False, False, True]
    assert all(layer.experts for layer in architecture(first_k_dense_replace=0, intermediate_size=None).layers)
    assert all(layer.feed for layer in architecture(num_experts=None).layers)


def test_one_chosen_expert_weighs_what_it_scores() -> None:
    """Its code normalises the scores of several and leaves one alone, whatever `norm_topk_prob` says."""
    assert experts(norm_topk_prob=False).normalised
    assert not experts(num_experts_per_tok=1).normalised


def test_parts_come_and_go_with_their_fields() -> None:
    made = experts(num_shared_experts=2, n_group=2, topk_group=1, routed_scaling_factor=1)
    assert (made.shared_width, made.num_groups, made.top_groups, made.scale) == (48, 2, 1, 1.0)
    assert experts(num_shared_experts=None).shared_width == 0
    attention = architecture(use_bias=True, use_qkv_bias=True, use_qk_norm=False).layers[0].attention
    assert (attention.out_bias, attention.qkv_bias, attention.qk_norm) == (True, True, False)
    assert architecture(partial_rotary_factor=None).layers[0].attention.rope.share == 1.0
    assert architecture(partial_rotary_factor=0.25).layers[0].attention.rope.share == 0.25


def test_a_bias_chooses_and_does_not_weigh() -> None:
    network = build(FAMILY, read(CONFIG), "cpu", torch.float32).eval().requires_grad_(False)
    router = network.transformer.layers[1].experts.router  # type: ignore[union-attr, index]
    router.score.weight.zero_()
    router.bias.copy_(torch.arange(16) / 10)
    route = router(torch.randn(1, 48))
    assert sorted(route.index_TC[0].tolist()) == [12, 13, 14, 15]
    torch.testing.assert_close(route.weight_TC, torch.full((1, 4), 2.5 / 4))


def test_control_tokens_are_read_where_they_are_named() -> None:
    assert read(CONFIG).controls is None
    named = read(CONFIG | {"delete_token_id": 310, "insert_token_id": 311})
    assert named.controls == Controls(delete_id=310, insert_ids=(311,))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"score_function": "softmax"}, "score_function='softmax'"),
        ({"norm_head": True}, "norm_head=True"),
        ({"use_rmsnorm": False}, "use_rmsnorm=False"),
        ({"use_sliding_window": True}, "use_sliding_window=True"),
        ({"n_group": 3}, "self.num_experts=16 must be a multiple of self.num_groups=3"),
        ({"topk_group": 5}, "self.top_groups=5 must be at most self.num_groups=4"),
        ({"num_experts_per_tok": 9}, "self.num_chosen=9 experts cannot be chosen of self.num_experts=16"),
        ({"moe_intermediate_size": None}, "config.json has no 'moe_intermediate_size'"),
        ({"intermediate_size": None}, "config.json has no 'intermediate_size'"),
        ({"delete_token_id": 310}, "insert_token_id=None, which is no token"),
        ({"delete_token_id": 310, "insert_token_id": 320}, "insert_token_id=320, which is no token"),
        ({"pad_token_id": 320}, "pad id 320 is outside the vocabulary of 320"),
        ({"num_hidden_layers": 0}, "number of layers=0"),
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


@pytest.mark.parametrize("num_shared_experts", [2, None])
def test_a_variant_with_every_part_goes_to_disk_and_back(tmp_path: Path, num_shared_experts: int | None) -> None:
    values = CONFIG | {
        "use_bias": True, "use_qkv_bias": True, "use_qk_norm": False, "tie_word_embeddings": True,
        "num_shared_experts": num_shared_experts, "first_k_dense_replace": 2, "num_key_value_heads": 4,
    }  # fmt: skip
    facts = read(values)
    network = build(FAMILY, facts, "cpu", torch.float32)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    tensors = tensors_of(network, places(facts.architecture))
    assert "model.layers.0.attention.query_key_value.bias" in tensors
    assert any("shared_experts" in name for name in tensors) == (num_shared_experts is not None)
    (tmp_path / "config.json").write_text(json.dumps(values))
    save_file(tensors, tmp_path / "model.safetensors")
    denoiser, checkpoint = load(tmp_path)
    again = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(again[name], tensors[name]) for name in tensors)


def test_a_row_of_a_ragged_batch_is_the_row_alone_while_text_is_revised() -> None:
    denoiser, _ = load(FOLDER, block_length=8)
    decoding = Decoding(policy=Revising(Threshold(0.7), 0.5), stop=Settled(4), max_steps=16)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=12, block_length=8, whole_blocks=True)
        return last.committed

    prompts = [list(range(11)), [5, 6], list(range(40, 56))]
    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]
