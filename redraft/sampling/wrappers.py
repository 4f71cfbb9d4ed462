"""Wrappers: Denoiser -> Denoiser. Guidance, filters, penalties and constraints on logits.

Knows logits and contexts it made itself. Refuses to know policies and canvases' futures. Everything a wrapper does not
change (corruption, controls, `remember`, ...) is the wrapped denoiser's.

Shapes: B rows, L canvas positions, S context positions, V vocabulary.
"""

import math
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.denoiser import Denoiser, Noise
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.prediction import forbid

Kind = TypeVar("Kind")


def shape(denoiser: Denoiser, decoding: Decoding) -> Denoiser:
    """The denoiser as a Decoding wants it. The same denoiser where it wants nothing.

    From the inside: guidance, banned and biased tokens, repetition penalty, logit temperature, filters. A context for
    the result must be made by the result's `encode`.
    """
    if decoding.guidance:
        denoiser = ClassifierFreeGuidance(denoiser, decoding.guidance, decoding.null_id)
    banned_ids = decoding.banned_ids
    if denoiser.controls is not None and not decoding.indels:
        banned_ids += denoiser.controls.ids  # before the filters, so that they never keep a control alone
    if banned_ids or decoding.bias:
        denoiser = Biased(denoiser, decoding.bias, banned_ids)
    if decoding.penalises:
        denoiser = Penalties(
            denoiser, decoding.repetition_penalty, decoding.presence_penalty, decoding.frequency_penalty
        )
    if decoding.logit_temperature != 1:
        denoiser = Tempered(denoiser, decoding.logit_temperature, decoding.max_steps)
    if (decoding.top_k, decoding.top_p, decoding.min_p) != (None, None, None):
        denoiser = Shaped(denoiser, decoding.top_k, decoding.top_p, decoding.min_p)
    return denoiser


class Wrapper:
    """A denoiser that is another denoiser in every way it does not override."""

    def __init__(self, denoiser: Denoiser) -> None:
        self.denoiser = denoiser

    @property
    def corruption(self) -> Noise:
        return self.denoiser.corruption

    @property
    def controls(self) -> Controls | None:
        return self.denoiser.controls

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> Any:
        return self.denoiser.encode(tokens_BL, context, pad_B)

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self.denoiser.denoise(canvas, context)

    def denoise_at(self, canvas: Canvas, context: Any | None, at_BL: Tensor) -> Tensor:
        return _picked(self.denoise(canvas, context), at_BL)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["denoiser"], name)


def denoise_at(denoiser: Denoiser, canvas: Canvas, context: Any | None, at_BL: Tensor) -> Tensor:
    """Logits [N, V] of the positions where `at_BL` is true, in order; others are not scored where that can be."""
    some = getattr(denoiser, "denoise_at", None)
    return _picked(denoiser.denoise(canvas, context), at_BL) if some is None else some(canvas, context, at_BL)


def _picked(logits_BLV: Tensor, at_BL: Tensor) -> Tensor:
    return logits_BLV[at_BL[:, : logits_BLV.shape[1]]]


@dataclass(frozen=True, slots=True)
class GuidedContext:
    """The two contexts of classifier-free guidance."""

    conditional: Any
    unconditional: Any


class ClassifierFreeGuidance(Wrapper):
    """logits = un + (scale + 1)(cond - un): LLaDA's formula (arXiv:2502.09992), scale 0 being no guidance.

    The unconditional context is the first encoded tokens, the prompt, all replaced by `null_id`; without one it is no
    prompt at all. Later tokens, the committed blocks, are encoded alongside in both. Contexts of another kind (a class
    label, an embedding and its dropped form) are passed as a `GuidedContext`.
    """

    def __init__(self, denoiser: Denoiser, scale: float, null_id: int | None = None) -> None:
        super().__init__(denoiser)
        self.scale = scale
        self.null_id = null_id

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> GuidedContext:
        if context is None:
            return GuidedContext(self.denoiser.encode(tokens_BL, None, pad_B), self._null_context(tokens_BL, pad_B))
        halves = _expect(context, GuidedContext)
        return GuidedContext(
            self.denoiser.encode(tokens_BL, halves.conditional, pad_B),
            self.denoiser.encode(tokens_BL, halves.unconditional, pad_B),
        )

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        halves = _expect(context, GuidedContext)
        return guide(
            self.denoiser.denoise(canvas, halves.conditional),
            self.denoiser.denoise(canvas, halves.unconditional),
            self.scale,
        )

    def _null_context(self, tokens_BL: Tensor, pad_B: Tensor | None) -> Any | None:
        if self.null_id is None:
            return None
        return self.denoiser.encode(torch.full_like(tokens_BL, self.null_id), None, pad_B)


