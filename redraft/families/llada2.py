"""LLaDA2.0, 2.1 and 2.2: Ling's mixture of experts, made block-causal with blocks of 32. Logits have no shift.

LLaDA2.1 revises what it has written (arXiv:2602.08676) and LLaDA2.2 asks for deletions and insertions: the samplers
know how, the weights are read alike. config.json says neither the length of a block nor the mask.

Some of its fields are read by nothing in the code that comes with the checkpoints, and so change nothing here: several
chosen experts' scores are always normalised whatever `norm_topk_prob` says, and the router always has a bias.
"""

from typing import Any

from redraft.core.canvas import Controls
from redraft.models.architecture import Architecture, AttentionFacts, ExpertFacts, FeedFacts, LayerFacts, layers_of
from redraft.models.dialogue import ROLE_TAGS
from redraft.models.family import Family, ModelFacts, Names, Places, Values, need, places_of, take, token_ids
from redraft.models.fields import activation_of, head_dim_of, rope_of

BLOCK_LENGTH = 32
MASK_ID = 156895  # <|mask|>
STOP_ID = 156892  # <|endoftext|>, where the configuration does not say
NAMES = Names(
    embed="model.word_embeddings.weight",
    qkv="attention.query_key_value",
    out="attention.dense",
    query_norm="attention.query_layernorm",
    key_norm="attention.key_layernorm",
)


def read(values: Values) -> ModelFacts:
    """config.json, in Ling's words."""
    _only_what_the_code_does(values)
    architecture = Architecture(
        vocab_size=need(values, "vocab_size"),
        hidden_size=need(values, "hidden_size"),
        layers=_layers_of(values),
        max_positions=take(values, "max_position_embeddings", 16384),
        norm_eps=take(values, "rms_norm_eps", 1e-5, float),
        tied=take(values, "tie_word_embeddings", False, bool),
    )
    size = architecture.vocab_size
    # A vocabulary smaller than the published one is a rehearsal's: its last token is as good a mask as any.
    mask_id = take(values, "mask_token_id", MASK_ID if size > MASK_ID else size - 1)
    stop_ids = values.get("eos_token_id", STOP_ID if size > STOP_ID else None)
    return ModelFacts(
        architecture=architecture,
        attention="block_causal",
        block_length=BLOCK_LENGTH,
        counted_positions=True,
        mask_id=mask_id,
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(stop_ids),
        controls=_controls_of(values, size),
    )


def _layers_of(values: Values) -> tuple[LayerFacts, ...]:
    """The first layers are dense."""
    attention = _attention_of(values)
    number, dense = need(values, "num_hidden_layers"), take(values, "first_k_dense_replace", 0)
    dense = number if values.get("num_experts") is None else min(dense, number)
    # Only what is built is read: a model without dense layers need not say how wide they would be.
    plain = LayerFacts(attention=attention, feed=_feed_of(values)) if dense > 0 else None
    routed = LayerFacts(attention=attention, experts=_experts_of(values)) if dense < number else None
    kinds = [plain if n < dense else routed for n in range(min(number, 1_001))]
    return layers_of([kind for kind in kinds if kind is not None])


def _attention_of(values: Values) -> AttentionFacts:
    return AttentionFacts(
        num_heads=need(values, "num_attention_heads"),
        num_key_heads=take(values, "num_key_value_heads", need(values, "num_attention_heads")),
        head_dim=head_dim_of(values),
        rope=rope_of({"partial_rotary_factor": 0.5, **values}),
        qkv_bias=take(values, "use_qkv_bias", False, bool),
        out_bias=take(values, "use_bias", True, bool),
        qk_norm=take(values, "use_qk_norm", True, bool),
    )


def _feed_of(values: Values) -> FeedFacts:
    return FeedFacts(width=need(values, "intermediate_size"), activation=activation_of(values))


def _experts_of(values: Values) -> ExpertFacts:
    """Sigmoid scores, chosen with a bias among the best groups, weighted without it."""
    width, chosen = need(values, "moe_intermediate_size"), need(values, "num_experts_per_tok")
    return ExpertFacts(
        num_experts=need(values, "num_experts"),
        num_chosen=chosen,
        width=width,
        activation=activation_of(values),
        score="sigmoid",
        normalised=chosen > 1,
        scale=float(take(values, "routed_scaling_factor", 2.5, float)),
        biased=True,
        num_groups=take(values, "n_group", 8),
        top_groups=take(values, "topk_group", 4),
        shared_width=width * take(values, "num_shared_experts", 0),
    )


def _controls_of(values: Values, vocab_size: int) -> Controls | None:
    """LLaDA2.2's tokens: one deletes the position that predicts it, the other opens a slot before it."""
    found = {name: take(values, name, None) for name in ("delete_token_id", "insert_token_id")}
    if all(token is None for token in found.values()):
        return None
    for name, token in found.items():
        if token is None or not 0 <= token < vocab_size:
            raise ValueError(f"config.json says {name}={token}, which is no token of the vocabulary of {vocab_size}")
    return Controls(delete_id=found["delete_token_id"], insert_ids=(found["insert_token_id"],))


def _only_what_the_code_does(values: Values) -> None:
    """Fields that would make another model of it are refused by name."""
    wanted: dict[str, Any] = {
        "score_function": "sigmoid",
        "use_rmsnorm": True,
        "norm_head": False,
        "norm_softmax": False,
        "use_sliding_window": False,
    }
    for name, known in wanted.items():
        if values.get(name) not in (None, known):
            raise ValueError(f"config.json says {name}={values[name]!r}, and the code of LLaDA2 knows {known!r} alone")


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


LLADA2_MINI: dict[str, Any] = {
    "model_type": "llada2_moe", "architectures": ["LLaDA2MoeModelLM"], "hidden_size": 2048, "num_hidden_layers": 20,
    "num_attention_heads": 16, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 5120,
    "first_k_dense_replace": 1, "moe_intermediate_size": 512, "num_experts": 256, "num_experts_per_tok": 8,
    "num_shared_experts": 1, "n_group": 8, "topk_group": 4, "routed_scaling_factor": 2.5, "score_function": "sigmoid",
    "hidden_act": "silu", "vocab_size": 157184, "max_position_embeddings": 16384, "rope_theta": 600000,
    "partial_rotary_factor": 0.5, "rms_norm_eps": 1e-6, "use_bias": False, "use_qkv_bias": False,
    "tie_word_embeddings": False, "pad_token_id": 156892,
}  # fmt: skip
LLADA2_FLASH = {
    **LLADA2_MINI, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32, "intermediate_size": 9216,
    "moe_intermediate_size": 1024,
}  # fmt: skip

FAMILY = Family(
    name="llada2_moe",
    title="LLaDA2",
    checkpoints=(
        "inclusionAI/LLaDA2.0-mini",
        "inclusionAI/LLaDA2.0-flash",
        "inclusionAI/LLaDA2.1-mini",
        "inclusionAI/LLaDA2.1-flash",
    ),
    model_type="llada2_moe",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.95", "max_steps": 64},
    chat=ROLE_TAGS,
    presets={"llada2-mini": LLADA2_MINI, "llada2-flash": LLADA2_FLASH},
    proven="logits, routing, caches, samplers and single decisions against the reference code",
)
