"""Family: what is known of one line of checkpoints. Facts, a reading of its config.json, and where its tensors go.

Adding a family is one file in `redraft/families` that ends in `FAMILY = Family(...)`; nothing else names it.
Refuses to know modules: what a family's facts make of a network is `assemble`'s.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

from torch import Tensor

from redraft.core.canvas import Controls
from redraft.models.architecture import Architecture, LayerFacts

Values = Mapping[str, Any]  # a config.json

# Who attends to whom, and so which denoiser runs the network:
#   full            every token sees every other (LLaDA, Dream, MDLM)
#   block_causal    tokens see their own block and those before it (SDAR, LLaDA2, BD3-LM)
#   reordered       causal, once observed tokens are moved before noisy ones (WeDLM)
#   causal_context  a causal context, a canvas that sees all of itself (DiffusionGemma)
#   causal          an autoregressive model: a baseline, and a starting point for conversion
AttentionContract = Literal["full", "block_causal", "reordered", "causal_context", "causal"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What a configuration says of a model, in our words.

    shifted            the logits at a position predict the next one
    block_length       block_causal: tokens per block. causal_context: the canvas it was trained on
    decide_length      tokens decided together, where that is less than a block (Fast-dLLM v2's sub-blocks)
    counted_positions  positions count tokens, so that padding on the left moves nothing; else they count columns
    stop_ids           tokens that end a text
    max_steps          denoising steps per canvas, for networks that are told the noise level
    leave_one_out      the network predicts a token from the others: what its own token says of it is to be added
    """

    architecture: Any  # Architecture, or what the family's own network takes
    attention: AttentionContract
    noise: Literal["absorbing", "uniform", "none"] = "absorbing"
    shifted: bool = False
    block_length: int | None = None
    decide_length: int | None = None
    counted_positions: bool = False
    mask_id: int | None = None
    pad_id: int | None = None
    stop_ids: tuple[int, ...] = ()
    controls: Controls | None = None
    max_steps: int | None = None
    leave_one_out: bool = False

    def __post_init__(self) -> None:
        size = self.architecture.vocab_size
        if self.noise == "absorbing" and self.mask_id is None:
            raise ValueError("absorbing noise needs a mask token id")
        named = {"mask": self.mask_id, "pad": self.pad_id} | {f"stop token {i}": i for i in self.stop_ids}
        for name, token in named.items():
            if token is not None and not 0 <= token < size:
                raise ValueError(f"{name} id {token} is outside the vocabulary of {size}")
        if self.attention == "block_causal" and (self.block_length is None or self.block_length < 1):
            raise ValueError(f"block-causal attention needs a block length, not {self.block_length}")


class Place(NamedTuple):
    """Where a checkpoint's tensor lies in our parameters: all of one, some rows of it, or those of one expert."""

    parameter: str
    start: int | None = None
    stop: int | None = None
    expert: int | None = None

    def view(self, parameter: Tensor) -> Tensor:
        """The part of our parameter that is the checkpoint's tensor. Reading and writing are both done through it."""
        held = parameter if self.expert is None else parameter[self.expert]
        return held if self.start is None else held[self.start : self.stop]


Places = dict[str, Place]  # the checkpoint's names -> places


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A line of checkpoints.

    name           what the command line calls it
    checkpoints    published models that it reads
    model_type     config.json's `model_type`, and `architectures` where two families share one
    read           config.json -> facts; raises ValueError where the fields contradict each other
    places         facts -> every tensor the checkpoint must hold
    ignored        prefixes of tensors that a checkpoint may hold and text needs none of (a vision tower)
    network        facts.architecture -> module, for families that are no `Network`
    decoding       the recommended Decoding, as the JSON of `sampling.decoding.from_json`
    chat           how a conversation becomes a prompt when the tokenizer brings no template
    presets        name -> config.json of published sizes, for rehearsals without weights
    proven         what the tests compare it with, for `redraft models`
    """

    name: str
    title: str
    checkpoints: tuple[str, ...]
    model_type: str
    read: Callable[[Values], ModelFacts]
    places: Callable[[Any], Places]
    architectures: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    network: Callable[[Any], Any] | None = None
    decoding: dict[str, Any] = field(default_factory=dict)
    chat: str | None = None
    presets: dict[str, dict[str, Any]] = field(default_factory=dict)
    proven: str = ""

    def matches(self, values: Values) -> bool:
        """Whether a config.json is one of this family's."""
        if values.get("model_type") != self.model_type:
            return False
        return not self.architectures or any(name in self.architectures for name in values.get("architectures") or ())


# ------------------------------------------------------------------ reading a config.json


def need(values: Values, name: str, kind: type = int) -> Any:
    """A field that must be there. Raises ValueError, naming it and what it is instead."""
    if values.get(name) is None:
        raise ValueError(f"config.json has no {name!r}")
    return take(values, name, None, kind)


def take(values: Values, name: str, default: Any, kind: type = int) -> Any:
    """A field, or its default where it is missing or null. Raises ValueError for a value of another type."""
    value = values.get(name)
    if value is None:
        return default
    fits = isinstance(value, kind) and not (isinstance(value, bool) and kind is not bool)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        fits = True
    if not fits:
        raise ValueError(f"config.json says {name}={value!r}, which is no {kind.__name__}")
    return value


def token_ids(*values: Any) -> tuple[int, ...]:
    """Token ids out of fields that hold one, a list of them, or nothing; each once."""
    flat = [i for value in values for i in (value if isinstance(value, list | tuple) else [value]) if i is not None]
    return tuple(dict.fromkeys(flat))