def guide(conditional_BLV: Tensor, unconditional_BLV: Tensor, scale: float) -> Tensor:
    """un + (scale + 1)(cond - un); a token impossible on either side keeps its conditional logit."""
    guided_BLV = unconditional_BLV + (scale + 1) * (conditional_BLV - unconditional_BLV)
    return torch.where(guided_BLV.isfinite(), guided_BLV, conditional_BLV)


class Biased(Wrapper):
    """Adds constants to the logits of some tokens and makes others impossible."""

    def __init__(
        self, denoiser: Denoiser, bias: tuple[tuple[int, float], ...] = (), banned_ids: tuple[int, ...] = ()
    ) -> None:
        super().__init__(denoiser)
        self.bias = bias
        self.banned_ids = banned_ids

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self._biased(self.denoiser.denoise(canvas, context))

    def denoise_at(self, canvas: Canvas, context: Any | None, at_BL: Tensor) -> Tensor:
        return self._biased(denoise_at(self.denoiser, canvas, context, at_BL))

    def _biased(self, logits: Tensor) -> Tensor:
        logits = forbid(logits, self.banned_ids)
        for token_id, value in self.bias:
            logits[..., token_id] += value  # `forbid` made this tensor
        return logits


class Tempered(Wrapper):
    """Divides the logits by a temperature, so that everything read off them is tempered."""

    def __init__(self, denoiser: Denoiser, temperature: float | LinearTemperature, max_steps: int) -> None:
        super().__init__(denoiser)
        self.temperature = temperature
        self.max_steps = max_steps

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        logits_BLV = self.denoiser.denoise(canvas, context)
        if isinstance(self.temperature, LinearTemperature):
            heat_B = self.temperature(canvas.step_B, self.max_steps)
            return logits_BLV / heat_B.to(logits_BLV.dtype)[:, None, None]
        return logits_BLV / self.temperature


class Shaped(Wrapper):
    """Keeps the tokens that pass top-k, top-p and min-p, as `keep_likely` does."""

    def __init__(
        self, denoiser: Denoiser, top_k: int | None = None, top_p: float | None = None, min_p: float | None = None
    ) -> None:
        super().__init__(denoiser)
        self.top_k = top_k
        self.top_p = top_p
        self.min_p = min_p

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return keep_likely(self.denoiser.denoise(canvas, context), self.top_k, self.top_p, self.min_p)

    def denoise_at(self, canvas: Canvas, context: Any | None, at_BL: Tensor) -> Tensor:
        return keep_likely(denoise_at(self.denoiser, canvas, context, at_BL), self.top_k, self.top_p, self.min_p)


def keep_likely(
    logits_BLV: Tensor, top_k: int | None = None, top_p: float | None = None, min_p: float | None = None
) -> Tensor:
    """Logits with unlikely tokens at -inf; the best token always stays, and so do ties of the last one that does.

    top_k  the k most likely
    top_p  the smallest set of most likely tokens with mass of at least top_p (nucleus, arXiv:1904.09751), of what
           top_k left
    min_p  tokens with at least min_p times the probability of the best (arXiv:2407.01082)
    """
    floor_BL1 = torch.full_like(logits_BLV[..., :1], -torch.inf)
    if min_p:
        floor_BL1 = logits_BLV.amax(-1, keepdim=True) + math.log(min_p)
    if top_k is not None and top_k < logits_BLV.shape[-1]:
        floor_BL1 = torch.maximum(floor_BL1, logits_BLV.topk(top_k, -1).values[..., -1:])
    if top_p is not None and top_p < 1:
        floor_BL1 = torch.maximum(floor_BL1, _nucleus_floor(logits_BLV, floor_BL1, top_p))
    return logits_BLV.masked_fill(logits_BLV < floor_BL1, -torch.inf)


