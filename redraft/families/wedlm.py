"""WeDLM: Qwen2.5's (7B) or Qwen3's (8B) decoder, still causal: noisy tokens are attended to last. No shift."""

from redraft.models.architecture import Architecture
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_ID = 151665  # where the configuration does not say
END_OF_TURN = 151645  # <|im_end|>, which ends an answer of the instruction-tuned models
NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen2's words; `qk_norm` and `attention_bias` tell the two decoders apart."""
    if take(values, "use_sliding_window", False, bool):
        raise ValueError("config.json says use_sliding_window=True, and a reordered text has no neighbourhoods")
    architecture = decoder_of(
        values,
        qk_norm=take(values, "qk_norm", False, bool),
        qkv_bias=take(values, "attention_bias", True, bool),
        out_bias=False,
    )
    end_of_turn = END_OF_TURN if architecture.vocab_size > END_OF_TURN else None
    return ModelFacts(
        architecture=architecture,
        attention="reordered",
        counted_positions=True,
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id"), end_of_turn),
    )


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


FAMILY = Family(
    name="wedlm",
    title="WeDLM",
    checkpoints=(
        "tencent/WeDLM-7B-Base",
        "tencent/WeDLM-7B-Instruct",
        "tencent/WeDLM-8B-Base",
        "tencent/WeDLM-8B-Instruct",
    ),
    model_type="wedlm",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 64},
    chat=CHATML,
    proven="logits with and without a cache, and its sampler, against the reference code",
)
