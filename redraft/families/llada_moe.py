"""LLaDA-MoE (LLaDA's mixture of experts): OLMoE's decoder, fully bidirectional, absorbing noise, no shift.

Its config.json says `llada`, as dense LLaDA's does: `architectures` tells the two apart. Some of its fields are read
by nothing in the code that comes with the checkpoints, and so change nothing here: `norm_topk_prob` (the chosen
experts' probabilities are never renormalised), `routed_scaling_factor`, `router_num_group`, `router_topk_group`.
"""

from redraft.models.architecture import Architecture, AttentionFacts, ExpertFacts, FeedFacts, LayerFacts, layers_of
from redraft.models.family import Family, ModelFacts, Names, Places, Values, need, places_of, take, token_ids
from redraft.models.fields import activation_of, head_dim_of, rope_of

MASK_ID = 156895  # <|mask|>; config.json does not say
NAMES = Names(router_bias="mlp.expert_bias", shared="shared_expert.")


def read(values: Values) -> ModelFacts:
    """config.json, in OLMoE's words."""
    _only_what_the_code_does(values)
    architecture = Architecture(
        vocab_size=need(values, "vocab_size"),
        hidden_size=need(values, "hidden_size"),
        layers=_layers_of(values),
        max_positions=take(values, "max_position_embeddings", 4096),
        norm_eps=take(values, "rms_norm_eps", 1e-5, float),
        tied=take(values, "tie_word_embeddings", False, bool),
    )
    size = architecture.vocab_size
    # A vocabulary smaller than the published one is a rehearsal's: its last token is as good a mask as any.
    mask_id = take(values, "mask_token_id", MASK_ID if size > MASK_ID else size - 1)
    return ModelFacts(
        architecture=architecture,
        attention="full",
        mask_id=mask_id,
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def _layers_of(values: Values) -> tuple[LayerFacts, ...]:
    """`moe_layer_freq` says of every layer whether it holds experts; 0 is a dense one."""
    number, stated = need(values, "num_hidden_layers"), need(values, "moe_layer_freq", list)
    if len(stated) != number:
        raise ValueError(f"config.json says moe_layer_freq={stated!r}, which is not one for each of {number} layers")
    attention = _attention_of(values)
    return layers_of(
        [
            LayerFacts(attention=attention, experts=_experts_of(values))
            if freq
            else LayerFacts(attention=attention, feed=_feed_of(values))
            for freq in stated
        ]
    )


def _attention_of(values: Values) -> AttentionFacts:
    biased = take(values, "attention_bias", False, bool)
    return AttentionFacts(
        num_heads=need(values, "num_attention_heads"),
        num_key_heads=take(values, "num_key_value_heads", need(values, "num_attention_heads")),
        head_dim=head_dim_of(values),
        rope=rope_of(values),
        qkv_bias=biased,
        out_bias=biased,
        qk_norm=take(values, "qk_layernorm", False, bool),
    )


def _feed_of(values: Values) -> FeedFacts:
    return FeedFacts(width=need(values, "dense_intermediate_size"), activation=activation_of(values))


def _experts_of(values: Values) -> ExpertFacts:
    """Softmax scores weigh as they are; a bias, where there is one, is part of them."""
    biased = take(values, "moe_router_enable_expert_bias", False, bool)
    return ExpertFacts(
        num_experts=need(values, "num_experts"),
        num_chosen=need(values, "num_experts_per_tok"),
        width=need(values, "expert_intermediate_size"),
        activation=activation_of(values),
        normalised=False,
        biased=biased,
        bias_weighs=biased,
        shared_width=take(values, "shared_expert_intermediate_size", 0),
    )


def _only_what_the_code_does(values: Values) -> None:
    """Fields that would make another model of it are refused by name."""
    if values.get("moe_router_score_function") not in (None, "softmax"):
        raise ValueError(
            f"config.json says moe_router_score_function={values['moe_router_score_function']!r}, "
            "and the code of LLaDA-MoE knows softmax alone"
        )
    if values.get("clip_qkv") is not None:
        raise ValueError(f"config.json says clip_qkv={values['clip_qkv']!r}, which no published LLaDA-MoE uses")


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


FAMILY = Family(
    name="llada_moe",
    title="LLaDA-MoE",
    checkpoints=("inclusionAI/LLaDA-MoE-7B-A1B-Base", "inclusionAI/LLaDA-MoE-7B-A1B-Instruct"),
    model_type="llada",
    architectures=("LLaDAMoEModelLM",),
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 256},
    proven="logits, routing and sampler against the reference code",
)
