"""What configurations have in common, read into facts: lengths, windows, names old and new."""

from typing import Any

import pytest

from redraft.models.architecture import Rope
from redraft.models.fields import FULL, SLIDING, autoregressive, decoder_of, positions_of, rope_of, windows_of

CONFIG: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 96,
    "max_position_embeddings": 1000,
}  # fmt: skip


def test_what_is_not_said_is_llamas() -> None:
    facts = decoder_of(CONFIG)
    attention = facts.layers[0].attention
    assert (attention.num_key_heads, attention.head_dim, attention.window) == (4, 8, None)
    assert (attention.qkv_bias, attention.out_bias, attention.qk_norm, facts.tied) == (False, False, False, False)
    assert (attention.rope, len(facts.layers)) == (Rope(trained_length=1000), 3)


def test_biases_are_as_said_unless_the_family_knows() -> None:
    said = decoder_of(CONFIG | {"attention_bias": True}).layers[0].attention
    known = decoder_of(CONFIG | {"attention_bias": True}, out_bias=False).layers[0].attention
    assert (said.qkv_bias, said.out_bias, known.qkv_bias, known.out_bias) == (True, True, True, False)


def test_experts_are_in_every_so_many_layers_but_those_named_dense() -> None:
    experts = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 8, "num_hidden_layers": 6}
    facts = decoder_of(CONFIG | experts | {"decoder_sparse_step": 2, "mlp_only_layers": [3]}, experts=True)
    assert [number for number, layer in enumerate(facts.layers) if layer.experts] == [1, 5]
    assert all((layer.feed is None) is (layer.experts is not None) for layer in facts.layers)


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"rope_theta": 5e5}, Rope(theta=5e5, trained_length=1000)),
        ({"rope_parameters": {"rope_theta": 5e5}}, Rope(theta=5e5, trained_length=1000)),
        ({"partial_rotary_factor": 0.5}, Rope(share=0.5, trained_length=1000)),
        (
            {"rope_scaling": {"type": "linear", "factor": 2}},
            Rope(scaling="linear", factor=2.0, trained_length=1000),
        ),
        (  # dynamic stretching begins where the configuration says a text ends, whatever else it says
            {"rope_scaling": {"type": "dynamic", "factor": 2.0, "original_max_position_embeddings": 100}},
            Rope(scaling="dynamic", factor=2.0, trained_length=1000),
        ),
        (
            {"rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 100}},
            Rope(scaling="yarn", factor=4.0, trained_length=100),
        ),
        (
            {"rope_scaling": {"rope_type": "yarn"}, "original_max_position_embeddings": 250},
            Rope(scaling="yarn", factor=4.0, trained_length=250),
        ),
    ],
)
def test_positions_are_read_from_words_old_and_new(values: dict[str, Any], wanted: Rope) -> None:
    assert rope_of(CONFIG | values) == wanted


@pytest.mark.parametrize(
    ("scaling", "longest"),
    [
        ({}, 1000),
        ({"type": "linear", "factor": 4.0}, 4000),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1000}, 4000),
        ({"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 250}, 1000),
        ({"type": "llama3", "factor": 8.0, "original_max_position_embeddings": 500}, 1000),
    ],
)
def test_a_text_may_be_as_long_as_positions_are_stretched(scaling: dict[str, Any], longest: int) -> None:
    values = CONFIG | {"rope_scaling": scaling}
    assert positions_of(values, rope_of(values)) == longest


def test_windows_are_in_the_layers_named_or_else_in_the_usual_ones() -> None:
    assert windows_of(CONFIG, 7, [True, False, True]) == [7, None, 7]
    assert windows_of(CONFIG | {"layer_types": [FULL, SLIDING, FULL]}, 7, [True, False, True]) == [None, 7, None]
    with pytest.raises(ValueError, match="num_hidden_layers=3, and names 1 layer_types"):
        windows_of(CONFIG | {"layer_types": [FULL]}, 7, [True, False, True])
    with pytest.raises(ValueError, match="no sliding_window"):
        windows_of(CONFIG, None, [True, False, True])


def test_an_absurd_number_of_layers_is_refused_before_they_are_made() -> None:
    with pytest.raises(ValueError, match="number of layers=1001"):
        decoder_of(CONFIG | {"num_hidden_layers": 10**12})


def test_an_autoregressive_model_starts_from_no_noise() -> None:
    facts = autoregressive(CONFIG | {"eos_token_id": [2, 5], "pad_token_id": 0}, decoder_of(CONFIG))
    assert (facts.attention, facts.noise, facts.mask_id) == ("causal", "none", None)
    assert (facts.stop_ids, facts.pad_id, facts.counted_positions) == ((2, 5), 0, True)
