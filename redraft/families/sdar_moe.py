"""SDAR's mixture of experts: Qwen3-MoE's decoder, made block-causal as the dense SDAR is."""

from redraft.families.sdar import facts_of, places
from redraft.models.dialogue import CHATML
from redraft.models.family import Family, ModelFacts, Values
from redraft.models.fields import decoder_of


def read(values: Values) -> ModelFacts:
    """config.json, in Qwen3-MoE's words and two of SDAR's own."""
    return facts_of(values, decoder_of({"norm_topk_prob": True, "head_dim": 128, **values}, qk_norm=True, experts=True))


FAMILY = Family(
    name="sdar_moe",
    title="SDAR-MoE",
    checkpoints=("JetLM/SDAR-30B-A3B-Chat", "JetLM/SDAR-30B-A3B-Sci"),
    model_type="sdar_moe",
    read=read,
    places=places,
    decoding={"policy": "threshold:0.9", "max_steps": 64},
    chat=CHATML,
    proven="logits, exact and dirty caches, and samplers against a reference composed of SDAR's and Qwen3-MoE's code",
)
