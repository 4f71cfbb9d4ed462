"""A deterministic denoiser without weights, and canvases written as one letter per position.

Shapes: B rows, L canvas positions, S context positions, V vocabulary, D = 2 memory width.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Action, Canvas, Controls, Status, make_canvas
from redraft.core.corruption import Absorbing
from redraft.core.denoiser import Noise
from redraft.core.rng import uniform
from redraft.sampling.prediction import Prediction

VOCAB = 17
MASK = 16
LETTERS = {"F": Status.FIXED, "N": Status.NOISY, "A": Status.ACCEPTED, ".": Status.EMPTY, ">": Status.AHEAD}


@dataclass
class ToyDenoiser:
    """Logits from (context, accepted and fixed tokens, noise ahead, position). A context is a list of token rows.

    Counts its forwards. The mask id scores -inf, as the contract asks.
    """

    corruption: Noise
    controls: Controls | None = None
    vocab_size: int = VOCAB
    heat: float = 12.0
    num_forwards: int = 0
    num_encodes: int = 0
    widest: int = 0
    block_length: int | None = None
    looks_ahead: bool = False

    def encode(
        self, tokens_BL: Tensor, context: list[Tensor] | None = None, pad_B: Tensor | None = None
    ) -> list[Tensor]:
        self.num_encodes += 1
        pads = [0] * len(tokens_BL) if pad_B is None else pad_B.tolist()
        rows = [row[pad:] for row, pad in zip(tokens_BL, pads, strict=True)]
        assert all(len(row) % (self.block_length or 1) == 0 for row in rows)
        return rows if context is None else [torch.cat(pair) for pair in zip(context, rows, strict=True)]

    def denoise(self, canvas: Canvas, context: list[Tensor] | None) -> Tensor:
        self.num_forwards += 1
        self.widest = max(self.widest, canvas.length)
        known_BL = canvas.inside_BL & ~canvas.noisy_BL
        place_L = torch.arange(1, canvas.length + 1)
        key_B = (torch.where(known_BL, canvas.tokens_BL + 1, 0) * place_L).sum(-1)
        key_B = key_B + 1009 * (canvas.status_BL == Status.AHEAD).sum(-1)
        if context is not None:
            key_B = key_B + torch.stack([(row * torch.arange(1, len(row) + 1)).sum() for row in context])
        columns = [uniform(key_B, torch.zeros_like(key_B), canvas.length, 10 + v) for v in range(self.vocab_size)]
        logits_BLV = self.heat * torch.stack(columns, -1)
        if isinstance(self.corruption, Absorbing):
            logits_BLV[..., self.corruption.mask_id] = -torch.inf
        return logits_BLV.float()


class RememberingDenoiser(ToyDenoiser):
    """Also wants its last prediction back, and doubts it."""

    self_conditioned = True

    def remember(self, logits_BLV: Tensor) -> Tensor:
        return torch.stack([logits_BLV.softmax(-1).amax(-1), logits_BLV.argmax(-1).float()], -1)

    def denoise(self, canvas: Canvas, context: list[Tensor] | None) -> Tensor:
        logits_BLV = super().denoise(canvas, context)
        if canvas.memory_BLD is None:
            return logits_BLV
        heard_BL = torch.where(canvas.present_BL, canvas.memory_BLD[..., 1], 0.0)
        doubt_BL = 6.0 * (canvas.memory_BLD[..., 0] > 0)  # zeros are no prediction
        return logits_BLV - doubt_BL[..., None] * torch.nn.functional.one_hot(heard_BL.long(), self.vocab_size)


def canvas_of(statuses: str, tokens: Sequence[int] | None = None, *, step: int = 0, seed: int = 0) -> Canvas:
    """One row: canvas_of("FNNA", [5, 0, 0, 7])."""
    tokens = list(tokens) if tokens is not None else [0] * len(statuses)
    status_BL = torch.tensor([[int(LETTERS[letter]) for letter in statuses]])
    canvas = make_canvas(torch.tensor([tokens]), status_BL, seed)
    return replace(canvas, step_B=torch.tensor([step]))


def letters(canvas: Canvas, row: int = 0) -> str:
    names = {int(status): letter for letter, status in LETTERS.items()}
    return "".join(names[value] for value in canvas.status_BL[row].tolist())


def prediction_of(tokens: Sequence[int], confidence: Sequence[float], **others: Any) -> Prediction:
    """One row; by default every proposal is WRITE, margins are confidences and entropies 1 - confidence."""
    confidence_BL = torch.tensor([confidence], dtype=torch.float32)
    given = {name: torch.tensor([values]) for name, values in others.items()}
    return Prediction(
        tokens_BL=torch.tensor([list(tokens)]),
        confidence_BL=confidence_BL,
        margin_BL=given.get("margin", confidence_BL),
        entropy_BL=given.get("entropy", 1 - confidence_BL),
        proposal_BL=given.get("proposal", torch.full((1, len(tokens)), int(Action.WRITE))),
        slots_BL=given.get("slots", torch.zeros(1, len(tokens), dtype=torch.long)),
        current_BL=given.get("current", confidence_BL),
        best_BL=given.get("best", torch.tensor([list(tokens)])),
        best_confidence_BL=given.get("best_confidence", confidence_BL),
    )


def logits_for(tokens: Sequence[int], confidence: Sequence[float], vocab_size: int = VOCAB) -> Tensor:
    """Logits [1, L, V] under which tokens[i] has probability confidence[i] and the others share the rest."""
    rows = []
    for token, chance in zip(tokens, confidence, strict=True):
        row = torch.full((vocab_size,), (1 - chance) / (vocab_size - 1))
        row[token] = chance
        rows.append(row.log())
    return torch.stack(rows)[None]
