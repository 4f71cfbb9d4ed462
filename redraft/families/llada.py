"""LLaDA-8B and LLaDA 1.5 (arXiv:2502.09992, arXiv:2505.19223): fully bidirectional, absorbing noise, no shift."""

from typing import Any

from redraft.models.architecture import (
    Activation,
    Architecture,
    AttentionFacts,
    FeedFacts,
    LayerFacts,
    Rope,
    same_layers,
)
from redraft.models.dialogue import HEADERS
from redraft.models.family import Family, ModelFacts, Names, Places, Values, need, places_of, take, token_ids

ACTIVATIONS: dict[str, Activation] = {"silu": "silu", "gelu": "gelu"}
MASK_ID = 126336  # <|mdm_mask|>, where the configuration does not say
NAMES = Names(
    embed="model.transformer.wte.weight",
    norm="model.transformer.ln_f.weight",
    head="model.transformer.ff_out",
    layer="model.transformer.blocks.{n}.",
    query="q_proj",
    key="k_proj",
    value="v_proj",
    out="attn_out",
    attention_norm="attn_norm",
    feed_norm="ff_norm",
    gate="ff_proj",
    up="up_proj",
    down="ff_out",
)


def read(values: Values) -> ModelFacts:
    """config.json, in OLMo's words."""
    _only_the_llama_block(values)
    heads, width = need(values, "n_heads"), need(values, "d_model")
    if heads < 1 or width % heads:
        raise ValueError(f"config.json says d_model={width}, which {heads} heads cannot share")
    biased = take(values, "include_bias", False, bool)
    attention = AttentionFacts(
        num_heads=heads,
        num_key_heads=_key_heads(values, heads),
        head_dim=width // heads,
        rope=Rope(theta=float(take(values, "rope_theta", 10_000.0, float))),
        qkv_bias=biased or take(values, "include_qkv_bias", False, bool),
        out_bias=biased,
    )
    feed = FeedFacts(
        width=take(values, "mlp_hidden_size", width * take(values, "mlp_ratio", 4)),
        activation=ACTIVATIONS[take(values, "activation_type", "silu", str)],
        bias=biased,
    )
    architecture = Architecture(
        vocab_size=_vocab_size(values),
        hidden_size=width,
        layers=same_layers(need(values, "n_layers"), LayerFacts(attention=attention, feed=feed)),
        max_positions=need(values, "max_sequence_length"),
        norm_eps=take(values, "rms_norm_eps", 1e-5, float),
        embed_scale=width**0.5 if take(values, "input_emb_norm", False, bool) else 1.0,
        tied=take(values, "weight_tying", False, bool),
        head_bias=biased and not take(values, "weight_tying", False, bool),
        logit_scale=width**-0.5 if take(values, "scale_logits", False, bool) else 1.0,
    )
    return ModelFacts(
        architecture=architecture,
        attention="full",
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id"), 126348 if architecture.vocab_size > 126348 else None),
    )


def _vocab_size(values: Values) -> int:
    """The embedding may have more rows than there are tokens, to be a round number."""
    tokens: int = need(values, "vocab_size")
    rows: int = take(values, "embedding_size", tokens)
    if rows < tokens:
        raise ValueError(f"config.json says embedding_size={rows}, less than vocab_size={tokens}")
    return rows


def _key_heads(values: Values, heads: int) -> int:
    shared = take(values, "multi_query_attention", None, bool)
    implied = 1 if shared else heads
    stated: int = take(values, "n_kv_heads", implied)
    if shared is not None and stated != implied:
        raise ValueError(f"config.json says n_kv_heads={stated} and multi_query_attention={shared}")
    return stated


def _only_the_llama_block(values: Values) -> None:
    """The checkpoints use one of many blocks that their code can build; the others are refused by name."""
    wanted: dict[str, tuple[Any, ...]] = {
        "block_type": ("llama",),
        "block_group_size": (1,),
        "layer_norm_type": ("rms",),
        "layer_norm_with_affine": (True,),
        "activation_type": tuple(ACTIVATIONS),
        "rope": (True,),
        "alibi": (False,),
        "attention_layer_norm": (False,),
    }
    for name, known in wanted.items():
        if values.get(name) is not None and values[name] not in known:
            raise ValueError(f"config.json says {name}={values[name]!r}; known is {' or '.join(map(repr, known))}")
    if take(values, "bias_for_layer_norm", values.get("include_bias") or False, bool):
        raise ValueError("config.json gives the norms a bias (bias_for_layer_norm, or null with include_bias)")


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


LLADA_8B: dict[str, Any] = {
    "model_type": "llada", "architectures": ["LLaDAModelLM"], "d_model": 4096, "n_heads": 32, "n_kv_heads": 32,
    "n_layers": 32, "mlp_hidden_size": 12288, "vocab_size": 126464, "embedding_size": 126464, "rope_theta": 500000.0,
    "max_sequence_length": 4096, "rms_norm_eps": 1e-5, "mask_token_id": 126336, "eos_token_id": 126081,
    "pad_token_id": 126081, "block_type": "llama", "layer_norm_type": "rms", "activation_type": "silu",
    "weight_tying": False,
}  # fmt: skip

FAMILY = Family(
    name="llada",
    title="LLaDA",
    checkpoints=("GSAI-ML/LLaDA-8B-Base", "GSAI-ML/LLaDA-8B-Instruct", "GSAI-ML/LLaDA-1.5"),
    model_type="llada",
    architectures=("LLaDAModelLM",),
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 256},
    chat=HEADERS,
    presets={"llada-8b": LLADA_8B},
    proven="logits, caches and samplers against the reference code",
)
