"""Lean: a transformer's forward on a CPU in as few operations as torch allows. The plain path is `transformer`.

Knows the shape of Redraft's own layers: a gated feed-forward, normalised queries and keys, no biases, no windows. It
reads the same weights and writes the same keys and values. With bfloat16 weights only products and attention are in
bfloat16. Refuses to train: a gradient does not come through.
Shapes: B rows, L tokens, S keys, D model, H heads, G key heads, K head dim, P positions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor

from redraft.models.architecture import AttentionFacts
from redraft.models.rope import frequency
from redraft.models.transformer import Attend, Layer, Memory, Transformer, attend_to

Product = Callable[[Tensor], Tensor]
ROWS = 32  # of one bfloat16 product over many columns: oneDNN sums longer ones in another order
LONG = 512  # columns from which it does


def product(weight: Tensor) -> Product:
    """x -> x @ weight.T for float32 x; a bfloat16 weight is laid out for oneDNN once, where the machine has use for it.

    A row's result depends on no other row wherever AMX multiplies (measured, docs/log.md). MKL's float32 products of
    one to ten rows round otherwise than those of more.
    """
    if weight.dtype != torch.bfloat16:
        return lambda x: F.linear(x, weight)
    if not (weight.device.type == "cpu" and torch.ops.mkldnn._is_mkldnn_bf16_supported()):
        return lambda x: F.linear(x.to(weight.dtype), weight)
    packed = torch.ops.mkldnn._reorder_linear_weight(weight, ROWS)

    def multiply(x: Tensor) -> Tensor:
        return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, packed, None, "none", [], ""))

    def in_parts(x: Tensor) -> Tensor:
        flat = x.bfloat16().reshape(-1, x.shape[-1])
        if len(flat) <= ROWS:
            return multiply(flat).view(*x.shape[:-1], -1)
        return torch.cat([multiply(part) for part in flat.split(ROWS)]).view(*x.shape[:-1], -1)

    return in_parts if weight.shape[1] > LONG else lambda x: multiply(x.bfloat16())


@dataclass(frozen=True, slots=True)
class _Weights:
    """One layer's weights as they are used."""

    attention_norm: Tensor
    qkv: Product
    heads_norm_HK: Tensor  # of queries and keys, side by side
    out: Product
    feed_norm: Tensor
    gate_up: Product
    down: Product


class Lean:
    """Called like the `Transformer` it was made from, in inference only."""

    def __init__(self, plain: Transformer, max_positions: int) -> None:
        layers = [cast(Layer, layer) for layer in plain.layers]
        self.facts = layers[0].attention.facts
        self.eps, self.norm = plain.norm.eps, plain.norm.weight.detach().float()
        self.layers = [_weights(layer) for layer in layers]
        self.turn_PK = _turn_table(self.facts, max_positions).to(self.norm.device)
        self.num_turned = self.facts.num_heads + self.facts.num_key_heads

    def __call__(self, x_BLD: Tensor, position_BL: Tensor, attend: Attend = None, memory: Memory = None) -> Tensor:
        cos, sin = F.embedding(position_BL, self.turn_PK)[:, :, None].chunk(2, -1)
        x_BLD = x_BLD.float()  # what the layers add up stays in full precision
        for number, weights in enumerate(self.layers):
            mixed = self._mixed(number, weights, x_BLD, cos, sin, attend, memory)
            x_BLD = x_BLD + weights.out(mixed)
            gate, up = weights.gate_up(self._normed(x_BLD, weights.feed_norm)).chunk(2, -1)
            x_BLD += weights.down(F.silu(gate).mul_(up))
        return self._normed(x_BLD, self.norm)

    def _normed(self, x_BLD: Tensor, weight: Tensor) -> Tensor:
        return F.rms_norm(x_BLD, weight.shape, weight, self.eps)

    def _mixed(
        self, number: int, weights: _Weights, x_BLD: Tensor, cos: Tensor, sin: Tensor, attend: Attend, memory: Memory
    ) -> Tensor:
        facts = self.facts
        heads = weights.qkv(self._normed(x_BLD, weights.attention_norm)).unflatten(-1, (-1, facts.head_dim))
        turned = heads[:, :, : self.num_turned].float()
        turned = F.rms_norm(turned, (facts.head_dim,), None, self.eps).mul_(weights.heads_norm_HK)
        turned = torch.addcmul(turned * cos, turned.roll(facts.head_dim // 2, -1), sin).to(heads.dtype)
        query, key = turned.split((facts.num_heads, facts.num_key_heads), 2)
        value = heads[:, :, self.num_turned :]
        return _attended(number, query, key, value, attend, memory, facts)


def _attended(
    number: int, query: Tensor, key: Tensor, value: Tensor, attend: Attend, memory: Memory, facts: AttentionFacts
) -> Tensor:
    """What every token makes of the tokens that it may see, [B, L, H * K]; arguments [B, L, heads, K]."""
    rows, length = query.shape[:2]
    key, value = key.transpose(1, 2), value.transpose(1, 2)
    if memory is not None:
        if hasattr(memory, "mix"):
            return memory.mix(number, query.transpose(1, 2), key, value, facts).transpose(1, 2).flatten(2)
        key, value = memory.extend(number, key, value)
    if length == 1 and attend is None:  # the heads that share a key are queries of it
        query = query.reshape(rows, facts.num_key_heads, -1, facts.head_dim)
        return F.scaled_dot_product_attention(query, key, value, scale=facts.scale).reshape(rows, 1, -1)
    return attend_to(query.transpose(1, 2), key, value, attend, facts).transpose(1, 2).flatten(2)


def _weights(layer: Layer) -> _Weights:
    attention, feed = layer.attention, layer.feed
    assert feed is not None
    assert attention.query_norm is not None
    assert attention.key_norm is not None
    facts = attention.facts
    pairs = ((attention.query_norm, facts.num_heads), (attention.key_norm, facts.num_key_heads))
    norms = [norm.weight.expand(heads, -1) for norm, heads in pairs]
    return _Weights(
        attention_norm=layer.attention_norm.weight.detach().float(),
        qkv=product(attention.qkv.weight.detach()),
        heads_norm_HK=torch.cat(norms).detach().float(),
        out=product(attention.out.weight.detach()),
        feed_norm=layer.feed_norm.weight.detach().float(),
        gate_up=product(feed.gate_up.weight.detach()),
        down=product(feed.down.weight.detach()),
    )


def _turn_table(facts: AttentionFacts, max_positions: int) -> Tensor:
    """[P, 2K] in float32: cos, then sin with the sign that its half of the head takes."""
    angle_PR = torch.arange(max_positions).float()[:, None] * frequency(facts.rope, facts.head_dim)
    cos, sin = angle_PR.cos(), angle_PR.sin()
    return torch.cat([cos, cos, -sin, sin], -1)
