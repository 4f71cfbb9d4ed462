"""RND1: Qwen3's mixture of experts, made fully bidirectional. The logits at a position predict the next one.

Some fields of its config.json are read by nothing in the code that comes with the checkpoint, and so change nothing
here: every layer holds experts whatever `decoder_sparse_step` and `mlp_only_layers` say, and no layer has a window.
`rope_scaling` and `sliding_window` may be `false`, which is to say nothing.
"""

from typing import Any

from redraft.models.architecture import Architecture
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_ID = 151669  # the first row of Qwen3's vocabulary that no token uses
NAMES = Names()
UNSAID: dict[str, Any] = {"norm_topk_prob": True, "rope_theta": 1000000.0}  # what the code takes where nothing is said
EVERYWHERE: dict[str, Any] = {"decoder_sparse_step": 1, "mlp_only_layers": []}  # where the experts are


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen3's words."""
    architecture = decoder_of({**UNSAID, **values, **EVERYWHERE}, qk_norm=True, experts=True)
    return ModelFacts(
        architecture=architecture,
        attention="full",
        shifted=True,
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


RND1_30B: dict[str, Any] = {
    "model_type": "rnd1", "architectures": ["RND1LM"], "hidden_size": 2048, "num_hidden_layers": 48,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_experts": 128, "num_experts_per_tok": 8, "norm_topk_prob": True,
    "hidden_act": "silu", "vocab_size": 151936, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6,
    "tie_word_embeddings": False, "mask_token_id": 151669, "eos_token_id": 151645,
}  # fmt: skip

FAMILY = Family(
    name="rnd1",
    title="RND1",
    checkpoints=("radicalnumerics/RND1-Base-0910",),
    model_type="rnd1",
    read=read,
    places=places,
    decoding={"policy": "entropy_bound:0.1,by=confidence", "max_steps": 256},
    presets={"rnd1-30b": RND1_30B},
    proven="logits and samplers against the reference code",
)
