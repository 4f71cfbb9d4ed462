"""Architecture: what a transformer is made of, as facts that a checkpoint's configuration states.

One description covers dense and mixture-of-experts decoders: who attends with what, what follows, and which norms and
scales stand between. Knows sizes. Refuses to know weights, names of files and what the model is used for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

MAX_SIZE = 1 << 22  # beyond any model; a table of a mistyped size would fill the memory before anyone is told
SCALINGS = ("default", "linear", "dynamic", "yarn", "llama3", "proportional")

Scaling = Literal["default", "linear", "dynamic", "yarn", "llama3", "proportional"]
Activation = Literal["silu", "gelu_tanh", "gelu"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rope:
    """Rotary positions, arXiv:2104.09864, half-split, and how they are stretched to longer texts.

    share           of every head's dimensions that is rotated
    factor          how many times longer than trained
    trained_length  positions seen in training, before stretching
    beta_fast, beta_slow, attention_factor, mscale, mscale_all_dim  YaRN (arXiv:2309.00071)
    low_freq_factor, high_freq_factor                               Llama 3
    """

    theta: float = 10_000.0
    share: float = 1.0
    scaling: Scaling = "default"
    factor: float = 1.0
    trained_length: int = 0
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    mscale: float | None = None
    mscale_all_dim: float | None = None
    truncate: bool = True
    low_freq_factor: float = 1.0
    high_freq_factor: float = 4.0

    def __post_init__(self) -> None:
        if not self.theta > 0:
            raise ValueError(f"rope theta={self.theta!r} must be positive")
        if not 0 < self.share <= 1:
            raise ValueError(f"the rotated share of a head, {self.share!r}, must be in (0, 1]")
        if self.scaling not in SCALINGS:
            raise ValueError(f"rope scaling {self.scaling!r} must be one of {', '.join(SCALINGS)}")
        if self.scaling in ("dynamic", "yarn", "llama3") and self.trained_length < 1:
            raise ValueError(f"rope scaling {self.scaling!r} needs the length it was trained for")
        if not self.factor > 0:
            raise ValueError(f"rope factor={self.factor!r} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class AttentionFacts:
    """Grouped-query attention.

    window        a query sees this many tokens, itself included, of clean text; None: all
    scale         what scores are multiplied by; None: head_dim ** -0.5
    value_is_key  no value matrix: values are keys before their norm and rotation (Gemma 4)
    value_norm    values are normalised, without a weight
    """

    num_heads: int
    num_key_heads: int
    head_dim: int
    rope: Rope
    qkv_bias: bool = False
    out_bias: bool = False
    qk_norm: bool = False
    value_norm: bool = False
    value_is_key: bool = False
    window: int | None = None
    scale: float | None = None
    softcap: float | None = None

    def __post_init__(self) -> None:
        for name in ("num_heads", "num_key_heads", "head_dim"):
            check_size(name, getattr(self, name))
        if self.num_heads % self.num_key_heads:
            raise ValueError(f"{self.num_heads=} must be a multiple of {self.num_key_heads=}")
        if self.head_dim % 2:
            raise ValueError(f"{self.head_dim=} must be even for rotary positions")
        if self.window is not None:
            check_size("window", self.window)

    @property
    def heads(self) -> tuple[int, ...]:
        """How many heads of queries, keys and (unless they are keys) values the first matrix holds."""
        keys = (self.num_key_heads,) if self.value_is_key else (self.num_key_heads, self.num_key_heads)
        return (self.num_heads, *keys)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedFacts:
    """A feed-forward layer: activation(gate) * up, then down. Not gated: activation(up), then down."""

    width: int
    activation: Activation = "silu"
    bias: bool = False
    gated: bool = True

    def __post_init__(self) -> None:
        check_size("feed-forward width", self.width)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpertFacts:
    """A routed mixture of gated feed-forward layers.

    score             how router logits become scores
    normalised        the chosen experts' weights sum to one (times `scale`)
    biased            a bias per expert takes part in choosing, not in weighting (arXiv:2408.15664)
    bias_weighs       it takes part in weighting too (LLaDA-MoE's code)
    num_groups        experts are in groups; only the best `top_groups` may be chosen from (arXiv:2412.19437)
    shared_width      width of an expert that every token passes through; 0: none
    shared_gated      its output is scaled by a sigmoid gate (Qwen2-MoE)
    own_norm          the router normalises and scales its input itself, and every expert has a factor (Gemma 4)
    """

    num_experts: int
    num_chosen: int
    width: int
    activation: Activation = "silu"
    score: Literal["softmax", "sigmoid"] = "softmax"
    normalised: bool = True
    scale: float = 1.0
    biased: bool = False
    bias_weighs: bool = False
    num_groups: int = 1
    top_groups: int = 1
    shared_width: int = 0
    shared_gated: bool = False
    own_norm: bool = False

    def __post_init__(self) -> None:
        for name in ("num_experts", "num_chosen", "width", "num_groups", "top_groups"):
            check_size(name, getattr(self, name))
        if self.shared_width:
            check_size("shared_width", self.shared_width)
        if self.score not in ("softmax", "sigmoid"):
            raise ValueError(f"router score {self.score!r} must be softmax or sigmoid")
        if self.num_experts % self.num_groups:
            raise ValueError(f"{self.num_experts=} must be a multiple of {self.num_groups=}")
        if not self.top_groups <= self.num_groups:
            raise ValueError(f"{self.top_groups=} must be at most {self.num_groups=}")
        if not self.num_chosen <= self.num_experts // self.num_groups * self.top_groups:
            raise ValueError(f"{self.num_chosen=} experts cannot be chosen of {self.num_experts=}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerFacts:
    """One layer: attention, then a feed-forward layer, experts, or (Gemma 4) both side by side."""

    attention: AttentionFacts
    feed: FeedFacts | None = None
    experts: ExpertFacts | None = None

    def __post_init__(self) -> None:
        if self.feed is None and self.experts is None:
            raise ValueError("a layer needs a feed-forward part or experts")


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A decoder-only transformer.

    norm_offset   norms multiply by 1 + weight (Gemma 1 to 3)
    post_norms    the output of attention and feed-forward is normalised before it is added (Gemma)
    layer_scalar  every layer's output is multiplied by a number of its own; the clean and the canvas mode have one
                  each (DiffusionGemma)
    embed_scale   what embeddings are multiplied by
    softcap       logits are softcap * tanh(logits / softcap)
    self_conditioning  a gated layer adds the mean embedding of the last prediction to the canvas (DiffusionGemma)
    """

    vocab_size: int
    hidden_size: int
    layers: tuple[LayerFacts, ...]
    max_positions: int
    norm_eps: float = 1e-6
    norm_offset: bool = False
    post_norms: bool = False
    layer_scalar: bool = False
    embed_scale: float = 1.0
    tied: bool = False
    head_bias: bool = False
    softcap: float | None = None
    logit_scale: float = 1.0
    self_conditioning: FeedFacts | None = None
    initializer_range: float = 0.02

    def __post_init__(self) -> None:
        check_size("vocab_size", self.vocab_size)
        check_size("hidden_size", self.hidden_size)
        check_size("max_positions", self.max_positions, high=1 << 30)
        if not self.layers:
            raise ValueError("a transformer needs at least one layer")
        if not 0 < self.norm_eps < 1:
            raise ValueError(f"{self.norm_eps=} must be in (0, 1)")

    @property
    def num_conditioning(self) -> int:
        """Numbers of the parts that tell the layers how noisy their input is; a decoder has none."""
        return 0


def same_layers(number: int, layer: LayerFacts) -> tuple[LayerFacts, ...]:
    """`number` equal layers."""
    check_size("number of layers", number, high=1_000)
    return (layer,) * number


def layers_of(kinds: Sequence[LayerFacts]) -> tuple[LayerFacts, ...]:
    """Layers given one by one."""
    check_size("number of layers", len(kinds), high=1_000)
    return tuple(kinds)


def check_size(name: str, value: int, high: int = MAX_SIZE) -> None:
    """Raise ValueError unless value is a whole number in [1, high]."""
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= high:
        raise ValueError(f"{name}={value!r} must be a whole number in [1, {high}]")
