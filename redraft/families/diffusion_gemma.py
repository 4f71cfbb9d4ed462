"""DiffusionGemma, its text path: one set of weights that reads clean text causally and a canvas in both directions.

Uniform noise, self-conditioning, and layers that see a window of the context. Refuses to know images: the vision tower
of a checkpoint is skipped.
"""

from dataclasses import replace
from typing import Any

from redraft.models.architecture import (
    Architecture,
    AttentionFacts,
    ExpertFacts,
    FeedFacts,
    LayerFacts,
    check_size,
    layers_of,
)
from redraft.models.family import (
    Family,
    ModelFacts,
    Names,
    Place,
    Places,
    Values,
    gated,
    need,
    places_of,
    take,
    token_ids,
)
from redraft.models.fields import activation_of, rope_of

FULL, SLIDING = "full_attention", "sliding_attention"
PATTERN = 6  # where the configuration does not say, every sixth layer sees everything
ROPES: dict[str, Any] = {
    SLIDING: {"rope_type": "default", "rope_theta": 10_000.0},
    FULL: {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1_000_000.0},
}
TEXT = "model.decoder."
NAMES = Names(
    embed=f"{TEXT}embed_tokens.weight",
    norm=f"{TEXT}norm.weight",
    layer=TEXT + "layers.{n}.",
    feed_norm="pre_feedforward_layernorm",
)
BRANCHES = {  # the layer's norms and scales that other families do not have
    "post_feedforward_layernorm_1.weight": "feed_branch_norm.weight",
    "pre_feedforward_layernorm_2.weight": "experts_norm.weight",
    "post_feedforward_layernorm_2.weight": "experts_branch_norm.weight",
    "router.proj.weight": "experts.router.score.weight",
    "router.scale": "experts.router.scale",
    "router.per_expert_scale": "experts.router.expert_scale",
    "experts.gate_up_proj": "experts.experts.gate_up",
    "experts.down_proj": "experts.experts.down",
    "layer_scalar": "scale_canvas",
}


