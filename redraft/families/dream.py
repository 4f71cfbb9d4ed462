"""Dream (arXiv:2508.15487) and what grew from it: Dream-Coder, DiffuCoder, DreamOn (arXiv:2602.01326).

Qwen2's decoder with a bias on queries, keys and values alone, made fully bidirectional. The logits at a position
predict the next one, as before the conversion; positions count tokens.

DreamOn asks for a change of length: `expand_token_id` predicted at a noisy position makes two of it, and
`delete_token_id` (by default the end of text, which is what its training deletes with) removes it. Its tokens are the
published ones; a config.json that does not name `expand_token_id` is that of a model without controls.
"""

from typing import Any

from redraft.core.canvas import Controls
from redraft.models.architecture import Architecture
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Names, Places, Values, places_of, take, token_ids
from redraft.models.fields import decoder_of

MASK_ID = 151666  # <|mask|>
END_OF_TURN = 151645  # <|im_end|>, which ends an answer of the instruction-tuned models
NAMES = Names()


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen2's words."""
    if take(values, "use_mrope", False, bool):
        raise ValueError("config.json says use_mrope=True, and positions of text have one dimension")
    architecture = decoder_of(values, qkv_bias=True, out_bias=False)
    controls = _controls(values, architecture.vocab_size)
    ends = token_ids(values.get("eos_token_id"), END_OF_TURN if architecture.vocab_size > END_OF_TURN else None)
    return ModelFacts(
        architecture=architecture,
        attention="full",
        shifted=True,
        counted_positions=True,
        mask_id=take(values, "mask_token_id", MASK_ID),
        pad_id=take(values, "pad_token_id", None),
        # What is a control is never text, and so ends none.
        stop_ids=tuple(i for i in ends if controls is None or i not in controls.ids),
        controls=controls,
    )


def _controls(values: Values, vocab_size: int) -> Controls | None:
    expand_id = take(values, "expand_token_id", None)
    delete_id = take(values, "delete_token_id", None)
    if expand_id is None:
        if delete_id is not None:
            raise ValueError(f"config.json says delete_token_id={delete_id} and no expand_token_id")
        return None
    if delete_id is None:
        delete_id = next(iter(token_ids(values.get("eos_token_id"))), None)
    if delete_id is None:
        raise ValueError(f"config.json says expand_token_id={expand_id} and neither delete_token_id nor eos_token_id")
    for name, token in (("expand_token_id", expand_id), ("delete_token_id", delete_id)):
        if not 0 <= token < vocab_size:
            raise ValueError(f"{name} {token} is outside the vocabulary of {vocab_size}")
    if expand_id == delete_id:
        raise ValueError(f"config.json says {expand_id} is both expand_token_id and delete_token_id")
    return Controls(delete_id=delete_id, insert_ids=(expand_id,))


def places(facts: Architecture) -> Places:
    return places_of(facts, NAMES)


DREAM_7B: dict[str, Any] = {
    "model_type": "Dream", "architectures": ["DreamModel"], "hidden_size": 3584, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "intermediate_size": 18944, "hidden_act": "silu",
    "vocab_size": 152064, "rope_theta": 1000000.0, "rms_norm_eps": 1e-6, "tie_word_embeddings": False,
    "mask_token_id": 151666, "pad_token_id": 151643, "eos_token_id": 151643,
}  # fmt: skip

FAMILY = Family(
    name="dream",
    title="Dream",
    checkpoints=(
        "Dream-org/Dream-v0-Base-7B",
        "Dream-org/Dream-v0-Instruct-7B",
        "Dream-org/Dream-Coder-v0-Base-7B",
        "Dream-org/Dream-Coder-v0-Instruct-7B",
        "Dream-org/DreamOn-v0-7B",
        "apple/DiffuCoder-7B-Base",
        "apple/DiffuCoder-7B-Instruct",
        "apple/DiffuCoder-7B-cpGRPO",
    ),
    model_type="Dream",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 256},
    chat=CHATML,
    presets={"dream-7b": DREAM_7B},
    proven="logits, caches and samplers against the reference code",
)
