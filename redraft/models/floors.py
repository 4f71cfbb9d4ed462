"""Floors: what a forward cannot do without. Parameters, bytes and multiplications, as functions of an `Architecture`.

A forward of few tokens is bound by reading weights, one of many by multiplying: the larger of the two times is a floor
that no implementation passes. Refuses to know machines: their rates are arguments. Attention's reads are keys and
values once per forward; norms, rotations and activations are left out, so floors are a little too low, never too high.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from redraft.models.architecture import Architecture, ExpertFacts, FeedFacts, LayerFacts

Storage = str  # float32, bfloat16, float16, int8 or int4
BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}
HALF = 2.0  # bytes of a number that quantising leaves alone, and of int4's scales and zero points
INT8_ROW = 5.0  # bytes of an int8 row's scale and zero point, as torchao stores them
INT4_GROUPS = (128, 64, 32)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight that activations are multiplied with: `count` of one shape, `used` of them by each token."""

    rows: int
    columns: int
    count: int = 1
    used: int = 1
    quantised: bool = True

    @property
    def size(self) -> int:
        return self.rows * self.columns

    def bytes_each(self, storage: Storage) -> float:
        """Bytes of one matrix, scales included."""
        if storage in BYTES:
            return self.size * BYTES[storage]
        if storage == "int8" and self.quantised:
            return self.size + INT8_ROW * self.rows
        group = next((group for group in INT4_GROUPS if self.columns % group == 0), None)
        if storage == "int4" and self.quantised and group is not None and self.rows % 16 == 0:
            return self.size / 2 + 2 * HALF * self.size / group
        return self.size * HALF

    def touched(self, tokens: int) -> float:
        """How many of them a forward of so many tokens reads, where every expert is as likely as the next."""
        return self.count * (1 - (1 - self.used / self.count) ** tokens)


# ------------------------------------------------------------------ parameters


def matrices(facts: Architecture) -> list[Matrix]:
    """Every matrix of the layers, and the head."""
    found = [matrix for layer in facts.layers for matrix in layer_matrices(layer, facts.hidden_size)]
    if facts.self_conditioning is not None:
        found += _feed(facts.self_conditioning.width, facts.hidden_size)
    return [*found, head(facts)]


def head(facts: Architecture) -> Matrix:
    return Matrix(facts.vocab_size, facts.hidden_size, quantised=False)


def layer_matrices(layer: LayerFacts, hidden_size: int) -> list[Matrix]:
    attention = layer.attention
    found = [
        Matrix(sum(attention.heads) * attention.head_dim, hidden_size),
        Matrix(hidden_size, attention.num_heads * attention.head_dim),
    ]
    if layer.feed is not None:
        found += _feed(layer.feed.width, hidden_size, gated=layer.feed.gated)
    return found if layer.experts is None else found + _experts(layer.experts, hidden_size)


def _feed(width: int, hidden_size: int, count: int = 1, used: int = 1, gated: bool = True) -> list[Matrix]:
    return [Matrix((1 + gated) * width, hidden_size, count, used), Matrix(hidden_size, width, count, used)]


def _experts(facts: ExpertFacts, hidden_size: int) -> list[Matrix]:
    found = [Matrix(facts.num_experts, hidden_size, quantised=False)]
    found += _feed(facts.width, hidden_size, facts.num_experts, facts.num_chosen)
    if facts.shared_width:
        found += _feed(facts.shared_width, hidden_size)
    return [*found, Matrix(1, hidden_size, quantised=False)] if facts.shared_gated else found


def num_parameters(facts: Architecture) -> int:
    """All numbers of the model; a tied head is counted once."""
    stored = sum(matrix.size * matrix.count for matrix in matrices(facts))
    return stored + num_small(facts) + (0 if facts.tied else facts.vocab_size * facts.hidden_size)


def num_active(facts: Architecture) -> int:
    """Numbers that one token's forward needs: of the experts those chosen, of the embedding a row."""
    row = 0 if facts.tied else facts.hidden_size
    return sum(matrix.size * matrix.used for matrix in matrices(facts)) + num_small(facts) + row


