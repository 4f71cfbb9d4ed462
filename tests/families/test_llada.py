"""LLaDA: what its config.json may say, and a small checkpoint read and written back."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from redraft.families.llada import FAMILY, LLADA_8B, read
from redraft.models.architecture import Architecture
from redraft.models.loading import load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "llada"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def architecture(**changes: Any) -> Architecture:
    made = read(CONFIG | changes).architecture
    assert isinstance(made, Architecture)
    return made


def test_the_published_size_has_eight_billion_parameters() -> None:
    facts = read(LLADA_8B)
    assert (facts.mask_id, facts.pad_id, facts.stop_ids) == (126336, 126081, (126081, 126348))
    layer = facts.architecture.layers[0]
    assert (layer.attention.num_key_heads, layer.attention.head_dim, layer.feed.width) == (32, 128, 12288)
    assert not facts.shifted
    assert not facts.counted_positions


def test_the_recommended_decoding_is_one() -> None:
    assert from_json(FAMILY.decoding).max_steps == 256


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"block_type": "sequential"}, "block_type='sequential'; known is 'llama'"),
        ({"layer_norm_type": "default"}, "layer_norm_type='default'"),
        ({"activation_type": "relu"}, "activation_type='relu'; known is 'silu' or 'gelu'"),
        ({"alibi": True}, "alibi=True"),
        ({"rope": False}, "rope=False"),
        ({"block_group_size": 2}, "block_group_size=2"),
        ({"attention_layer_norm": True}, "attention_layer_norm=True"),
        ({"include_bias": True, "bias_for_layer_norm": None}, "bias_for_layer_norm, or null with include_bias"),
        ({"n_kv_heads": 2, "multi_query_attention": True}, "n_kv_heads=2 and multi_query_attention=True"),
        ({"n_kv_heads": 3}, "must be a multiple of self.num_key_heads=3"),
        ({"n_heads": 5}, "d_model=64, which 5 heads cannot share"),
        ({"embedding_size": 300}, "embedding_size=300, less than vocab_size=320"),
        ({"mask_token_id": 320}, "mask id 320 is outside the vocabulary of 320"),
        ({"n_layers": None}, "config.json has no 'n_layers'"),
        ({"d_model": "64"}, "d_model='64', which is no int"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_biases_stand_where_the_fields_put_them() -> None:
    plain, everywhere = architecture(), architecture(include_bias=True)
    keys = architecture(include_qkv_bias=True)
    assert not plain.layers[0].attention.qkv_bias
    assert (keys.layers[0].attention.qkv_bias, keys.layers[0].attention.out_bias, keys.head_bias) == (
        True,
        False,
        False,
    )
    feed = everywhere.layers[0].feed
    assert feed is not None
    assert (everywhere.layers[0].attention.out_bias, feed.bias, everywhere.head_bias) == (True, True, True)
    assert not architecture(include_bias=True, weight_tying=True).head_bias


def test_sizes_that_are_not_stated_follow_from_others() -> None:
    bare = architecture(mlp_hidden_size=None, embedding_size=None, n_kv_heads=None)
    feed = bare.layers[0].feed
    assert feed is not None
    assert (feed.width, bare.vocab_size, bare.layers[0].attention.num_key_heads) == (256, 320, 4)
    shared = architecture(n_kv_heads=None, multi_query_attention=True)
    assert shared.layers[0].attention.num_key_heads == 1


def test_scales_are_powers_of_the_width() -> None:
    scaled = architecture(input_emb_norm=True, scale_logits=True)
    assert (scaled.embed_scale, scaled.logit_scale) == (8.0, 0.125)


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(cache: str) -> None:
    denoiser, _ = load(FOLDER, cache=cache)
    decoding = Decoding(policy=TopK(num_steps=4), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=16, block_length=8)
        return last.committed

    rows = [[5, 9, 12, 200, 31], [7], [101, 45, 300]]
    assert texts(rows) == [texts([row])[0] for row in rows]
