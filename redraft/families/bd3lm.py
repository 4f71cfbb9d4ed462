"""BD3-LM (arXiv:2503.09573): a DiT over absorbing noise, block by block; no shift.

With `cross_attn` false the same export holds a model in which every token sees every other: the MDLM that BD3-LM is
compared with. The context ends at `model_length`; the sliding window of the reference is not offered.
"""

from typing import Any

from redraft.models.dit import DiT
from redraft.models.dit_export import BUFFERS, dit_of, dit_places, refuse
from redraft.models.family import Family, ModelFacts, Values, need, take, token_ids


def read(values: Values) -> ModelFacts:
    """config.json. The mask is the last token of the vocabulary, where it does not say another."""
    refuse(values, "causal", False, default=False)
    # Keys and values of a finished block would depend on the noise of the block at work: nothing could be kept.
    refuse(values, "time_conditioning", False, default=False)
    architecture = dit_of(values, timed=False)
    in_blocks = take(values, "cross_attn", True, bool)
    return ModelFacts(
        architecture=architecture,
        attention="block_causal" if in_blocks else "full",
        block_length=need(values, "block_size") if in_blocks else None,
        counted_positions=True,
        mask_id=take(values, "mask_token_id", architecture.vocab_size - 1),
        pad_id=take(values, "pad_token_id", None),
        stop_ids=token_ids(values.get("eos_token_id")),
    )


def _owt(block_length: int) -> dict[str, Any]:
    return {
        "model_type": "bd3lm", "architectures": ["BD3LM"], "hidden_dim": 768, "cond_dim": 128, "n_blocks": 12,
        "n_heads": 12, "model_length": 1024, "vocab_size": 50258, "block_size": block_length, "cross_attn": True,
        "adaln": True, "causal": False, "time_conditioning": False, "var_min": True,
    }  # fmt: skip


LENGTHS = (4, 8, 16)

FAMILY = Family(
    name="bd3lm",
    title="BD3-LM",
    checkpoints=tuple(f"kuleshov-group/bd3lm-owt-block_size{length}" for length in LENGTHS),
    model_type="bd3lm",
    read=read,
    places=dit_places,
    ignored=BUFFERS,
    network=DiT,
    # One token at a time in a random order has the distribution of the reverse process in infinitely many steps.
    decoding={"policy": "top_k:count=1,by=random", "temperature": 1.0, "max_steps": 1024},
    presets={f"bd3lm-owt-{length}": _owt(length) for length in LENGTHS},
    proven="logits of the training, sampling and cached forms against the reference code",
)