def _nucleus_floor(logits_BLV: Tensor, floor_BL1: Tensor, top_p: float) -> Tensor:
    """The smallest logit in the nucleus of what lies at or above the floor."""
    sorted_BLV = logits_BLV.masked_fill(logits_BLV < floor_BL1, -torch.inf).sort(-1, descending=True).values
    mass_BLV = sorted_BLV.float().softmax(-1).cumsum(-1, dtype=torch.float64)
    size_BL1 = (mass_BLV < top_p).sum(-1, keepdim=True).clamp_max(sorted_BLV.shape[-1] - 1)
    return sorted_BLV.gather(-1, size_BL1)


@dataclass(frozen=True, slots=True)
class SeenContext:
    """An inner context and the tokens encoded into it; `held_BS` is false where they are padding."""

    inner: Any
    tokens_BS: Tensor
    held_BS: Tensor


class Penalties(Wrapper):
    """Penalises tokens that stand elsewhere in the context, the prompt included, or on the canvas.

    repetition  divides positive logits and multiplies negative ones (CTRL, arXiv:1909.05858)
    presence    is taken off the logit of every token that stands there at all
    frequency   is taken off as often as it does
    A position's own token does not count, so that an accepted token does not vote against itself.
    """

    def __init__(
        self, denoiser: Denoiser, repetition: float = 1.0, presence: float = 0.0, frequency: float = 0.0
    ) -> None:
        super().__init__(denoiser)
        self.repetition, self.presence, self.frequency = repetition, presence, frequency

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> SeenContext:
        place_L = torch.arange(tokens_BL.shape[1], device=tokens_BL.device)
        held_BL = (place_L >= (0 if pad_B is None else pad_B[:, None])).expand(tokens_BL.shape)
        if context is None:
            return SeenContext(self.denoiser.encode(tokens_BL, None, pad_B), tokens_BL, held_BL)
        seen = _expect(context, SeenContext)
        return SeenContext(
            self.denoiser.encode(tokens_BL, seen.inner, pad_B),
            torch.cat([seen.tokens_BS, tokens_BL], -1),
            torch.cat([seen.held_BS, held_BL], -1),
        )

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        seen = None if context is None else _expect(context, SeenContext)
        logits_BLV = self.denoiser.denoise(canvas, seen and seen.inner)
        settled_BL = canvas.inside_BL & ~canvas.noisy_BL & (canvas.tokens_BL < logits_BLV.shape[-1])
        ids_BL = torch.where(settled_BL, canvas.tokens_BL, 0)
        own_BL = settled_BL.to(logits_BLV.dtype)
        counts_BV = logits_BLV.new_zeros(len(canvas), logits_BLV.shape[-1]).scatter_add(-1, ids_BL, own_BL)
        if seen is not None:
            counts_BV = counts_BV.scatter_add(-1, seen.tokens_BS, seen.held_BS.to(logits_BLV.dtype))
        scored = logits_BLV.shape[1]
        others_BLV = counts_BV[:, None].expand_as(logits_BLV)
        others_BLV = others_BLV.scatter_add(-1, ids_BL[:, :scored, None], -own_BL[:, :scored, None])
        found_BLV = others_BLV > 0
        if self.repetition != 1:
            logits_BLV = torch.where(found_BLV, penalise(logits_BLV, self.repetition), logits_BLV)
        if self.presence or self.frequency:
            logits_BLV = logits_BLV - self.presence * found_BLV - self.frequency * others_BLV
        return logits_BLV


def penalise(logits_BLV: Tensor, penalty: float) -> Tensor:
    """Positive logits divided by the penalty, negative ones multiplied."""
    return torch.where(logits_BLV > 0, logits_BLV / penalty, logits_BLV * penalty)


def _expect(context: Any, kind: type[Kind]) -> Kind:
    if not isinstance(context, kind):
        raise ValueError(
            f"a context of type {type(context).__name__} was not made by this denoiser: "
            f"encode with `shape(denoiser, decoding)`, or pass a {kind.__name__}"
        )
    return context