def read(values: Values) -> ModelFacts:
    """config.json, its `text_config` above all."""
    if not take(values, "tie_word_embeddings", True, bool):
        raise ValueError("config.json says tie_word_embeddings=False: an encoder with weights of its own is not known")
    text = need(values, "text_config", dict)
    if text.get("use_bidirectional_attention") == "all":
        raise ValueError("config.json says use_bidirectional_attention='all', which no published checkpoint uses")
    if take(text, "attention_bias", False, bool):
        raise ValueError("config.json says attention_bias=True: the two modes would have biases of their own")
    hidden = need(text, "hidden_size")
    architecture = Architecture(
        vocab_size=need(text, "vocab_size"),
        hidden_size=hidden,
        layers=_layers(text),
        max_positions=take(text, "max_position_embeddings", 131_072),
        norm_eps=take(text, "rms_norm_eps", 1e-6, float),
        post_norms=True,
        layer_scalar=True,
        embed_scale=hidden**0.5,
        tied=True,
        softcap=float(take(text, "final_logit_softcapping", 30.0, float)),
        self_conditioning=_feed(text),
    )
    canvas = take(values, "canvas_length", 256)
    check_size("canvas_length", canvas)
    return ModelFacts(
        architecture=architecture,
        attention="causal_context",
        noise="uniform",
        block_length=canvas,
        pad_id=take(text, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id"), text.get("eos_token_id")),
    )


def _layers(text: Values) -> tuple[LayerFacts, ...]:
    experts = ExpertFacts(
        num_experts=need(text, "num_experts"),
        num_chosen=need(text, "top_k_experts"),
        width=need(text, "moe_intermediate_size"),
        activation=_activation(text),
        own_norm=True,
    )
    kinds, own = _kinds(text), _overrides(text)
    return layers_of(
        [
            LayerFacts(attention=_attention(text, kind, own.get(n, {})), feed=_feed(text), experts=experts)
            for n, kind in enumerate(kinds)
        ]
    )


def _kinds(text: Values) -> list[str]:
    """Who sees everything; the last layer always does."""
    number = min(need(text, "num_hidden_layers"), 1_001)
    pattern = [SLIDING if (n + 1) % PATTERN else FULL for n in range(number)]
    kinds = list(take(text, "layer_types", pattern, list))
    if len(kinds) != number:
        raise ValueError(f"config.json says num_hidden_layers={number}, and names {len(kinds)} layer_types")
    for kind in kinds:
        if kind not in (FULL, SLIDING):
            raise ValueError(f"config.json says layer_types={kind!r}; known are {FULL}, {SLIDING}")
    return [*kinds[:-1], FULL]


def _overrides(text: Values) -> dict[int, dict[str, Any]]:
    """`per_layer_config`, by number of layer; where it is missing, full layers have heads of another size."""
    said = take(text, "per_layer_config", None, dict)
    if said is None:
        wide = {"head_dim": take(text, "global_head_dim", 512)}
        number = take(text, "num_global_key_value_heads", None)
        wide |= {} if number is None else {"num_key_value_heads": number}
        return {n: wide for n, kind in enumerate(_kinds(text)) if kind == FULL}
    numbers = [str(n) for n in range(len(_kinds(text)))]
    for layer, own in said.items():
        if layer not in numbers or not isinstance(own, dict):
            raise ValueError(f"config.json says per_layer_config of layer {layer!r} is {own!r}")
        unknown = sorted(own.keys() - {"head_dim", "num_key_value_heads"})
        if unknown:
            raise ValueError(f"config.json says {unknown[0]!r} of layer {layer} alone, which is not known")
    return {int(layer): own for layer, own in said.items()}


def _attention(text: Values, kind: str, own: Values) -> AttentionFacts:
    ropes = take(text, "rope_parameters", ROPES, dict)
    return AttentionFacts(
        num_heads=need(text, "num_attention_heads"),
        num_key_heads=take(own, "num_key_value_heads", need(text, "num_key_value_heads")),
        head_dim=take(own, "head_dim", need(text, "head_dim")),
        rope=rope_of(text, need(ropes, kind, dict)),
        qk_norm=True,
        value_norm=True,
        value_is_key=kind == FULL,
        window=take(text, "sliding_window", 512) if kind == SLIDING else None,
        scale=1.0,
    )


def _feed(text: Values) -> FeedFacts:
    return FeedFacts(width=need(text, "intermediate_size"), activation=_activation(text))


def _activation(text: Values) -> Any:
    return activation_of({"hidden_activation": "gelu_pytorch_tanh", **text}, "hidden_activation")


def places(facts: Architecture) -> Places:
    """Everything under the decoder's name, but the scalars of the clean mode, which are the encoder's."""
    dense = replace(facts, layers=tuple(replace(layer, experts=None) for layer in facts.layers))
    found = places_of(dense, NAMES) | _conditioning_places(facts)
    for number in range(len(facts.layers)):
        ours = f"transformer.layers.{number}."
        found |= {f"{TEXT}layers.{number}.{name}": Place(ours + part) for name, part in BRANCHES.items()}
        found[f"model.encoder.language_model.layers.{number}.layer_scalar"] = Place(f"{ours}scale_clean")
    return found


def _conditioning_places(facts: Architecture) -> Places:
    assert facts.self_conditioning is not None
    theirs = f"{TEXT}self_conditioning."
    gate, up, down = (f"{theirs}{name}_proj" for name in ("gate", "up", "down"))
    found = gated("conditioning.feed.", "weight", facts.self_conditioning.width, gate, up, down)
    return found | {f"{theirs}pre_norm.weight": Place("conditioning.norm.weight")}


DIFFUSION_GEMMA_26B: dict[str, Any] = {
    "model_type": "diffusion_gemma", "architectures": ["DiffusionGemmaForBlockDiffusion"], "canvas_length": 256,
    "tie_word_embeddings": True, "text_config": {
        "model_type": "diffusion_gemma_text", "vocab_size": 262144, "hidden_size": 2816, "intermediate_size": 2112,
        "num_hidden_layers": 30, "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256,
        "global_head_dim": 512, "num_global_key_value_heads": 2, "sliding_window": 1024, "num_experts": 128,
        "top_k_experts": 8, "moe_intermediate_size": 704, "max_position_embeddings": 262144, "rms_norm_eps": 1e-6,
        "hidden_activation": "gelu_pytorch_tanh", "final_logit_softcapping": 30.0, "rope_parameters": ROPES,
        "pad_token_id": 0, "eos_token_id": 1, "bos_token_id": 2,
    },
}  # fmt: skip

FAMILY = Family(
    name="diffusion_gemma",
    title="DiffusionGemma",
    checkpoints=("google/diffusiongemma-26B-A4B-it",),
    model_type="diffusion_gemma",
    architectures=("DiffusionGemmaForBlockDiffusion",),
    read=read,
    places=places,
    ignored=("model.encoder.vision_tower.", "model.encoder.embed_vision."),
    decoding={
        "policy": "entropy_bound:0.1,sticky=false",
        "stop": "stable_and_confident:0.005,patience=1",
        "temperature": 1.0,
        "logit_temperature": {"name": "linear_temperature", "start": 0.8, "end": 0.4},
        "max_steps": 48,
        "emit": "best",
    },
    presets={"diffusion-gemma-26b-a4b": DIFFUSION_GEMMA_26B},
    proven="logits, self-conditioning, incremental contexts and whole recorded generations against transformers",
)
