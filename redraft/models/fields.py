"""Fields: what the configurations of Hugging Face decoders have in common, read into facts.

Knows the words of Llama, Qwen and their many descendants. A family takes what fits and states the rest itself.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redraft.models.architecture import (
    Architecture,
    AttentionFacts,
    ExpertFacts,
    FeedFacts,
    LayerFacts,
    Rope,
    layers_of,
)
from redraft.models.family import ModelFacts, Values, need, take, token_ids

FULL, SLIDING = "full_attention", "sliding_attention"
OWN_LENGTH = ("yarn", "llama3")  # scalings that may say themselves what length was trained
STRETCHED = ("linear", "dynamic", "yarn")  # scalings whose configurations may state the length before stretching
ACTIVATIONS = {"silu": "silu", "swish": "silu", "gelu_pytorch_tanh": "gelu_tanh", "gelu": "gelu"}


def decoder_of(
    values: Values,
    *,
    qk_norm: bool = False,
    qkv_bias: bool | None = None,
    out_bias: bool | None = None,
    experts: bool = False,
    windows: Sequence[int | None] | None = None,
) -> Architecture:
    """A Llama-shaped decoder. A bias of None is what `attention_bias` says; `experts` are Qwen3's mixture.

    `windows` holds one for every layer, or None where the layer sees everything.
    """
    said = take(values, "attention_bias", False, bool)
    attention = AttentionFacts(
        num_heads=need(values, "num_attention_heads"),
        num_key_heads=take(values, "num_key_value_heads", need(values, "num_attention_heads")),
        head_dim=head_dim_of(values),
        rope=rope_of(values),
        qkv_bias=said if qkv_bias is None else qkv_bias,
        out_bias=said if out_bias is None else out_bias,
        qk_norm=qk_norm,
    )
    feed = feed_of(values)
    plain = LayerFacts(attention=attention, feed=feed)
    routed = LayerFacts(attention=attention, experts=experts_of(values)) if experts else plain
    sparse = sparse_layers(values) if experts else []
    layers = [routed if n in sparse else plain for n in range(num_layers(values))]
    return Architecture(
        vocab_size=need(values, "vocab_size"),
        hidden_size=need(values, "hidden_size"),
        layers=layers_of(layers if windows is None else in_windows(layers, windows)),
        max_positions=positions_of(values, attention.rope),
        norm_eps=take(values, "rms_norm_eps", 1e-6, float),
        tied=take(values, "tie_word_embeddings", False, bool),
    )


def autoregressive(values: Values, architecture: Architecture) -> ModelFacts:
    """A decoder that writes left to right, without noise."""
    return ModelFacts(
        architecture=architecture,
        attention="causal",
        noise="none",
        counted_positions=True,
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def num_layers(values: Values) -> int:
    """As stated, but no more than is needed to refuse it."""
    return min(need(values, "num_hidden_layers"), 1_001)


def in_windows(layers: Sequence[LayerFacts], windows: Sequence[int | None]) -> list[LayerFacts]:
    """The layers, each seeing its window."""
    pairs = zip(layers, windows, strict=True)
    return [replace(layer, attention=replace(layer.attention, window=window)) for layer, window in pairs]


def window_of(values: Values, default: int) -> int | None:
    """`sliding_window`, where `null` says that there is none."""
    window: int | None = take(values, "sliding_window", None) if "sliding_window" in values else default
    return window


def windows_of(values: Values, window: int | None, sliding: Sequence[bool]) -> list[int | None]:
    """A window or None for every layer: as `layer_types` says, or where `sliding` says so."""
    usual = [SLIDING if yes else FULL for yes in sliding]
    kinds = take(values, "layer_types", usual, list)
    if len(kinds) != len(usual):
        raise ValueError(f"config.json says num_hidden_layers={len(usual)}, and names {len(kinds)} layer_types")
    for kind in kinds:
        if kind not in (FULL, SLIDING):
            raise ValueError(f"config.json says layer_types={kind!r}; known are {FULL}, {SLIDING}")
    if SLIDING in kinds and window is None:
        raise ValueError(f"config.json says layer_types={SLIDING!r} and no sliding_window")
    return [window if kind == SLIDING else None for kind in kinds]


def positions_of(values: Values, rope: Rope) -> int:
    """How long a text may be. Some configurations state the length before stretching, others the one after it."""
    stated: int = take(values, "max_position_embeddings", 32768)
    stretched = int(rope.trained_length * rope.factor) if rope.scaling in STRETCHED else 0
    return max(stated, stretched)


def head_dim_of(values: Values) -> int:
    """Stated, or the width shared by all heads, which must come out even."""
    stated: int | None = take(values, "head_dim", None)
    if stated is not None:
        return stated
    width, heads = need(values, "hidden_size"), need(values, "num_attention_heads")
    if heads < 1 or width % heads:
        raise ValueError(f"config.json says hidden_size={width}, which {heads} heads cannot share")
    return int(width // heads)


def feed_of(values: Values) -> FeedFacts:
    return FeedFacts(
        width=need(values, "intermediate_size"),
        activation=activation_of(values),
        bias=take(values, "mlp_bias", False, bool),
    )


def activation_of(values: Values, name: str = "hidden_act") -> Any:
    said = take(values, name, "silu", str)
    if said not in ACTIVATIONS:
        raise ValueError(f"config.json says {name}={said!r}; known are {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[said]


def experts_of(values: Values) -> ExpertFacts:
    """Qwen3's mixture: softmax scores, the chosen ones renormalised where the configuration says so."""
    return ExpertFacts(
        num_experts=need(values, "num_local_experts" if "num_experts" not in values else "num_experts"),
        num_chosen=need(values, "num_experts_per_tok"),
        width=need(values, "moe_intermediate_size"),
        activation=activation_of(values),
        normalised=take(values, "norm_topk_prob", False, bool),
    )


