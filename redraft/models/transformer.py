"""The transformer: exactly the Qwen3 decoder (RoPE, RMSNorm, QK-norm, SwiGLU, grouped queries), mask given.

Knows embeddings in, hidden states out, and where keys and values go. Refuses to know noise, canvases
and heads: `three_mode` does. Shapes: B rows, L tokens, S keys, D model, H heads, G key heads, K head dim.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.models.config import ModelConfig


class KeysAndValues(Protocol):
    """Where a layer's keys and values go, and what it attends to."""

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values the new tokens may see: [B, G, S, K] each."""
        ...


Attend = Tensor | str | None  # a boolean mask, "causal", or None for full attention


class Rotary(nn.Module):
    """Rotary position embedding, arXiv:2104.09864, in the half-split layout of Llama and Qwen."""

    cos_PK: Tensor
    sin_PK: Tensor

    def __init__(self, head_dim: int, max_positions: int, theta: float) -> None:
        super().__init__()
        frequency = theta ** (-torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
        angle = torch.outer(torch.arange(max_positions, dtype=torch.float64), frequency)
        angle = torch.cat([angle, angle], -1)
        self.register_buffer("cos_PK", angle.cos().float(), persistent=False)
        self.register_buffer("sin_PK", angle.sin().float(), persistent=False)

    def forward(self, position_BL: Tensor) -> tuple[Tensor, Tensor]:
        return self.cos_PK[position_BL][:, None], self.sin_PK[position_BL][:, None]


def rotate(x_BHLK: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    left, right = x_BHLK.chunk(2, -1)
    return x_BHLK * cos.to(x_BHLK.dtype) + torch.cat([-right, left], -1) * sin.to(x_BHLK.dtype)


class Attention(nn.Module):
    """Grouped-query attention with normalised queries and keys."""

    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.layer = layer
        self.sizes = (config.num_attention_heads, config.num_key_value_heads, config.num_key_value_heads)
        self.head_dim = config.head_dim
        self.qkv = nn.Linear(config.hidden_size, sum(self.sizes) * config.head_dim, bias=False)
        self.out = nn.Linear(self.sizes[0] * config.head_dim, config.hidden_size, bias=False)
        self.query_norm = nn.RMSNorm(config.head_dim, config.rms_norm_eps)
        self.key_norm = nn.RMSNorm(config.head_dim, config.rms_norm_eps)

    def forward(
        self, x_BLD: Tensor, rope: tuple[Tensor, Tensor], attend: Attend, memory: KeysAndValues | None
    ) -> Tensor:
        rows, length, _ = x_BLD.shape
        heads = self.qkv(x_BLD).view(rows, length, -1, self.head_dim).transpose(1, 2)
        query, key, value = heads.split(self.sizes, 1)
        query, key = rotate(self.query_norm(query), *rope), rotate(self.key_norm(key), *rope)
        if memory is not None:
            key, value = memory.extend(self.layer, key, value)
        mixed = _attend(query, key, value, attend)
        return self.out(mixed.transpose(1, 2).reshape(rows, length, -1))


def _attend(query: Tensor, key: Tensor, value: Tensor, attend: Attend) -> Tensor:
    grouped = query.shape[1] != key.shape[1]
    if isinstance(attend, (Tensor, str)) or attend is None:
        mask = attend if isinstance(attend, Tensor) else None
        return F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            is_causal=attend == "causal" if isinstance(attend, str) else False,
            enable_gqa=grouped,
        )
    from torch.nn.attention.flex_attention import flex_attention

    return flex_attention(query, key, value, block_mask=attend, enable_gqa=grouped)


class FeedForward(nn.Module):
    """SwiGLU, arXiv:2002.05202, gate and up in one matrix."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.gate_up = nn.Linear(config.hidden_size, 2 * config.intermediate_size, bias=False)
        self.down = nn.Linear(config.intermediate_size, config.hidden_size, bias=False)

    def forward(self, x_BLD: Tensor) -> Tensor:
        gate, up = self.gate_up(x_BLD).chunk(2, -1)
        return self.down(F.silu(gate) * up)


class Layer(nn.Module):
    def __init__(self, config: ModelConfig, layer: int) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.attention = Attention(config, layer)
        self.feed_norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.feed = FeedForward(config)

    def forward(
        self, x_BLD: Tensor, rope: tuple[Tensor, Tensor], attend: Attend, memory: KeysAndValues | None
    ) -> Tensor:
        x_BLD = x_BLD + self.attention(self.attention_norm(x_BLD), rope, attend, memory)
        return x_BLD + self.feed(self.feed_norm(x_BLD))


class Transformer(nn.Module):
    """Hidden states from embeddings: [B, L, D] -> [B, L, D], normalised for the head."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(config, n) for n in range(config.num_hidden_layers))
        self.norm = nn.RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.rotary = Rotary(config.head_dim, config.max_position_embeddings, config.rope_theta)

    def forward(
        self, x_BLD: Tensor, position_BL: Tensor, attend: Attend = None, memory: KeysAndValues | None = None
    ) -> Tensor:
        rope = self.rotary(position_BL)
        for layer in self.layers:
            x_BLD = layer(x_BLD, rope, attend, memory)
        return self.norm(x_BLD)
