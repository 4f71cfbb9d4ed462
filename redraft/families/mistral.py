"""Mistral 7B and its relatives: Llama's decoder in which, in the first version, every layer sees a window."""

from typing import Any

from redraft.models.architecture import Architecture
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of
from redraft.models.fields import autoregressive, decoder_of, num_layers, window_of

NAMES = Names()
WINDOW = 4096  # where the configuration does not say; `null` says that there is none
LONGEST = 131072


def read(values: Values) -> ModelFacts:
    """config.json. No matrix has a bias; what `layer_types` says is read by nothing."""
    values = {"max_position_embeddings": LONGEST, **values, "mlp_bias": False}
    windows = [window_of(values, WINDOW)] * num_layers(values)
    return autoregressive(values, decoder_of(values, qkv_bias=False, out_bias=False, windows=windows))


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


MISTRAL_V01: dict[str, Any] = {
    "model_type": "mistral", "architectures": ["MistralForCausalLM"], "hidden_size": 4096, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "intermediate_size": 14336, "hidden_act": "silu",
    "vocab_size": 32000, "max_position_embeddings": 32768, "rope_theta": 10000.0, "rms_norm_eps": 1e-5,
    "sliding_window": 4096, "tie_word_embeddings": False, "eos_token_id": 2,
}  # fmt: skip
MISTRAL_V03 = {**MISTRAL_V01, "vocab_size": 32768, "rope_theta": 1000000.0, "sliding_window": None}

FAMILY = Family(
    name="mistral",
    title="Mistral",
    checkpoints=("mistralai/Mistral-7B-v0.1", "mistralai/Mistral-7B-v0.3", "mistralai/Mistral-7B-Instruct-v0.3"),
    model_type="mistral",
    read=read,
    places=places,
    presets={"mistral-7b-v0.1": MISTRAL_V01, "mistral-7b-v0.3": MISTRAL_V03},
    proven="logits, caches and greedy text against transformers",
)
