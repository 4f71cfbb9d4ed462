"""Llama against transformers: biases, stretched positions, shared heads; published sizes by their parameters."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from redraft.families.llama import FAMILY, LLAMA_31_8B
from redraft.models.family import Family
from redraft.models.loading import build
from redraft.models.registry import families
from tests.families.from_transformers import CLAIMS, Pair, make_pair

LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_theta": 1e4,
    "original_max_position_embeddings": 16,
}  # fmt: skip
VARIANTS: dict[str, dict[str, Any]] = {
    "plain": {},
    "with biases": {"attention_bias": True, "mlp_bias": True},
    "head of another size": {"head_dim": 12, "num_key_value_heads": 1},
    "tied": {"tie_word_embeddings": True, "num_key_value_heads": 4},
    "llama3": {"rope_parameters": LLAMA3},
    "linear": {"rope_parameters": {"rope_type": "linear", "factor": 3.0, "rope_theta": 1e4}},
    "dynamic": {"rope_parameters": {"rope_type": "dynamic", "factor": 3.0, "rope_theta": 1e4}},
}
COUNTS = {  # as published
    "gemma-2b": 2_506_172_416,
    "gemma-2-2b": 2_614_341_888,
    "gemma-3-1b": 999_885_952,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.2-1b": 1_235_814_400,
    "mistral-7b-v0.1": 7_241_732_096,
    "mistral-7b-v0.3": 7_248_023_552,
    "qwen2.5-7b": 7_615_616_512,
    "qwen3-8b": 8_190_735_360,
    "qwen3-30b-a3b": 30_532_122_624,
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("llama"), "Llama", **request.param)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_agrees_with_transformers(pair: Pair, claim: Callable[[Pair], None]) -> None:
    claim(pair)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"num_attention_heads": 5}, "hidden_size=4096, which 5 heads cannot share"),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope scaling 'longrope'"),
        ({"rope_scaling": [8.0]}, "rope_scaling="),
        ({"head_dim": 7}, "head_dim=7 must be even"),
        ({"mlp_bias": "no"}, "mlp_bias='no', which is no bool"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        FAMILY.read(LLAMA_31_8B | changes)


PRESETS = [(family, name) for family in families() for name in family.presets if name in COUNTS]


def test_every_autoregressive_preset_is_counted() -> None:
    assert {name for _, name in PRESETS} == COUNTS.keys()
    assert all(name in COUNTS for f in families() for name in f.presets if f.read(f.presets[name]).noise == "none")


@pytest.mark.parametrize(("family", "name"), PRESETS, ids=[name for _, name in PRESETS])
def test_published_sizes_have_the_published_number_of_parameters(family: Family, name: str) -> None:
    network = build(family, family.read(family.presets[name]), "meta", torch.bfloat16)
    assert sum(parameter.numel() for parameter in network.parameters()) == COUNTS[name]
