"""MDLM (arXiv:2406.07524): a DiT over absorbing noise in which every token sees every other; no shift.

Sampled by the exact reverse process. It has no padding and ends no text: `max_tokens` is the length of a sample.
"""

from typing import Any

from redraft.models.dit import DiT
from redraft.models.dit_export import BUFFERS, dit_of, dit_places
from redraft.models.family import Family, ModelFacts, Values, take, token_ids

STEPS = 256


def read(values: Values) -> ModelFacts:
    """config.json. The mask is the last token of the vocabulary, where it does not say another."""
    architecture = dit_of(values, timed=False)
    return ModelFacts(
        architecture=architecture,
        attention="full",
        counted_positions=True,
        mask_id=take(values, "mask_token_id", architecture.vocab_size - 1),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
        max_steps=STEPS if architecture.timed else None,
    )


MDLM_OWT: dict[str, Any] = {
    "model_type": "mdlm", "architectures": ["MDLM"], "hidden_dim": 768, "cond_dim": 128, "n_blocks": 12,
    "n_heads": 12, "model_length": 1024, "vocab_size": 50258, "time_conditioning": False,
}  # fmt: skip

FAMILY = Family(
    name="mdlm",
    title="MDLM",
    checkpoints=("kuleshov-group/mdlm-owt",),
    model_type="mdlm",
    read=read,
    places=dit_places,
    ignored=BUFFERS,
    network=DiT,
    decoding={"policy": f"ancestral:{STEPS}", "temperature": 1.0, "max_steps": STEPS},
    presets={"mdlm-owt": MDLM_OWT},
    proven="logits, probabilities and the reverse step against the reference code",
)
