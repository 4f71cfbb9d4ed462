"""Scoring: nats of token rows, exact where a model reads them causally, else by the bound of its diffusion.

Knows the verbs of denoisers and `core.likelihood`. Refuses to know text and tokenizers.
Shapes: B rows, L positions, V vocabulary.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from redraft.core.corruption import Absorbing
from redraft.core.likelihood import Estimate, MaskCount, estimate_nelbo
from redraft.sampling import samplers
from redraft.sampling.prediction import forbid


def exact_nats(network: Any, start: Sequence[int], rows: list[list[int]]) -> Tensor:
    """Exact negative log-likelihood [B] of every row behind `start`, by the causal mode."""
    width, device = max(len(row) for row in rows), network.device
    padded = torch.tensor([[*start, *row] + [start[-1]] * (width - len(row)) for row in rows], device=device)
    logits_BLV, _ = network.score(padded[:, :-1])
    text_BLV = forbid(logits_BLV[:, len(start) - 1 :], network.controls.ids)
    nats_BL = torch.nn.functional.cross_entropy(text_BLV.transpose(1, 2), padded[:, len(start) :], reduction="none")
    held = torch.arange(width, device=device) < torch.tensor([len(row) for row in rows], device=device)[:, None]
    return (nats_BL * held).sum(-1)


def continuations(network: Any, pairs: Sequence[tuple[list[int], list[int]]]) -> list[tuple[float, bool]]:
    """Exact nats of every second row of tokens behind its first, and whether each token is the likeliest there.

    One causal pass for all pairs. Raises ValueError for a first row that is empty.
    """
    if not all(head and tail for head, tail in pairs):
        raise ValueError("a continuation needs a token in front of it and one of its own")
    width = max(len(head) + len(tail) for head, tail in pairs)
    rows = [[*head, *tail] + [tail[-1]] * (width - len(head) - len(tail)) for head, tail in pairs]
    logits_BLV, _ = network.score(torch.tensor(rows, device=network.device)[:, :-1])
    logits_BLV = forbid(logits_BLV, () if network.controls is None else network.controls.ids)
    found = []
    for logits_LV, (head, tail) in zip(logits_BLV, pairs, strict=True):
        tail_L = torch.tensor(tail, device=network.device)
        tail_LV = logits_LV[len(head) - 1 : len(head) + len(tail) - 1]
        nats = torch.nn.functional.cross_entropy(tail_LV.double(), tail_L, reduction="sum")
        found.append((float(nats), bool((tail_LV.argmax(-1) == tail_L).all())))
    return found


def nelbo(
    network: Any, start: Sequence[int], ids: list[int], *, block_length: int | None, num_samples: int, seed: int
) -> Estimate:
    """The bound of absorbing diffusion over one row of tokens behind `start`; None is one block of all of it.

    Blocks count from the start of the text where the model commits its own, else from behind `start`.
    """
    row = [*start, *ids] if getattr(network, "block_length", None) is not None else list(ids)
    tokens_1L = torch.tensor([row], device=network.device)
    editable_1L = torch.arange(len(row), device=network.device)[None] >= len(row) - len(ids)
    head = list(start) if len(row) == len(ids) else []
    return estimate_nelbo(
        last_block(network, head, block_length or len(row)), tokens_1L, _absorbing(network), MaskCount(),
        num_samples=num_samples, seed_B=seed, editable_BL=editable_1L, block_length=block_length,
    )  # fmt: skip


def last_block(network: Any, head: list[int], length: int) -> Callable[[Tensor], Tensor]:
    """Noisy rows [N, M] to logits [N, M, V]: the last block is a canvas, what stands before it its context."""
    controls = () if network.controls is None else network.controls.ids

    def denoise(noisy_BL: Tensor) -> Tensor:
        rows, width = noisy_BL.shape
        start = (width - 1) // length * length
        head_BS = torch.tensor([head] * rows, dtype=torch.long, device=noisy_BL.device).reshape(rows, len(head))
        before_BS = torch.cat([head_BS, noisy_BL[:, :start]], 1)
        context = network.encode(before_BS) if before_BS.shape[1] else None
        block = noisy_BL[:, start:]
        canvas = samplers.blank(width - start, network.corruption, torch.arange(rows, device=noisy_BL.device))
        logits = forbid(network.denoise(replace(canvas, tokens_BL=block), context), controls)
        unscored = logits.new_zeros(rows, start, logits.shape[-1])
        return torch.cat([unscored, logits], 1)

    return denoise


def _absorbing(network: Any) -> Absorbing:
    corruption = network.corruption
    assert isinstance(corruption, Absorbing), "the voice of the model refuses other noise"
    return corruption
