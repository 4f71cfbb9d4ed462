"""Rewriting on a denoiser that knows the answer: what is copied, what is written, what it costs."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.core.corruption import Absorbing
from redraft.instant.rewriting import Written, place_in, rewrite
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Threshold

STOP, MASK, V = 10, 11, 12
SOURCE = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3]
PROMPT = [5, 5, 5]


class Knows:
    """Sure of an answer, whatever stands on the canvas. Its context is how many tokens it has read."""

    controls = None
    corruption = Absorbing(MASK, V)

    def __init__(self, answer: list[int], block_length: int | None = None) -> None:
        self.answer, self.block_length, self.forwards = [*answer, STOP], block_length, 0

    def encode(self, tokens_BL: Tensor, context: int | None = None, pad_B: Tensor | None = None) -> int:
        return (context or 0) + tokens_BL.shape[1]

    def denoise(self, canvas: Canvas, context: int | None = None) -> Tensor:
        self.forwards += 1
        start = (context or 0) - len(PROMPT)
        right = [self.answer[n] if 0 <= n < len(self.answer) else STOP for n in range(start, start + canvas.length)]
        return 9.0 * torch.nn.functional.one_hot(torch.tensor([right]), V).float()


def _run(knows: Knows, source: list[int], most: int = 30) -> Written:
    steps = rewrite(
        knows, PROMPT, source, Decoding(policy=Threshold(0.9)), block_length=4, max_tokens=most, stop_ids=(STOP,)
    )
    *_, last = steps
    return last


@pytest.mark.parametrize("block", [None, 4])
@pytest.mark.parametrize(
    "answer",
    [SOURCE, SOURCE[:5], [*SOURCE, 4, 4], [1, 2, 9, 9, *SOURCE[2:]], [*SOURCE[:3], *SOURCE[6:]], [7] * 9, []],
    ids=["same", "shorter", "longer", "inserted", "deleted", "other", "nothing"],
)
def test_the_answer_comes_out_whatever_it_began_as(answer: list[int], block: int | None) -> None:
    assert _run(Knows(answer, block), SOURCE).committed == [*answer, STOP]


def test_an_unchanged_block_takes_one_forward() -> None:
    knows = Knows(SOURCE)
    _run(knows, SOURCE)
    assert knows.forwards == 4  # 12 tokens and the end of the text, four at a time
    changed = Knows([*SOURCE[:5], 1, *SOURCE[6:]])
    _run(changed, SOURCE)
    assert changed.forwards == 5


def test_an_answer_that_does_not_end_is_cut() -> None:
    assert _run(Knows([1] * 50), SOURCE, most=9).committed == [1] * 9


@given(st.lists(st.integers(0, 3), max_size=12), st.integers(0, 12))
def test_a_copy_goes_on_where_it_stopped(source: list[int], length: int) -> None:
    length = min(length, len(source))
    assert place_in(source, source[:length]) == length


def test_the_place_is_found_again_behind_insertions_and_deletions() -> None:
    assert place_in(SOURCE, [1, 2, 9, 9, 3, 4]) == 4
    assert place_in(SOURCE, [1, 2, 6, 7]) == 7
    assert place_in(SOURCE, [11, 11]) == 2
