"""Gemma 1, 2 and 3 against transformers; older and newer words for the same configuration."""

from collections.abc import Callable
from typing import Any

import pytest

from redraft.families.gemma import GEMMA, GEMMA2, GEMMA2_2B, GEMMA3, GEMMA3_1B, GEMMA_2B
from redraft.models.family import Family
from tests.families.from_transformers import CLAIMS, Pair, make_pair

NEAR, FAR = "sliding_attention", "full_attention"
SECOND = {"head_dim": 12, "sliding_window": 6, "query_pre_attn_scalar": 20}
ROPES = {
    NEAR: {"rope_type": "default", "rope_theta": 1e3},
    FAR: {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e5},
}
VARIANTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "1": ("Gemma", "", {"head_dim": 12}),
    "1 with one key head": ("Gemma", "", {"head_dim": 8, "num_key_value_heads": 1, "attention_bias": True}),
    "2": ("Gemma2", "", SECOND),
    "2 bent early": ("Gemma2", "", SECOND | {"attn_logit_softcapping": 1.0, "final_logit_softcapping": 2.0}),
    "2 never bent": ("Gemma2", "", SECOND | {"attn_logit_softcapping": None, "final_logit_softcapping": None}),
    "3": ("Gemma3", "Gemma3TextConfig", SECOND | {"num_hidden_layers": 7}),
    "3 stretched": (
        "Gemma3",
        "Gemma3TextConfig",
        SECOND | {"layer_types": [NEAR, FAR, NEAR], "rope_parameters": ROPES},
    ),
    "3 untied": ("Gemma3", "Gemma3TextConfig", SECOND | {"tie_word_embeddings": False, "final_logit_softcapping": 3.0}),
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    kind, config, changes = request.param
    return make_pair(tmp_path_factory.mktemp(kind), kind, config, **changes)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_agrees_with_transformers(pair: Pair, claim: Callable[[Pair], None]) -> None:
    claim(pair)


@pytest.mark.parametrize(
    ("family", "values", "changes", "complaint"),
    [
        (GEMMA, GEMMA_2B, {"use_bidirectional_attention": True}, "use_bidirectional_attention=True"),
        (GEMMA, GEMMA_2B, {"hidden_act": "relu"}, "hidden_act='relu'"),
        (GEMMA2, GEMMA2_2B, {"query_pre_attn_scalar": 0}, "query_pre_attn_scalar=0"),
        (GEMMA2, GEMMA2_2B, {"final_logit_softcapping": -1.0}, "final_logit_softcapping=-1.0"),
        (GEMMA2, GEMMA2_2B, {"sliding_window": None}, "no sliding_window"),
        (GEMMA3, GEMMA3_1B, {"attn_logit_softcapping": 50.0}, "attn_logit_softcapping=50.0"),
        (GEMMA3, GEMMA3_1B, {"sliding_window_pattern": 0}, "sliding_window_pattern=0"),
        (GEMMA3, GEMMA3_1B, {"layer_types": [NEAR]}, "names 1 layer_types"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(
    family: Family, values: dict[str, Any], changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint):
        family.read(values | changes)


def test_every_sixth_layer_sees_everything_and_is_turned_more_slowly() -> None:
    layers = GEMMA3.read(GEMMA3_1B).architecture.layers
    assert [number for number, layer in enumerate(layers) if layer.attention.window is None] == [5, 11, 17, 23]
    assert {(layer.attention.window, layer.attention.rope.theta) for layer in layers} == {(512, 1e4), (None, 1e6)}


def test_older_and_newer_words_say_the_same() -> None:
    older = GEMMA3_1B | {"rope_scaling": {"rope_type": "linear", "factor": 8.0}}
    newer = {name: value for name, value in GEMMA3_1B.items() if not name.startswith(("rope", "sliding_window_p"))}
    newer |= {
        "layer_types": [FAR if (n + 1) % 6 == 0 else NEAR for n in range(26)],
        "rope_parameters": {
            NEAR: {"rope_type": "default", "rope_theta": 10000.0},
            FAR: {"rope_type": "linear", "factor": 8.0, "rope_theta": 1000000.0},
        },
    }
    assert GEMMA3.read(older) == GEMMA3.read(newer)


def test_gelu_has_always_meant_its_approximation() -> None:
    layers = [GEMMA.read(GEMMA_2B | changes).architecture.layers[0] for changes in ({}, {"hidden_activation": None})]
    assert {layer.feed.activation for layer in layers} == {"gelu_tanh"}
