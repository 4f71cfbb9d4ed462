"""The transformer: one decoder for every checkpoint, built from an `Architecture`, masks and positions given.

Knows embeddings in, hidden states out, and where keys and values go. Refuses to know noise, canvases and what the
logits are for: the denoisers do. Shapes: B rows, L tokens, S keys, D model, H heads, G key heads, K head dim.
"""

from typing import NamedTuple, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.models.architecture import Architecture, AttentionFacts, LayerFacts
from redraft.models.feed import FeedForward
from redraft.models.moe import MixtureOfExperts
from redraft.models.rope import Rotary, rotate

Turn = tuple[Tensor, Tensor]  # cos and sin


class KeysAndValues(Protocol):
    """Where a layer's keys and values go, and what it attends to."""

    def extend(self, layer: int, key_BGLK: Tensor, value_BGLK: Tensor) -> tuple[Tensor, Tensor]:
        """All keys and values the new tokens may see: [B, G, S, K] each."""
        ...


class Mixer(Protocol):
    """Attention over spans of many requests packed into one row: it takes the queries too, and keeps what it must."""

    def mix(
        self, layer: int, query_BHTK: Tensor, key_BGTK: Tensor, value_BGTK: Tensor, facts: AttentionFacts
    ) -> Tensor:
        """What every token makes of the tokens that it may see, [B, H, T, K]."""
        ...


SHORT = 64  # keys up to which training on a processor takes plain products instead of the fused kernel

Memory = KeysAndValues | Mixer | None
Attend = Tensor | str | None  # a boolean mask, "causal", or None for full attention


class Sliding(NamedTuple):
    """Who sees whom in models where some layers see a window only."""

    full: Attend
    window: Attend


