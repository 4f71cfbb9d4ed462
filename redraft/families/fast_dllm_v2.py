"""Fast-dLLM v2: Qwen2.5's decoder, made block-causal with blocks of 32 that are decided eight tokens at a time.

The logits at a position predict the next one: the first token of a block is scored by the last one before it.
"""

from redraft.models.architecture import Architecture
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_ID = 151665
BLOCK_LENGTH = 32
DECIDE_LENGTH = 8
END_OF_TURN = 151645  # <|im_end|>, which ends an answer whatever the configuration calls the end of text
NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen2's words; `bd_size` is the length of a block."""
    if take(values, "use_sliding_window", False, bool):
        raise ValueError("config.json says use_sliding_window=True, and Fast-dLLM v2's blocks see all before them")
    architecture = decoder_of(values, qkv_bias=True, out_bias=False)
    block_length = take(values, "bd_size", BLOCK_LENGTH)
    end_of_turn = END_OF_TURN if architecture.vocab_size > END_OF_TURN else None
    return ModelFacts(
        architecture=architecture,
        attention="block_causal",
        shifted=True,
        block_length=block_length,
        decide_length=DECIDE_LENGTH if block_length % DECIDE_LENGTH == 0 else None,
        counted_positions=True,
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id"), end_of_turn),
    )


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


FAMILY = Family(
    name="fast_dllm_v2",
    title="Fast-dLLM v2",
    checkpoints=("Efficient-Large-Model/Fast_dLLM_v2_1.5B", "Efficient-Large-Model/Fast_dLLM_v2_7B"),
    model_type="Fast_dLLM_Qwen",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 32},
    chat=CHATML,
    proven="cached blocks against one pass over the whole text",
)
