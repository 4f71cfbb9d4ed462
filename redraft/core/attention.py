"""Attention patterns: who may look at whom, as predicates over per-token facts.

One definition serves three consumers: the boolean SDPA mask, the FlexAttention block mask, and the
mask of one engine span (some queries over a context and themselves). Knows no model.

Shapes: B rows, T packed tokens, Q queries, K keys.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor


class Facts(NamedTuple):
    """What a pattern may know of a token; integer (bool for `canvas`) tensors of one broadcastable shape.

    document: attention never crosses documents. Negative means padding, which sees and is seen by nobody but itself.
    block:    canvas-sized stretch the token belongs to; the prompt is block 0.
    position: place in the document, as RoPE sees it.
    canvas:   True for noisy-side tokens, False for clean context tokens.
    """

    document: Tensor
    block: Tensor
    position: Tensor
    canvas: Tensor


Pattern = Callable[[Facts, Facts], Tensor]


def full(query: Facts, key: Facts) -> Tensor:
    """Everything in the document (LLaDA, Dream, MDLM)."""
    return query.document == key.document


def causal(query: Facts, key: Facts) -> Tensor:
    """Keys at or before the query (autoregressive models; WeDLM with reordered positions)."""
    return (query.document == key.document) & (key.position <= query.position)


def block_causal(query: Facts, key: Facts) -> Tensor:
    """Keys in the query's block or an earlier one (SDAR, LLaDA2)."""
    return (query.document == key.document) & (key.block <= query.block)


def block_diffusion(query: Facts, key: Facts) -> Tensor:
    """[clean | noisy] training mask of BD3-LM (arXiv:2503.09573, section 4 and Fig. 3).

    Clean tokens are block-causal; a noisy block sees itself and the clean blocks before it.
    """
    clean = ~key.canvas & torch.where(query.canvas, key.block < query.block, key.block <= query.block)
    noisy = key.canvas & query.canvas & (key.block == query.block)
    return (query.document == key.document) & (clean | noisy)


def causal_context(query: Facts, key: Facts) -> Tensor:
    """Redraft's own pattern: a causal clean side, and canvases that see themselves and earlier clean blocks."""
    clean = ~key.canvas & torch.where(query.canvas, key.block < query.block, key.position <= query.position)
    noisy = key.canvas & query.canvas & (key.block == query.block)
    return (query.document == key.document) & (clean | noisy)


def sdpa_mask(pattern: Pattern, facts_BT: Facts, key_facts_BT: Facts | None = None) -> Tensor:
    """Boolean mask [B, 1, Q, K], True where attention is allowed, for `scaled_dot_product_attention`.

    Every query may look at itself when keys are the queries, so that padding rows stay finite.
    """
    keys = facts_BT if key_facts_BT is None else key_facts_BT
    allowed_BQK = pattern(
        Facts(*(fact[..., :, None] for fact in facts_BT)), Facts(*(fact[..., None, :] for fact in keys))
    )
    if key_facts_BT is None:
        same_QK = torch.eye(allowed_BQK.shape[-1], dtype=torch.bool, device=allowed_BQK.device)
        allowed_BQK = allowed_BQK | same_QK
    return allowed_BQK[:, None]


def flex_block_mask(pattern: Pattern, facts_BT: Facts, *, block_size: int = 128, compiled: bool = False) -> Any:
    """The same pattern as a FlexAttention `BlockMask` over [B, T] tokens."""
    from torch.nn.attention.flex_attention import create_block_mask

    rows, length = facts_BT.document.shape

    def allowed(row: Tensor, head: Tensor, query: Tensor, key: Tensor) -> Tensor:
        del head
        chosen = pattern(Facts(*(fact[row, query] for fact in facts_BT)), Facts(*(fact[row, key] for fact in facts_BT)))
        return chosen | (query == key)

    device = str(facts_BT.document.device)
    return create_block_mask(allowed, rows, None, length, length, device, block_size, _compile=compiled)


def span_mask(pattern: Pattern, context: int, length: int, *, canvas: bool, device: Any = None) -> Tensor:
    """Mask [length, context + length] of one engine span: `length` new tokens over a clean context.

    With canvas=False the span is an encode (clean tokens), else a denoise (one noisy block).
    """
    key = Facts(
        document=torch.zeros(context + length, dtype=torch.long, device=device),
        block=(torch.arange(context + length, device=device) >= context).long(),
        position=torch.arange(context + length, device=device),
        canvas=(torch.arange(context + length, device=device) >= context) & canvas,
    )
    query = Facts(*(fact[context:] for fact in key))
    return pattern(Facts(*(f[:, None] for f in query)), Facts(*(f[None, :] for f in key)))