def num_small(facts: Architecture) -> int:
    """Norms, biases, scales, and what tells a DiT the noise level."""
    whole = facts.num_conditioning + facts.hidden_size + (facts.vocab_size if facts.head_bias and not facts.tied else 0)
    if facts.self_conditioning is not None:
        whole += facts.hidden_size + _feed_biases(facts.self_conditioning, facts.hidden_size)
    return whole + sum(_layer_small(layer, facts) for layer in facts.layers)


def _layer_small(layer: LayerFacts, facts: Architecture) -> int:
    attention, wide = layer.attention, facts.hidden_size
    both = layer.feed is not None and layer.experts is not None
    norms = (2 + 2 * facts.post_norms + 3 * both) * wide + 2 * attention.head_dim * attention.qk_norm
    biases = sum(attention.heads) * attention.head_dim * attention.qkv_bias + wide * attention.out_bias
    feed = 0 if layer.feed is None else _feed_biases(layer.feed, wide)
    return norms + biases + feed + _router_small(layer.experts, wide) + 2 * facts.layer_scalar


def _feed_biases(feed: FeedFacts, hidden_size: int) -> int:
    return ((1 + feed.gated) * feed.width + hidden_size) * feed.bias


def _router_small(experts: ExpertFacts | None, hidden_size: int) -> int:
    if experts is None:
        return 0
    return experts.num_experts * experts.biased + (hidden_size + experts.num_experts) * experts.own_norm


# ------------------------------------------------------------------ bytes


def weight_bytes(facts: Architecture, storage: Storage) -> int:
    """Bytes of all weights. Quantised, the matrices of the layers are; the rest is bfloat16."""
    small = num_small(facts) + (0 if facts.tied else facts.vocab_size * facts.hidden_size)
    stored = sum(matrix.bytes_each(storage) * matrix.count for matrix in matrices(facts))
    return round(stored + small * BYTES.get(storage, HALF))


def kv_bytes(facts: Architecture, storage: Storage = "bfloat16") -> int:
    """Bytes of keys and values that one token of context takes in all layers."""
    numbers = (2 * layer.attention.num_key_heads * layer.attention.head_dim for layer in facts.layers)
    return round(sum(numbers) * BYTES[storage])


def touched_bytes(found: Iterable[Matrix], tokens: int, storage: Storage) -> float:
    """Bytes of weights that a forward of so many tokens reads at least once."""
    return sum(matrix.bytes_each(storage) * matrix.touched(tokens) for matrix in found)


# ------------------------------------------------------------------ multiplications


def matrix_flops(found: Iterable[Matrix], tokens: int) -> int:
    """Multiplications and additions of `tokens` activations with the weights that each of them uses."""
    return sum(2 * tokens * matrix.size * matrix.used for matrix in found)


def attention_flops(facts: Architecture, tokens: int, keys: int) -> int:
    """Scores and mixtures of `tokens` queries over `keys` keys, in all layers."""
    widths = (layer.attention.num_heads * layer.attention.head_dim for layer in facts.layers)
    return sum(4 * width * tokens * keys for width in widths)


@dataclass(frozen=True, slots=True)
class Floor:
    """The least that the layers or the head of one forward must read and multiply."""

    bytes: float
    flops: float

    def seconds(self, bytes_per_second: float, flops_per_second: float) -> float:
        return max(self.bytes / bytes_per_second, self.flops / flops_per_second)


def layers_floor(facts: Architecture, tokens: int, keys: int, storage: Storage) -> Floor:
    """All layers over `tokens` tokens that see `keys` keys, `keys - tokens` of which are kept from before."""
    found = [matrix for layer in facts.layers for matrix in layer_matrices(layer, facts.hidden_size)]
    kept = (keys - tokens) * kv_bytes(facts)
    return Floor(
        touched_bytes(found, tokens, storage) + kept,
        matrix_flops(found, tokens) + attention_flops(facts, tokens, keys),
    )


def head_floor(facts: Architecture, tokens: int, storage: Storage) -> Floor:
    found = [head(facts)]
    return Floor(touched_bytes(found, tokens, storage), matrix_flops(found, tokens))
