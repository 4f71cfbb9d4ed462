"""Doubt and settling on a denoiser that knows the right text, so that every forward can be counted."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.corruption import Absorbing, Corruption, Hybrid, Uniform
from redraft.instant.doubt import Doubt, doubts, rewrite_doubted
from redraft.instant.settling import Cancelled, Settling, settle
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Threshold

RIGHT = [3, 1, 4, 1, 5, 2, 6, 5]
V = 9


class Oracle:
    """Believes in RIGHT, wherever it looks, whatever it sees. `rows` counts what it was asked about."""

    controls = None

    def __init__(self, corruption: Corruption) -> None:
        self.corruption = corruption
        self.rows: list[int] = []

    def encode(self, tokens_BL: Tensor, context: object = None, pad_B: Tensor | None = None) -> None:
        return None

    def denoise(self, canvas: Canvas, context: object = None) -> Tensor:
        self.rows.append(len(canvas))
        right_L = torch.tensor(RIGHT[: canvas.length])
        return 9.0 * torch.nn.functional.one_hot(right_L, V).float().expand(len(canvas), -1, -1)


def _canvas(*rows: list[int]) -> Canvas:
    tokens_BL = torch.tensor(rows)
    return make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.ACCEPTED)))


def _last(moments: Iterator[list[Settling]]) -> list[Settling]:
    *_, last = moments
    return last


NOISES = [Absorbing(8, V), Uniform(V), Hybrid(8, V, 0.1)]


@pytest.mark.parametrize("noise", NOISES, ids=lambda noise: type(noise).__name__)
@pytest.mark.parametrize("parts", [0, 3])
def test_what_is_surprising_is_rewritten_and_nothing_else(noise: Corruption, parts: int) -> None:
    wrong = [3, 1, 7, 1, 5, 2, 0, 5]
    rows = _last(rewrite_doubted(Oracle(noise), _canvas(wrong, RIGHT), None, Decoding(), Doubt(parts=parts)))
    assert [row.tokens for row in rows] == [RIGHT, RIGHT]
    written = [n for n, chance in enumerate(rows[0].written) if chance > 0]
    assert written == [2, 6]
    assert not any(rows[1].written)


def test_a_text_that_surprises_nobody_costs_one_look() -> None:
    oracle = Oracle(Absorbing(8, V))
    rows = _last(rewrite_doubted(oracle, _canvas(RIGHT), None, Decoding(), Doubt(parts=0)))
    assert oracle.rows == [1]
    assert rows[0].forwards == 1


def test_fixed_tokens_are_never_doubted() -> None:
    canvas = _canvas([3, 1, 7, 1, 5, 2, 0, 5])
    canvas.status_BL[0, 2] = int(Status.FIXED)
    rows = _last(rewrite_doubted(Oracle(Absorbing(8, V)), canvas, None, Decoding(), Doubt()))
    assert rows[0].tokens == [3, 1, 7, *RIGHT[3:]]


def test_hidden_tokens_do_not_vouch_for_themselves() -> None:
    class Parrot(Oracle):
        def denoise(self, canvas: Canvas, context: object = None) -> Tensor:
            return 9.0 * torch.nn.functional.one_hot(canvas.tokens_BL, V).float()

    parrot, canvas = Parrot(Absorbing(8, V)), _canvas(RIGHT)
    assert bool((doubts(parrot, canvas, None, 0).exp() > 0.99).all())
    assert bool((doubts(parrot, canvas, None, 4).exp() < 0.01).all())


def test_finished_rows_leave_the_batch() -> None:
    oracle, canvas = Oracle(Absorbing(8, V)), _canvas(RIGHT, RIGHT, RIGHT)
    for row, noisy in enumerate((1, 3, 2)):
        canvas.status_BL[row, :noisy] = int(Status.NOISY)
    one_each = Decoding(policy=Threshold(1.0))
    rows = _last(settle(oracle, canvas, None, one_each))
    assert oracle.rows == [3, 2, 1]
    assert [row.forwards for row in rows] == [1, 3, 2]
    assert [row.tokens for row in rows] == [RIGHT] * 3


def test_contexts_that_know_no_rows_keep_finished_ones() -> None:
    oracle, canvas = Oracle(Absorbing(8, V)), _canvas(RIGHT, RIGHT)
    canvas.status_BL[0, :2] = int(Status.NOISY)
    canvas.status_BL[1, :1] = int(Status.NOISY)
    rows = _last(settle(oracle, canvas, object(), Decoding(policy=Threshold(1.0))))
    assert oracle.rows == [2, 2]
    assert [row.forwards for row in rows] == [2, 1]


@pytest.mark.parametrize("loop", ["settle", "doubt"])
def test_nothing_is_computed_once_it_is_told_to_stop(loop: str) -> None:
    oracle, canvas = Oracle(Absorbing(8, V)), _canvas([0] * 8)
    canvas = replace(canvas, status_BL=torch.full_like(canvas.status_BL, int(Status.NOISY)))
    stopped = lambda: len(oracle.rows) >= 2  # noqa: E731
    slow = Decoding(policy=Threshold(1.0))
    moments = (
        settle(oracle, canvas, None, slow, stopped) if loop == "settle"
        else rewrite_doubted(oracle, canvas, None, slow, Doubt(parts=0), stopped)
    )  # fmt: skip
    with pytest.raises(Cancelled):
        _last(moments)
    assert len(oracle.rows) == 2


def test_a_doubt_that_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="tau=0"):
        Doubt(tau=0)
