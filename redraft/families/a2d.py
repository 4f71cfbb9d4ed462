"""A2D, the small models that dLLM turned from autoregressive to diffusion: Qwen2, Qwen3 and Llama decoders, no shift.

One `model_type` covers two kinds of training. Without `block_size` in config.json a model is read as fully
bidirectional (`mdlm` in its name); with it, as block-causal (`bd3lm`; 32 in the published ones): a user adds the field.
"""

from redraft.models.architecture import Architecture
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_IDS = {"a2d-qwen3": 151669, "a2d-qwen2": 151665}  # the first id behind the tokenizer's own; Llama's must be stated
QK_NORM = ("a2d-qwen3",)
QKV_BIAS = {"a2d-qwen2": True}
NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json, in the words of the decoder it came from, and `mask_token_id` and `block_size` where given."""
    kind = str(values.get("model_type"))
    block_length = take(values, "block_size", None)
    return ModelFacts(
        architecture=decoder_of(
            values, qk_norm=kind in QK_NORM, qkv_bias=QKV_BIAS.get(kind), out_bias=False if kind in QKV_BIAS else None
        ),
        attention="full" if block_length is None else "block_causal",
        block_length=block_length,
        counted_positions=True,
        mask_id=take(values, "mask_token_id", MASK_IDS.get(kind)),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


def family(kind: str, *checkpoints: str) -> Family:
    return Family(
        name=f"a2d_{kind}",
        title=f"A2D ({kind.capitalize()})",
        checkpoints=checkpoints,
        model_type=f"a2d-{kind}",
        read=read,
        places=places,
        decoding={"policy": "threshold:0.9", "max_steps": 256},
        chat=CHATML,
        proven="scores against the decoder of transformers it came from, under both masks",
    )


QWEN3 = family(
    "qwen3", "dllm-collection/Qwen3-0.6B-diffusion-mdlm-v0.1", "dllm-collection/Qwen3-0.6B-diffusion-bd3lm-v0.1"
)
QWEN2 = family(
    "qwen2",
    "dllm-collection/Qwen2.5-Coder-0.5B-Instruct-diffusion-mdlm-v0.1",
    "dllm-collection/Qwen2.5-Coder-0.5B-Instruct-diffusion-bd3lm-v0.1",
)
LLAMA = family("llama", "Llama checkpoints converted with dLLM; none is published")
