"""The shape of a three-mode model: sizes, special ids, extras. Knows no weights.

The first group of fields is exactly a Qwen3 configuration (arXiv:2505.09388); the rest is what
denoising adds and the causal mode does not use.
"""

from dataclasses import asdict, dataclass, fields
from difflib import get_close_matches
from typing import Any

from redraft.core.canvas import Controls
from redraft.models.architecture import MAX_SIZE, Architecture, AttentionFacts, FeedFacts, LayerFacts, Rope, same_layers

_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
    "intermediate_size", "max_position_embeddings",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """Sizes and special ids. Raises ValueError, naming the value, when they contradict each other."""

    vocab_size: int
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    num_key_value_heads: int
    head_dim: int
    intermediate_size: int
    max_position_embeddings: int = 1024
    rope_theta: float = 10_000.0
    rms_norm_eps: float = 1e-6
    initializer_range: float = 0.02

    text_size: int  # ids below it are text tokens; specials sit at the end of the vocabulary
    eos_token_id: int
    mask_token_id: int
    delete_token_id: int
    insert_token_ids: tuple[int, ...] = ()
    uniform_share: float = 0.1  # of the noise, the rest is masks
    labels: tuple[str, ...] = ()  # class labels that generation may be conditioned on
    condition_size: int = 0  # width of an external embedding that generation may be conditioned on
    self_conditioning: bool = False

    def __post_init__(self) -> None:
        for name in _SIZES:
            if not 1 <= getattr(self, name) <= MAX_SIZE:
                raise ValueError(f"{name}={getattr(self, name)} must be in [1, {MAX_SIZE}]")
        if self.num_attention_heads % self.num_key_value_heads:
            raise ValueError(f"{self.num_attention_heads=} must be a multiple of {self.num_key_value_heads=}")
        if self.head_dim % 2:
            raise ValueError(f"{self.head_dim=} must be even for rotary positions")
        if not 0 <= self.uniform_share <= 1:
            raise ValueError(f"{self.uniform_share=} must be in [0, 1]")
        if not self.rope_theta > 0:
            raise ValueError(f"{self.rope_theta=} must be positive")
        if not 0 <= self.condition_size <= MAX_SIZE:
            raise ValueError(f"{self.condition_size=} must be in [0, {MAX_SIZE}]")
        for special in (self.eos_token_id, self.mask_token_id, *self.controls.ids):
            if not 0 <= special < self.vocab_size:
                raise ValueError(f"special id {special} is outside the vocabulary of {self.vocab_size}")
        if not 0 < self.text_size <= self.vocab_size:
            raise ValueError(f"{self.text_size=} must be in (0, {self.vocab_size}]")

    @property
    def architecture(self) -> Architecture:
        """The Qwen3 decoder of these sizes."""
        attention = AttentionFacts(
            num_heads=self.num_attention_heads, num_key_heads=self.num_key_value_heads, head_dim=self.head_dim,
            rope=Rope(theta=self.rope_theta), qk_norm=True,
        )  # fmt: skip
        layer = LayerFacts(attention=attention, feed=FeedFacts(width=self.intermediate_size))
        return Architecture(
            vocab_size=self.vocab_size, hidden_size=self.hidden_size, max_positions=self.max_position_embeddings,
            layers=same_layers(self.num_hidden_layers, layer), norm_eps=self.rms_norm_eps, tied=True,
            initializer_range=self.initializer_range,
        )  # fmt: skip

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    @property
    def controls(self) -> Controls:
        return Controls(self.delete_token_id, tuple(self.insert_token_ids))

    @property
    def never_text(self) -> tuple[int, ...]:
        """Specials that no prediction may emit: all but end of text and the controls."""
        spoken = {self.eos_token_id, *self.controls.ids}
        return tuple(i for i in range(self.text_size, self.vocab_size) if i not in spoken)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "ModelConfig":
        """Read back `to_json`; fields that a Hugging Face config adds (model_type, ...) must be removed before.

        Raises ValueError for an unknown field, with the nearest one, and for a value of another type.
        """
        kinds = {f.name: f.type for f in fields(cls)}
        given: dict[str, Any] = {}
        for name, value in values.items():
            if name not in kinds:
                near = get_close_matches(name, kinds, 1)
                raise ValueError(f"unknown model field {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
            given[name] = tuple(value) if isinstance(value, list) else value
            if not _fits(given[name], kinds[name]):
                raise ValueError(f"model field {name}={value!r} must be {_NAMES[kinds[name]]}")
        try:
            return cls(**given)
        except TypeError as error:
            raise ValueError(f"incomplete model configuration: {error}") from None


_NAMES: dict[Any, str] = {
    int: "a whole number", float: "a number", bool: "true or false", tuple[int, ...]: "a list of whole numbers",
    tuple[str, ...]: "a list of names",
}  # fmt: skip


def _fits(value: Any, kind: Any) -> bool:
    """Whether a JSON value has a field's type; true is not a number, and 1 is a float."""
    if kind in (tuple[int, ...], tuple[str, ...]):
        item = int if kind == tuple[int, ...] else str
        return isinstance(value, tuple) and all(_fits(v, item) for v in value)
    return type(value) is kind or (kind is float and type(value) is int)
