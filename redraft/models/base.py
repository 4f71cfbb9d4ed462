"""FamilyDenoiser: what every denoiser of an open checkpoint shares. The contracts of attention are its subclasses.

Knows the network, its facts, what may never be predicted and which columns need scoring. Refuses to know policies.
Shapes: B rows, L canvas positions, D model, V vocabulary.
"""

from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls, Status
from redraft.core.corruption import Absorbing, Uniform
from redraft.core.denoiser import Noise
from redraft.models.family import ModelFacts
from redraft.models.network import Body, Network
from redraft.models.spans import Packed, Span
from redraft.models.transformer import Attend, Sliding


class FamilyDenoiser:
    """Two verbs over one network: `encode` and `denoise`. Subclasses write `encode` and `scores`."""

    block_length: int | None = None  # samplers commit whole blocks of this many tokens
    looks_ahead = False  # samplers put the noise of later blocks behind the canvas

    def __init__(self, network: Body, facts: ModelFacts) -> None:
        self.network, self.facts = network, facts
        self.controls: Controls | None = facts.controls
        self.corruption = corruption_of(facts, network.vocab_size)

    @property
    def device(self) -> torch.device:
        return self.network.device

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> Any:
        raise NotImplementedError

    def scores(self, canvas: Canvas, context: Any | None = None, columns: int | None = None) -> Tensor:
        """Aligned logits of the first `columns` of the canvas (all by default), nothing forbidden."""
        raise NotImplementedError

    def denoise(self, canvas: Canvas, context: Any | None = None) -> Tensor:
        """Aligned logits [B, n, V], where every column from n on is one that no policy may change."""
        logits_BLV = self.scores(canvas, context, self._columns(canvas))
        if self.facts.mask_id is not None:
            logits_BLV[..., self.facts.mask_id] = -torch.inf
        return logits_BLV

    # ------------------------------------------------------------------ spans of many requests in one row

    keeps_keys = True  # clean tokens' keys and values are exact, so a store may keep them

    @property
    def packs(self) -> bool:
        """Whether `span_of` and `run` work: for a `Network`, whose rows know nothing of each other."""
        return isinstance(self.network, Network)

    @property
    def needs_last(self) -> bool:
        """Whether a canvas wants the state of the token in front of it."""
        return self.facts.shifted and self.keeps_keys

    def span_of(self, tokens_L: Tensor, start: int, canvas: Canvas | None, before: list[int]) -> Span:
        """The span of clean tokens behind `start` kept ones, or of a canvas of one row, all of it present.

        `before` is the clean text itself, for contracts that keep nothing.
        """
        position_L = torch.arange(start, start + len(tokens_L), device=tokens_L.device)
        attend = self.seen(start, len(tokens_L), canvas)
        return Span(self.network.embed_tokens(tokens_L[None])[0], position_L, attend, canvas is not None)

    def seen(self, start: int, length: int, canvas: Canvas | None) -> Attend | Sliding:
        """Whom a span's tokens see, of `start` kept columns and their own. By default all, in a canvas."""
        raise NotImplementedError

    def run(self, spans: list[Span], memory: Packed) -> Tensor:
        """States [T, D] of packed spans, in one pass."""
        embedded_1TD = torch.cat([span.embedded_LD for span in spans])[None]
        position_1T = torch.cat([span.position_L for span in spans])[None]
        canvas_1T = torch.cat([span.position_L.new_full((len(span),), span.canvas).bool() for span in spans])[None]
        return self.network.hidden(embedded_1TD, position_1T, None, memory, canvas=canvas_1T)[0]

    def scored(self, states_LD: Tensor, canvas: Canvas, last_1D: Tensor | None) -> Tensor:
        """The states that score a canvas' first columns [n, D], as many as `denoise` scores."""
        start = len(states_LD) - canvas.length
        states_LD = aligned(states_LD[None], last_1D, self.facts.shifted)[0]
        return states_LD[start : start + self._columns(canvas)]

    def text_logits(self, states: Tensor) -> Tensor:
        """float32 scores [n, V] of states, nothing of them noise."""
        logits = self.network.logits(states)
        if self.facts.mask_id is not None:
            logits[..., self.facts.mask_id] = -torch.inf
        return logits

    def _columns(self, canvas: Canvas) -> int:
        """Up to the last column that a policy may decide. The vocabulary is wide: a host sync costs less."""
        if self.controls is not None:  # a fixed token may ask for an insertion before it
            open_BL = canvas.present_BL & (canvas.status_BL != Status.AHEAD)
        else:
            open_BL = canvas.editable_BL
        place_L = torch.arange(1, canvas.length + 1, device=open_BL.device)
        return max(1, int((open_BL.any(0) * place_L).max()))


def corruption_of(facts: ModelFacts, vocab_size: int) -> Noise:
    """The noise that a family's canvases start from."""
    if facts.noise == "uniform":
        return Uniform(vocab_size)
    if facts.noise == "none" or facts.mask_id is None:
        return NoNoise()
    return Absorbing(facts.mask_id, vocab_size)


class NoNoise:
    """What an autoregressive model starts from: samplers that ask for noise are told so."""

    def noise(self, u_BL: Tensor) -> Tensor:
        raise ValueError("an autoregressive model has no noise to start from; `left_to_right` is how it writes")


def aligned(hidden_BLD: Tensor, before_BD: Tensor | None, shifted: bool) -> Tensor:
    """Hidden states that score their own position: those of a shifted family move one to the right.

    `before_BD` is the state in front of the first; without one the first stands in for itself.
    """
    if not shifted:
        return hidden_BLD
    first_B1D = hidden_BLD[:, :1] if before_BD is None else before_BD[:, None]
    return torch.cat([first_B1D, hidden_BLD[:, :-1]], 1)


def places_in_text(held_BT: Tensor, counted: bool) -> Tensor:
    """Positions [B, T]: tokens counted, padding left out, or simply columns."""
    if counted:
        return (held_BT.cumsum(-1) - 1).clamp_min(0)
    return torch.arange(held_BT.shape[-1], device=held_BT.device).expand_as(held_BT)


def keys_only(held_BT: Tensor) -> Tensor | None:
    """A mask [B, 1, 1, T] that hides what holds no token from everyone; None where everything does."""
    if held_BT.device.type == "cpu" and bool(held_BT.all()):
        return None
    nobody_B1 = ~held_BT.any(-1, keepdim=True)  # a row that holds nothing may look anywhere, so that it stays finite
    return (held_BT | nobody_B1)[:, None, None]
