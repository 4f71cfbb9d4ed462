"""Self-speculation against the plain autoregressive loop, on a table model small enough to enumerate."""

from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.corruption import Absorbing
from redraft.sampling.autoregressive import left_to_right, speculate

VOCAB = 4  # the last id is the mask and never text


@dataclass(frozen=True)
class Held:
    tokens: tuple[int, ...]

    @property
    def length(self) -> int:
        return len(self.tokens)

    def truncate(self, length: int) -> "Held":
        return Held(self.tokens[:length])


class TableModel:
    """Next-token logits from the last two tokens; drafts from a different table of the last one and the place."""

    corruption = Absorbing(mask_id=VOCAB - 1, vocab_size=VOCAB)
    controls: Controls | None = None

    def __init__(self, heat: float = 1.5) -> None:
        generator = torch.Generator().manual_seed(0)
        self.next_table = heat * torch.randn(VOCAB, VOCAB, VOCAB, generator=generator)
        self.draft_table = heat * torch.randn(VOCAB, 16, VOCAB, generator=generator)
        self.next_table[..., VOCAB - 1] = self.draft_table[..., VOCAB - 1] = -torch.inf
        self.forwards = 0

    def score(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Held]:
        self.forwards += 1
        before = context.tokens if context else ()
        row = (*before, *tokens_BL[0].tolist())
        pairs = [((row[i - 1] if i else 0), row[i]) for i in range(len(before), len(row))]
        return torch.stack([self.next_table[a, b] for a, b in pairs])[None], Held(row)

    def next_logits(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Held]:
        logits, after = self.score(tokens_BL, context)
        return logits[:, -1], after

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        first = int(canvas.tokens_BL[0, 0])
        return self.draft_table[first, : canvas.length][None]


def _tokens(loop: Any) -> list[int]:
    *_, last = loop
    return last.tokens[0]


@pytest.mark.parametrize("draft_length", [1, 3, 8])
@pytest.mark.parametrize("start", [[0], [1, 2], [2, 0, 1]])
def test_greedy_speculation_is_the_greedy_autoregressive_text(draft_length: int, start: list[int]) -> None:
    model, prompt = TableModel(), torch.tensor([start])
    plain = _tokens(left_to_right(model, prompt, None, max_tokens=23))
    assert _tokens(speculate(model, prompt, None, max_tokens=23, draft_length=draft_length)) == plain


def test_speculation_ends_at_a_stop_token_like_the_plain_loop() -> None:
    model, prompt = TableModel(heat=3), torch.tensor([[1]])
    plain = _tokens(left_to_right(model, prompt, None, max_tokens=40))
    stop = plain[5]
    shorter = _tokens(left_to_right(model, prompt, None, max_tokens=40, stop_ids=(stop,)))
    assert shorter == plain[: plain.index(stop) + 1]
    assert _tokens(speculate(model, prompt, None, max_tokens=40, stop_ids=(stop,))) == shorter


def _exact(model: TableModel, start: int, length: int) -> dict[tuple[int, ...], float]:
    chances = {}
    for text in product(range(VOCAB - 1), repeat=length):
        row, chance = (start, *text), 1.0
        for i in range(1, len(row)):
            logits = model.next_table[row[i - 2] if i > 1 else 0, row[i - 1]].double()
            chance *= float(logits.softmax(-1)[row[i]])
        chances[text] = chance
    return chances


@pytest.mark.parametrize("loop", [left_to_right, speculate])
def test_sampled_text_has_exactly_the_autoregressive_distribution(loop: Any) -> None:
    model, draws = TableModel(), 2000
    exact = _exact(model, 1, 3)
    seen = dict.fromkeys(exact, 0)
    for seed in range(draws):
        seen[tuple(_tokens(loop(model, torch.tensor([[1]]), None, max_tokens=3, temperature=1.0, seed=seed)))] += 1
    expected = [draws * exact[text] for text in exact]
    assert chisquare(list(seen.values()), expected).pvalue > 1e-3


def test_temperature_is_part_of_the_distribution() -> None:
    model, draws = TableModel(), 2000
    logits = model.next_table[0, 1].double()
    for loop in (left_to_right, speculate):
        seen = torch.zeros(VOCAB - 1, dtype=torch.float64)
        for seed in range(draws):
            seen[_tokens(loop(model, torch.tensor([[1]]), None, max_tokens=1, temperature=0.5, seed=seed))[0]] += 1
        expected = (logits / 0.5).softmax(-1)[: VOCAB - 1] * draws
        assert chisquare(seen.numpy(), expected.numpy()).pvalue > 1e-3


def test_good_drafts_cost_fewer_forwards_than_tokens() -> None:
    class Oracle(TableModel):
        def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
            row, logits = [*context.tokens, int(canvas.tokens_BL[0, 0])], []
            for _ in range(canvas.length):
                logits.append(self.next_table[row[-2], row[-1]])
                row.append(int(logits[-1].argmax()))
            return torch.stack([logits[0], *logits[:-1]])[None]

    model = Oracle()
    *_, last = speculate(model, torch.tensor([[1, 0]]), None, max_tokens=25, draft_length=7)
    assert len(last.tokens[0]) == 25
    assert last.num_encodes + last.num_denoises <= 1 + 2 * 3


def test_speculation_refuses_several_rows() -> None:
    with pytest.raises(ValueError, match="one row at a time, not 2"):
        next(speculate(TableModel(), torch.tensor([[1], [2]]), None, max_tokens=3))
