"""The autoregressive mode and self-speculation: loops over a model whose encode pass predicts the next token.

`left_to_right` is the baseline of every speed figure: one token per forward, keys and values kept.
`speculate` drafts a canvas by denoising and lets one causal pass verify it: exactly the autoregressive
distribution, several tokens per pair of forwards. Knows the two verbs and next-token scores, no caches.

Shapes: B rows, L positions, M = L + 1, V vocabulary.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.denoiser import Noise
from redraft.core.rng import Stream, uniform
from redraft.sampling.blocks import until_stop
from redraft.sampling.prediction import draw, forbid
from redraft.sampling.samplers import blank
from redraft.sampling.verify import accept_drafts

ContextT = TypeVar("ContextT")


class Causal(Protocol):
    """A model with a next-token head beside its denoiser."""

    @property
    def corruption(self) -> Noise: ...

    @property
    def controls(self) -> Controls | None: ...

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor: ...

    def next_logits(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Any]: ...

    def score(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Any]: ...


@dataclass(frozen=True, slots=True)
class Continuation:
    """The tokens of every row so far, and the forwards of either kind that they took."""

    tokens: list[list[int]]
    num_encodes: int
    num_denoises: int = 0


def left_to_right(
    model: Causal,
    last_BL: Tensor,
    context: Any | None,
    *,
    max_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    stop_ids: tuple[int, ...] = (),
) -> Iterator[Continuation]:
    """Yield after every token. `last_BL` [B, L >= 1] is what of the prompt the context does not hold yet.

    A row that drew one of `stop_ids` keeps it and grows no more; ends when all have, or after `max_tokens`.
    """
    rows = last_BL.shape[0]
    seed_B = seed + torch.arange(rows, device=last_BL.device)
    tokens: list[list[int]] = [[] for _ in range(rows)]
    ended = [False] * rows
    for number in range(max_tokens):
        logits_BV, context = model.next_logits(last_BL, context)
        last_BL = pick(model, logits_BV, temperature, seed_B, number)[:, None]
        for row, token in enumerate(last_BL[:, 0].tolist()):
            if not ended[row]:
                tokens[row].append(token)
                ended[row] = token in stop_ids
        yield Continuation([list(t) for t in tokens], number + 1)
        if all(ended):
            return


def speculate(
    model: Causal,
    last: Tensor,
    context: Any | None,
    *,
    max_tokens: int,
    draft_length: int = 8,
    temperature: float = 0.0,
    seed: int = 0,
    stop_ids: tuple[int, ...] = (),
) -> Iterator[Continuation]:
    """Self-speculation for one row: yield after every verified stretch.

    One denoise drafts `draft_length` tokens, each from its own marginal; one causal pass scores them all; speculative
    acceptance (arXiv:2211.17192) keeps a prefix and adds one token. At temperature 0 the output equals
    `left_to_right` token for token; above, in distribution. Raises ValueError for more than one row.
    """
    if last.shape[0] != 1:
        raise ValueError(f"speculation keeps different lengths per row: one row at a time, not {last.shape[0]}")
    if draft_length < 1:
        raise ValueError(f"{draft_length=} must be at least 1")
    tokens: list[int] = []
    seed_B = torch.tensor([seed], device=last.device)
    logits_BV, context = model.next_logits(last, context)
    pending = pick(model, logits_BV, temperature, seed_B, 0)
    forwards = 0
    while True:
        # `pending` is decided but not yet encoded: the draft goes on behind it.
        tokens.append(int(pending))
        yield Continuation([list(tokens)], forwards + 1, forwards)
        if len(tokens) >= max_tokens or tokens[-1] in stop_ids:
            return
        room = min(draft_length, max_tokens - len(tokens))
        forwards += 1
        logits_BLV = model.denoise(draft_canvas(model, pending, room, seed_B, forwards), context)
        draft_BL, draft_probs_BLV = drafted(model, logits_BLV, temperature, seed_B, forwards)
        length = _length(context)
        logits_BMV, grown = model.score(torch.cat([pending[:, None], draft_BL], 1), context)
        kept, pending = verified(model, draft_BL, draft_probs_BLV, logits_BMV, temperature, seed_B, forwards)
        accepted = until_stop(draft_BL[0, :kept].tolist(), stop_ids)
        tokens += accepted
        if accepted and accepted[-1] in stop_ids:
            yield Continuation([list(tokens)], forwards + 1, forwards)
            return
        if len(tokens) >= max_tokens:
            yield Continuation([tokens[:max_tokens]], forwards + 1, forwards)
            return
        context = grown.truncate(length + 1 + kept)


def draft_canvas(model: Any, pending_B: Tensor, length: int, seed_B: Tensor, cycle: int) -> Canvas:
    """`length` columns of noise [1, 1 + length] behind the pending token, which is the one clean position."""
    noise = blank(length + 1, model.corruption, seed_B * 1_000_003 + cycle)
    return replace(noise, tokens_BL=torch.cat([pending_B[:, None], noise.tokens_BL[:, 1:]], 1))


def drafted(
    model: Any, logits_BMV: Tensor, temperature: float, seed_B: Tensor, cycle: int
) -> tuple[Tensor, Tensor | None]:
    """Draft [1, L] from the scores of its canvas, and what it was drawn from; None where it is the best tokens."""
    logits_BLV = _text_only(model, logits_BMV)[:, 1:]
    if temperature == 0:
        return logits_BLV.argmax(-1), None
    probs_BLV = (logits_BLV.double() / temperature).softmax(-1)
    u_BL = uniform(seed_B, torch.full_like(seed_B, cycle), logits_BLV.shape[1], Stream.TOKEN)
    return draw(probs_BLV, u_BL), probs_BLV


def verified(
    model: Any,
    draft_BL: Tensor,
    draft_probs_BLV: Tensor | None,
    logits_BMV: Tensor,
    temperature: float,
    seed_B: Tensor,
    cycle: int,
) -> tuple[int, Tensor]:
    """How many tokens of a draft are kept, and the one [1] behind them, by the causal scores [1, 1 + L, V]."""
    logits_BMV = _text_only(model, logits_BMV)
    step_B = torch.full_like(seed_B, cycle)
    if temperature == 0:
        best_BM = logits_BMV.argmax(-1)
        agree_BL = (best_BM[:, :-1] == draft_BL).long().cumprod(-1)
        kept = int(agree_BL.sum())
        return kept, best_BM[:, kept]
    target_BMV = (logits_BMV.double() / temperature).softmax(-1)
    u_BL = uniform(seed_B, step_B, draft_BL.shape[-1], Stream.VERIFY)
    u_B = uniform(seed_B, step_B, 1, Stream.RESIDUAL)[:, 0]
    kept_B, next_B = accept_drafts(draft_BL, draft_probs_BLV, target_BMV, u_BL, u_B)
    return int(kept_B), next_B


def pick(model: Any, logits_BV: Tensor, temperature: float, seed_B: Tensor, number: int) -> Tensor:
    """Draw number `number` of every row's next token [B]; the model's controls are never drawn."""
    logits_BV = _text_only(model, logits_BV)
    if temperature == 0:
        return logits_BV.argmax(-1)
    u_BL = uniform(seed_B, torch.full_like(seed_B, number), 1, Stream.TOKEN)
    return draw((logits_BV.double() / temperature).softmax(-1)[:, None], u_BL)[:, 0]


def _text_only(model: Any, logits: Tensor) -> Tensor:
    """Controls are for canvases; running text never holds them."""
    return logits if model.controls is None else forbid(logits, model.controls.ids)


def _length(context: Any | None) -> int:
    return 0 if context is None else int(context.length)
