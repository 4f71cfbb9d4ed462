"""Gemma 1, 2 and 3, text alone: autoregressive; embeddings are scaled, norms multiply by 1 + weight.

From the second on there are norms behind attention and feed-forward too, and layers that see a window. The second bends
scores and logits; the third normalises queries and keys, and turns its windowed layers by angles of their own.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redraft.models.architecture import Architecture, AttentionFacts, LayerFacts, Rope
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take
from redraft.models.fields import FULL, SLIDING, autoregressive, decoder_of, num_layers, rope_of, window_of, windows_of

NAMES = Names()
POST_NAMES = Names(feed_norm="pre_feedforward_layernorm")
DEFAULTS: dict[str, Any] = {  # what the configurations leave out
    "head_dim": 256, "tie_word_embeddings": True, "max_position_embeddings": 8192,
}  # fmt: skip
SCALAR, WINDOW, PATTERN = 256, 4096, 6
GLOBAL_THETA, LOCAL_THETA = 1_000_000.0, 10_000.0


def read_gemma(values: Values) -> ModelFacts:
    """Gemma 1. `gelu` has always meant its tanh approximation."""
    values = _filled(values, values.get("hidden_activation") or values.get("hidden_act") or "gelu")
    return autoregressive(values, _gemma(decoder_of(values)))


def read_gemma2(values: Values) -> ModelFacts:
    """Every other layer sees a window; scores and logits are bent."""
    values = _filled(values, values.get("hidden_activation"))
    near = [n % 2 == 0 for n in range(num_layers(values))]
    plain = decoder_of(values, windows=windows_of(values, window_of(values, WINDOW), near))
    bent = _layers(plain.layers, scale=_scale(values), softcap=_cap(values, "attn_logit_softcapping", 50.0))
    softcap = _cap(values, "final_logit_softcapping", 30.0)
    return autoregressive(values, replace(_gemma(plain), layers=bent, post_norms=True, softcap=softcap))


def read_gemma3(values: Values) -> ModelFacts:
    """All but every sixth layer see a window, and are turned without stretching."""
    if values.get("attn_logit_softcapping") is not None:
        raise ValueError(
            f"config.json says attn_logit_softcapping={values['attn_logit_softcapping']!r}, which is Gemma 2's alone"
        )
    values = _filled({"max_position_embeddings": 131_072, **values}, values.get("hidden_activation"))
    ropes = _ropes(values)
    single = {name: value for name, value in values.items() if name not in ("rope_scaling", "rope_parameters")}
    windows = windows_of(values, window_of(values, WINDOW), _mostly_near(values))
    plain = decoder_of(single, qk_norm=True, windows=windows)
    layers = [
        _layers([layer], scale=_scale(values), rope=ropes[FULL if layer.attention.window is None else SLIDING])[0]
        for layer in plain.layers
    ]
    softcap = _cap(values, "final_logit_softcapping", None)
    return autoregressive(values, replace(_gemma(plain), layers=tuple(layers), post_norms=True, softcap=softcap))


def _filled(values: Values, activation: Any) -> dict[str, Any]:
    """The configuration with what it leaves out. Raises ValueError for a model that looks ahead."""
    if values.get("use_bidirectional_attention"):
        said = values["use_bidirectional_attention"]
        raise ValueError(f"config.json says use_bidirectional_attention={said!r}, and Gemma's text is causal")
    tanh = "gelu_pytorch_tanh" if activation in (None, "gelu") else activation
    return {**DEFAULTS, **values, "hidden_act": tanh, "mlp_bias": False}


def _gemma(plain: Architecture) -> Architecture:
    return replace(plain, norm_offset=True, embed_scale=plain.hidden_size**0.5)


def _layers(layers: Sequence[LayerFacts], **changes: Any) -> tuple[LayerFacts, ...]:
    def changed(attention: AttentionFacts) -> AttentionFacts:
        return replace(attention, **changes)

    return tuple(replace(layer, attention=changed(layer.attention)) for layer in layers)


def _scale(values: Values) -> float:
    scalar = take(values, "query_pre_attn_scalar", SCALAR, float)
    if not scalar > 0:
        raise ValueError(f"config.json says query_pre_attn_scalar={scalar}, which must be positive")
    return float(scalar**-0.5)


def _cap(values: Values, name: str, default: float | None) -> float | None:
    """`null` says that nothing is bent."""
    said = take(values, name, None, float) if name in values else default
    if said is not None and not said > 0:
        raise ValueError(f"config.json says {name}={said}, which must be positive")
    return None if said is None else float(said)


def _mostly_near(values: Values) -> list[bool]:
    every = take(values, "sliding_window_pattern", take(values, "_sliding_window_pattern", PATTERN))
    if every < 1:
        raise ValueError(f"config.json says sliding_window_pattern={every}, which must be at least 1")
    return [(n + 1) % every != 0 for n in range(num_layers(values))]


def _ropes(values: Values) -> dict[str, Rope]:
    """One for either kind of layer: `rope_parameters` holds both, older fields one each."""
    said = take(values, "rope_parameters", {}, dict)
    near: Any = {"rope_theta": take(values, "rope_local_base_freq", LOCAL_THETA, float)} | (said.get(SLIDING) or {})
    far: Any = {"rope_theta": take(values, "rope_theta", GLOBAL_THETA, float)}
    far |= (said.get(FULL) or {}) if said else (take(values, "rope_scaling", {}, dict))
    return {SLIDING: rope_of(values, near), FULL: rope_of(values, far)}


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


def post_places(facts: Architecture) -> Places:
    return places_of(facts, POST_NAMES)


GEMMA_2B: dict[str, Any] = {
    "model_type": "gemma", "architectures": ["GemmaForCausalLM"], "hidden_size": 2048, "num_hidden_layers": 18,
    "num_attention_heads": 8, "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 16384,
    "hidden_act": "gelu", "vocab_size": 256000, "max_position_embeddings": 8192, "rope_theta": 10000.0,
    "rms_norm_eps": 1e-6, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
GEMMA2_2B: dict[str, Any] = {
    "model_type": "gemma2", "architectures": ["Gemma2ForCausalLM"], "hidden_size": 2304, "num_hidden_layers": 26,
    "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256, "intermediate_size": 9216,
    "hidden_activation": "gelu_pytorch_tanh", "vocab_size": 256000, "max_position_embeddings": 8192,
    "rope_theta": 10000.0, "rms_norm_eps": 1e-6, "sliding_window": 4096, "query_pre_attn_scalar": 256,
    "attn_logit_softcapping": 50.0, "final_logit_softcapping": 30.0, "eos_token_id": 1, "pad_token_id": 0,
}  # fmt: skip
GEMMA3_1B: dict[str, Any] = {
    "model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"], "hidden_size": 1152, "num_hidden_layers": 26,
    "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 6912,
    "hidden_activation": "gelu_pytorch_tanh", "vocab_size": 262144, "max_position_embeddings": 32768,
    "rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "rms_norm_eps": 1e-6, "sliding_window": 512,
    "sliding_window_pattern": 6, "query_pre_attn_scalar": 256, "eos_token_id": [1, 106], "pad_token_id": 0,
}  # fmt: skip

PROVEN = "logits, caches and greedy text against transformers"

GEMMA = Family(
    name="gemma",
    title="Gemma",
    checkpoints=("google/gemma-2b", "google/gemma-2b-it"),
    model_type="gemma",
    read=read_gemma,
    places=places,
    presets={"gemma-2b": GEMMA_2B},
    proven=PROVEN,
)
GEMMA2 = Family(
    name="gemma2",
    title="Gemma 2",
    checkpoints=("google/gemma-2-2b", "google/gemma-2-2b-it"),
    model_type="gemma2",
    read=read_gemma2,
    places=post_places,
    presets={"gemma-2-2b": GEMMA2_2B},
    proven=PROVEN,
)
GEMMA3 = Family(
    name="gemma3_text",
    title="Gemma 3, text",
    checkpoints=("google/gemma-3-1b-pt", "google/gemma-3-1b-it"),
    model_type="gemma3_text",
    read=read_gemma3,
    places=post_places,
    presets={"gemma-3-1b": GEMMA3_1B},
    proven=PROVEN,
)