# ------------------------------------------------------------------ names of tensors


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What a checkpoint calls the parts of a decoder. The defaults are those of Llama, Qwen and most others.

    `layer` and `expert` are formats over `n` and `e`. With `qkv` given, queries, keys and values are one tensor.
    """

    embed: str = "model.embed_tokens.weight"
    norm: str = "model.norm.weight"
    head: str = "lm_head"
    layer: str = "model.layers.{n}."
    query: str = "self_attn.q_proj"
    key: str = "self_attn.k_proj"
    value: str = "self_attn.v_proj"
    qkv: str | None = None
    out: str = "self_attn.o_proj"
    query_norm: str = "self_attn.q_norm"
    key_norm: str = "self_attn.k_norm"
    attention_norm: str = "input_layernorm"
    attention_post_norm: str = "post_attention_layernorm"
    feed_norm: str = "post_attention_layernorm"
    feed_post_norm: str = "post_feedforward_layernorm"
    gate: str = "mlp.gate_proj"
    up: str = "mlp.up_proj"
    down: str = "mlp.down_proj"
    router: str = "mlp.gate.weight"
    router_bias: str = "mlp.gate.expert_bias"
    expert: str = "mlp.experts.{e}."
    expert_gate: str = "gate_proj"
    expert_up: str = "up_proj"
    expert_down: str = "down_proj"
    shared: str = "mlp.shared_experts."
    shared_gate: str = "mlp.shared_expert_gate.weight"


def places_of(facts: Architecture, names: Names) -> Places:
    """Every tensor of a decoder under a checkpoint's names."""
    places = {names.embed: Place("embed.weight"), names.norm: Place("transformer.norm.weight")}
    if not facts.tied:
        places[f"{names.head}.weight"] = Place("head.weight")
        if facts.head_bias:
            places[f"{names.head}.bias"] = Place("head.bias")
    for number, layer in enumerate(facts.layers):
        theirs, ours = names.layer.format(n=number), f"transformer.layers.{number}."
        found = _norm_places(facts, names) | _attention_places(layer, names) | _feed_places(layer, names)
        places |= {theirs + name: place._replace(parameter=ours + place.parameter) for name, place in found.items()}
    return places


def _norm_places(facts: Architecture, names: Names) -> Places:
    parts = {"attention_norm": names.attention_norm, "feed_norm": names.feed_norm}
    if facts.post_norms:
        parts |= {"attention_post_norm": names.attention_post_norm, "feed_post_norm": names.feed_post_norm}
    return {f"{theirs}.weight": Place(f"{ours}.weight") for ours, theirs in parts.items()}


def _attention_places(layer: LayerFacts, names: Names) -> Places:
    facts = layer.attention
    places: Places = {f"{names.out}.weight": Place("attention.out.weight")}
    if facts.out_bias:
        places[f"{names.out}.bias"] = Place("attention.out.bias")
    for kind in ("weight", "bias") if facts.qkv_bias else ("weight",):
        whole = f"attention.qkv.{kind}"
        if names.qkv is not None:
            places[f"{names.qkv}.{kind}"] = Place(whole)
            continue
        start = 0
        for name, heads in zip((names.query, names.key, names.value), facts.heads, strict=False):
            places[f"{name}.{kind}"] = Place(whole, start, start + heads * facts.head_dim)
            start += heads * facts.head_dim
    if facts.qk_norm:
        places[f"{names.query_norm}.weight"] = Place("attention.query_norm.weight")
        places[f"{names.key_norm}.weight"] = Place("attention.key_norm.weight")
    return places


def _feed_places(layer: LayerFacts, names: Names) -> Places:
    places: Places = {}
    if layer.feed is not None:
        kinds = ("weight", "bias") if layer.feed.bias else ("weight",)
        for kind in kinds:
            places |= gated("feed.", kind, layer.feed.width, names.gate, names.up, names.down)
    if layer.experts is not None:
        places |= _expert_places(layer, names)
    return places


def gated(ours: str, kind: str, width: int, gate: str, up: str, down: str) -> Places:
    """The three matrices of a gated layer, or their biases, in our two."""
    return {
        f"{gate}.{kind}": Place(f"{ours}gate_up.{kind}", 0, width),
        f"{up}.{kind}": Place(f"{ours}gate_up.{kind}", width, 2 * width),
        f"{down}.{kind}": Place(f"{ours}down.{kind}"),
    }


def _expert_places(layer: LayerFacts, names: Names) -> Places:
    facts = layer.experts
    assert facts is not None
    places: Places = {names.router: Place("experts.router.score.weight")}
    if facts.biased:
        places[names.router_bias] = Place("experts.router.bias")
    for number in range(facts.num_experts):
        theirs = names.expert.format(e=number)
        stacked = "experts.experts.gate_up"
        places[f"{theirs}{names.expert_gate}.weight"] = Place(stacked, 0, facts.width, number)
        places[f"{theirs}{names.expert_up}.weight"] = Place(stacked, facts.width, 2 * facts.width, number)
        places[f"{theirs}{names.expert_down}.weight"] = Place("experts.experts.down", None, None, number)
    if facts.shared_width:
        parts = (names.expert_gate, names.expert_up, names.expert_down)
        gate, up, down = (f"{names.shared}{name}" for name in parts)
        places |= gated("experts.shared.", "weight", facts.shared_width, gate, up, down)
    if facts.shared_gated:
        places[names.shared_gate] = Place("experts.shared_gate.weight")
    return places
