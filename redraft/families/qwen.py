"""Qwen2, Qwen2.5 and Qwen3, dense and mixtures: autoregressive, and what most open diffusion models grew from."""

from dataclasses import replace
from typing import Any

from redraft.models.architecture import Architecture
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take
from redraft.models.fields import autoregressive, decoder_of, num_layers, windows_of

NAMES = Names()
MOE_NAMES = Names(shared="mlp.shared_expert.")
HEAD_DIM = 128  # Qwen3's, where the configuration does not say
FIRST_WINDOW = 28  # the layer from which a window holds, where the configuration does not say


def read_qwen2(values: Values) -> ModelFacts:
    """Queries, keys and values have a bias, nothing else has."""
    return autoregressive(values, decoder_of(values, qkv_bias=True, out_bias=False, windows=_windows(values)))


def read_qwen3(values: Values) -> ModelFacts:
    """Queries and keys are normalised."""
    return autoregressive(values, decoder_of({"head_dim": HEAD_DIM, **values}, qk_norm=True, windows=_windows(values)))


def read_qwen2_moe(values: Values) -> ModelFacts:
    """One expert that every token passes through, behind a gate, beside those that are chosen."""
    biased = take(values, "qkv_bias", True, bool)
    windows = _windows(values, every_other=True)
    plain = decoder_of(values, qkv_bias=biased, out_bias=False, experts=True, windows=windows)
    shared = take(values, "shared_expert_intermediate_size", 5632)
    layers = tuple(
        replace(layer, experts=replace(layer.experts, shared_width=shared, shared_gated=True))
        if layer.experts
        else layer
        for layer in plain.layers
    )
    return autoregressive(values, replace(plain, layers=layers))


def read_qwen3_moe(values: Values) -> ModelFacts:
    """Where a window is used, every layer has it."""
    windows = [_window(values)] * num_layers(values)
    return autoregressive(values, decoder_of(values, qk_norm=True, experts=True, windows=windows))


def _window(values: Values) -> int | None:
    """A window is stated by models that do not use it, too."""
    used = take(values, "use_sliding_window", False, bool)
    window: int | None = take(values, "sliding_window", 4096) if used else None
    return window


def _windows(values: Values, *, every_other: bool = False) -> list[int | None]:
    """From layer `max_window_layers` on; in the mixture of Qwen2, every other layer before it."""
    window, first = _window(values), take(values, "max_window_layers", FIRST_WINDOW)
    numbers = range(num_layers(values))
    near = [n % 2 == 0 and n < first if every_other else n >= first for n in numbers]
    return windows_of(values, window, [yes and window is not None for yes in near])


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


def moe_places(facts: Architecture) -> Places:
    return places_of(facts, MOE_NAMES)


QWEN25_7B: dict[str, Any] = {
    "model_type": "qwen2", "architectures": ["Qwen2ForCausalLM"], "hidden_size": 3584, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944, "hidden_act": "silu",
    "vocab_size": 152064, "max_position_embeddings": 32768, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False, "use_sliding_window": False, "eos_token_id": 151645,
}  # fmt: skip
QWEN3_8B: dict[str, Any] = {
    "model_type": "qwen3", "architectures": ["Qwen3ForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288,
    "hidden_act": "silu", "vocab_size": 151936, "max_position_embeddings": 40960, "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6, "attention_bias": False, "tie_word_embeddings": False, "eos_token_id": 151645,
}  # fmt: skip
QWEN3_30B: dict[str, Any] = {
    "model_type": "qwen3_moe", "architectures": ["Qwen3MoeForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 48,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": True,
    "hidden_act": "silu", "vocab_size": 151936, "max_position_embeddings": 40960, "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6, "attention_bias": False, "tie_word_embeddings": False, "eos_token_id": 151645,
}  # fmt: skip

PROVEN = "logits, caches and greedy text against transformers"

QWEN2 = Family(
    name="qwen2",
    title="Qwen2 and Qwen2.5",
    checkpoints=("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B-Instruct"),
    model_type="qwen2",
    read=read_qwen2,
    places=places,
    presets={"qwen2.5-7b": QWEN25_7B},
    proven=PROVEN,
)
QWEN3 = Family(
    name="qwen3",
    title="Qwen3",
    checkpoints=("Qwen/Qwen3-8B", "Qwen/Qwen3-8B-Base"),
    model_type="qwen3",
    read=read_qwen3,
    places=places,
    presets={"qwen3-8b": QWEN3_8B},
    proven=PROVEN,
)
QWEN2_MOE = Family(
    name="qwen2_moe",
    title="Qwen1.5-MoE and Qwen2's mixture",
    checkpoints=("Qwen/Qwen1.5-MoE-A2.7B", "Qwen/Qwen2-57B-A14B"),
    model_type="qwen2_moe",
    read=read_qwen2_moe,
    places=moe_places,
    proven=PROVEN,
)
QWEN3_MOE = Family(
    name="qwen3_moe",
    title="Qwen3's mixture",
    checkpoints=("Qwen/Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B-Base"),
    model_type="qwen3_moe",
    read=read_qwen3_moe,
    places=places,
    presets={"qwen3-30b-a3b": QWEN3_30B},
    proven=PROVEN,
)
