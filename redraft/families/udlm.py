"""UDLM (arXiv:2412.10193): a DiT over uniform noise in which every token sees every other and is told the noise level.

The network predicts a token from the others, at every position. Class labels (`cfg`) are not offered: such a
checkpoint is read as the unconditional model that it also is.
"""

from typing import Any

from redraft.models.dit import DiT
from redraft.models.dit_export import BUFFERS, dit_of, dit_places
from redraft.models.family import Family, ModelFacts, Values, take, token_ids

STEPS = 256
LM1B_VOCAB = 30522


def read(values: Values) -> ModelFacts:
    """config.json. Every token of the vocabulary is noise; there is no mask."""
    return uniform_state(values)


def uniform_state(values: Values) -> ModelFacts:
    """What UDLM and Duo share."""
    return ModelFacts(
        architecture=dit_of(values, timed=True),
        attention="full",
        noise="uniform",
        leave_one_out=True,
        counted_positions=True,
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
        max_steps=STEPS,
    )


def decoding(vocab_size: int) -> dict[str, Any]:
    """The exact reverse process in STEPS steps; noise is drawn from `vocab_size` tokens."""
    return {
        "policy": f"uniform_ancestral:num_steps={STEPS},vocab_size={vocab_size}",
        "stop": "all_steps",
        "temperature": 1.0,
        "max_steps": STEPS,
    }


UDLM_LM1B: dict[str, Any] = {
    "model_type": "udlm", "architectures": ["UDLM"], "hidden_dim": 768, "cond_dim": 128, "n_blocks": 12,
    "n_heads": 12, "model_length": 128, "vocab_size": LM1B_VOCAB, "time_conditioning": True, "cfg": False,
    "cfg_num_classes": -1,
}  # fmt: skip

FAMILY = Family(
    name="udlm",
    title="UDLM",
    checkpoints=("kuleshov-group/udlm-lm1b",),
    model_type="udlm",
    read=read,
    places=dit_places,
    ignored=(*BUFFERS, "backbone.cond_map."),
    network=DiT,
    decoding=decoding(LM1B_VOCAB),
    presets={"udlm-lm1b": UDLM_LM1B},
    proven="logits against the reference code; the reverse step by enumeration",
)
