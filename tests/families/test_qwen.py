"""Qwen2, Qwen3 and their mixtures against transformers, and what their configurations may say."""

from collections.abc import Callable
from typing import Any

import pytest

from redraft.families.qwen import QWEN2, QWEN2_MOE, QWEN3, QWEN3_30B, QWEN3_MOE, QWEN25_7B
from redraft.models.architecture import Architecture
from redraft.models.family import Family
from tests.families.from_transformers import CLAIMS, Pair, make_pair

WINDOW = {"use_sliding_window": True, "sliding_window": 6}
EXPERTS = {"num_experts": 6, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
SHARED = EXPERTS | {"shared_expert_intermediate_size": 20}
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 16, "rope_theta": 1e4}
VARIANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "qwen2": ("Qwen2", {}),
    "qwen2 tied": ("Qwen2", {"tie_word_embeddings": True}),
    "qwen2 in windows": ("Qwen2", WINDOW | {"max_window_layers": 1}),
    "qwen2 stretched": ("Qwen2", {"rope_parameters": YARN}),
    "qwen3": ("Qwen3", {"head_dim": 12}),
    "qwen3 with biases": ("Qwen3", {"head_dim": 8, "attention_bias": True, "num_key_value_heads": 4}),
    "qwen3 in windows": (
        "Qwen3",
        WINDOW | {"head_dim": 8, "layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
    ),
    "qwen2_moe": ("Qwen2Moe", SHARED),
    "qwen2_moe mixed": ("Qwen2Moe", SHARED | WINDOW | {"mlp_only_layers": [1], "qkv_bias": False}),
    "qwen3_moe": ("Qwen3Moe", EXPERTS | {"head_dim": 8, "norm_topk_prob": True}),
    "qwen3_moe mixed": ("Qwen3Moe", EXPERTS | WINDOW | {"head_dim": 8, "decoder_sparse_step": 2}),
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    kind, changes = request.param
    return make_pair(tmp_path_factory.mktemp(kind), kind, **changes)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_agrees_with_transformers(pair: Pair, claim: Callable[[Pair], None]) -> None:
    claim(pair)


@pytest.mark.parametrize(
    ("family", "changes", "complaint"),
    [
        (QWEN2, {"hidden_act": "relu"}, "hidden_act='relu'"),
        (QWEN2, {"num_hidden_layers": None}, "no 'num_hidden_layers'"),
        (QWEN2, {"layer_types": ["full_attention"]}, "num_hidden_layers=28, and names 1 layer_types"),
        (QWEN2, {"layer_types": ["chunked_attention"] * 28}, "layer_types='chunked_attention'"),
        (QWEN2, {"layer_types": ["sliding_attention"] * 28}, "layer_types='sliding_attention' and no sliding_window"),
        (QWEN2, {"rope_scaling": {"type": "longrope"}}, "rope scaling 'longrope'"),
        (QWEN2, {"use_sliding_window": True, "sliding_window": 0, "max_window_layers": 0}, "window=0"),
        (QWEN3, {"eos_token_id": 152064}, "152064 is outside the vocabulary"),
        (QWEN3, {"use_sliding_window": "yes"}, "use_sliding_window='yes', which is no bool"),
        (QWEN2_MOE, {"num_experts": 4, "num_experts_per_tok": 5, "moe_intermediate_size": 8}, "num_chosen=5"),
        (QWEN3_MOE, {"num_experts_per_tok": 2}, "no 'num_local_experts'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(
    family: Family, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        family.read(QWEN25_7B | changes)


def test_a_window_that_is_stated_and_not_used_is_none() -> None:
    facts = QWEN2.read(QWEN25_7B | {"sliding_window": 131072, "use_sliding_window": False}).architecture
    assert isinstance(facts, Architecture)
    assert {layer.attention.window for layer in facts.layers} == {None}


def test_published_yarn_makes_texts_of_four_times_the_length() -> None:
    said = {"factor": 4.0, "original_max_position_embeddings": 32768, "type": "yarn"}
    facts = QWEN2.read(QWEN25_7B | {"rope_scaling": said}).architecture
    rope = facts.layers[0].attention.rope
    assert (rope.scaling, rope.factor, rope.trained_length, rope.theta) == ("yarn", 4.0, 32768, 1e6)
    assert facts.max_positions == 131072


def test_experts_go_by_either_name() -> None:
    newer = {"num_local_experts" if name == "num_experts" else name: value for name, value in QWEN3_30B.items()}
    assert QWEN3_MOE.read(newer) == QWEN3_MOE.read(QWEN3_30B)
