"""Llama 2 and 3: autoregressive, the decoder that all others here are variations of."""

from typing import Any

from redraft.models.architecture import Architecture
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of
from redraft.models.fields import autoregressive, decoder_of

NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json. Biases are in all matrices of the attention, all of the feed-forward part, both or neither."""
    return autoregressive(values, decoder_of({"max_position_embeddings": 2048, **values}))


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


LLAMA_31_8B: dict[str, Any] = {
    "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "hidden_act": "silu",
    "vocab_size": 128256, "max_position_embeddings": 131072, "rope_theta": 500000.0, "rms_norm_eps": 1e-5,
    "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                     "original_max_position_embeddings": 8192},
    "attention_bias": False, "mlp_bias": False, "tie_word_embeddings": False, "eos_token_id": 128001,
}  # fmt: skip
LLAMA_32_1B: dict[str, Any] = {
    **LLAMA_31_8B, "hidden_size": 2048, "num_hidden_layers": 16, "intermediate_size": 8192, "head_dim": 64,
    "rope_scaling": {**LLAMA_31_8B["rope_scaling"], "factor": 32.0}, "tie_word_embeddings": True,
}  # fmt: skip

FAMILY = Family(
    name="llama",
    title="Llama 2 and 3",
    checkpoints=("meta-llama/Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.2-1B"),
    model_type="llama",
    read=read,
    places=places,
    presets={"llama-3.1-8b": LLAMA_31_8B, "llama-3.2-1b": LLAMA_32_1B},
    proven="logits, caches and greedy text against transformers",
)
