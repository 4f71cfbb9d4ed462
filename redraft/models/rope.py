"""Rotary positions: frequencies from facts, and the rotation itself.

Knows every stretching in use: default, linear, dynamic (NTK), YaRN, Llama 3 and proportional. Refuses to know
attention. Half-split layout of Llama and Qwen. Shapes: B rows, L tokens, H heads, K head dim, R = rotated dims / 2.
"""

import math

import torch
from torch import Tensor

from redraft.models.architecture import Rope


class Rotary:
    """cos and sin for one kind of head. Holds no weights: what it computes once per device is not part of a model."""

    def __init__(self, rope: Rope, head_dim: int) -> None:
        self.rope, self.head_dim = rope, head_dim
        self._kept: dict[torch.device, Tensor] = {}

    def __call__(self, position_BL: Tensor) -> tuple[Tensor, Tensor]:
        """cos and sin [B, 1, L, 2R] in float32 for every position."""
        angle_BLR = position_BL[..., None].float() * self._frequency(position_BL)
        angle_BLK = torch.cat([angle_BLR, angle_BLR], -1)[:, None]
        scale = attention_scale(self.rope)
        return angle_BLK.cos() * scale, angle_BLK.sin() * scale

    def _frequency(self, position_BL: Tensor) -> Tensor:
        if self.rope.scaling == "dynamic":
            return dynamic_frequency(self.rope, self.head_dim, position_BL.amax() + 1)
        device = position_BL.device
        if device not in self._kept:
            self._kept[device] = frequency(self.rope, self.head_dim).to(device)
        return self._kept[device]


def rotate(x_BHLK: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the first dimensions of every head, as many as cos has; the others pass through."""
    dims = cos.shape[-1]
    turned = x_BHLK[..., :dims]
    left, right = turned.chunk(2, -1)
    turned = turned * cos.to(x_BHLK.dtype) + torch.cat([-right, left], -1) * sin.to(x_BHLK.dtype)
    return turned if dims == x_BHLK.shape[-1] else torch.cat([turned, x_BHLK[..., dims:]], -1)


def frequency(rope: Rope, head_dim: int) -> Tensor:
    """Angle per position [R], float32, on the CPU."""
    with torch.device("cpu"):
        if rope.scaling == "proportional":
            return _proportional(rope, head_dim)
        plain = _plain(rope.theta, rotated_dims(rope, head_dim))
        if rope.scaling == "linear":
            return plain / rope.factor
        if rope.scaling == "yarn":
            return _yarn(rope, plain, rotated_dims(rope, head_dim))
        return _llama3(rope, plain) if rope.scaling == "llama3" else plain


def rotated_dims(rope: Rope, head_dim: int) -> int:
    return head_dim if rope.scaling == "proportional" else int(head_dim * rope.share)


def dynamic_frequency(rope: Rope, head_dim: int, length: Tensor) -> Tensor:
    """NTK-aware: theta grows with the longest position beyond the trained length."""
    dims = rotated_dims(rope, head_dim)
    length = length.clamp_min(rope.trained_length).float()
    grown = rope.factor * length / rope.trained_length - (rope.factor - 1)
    theta = rope.theta * grown ** (dims / (dims - 2))
    return 1.0 / (theta ** (torch.arange(0, dims, 2, device=length.device).float() / dims))


def attention_scale(rope: Rope) -> float:
    """What YaRN multiplies cos and sin by, section 3.4 of arXiv:2309.00071."""
    if rope.scaling != "yarn":
        return 1.0
    if rope.attention_factor is not None:
        return rope.attention_factor
    if rope.mscale and rope.mscale_all_dim:
        return _mscale(rope.factor, rope.mscale) / _mscale(rope.factor, rope.mscale_all_dim)
    return _mscale(rope.factor, 1.0)


def _mscale(factor: float, mscale: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * mscale * math.log(factor) + 1.0


def _plain(theta: float, dims: int) -> Tensor:
    return 1.0 / (theta ** (torch.arange(0, dims, 2).float() / dims))


def _proportional(rope: Rope, head_dim: int) -> Tensor:
    """Frequencies over the full head, those beyond the rotated share standing still (Gemma 4)."""
    turned = int(rope.share * head_dim // 2)
    return torch.where(torch.arange(head_dim // 2) < turned, _plain(rope.theta, head_dim) / rope.factor, 0.0)


def _yarn(rope: Rope, plain_R: Tensor, dims: int) -> Tensor:
    """Slow frequencies are interpolated, fast ones kept, a ramp between: Eq. 18 to 23 of arXiv:2309.00071."""

    def turns_at(rotations: float) -> float:
        return dims * math.log(rope.trained_length / (rotations * 2 * math.pi)) / (2 * math.log(rope.theta))

    low, high = turns_at(rope.beta_fast), turns_at(rope.beta_slow)
    if rope.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    ramp_R = ((torch.arange(dims // 2).float() - low) / (high - low or 0.001)).clamp(0, 1)
    return plain_R / rope.factor * ramp_R + plain_R * (1 - ramp_R)


def _llama3(rope: Rope, plain_R: Tensor) -> Tensor:
    """Long waves are stretched, short ones kept, the ones between mixed."""
    wave_R = 2 * math.pi / plain_R
    low, high = rope.low_freq_factor, rope.high_freq_factor
    smooth_R = ((rope.trained_length / wave_R - low) / (high - low)).clamp(0, 1)
    return (1 - smooth_R) * plain_R / rope.factor + smooth_R * plain_R
