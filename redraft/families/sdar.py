"""SDAR and TraDo: Qwen3's decoder, made block-causal with blocks of four to sixty-four tokens. Logits have no shift.

Positions and blocks count tokens. A finished block is read once more, without noise, before it is attended to.
"""

from typing import Any

from redraft.models.architecture import Architecture
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_ID = 151669  # <|MASK|>, where the configuration does not say
BLOCK_LENGTH = 4
NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen3's words and two of SDAR's own: `block_size` and `mask_token_id`."""
    return facts_of(values, decoder_of({"head_dim": 128, **values}, qk_norm=True))


def facts_of(values: Values, architecture: Architecture) -> ModelFacts:
    """What dense and mixture models have in common."""
    if take(values, "use_sliding_window", False, bool):
        raise ValueError("config.json says use_sliding_window=True, and SDAR's blocks see all blocks before them")
    return ModelFacts(
        architecture=architecture,
        attention="block_causal",
        block_length=take(values, "block_size", BLOCK_LENGTH),
        counted_positions=True,
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


SDAR_4B: dict[str, Any] = {
    "model_type": "sdar", "architectures": ["SDARForCausalLM"], "hidden_size": 2560, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728,
    "hidden_act": "silu", "vocab_size": 151936, "max_position_embeddings": 32768, "rope_theta": 1000000,
    "rms_norm_eps": 1e-6, "attention_bias": False, "tie_word_embeddings": False, "block_size": 4,
    "mask_token_id": 151669, "eos_token_id": 151643,
}  # fmt: skip
SDAR_8B = {**SDAR_4B, "hidden_size": 4096, "intermediate_size": 12288}

FAMILY = Family(
    name="sdar",
    title="SDAR",
    checkpoints=(
        "JetLM/SDAR-1.7B-Chat",
        "JetLM/SDAR-4B-Chat",
        "JetLM/SDAR-8B-Chat",
        "Gen-Verse/TraDo-4B-Instruct",
        "Gen-Verse/TraDo-8B-Instruct",
    ),
    model_type="sdar",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 64},
    chat=CHATML,
    presets={"sdar-4b": SDAR_4B, "sdar-8b": SDAR_8B},
    proven="logits, exact and dirty caches, and samplers against the reference code",
)