class Norm(nn.Module):
    """RMSNorm, arXiv:1910.07467; with `offset` it multiplies by 1 + weight, computed in float32."""

    def __init__(self, size: int, eps: float, offset: bool = False) -> None:
        super().__init__()
        self.eps, self.offset = eps, offset
        self.weight = nn.Parameter(torch.zeros(size) if offset else torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        if not self.offset:
            return F.rms_norm(x, self.weight.shape, self.weight, self.eps)
        return (F.rms_norm(x.float(), self.weight.shape, None, self.eps) * (1 + self.weight.float())).to(x.dtype)


class Attention(nn.Module):
    """Grouped-query attention: queries, keys and values in one matrix, [q; k; v]."""

    def __init__(self, facts: AttentionFacts, whole: Architecture, layer: int) -> None:
        super().__init__()
        self.facts, self.layer, self.eps = facts, layer, whole.norm_eps
        width = facts.head_dim
        self.qkv = nn.Linear(whole.hidden_size, sum(facts.heads) * width, bias=facts.qkv_bias)
        self.out = nn.Linear(facts.num_heads * width, whole.hidden_size, bias=facts.out_bias)
        self.query_norm = Norm(width, whole.norm_eps, whole.norm_offset) if facts.qk_norm else None
        self.key_norm = Norm(width, whole.norm_eps, whole.norm_offset) if facts.qk_norm else None

    def forward(self, x_BLD: Tensor, turn: Turn, attend: Attend, memory: Memory) -> Tensor:
        query, key, value = self._heads(x_BLD)
        query, key = rotate(query, *turn), rotate(key, *turn)
        mixed = self._mixed(query, key, value, attend, memory)
        return self.out(mixed.transpose(1, 2).flatten(2))

    def _mixed(self, query: Tensor, key: Tensor, value: Tensor, attend: Attend, memory: Memory) -> Tensor:
        if memory is None:
            return attend_to(query, key, value, attend, self.facts)
        if hasattr(memory, "mix"):
            return memory.mix(self.layer, query, key, value, self.facts)
        key, value = memory.extend(self.layer, key, value)
        return attend_to(query, key, value, attend, self.facts)

    def _heads(self, x_BLD: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        heads = self.qkv(x_BLD).unflatten(-1, (-1, self.facts.head_dim)).transpose(1, 2)
        query, key, *rest = heads.split(self.facts.heads, 1)
        value = rest[0] if rest else key
        if self.facts.value_norm:
            value = F.rms_norm(value, value.shape[-1:], None, self.eps)
        if self.query_norm is None or self.key_norm is None:
            return query, key, value
        return self.query_norm(query), self.key_norm(key), value


def attend_to(query: Tensor, key: Tensor, value: Tensor, attend: Attend, facts: AttentionFacts) -> Tensor:
    """Scaled dot-product attention as the facts want it; all arguments [B, heads, tokens, K]."""
    if not (isinstance(attend, (Tensor, str)) or attend is None):
        from torch.nn.attention.flex_attention import flex_attention

        grouped = facts.num_heads != facts.num_key_heads
        # Autocast on a GPU makes norms, so queries and keys, float32; the kernel wants one kind of number.
        query, key = query.to(value.dtype), key.to(value.dtype)
        return flex_attention(query, key, value, block_mask=attend, scale=facts.scale, enable_gqa=grouped)
    if facts.softcap is not None:
        return _capped(query, key, value, attend, facts)
    if query.requires_grad and query.device.type == "cpu" and key.shape[2] <= SHORT:
        return _plain(query, key, value, attend, facts)
    return F.scaled_dot_product_attention(
        query,
        key,
        value,
        attn_mask=attend if isinstance(attend, Tensor) else None,
        is_causal=attend == "causal" if isinstance(attend, str) else False,
        scale=facts.scale,
        enable_gqa=facts.num_heads != facts.num_key_heads,
    )


def _plain(query: Tensor, key: Tensor, value: Tensor, attend: Attend, facts: AttentionFacts) -> Tensor:
    """The same by matrix products. For short rows the fused kernel's backward pass takes most of a step on a processor.

    The softmax is written out, for a compiler would put the fused kernel back in the place of the usual one.
    """
    group = facts.num_heads // facts.num_key_heads
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = query @ key.transpose(-1, -2) * (facts.head_dim**-0.5 if facts.scale is None else facts.scale)
    if isinstance(attend, str):
        attend = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if isinstance(attend, Tensor):
        scores = scores.masked_fill(~attend, -torch.inf)
    weights = (scores - scores.amax(-1, keepdim=True).detach()).float().exp()
    return (weights / weights.sum(-1, keepdim=True)).to(value.dtype) @ value


def _capped(query: Tensor, key: Tensor, value: Tensor, attend: Attend, facts: AttentionFacts) -> Tensor:
    """Attention whose scores are bent at softcap (Gemma 2), which the fused kernels do not offer."""
    group = facts.num_heads // facts.num_key_heads
    key, value = key.repeat_interleave(group, 1), value.repeat_interleave(group, 1)
    scores = query @ key.transpose(-1, -2) * (facts.head_dim**-0.5 if facts.scale is None else facts.scale)
    assert facts.softcap is not None
    scores = torch.tanh(scores / facts.softcap) * facts.softcap
    if isinstance(attend, str):
        attend = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attend is not None:
        scores = scores.masked_fill(~attend, -torch.inf)
    return scores.float().softmax(-1).to(value.dtype) @ value


class Layer(nn.Module):
    """Attention, then a feed-forward layer or experts, each behind its norm and added to what came in."""

    def __init__(self, facts: LayerFacts, whole: Architecture, layer: int) -> None:
        super().__init__()

        def norm() -> Norm:
            return Norm(whole.hidden_size, whole.norm_eps, whole.norm_offset)

        self.windowed = facts.attention.window is not None
        self.attention_norm = norm()
        self.attention = Attention(facts.attention, whole, layer)
        self.attention_post_norm = norm() if whole.post_norms else None
        self.feed_norm = norm()
        self.feed = FeedForward(facts.feed, whole.hidden_size) if facts.feed else None
        self.experts = MixtureOfExperts(facts.experts, whole.hidden_size, whole.norm_eps) if facts.experts else None
        self.feed_post_norm = norm() if whole.post_norms else None
        both = facts.feed is not None and facts.experts is not None
        self.feed_branch_norm = norm() if both else None
        self.experts_norm = norm() if both else None
        self.experts_branch_norm = norm() if both else None
        self.scale_clean = nn.Parameter(torch.ones(1)) if whole.layer_scalar else None
        self.scale_canvas = nn.Parameter(torch.ones(1)) if whole.layer_scalar else None

    def forward(
        self, x_BLD: Tensor, turn: Turn, attend: Attend, memory: Memory, canvas: bool | Tensor = False
    ) -> Tensor:
        mixed_BLD = self.attention(self.attention_norm(x_BLD), turn, attend, memory)
        x_BLD = x_BLD + _maybe(self.attention_post_norm, mixed_BLD)
        x_BLD = x_BLD + _maybe(self.feed_post_norm, self._fed(x_BLD))
        return x_BLD if self.scale_clean is None else x_BLD * self._scale(canvas)

    def _scale(self, canvas: bool | Tensor) -> Tensor:
        assert self.scale_clean is not None
        assert self.scale_canvas is not None
        if isinstance(canvas, Tensor):  # [B, L]: clean tokens and canvases side by side
            return torch.where(canvas[..., None], self.scale_canvas, self.scale_clean)
        return self.scale_canvas if canvas else self.scale_clean

    def _fed(self, x_BLD: Tensor) -> Tensor:
        if self.experts is None:
            assert self.feed is not None
            return self.feed(self.feed_norm(x_BLD))
        if self.feed is None:
            return self.experts(self.feed_norm(x_BLD))
        # Both side by side, with norms of their own; the router looks at what came in, un-normed.
        fed_BLD = _maybe(self.feed_branch_norm, self.feed(self.feed_norm(x_BLD)))
        chosen_BLD = self.experts(_maybe(self.experts_norm, x_BLD), x_BLD)
        return fed_BLD + _maybe(self.experts_branch_norm, chosen_BLD)


def _maybe(norm: nn.Module | None, x: Tensor) -> Tensor:
    return x if norm is None else norm(x)


class Transformer(nn.Module):
    """Hidden states from embeddings: [B, L, D] -> [B, L, D], normalised for the head."""

    def __init__(self, facts: Architecture) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(layer, facts, n) for n, layer in enumerate(facts.layers))
        self.norm = Norm(facts.hidden_size, facts.norm_eps, facts.norm_offset)
        kinds = [(layer.attention.rope, layer.attention.head_dim) for layer in facts.layers]
        self.rotaries = [Rotary(*kind) for kind in dict.fromkeys(kinds)]
        self.kind_of_layer = [list(dict.fromkeys(kinds)).index(kind) for kind in kinds]

    def forward(
        self,
        x_BLD: Tensor,
        position_BL: Tensor,
        attend: Attend | Sliding = None,
        memory: Memory = None,
        canvas: bool | Tensor = False,
    ) -> Tensor:
        turns = [rotary(position_BL) for rotary in self.rotaries]
        masks = attend if isinstance(attend, Sliding) else Sliding(attend, attend)
        for kind, layer in zip(self.kind_of_layer, self.layers, strict=True):
            x_BLD = layer(x_BLD, turns[kind], masks.window if layer.windowed else masks.full, memory, canvas)
        return self.norm(x_BLD)