def sparse_layers(values: Values) -> list[int]:
    """Numbers of the layers that hold experts."""
    every, dense = take(values, "decoder_sparse_step", 1), take(values, "mlp_only_layers", [], list)
    if every < 1:
        raise ValueError(f"config.json says decoder_sparse_step={every}, which must be at least 1")
    return [n for n in range(num_layers(values)) if n not in dense and (n + 1) % every == 0]


def rope_of(values: Values, parameters: Any = None) -> Rope:
    """`rope_theta` and `rope_scaling`, or the newer `rope_parameters` that holds both; or `parameters` given."""
    said = parameters or values.get("rope_parameters") or values.get("rope_scaling") or {}
    if not isinstance(said, dict):
        raise ValueError(f"config.json says rope_scaling={said!r}, which is no object")
    kind: Any = said.get("rope_type", said.get("type", "default"))
    known = ("beta_fast", "beta_slow", "low_freq_factor", "high_freq_factor")
    optional = ("attention_factor", "mscale", "mscale_all_dim")
    longest, trained = take(values, "max_position_embeddings", 0), _trained_length(values, said)
    factor = said.get("factor") or (longest / trained if kind == "yarn" and trained else 1.0)
    return Rope(
        theta=float(said.get("rope_theta") or take(values, "rope_theta", 10_000.0, float)),
        share=float(said.get("partial_rotary_factor") or take(values, "partial_rotary_factor", 1.0, float)),
        scaling=kind,
        factor=float(factor),
        trained_length=trained if kind in OWN_LENGTH else longest,
        truncate=bool(said.get("truncate", True)),
        **{name: float(said[name]) for name in known if said.get(name) is not None},
        **{name: float(said[name]) for name in optional if said.get(name) is not None},
    )


def _trained_length(values: Values, said: Values) -> int:
    """Beside `rope_scaling`, inside it, or simply the longest text."""
    name = "original_max_position_embeddings"
    return int(take(values, name, None) or said.get(name) or take(values, "max_position_embeddings", 0))
