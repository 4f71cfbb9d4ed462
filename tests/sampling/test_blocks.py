"""Blocks: prompts that end inside one, parts of one, noise ahead of one, and rows of any length side by side."""

from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.corruption import Absorbing, Uniform
from redraft.core.denoiser import Blocked, Noise
from redraft.core.rng import Stream, uniform
from redraft.sampling.blocks import layout, left_padded
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Factor, LeftToRight, Policy, Revising, Threshold, TopK
from redraft.sampling.samplers import Frame, block_seed, denoise, edit, infill, sample
from redraft.sampling.stops import AfterStopToken, Settled
from redraft.sampling.wrappers import ClassifierFreeGuidance, Penalties
from tests.sampling.toy import MASK, VOCAB, ToyDenoiser, canvas_of, letters

ABSORBING, UNIFORM = Absorbing(MASK, VOCAB), Uniform(VOCAB, text_size=13)
RAGGED = [[1, 2, 3, 4, 5], [6], [], [7, 8, 9, 10, 11, 12, 1, 2, 3], [2, 3, 4, 5]]
HOT = Decoding(policy=Threshold(0.6), temperature=0.9)


def last(items: Any) -> Any:
    *_, final = items
    return final


def toy(noise: Noise = ABSORBING, **facts: Any) -> ToyDenoiser:
    return ToyDenoiser(noise, **facts)


def plain_text(
    denoiser: ToyDenoiser, prompt: list[int], decoding: Decoding, max_tokens: int, part: int, seed: int
) -> list[int]:
    """One row, one block after the other, one part after the other: the rules as a person would follow them."""
    length, seed_B = denoiser.block_length or part, torch.tensor([seed])
    start = len(prompt) // length * length if denoiser.block_length else len(prompt)
    context = denoiser.encode(torch.tensor([prompt[:start]])) if start else None
    known, text, number = prompt[start:], [], 0
    while len(text) < max_tokens:
        left = max_tokens - len(text)
        columns = length if denoiser.block_length else min(part, left)
        width = left if denoiser.looks_ahead else columns
        fresh_BL = denoiser.corruption.noise(
            uniform(block_seed(seed_B, number), torch.tensor([0]), width, Stream.NOISE)
        )
        row = known + fresh_BL[0].tolist()[len(known) :]
        statuses = [Status.FIXED] * len(known) + [Status.AHEAD] * (width - len(known))
        for first in range(0, columns, part):
            here = range(first, min(first + part, columns))
            opened = [Status.NOISY if s == Status.AHEAD and i in here else s for i, s in enumerate(statuses)]
            if Status.NOISY in opened:
                status_BL = torch.tensor([[int(s) for s in opened]])
                canvas = make_canvas(torch.tensor([row]), status_BL, block_seed(seed_B, number))
                row = last(denoise(denoiser, canvas, context, decoding)).tokens_BL[0].tolist()
            statuses = [Status.FIXED if s == Status.NOISY else s for s in opened]
            number += 1
        text += row[len(known) : columns]
        context = denoiser.encode(torch.tensor([row[:columns]]), context)
        known = []
    return text[:max_tokens]


@pytest.mark.parametrize("noise", [ABSORBING, UNIFORM], ids=["absorbing", "uniform"])
@pytest.mark.parametrize(
    ("facts", "part"),
    [({}, 3), ({"looks_ahead": True}, 4), ({"block_length": 4}, 4), ({"block_length": 6}, 2), ({"block_length": 4}, 1)],
    ids=["any length", "looks ahead", "whole blocks", "parts of three", "parts of one"],
)
def test_ragged_rows_are_the_plain_loop_of_each_row_alone(facts: dict[str, Any], part: int, noise: Noise) -> None:
    def run(rows: list[int]) -> Frame:
        prompts = [RAGGED[row] for row in rows]
        seeds = torch.tensor(rows) + 5
        return last(sample(toy(noise, **facts), prompts, HOT, max_tokens=11, block_length=part, seed=seeds))

    together = run(list(range(len(RAGGED))))
    for row, prompt in enumerate(RAGGED):
        assert together.committed[row] == plain_text(toy(noise, **facts), prompt, HOT, 11, part, row + 5)
        assert run([row]).committed == [together.committed[row]]


@pytest.mark.parametrize("whole_blocks", [False, True])
@pytest.mark.parametrize("facts", [{}, {"looks_ahead": True}, {"block_length": 6}], ids=["any", "ahead", "blocks"])
def test_ragged_rows_that_stop_are_the_same_alone(facts: dict[str, Any], whole_blocks: bool) -> None:
    def run(rows: list[int]) -> Frame:
        prompts = [RAGGED[row] for row in rows]
        stops = {"stop_ids": (2, 3), "whole_blocks": whole_blocks, "seed": torch.tensor(rows)}
        return last(sample(toy(heat=3.0, **facts), prompts, HOT, max_tokens=40, block_length=3, **stops))

    together = run(list(range(len(RAGGED))))
    assert len({len(text) for text in together.committed}) > 2
    for row, text in enumerate(together.committed):
        assert run([row]).committed == [text]
        places = [place for place, token in enumerate(text) if token in (2, 3)]
        assert places in ([], [len(text) - 1])
        assert places or len(text) == 40


def test_the_end_of_a_prompt_stands_at_the_front_of_a_canvas_of_full_length() -> None:
    denoiser = toy(block_length=4)
    prompts = [[1, 2, 3, 4, 5, 6], [7], [8, 9, 10, 11]]
    decoding = Decoding(policy=TopK(count=1))
    frames = list(sample(denoiser, prompts, decoding, max_tokens=3, block_length=4))
    assert frames[0].known == [2, 1, 0]
    assert [letters(frames[0].canvas, row).replace("A", "N") for row in range(3)] == ["FFNN", "FNNN", "NNNN"]
    assert frames[0].canvas.tokens_BL[0, :2].tolist() == [5, 6]
    assert [len(text) for text in frames[-1].committed] == [3, 3, 3]
    assert denoiser.num_forwards == frames[-1].step == 4 + 4  # the first row needs a second block
    assert frames[-1].known == [0, 0, 0]


def test_parts_are_decided_in_order_with_noise_ahead_and_encoded_together() -> None:
    denoiser = toy(block_length=4)
    frames = list(sample(denoiser, [[1]], Decoding(policy=TopK(count=2)), max_tokens=5, block_length=2))
    assert [letters(frame.canvas) for frame in frames] == ["FA>>", "FFAA", "AA>>", "FFAA"]
    assert [frame.block for frame in frames] == [0, 0, 1, 1]
    assert [len(frame.committed[0]) for frame in frames] == [0, 3, 3, 5]
    assert denoiser.num_encodes == 1


def test_the_last_block_is_decided_whole_and_the_text_cut() -> None:
    frames = list(sample(toy(block_length=4), [[]], Decoding(policy=LeftToRight()), max_tokens=5, block_length=4))
    assert len(frames) == 8
    assert len(frames[-1].committed[0]) == 5


def test_a_part_with_nothing_to_decide_costs_no_forward() -> None:
    denoiser = toy(block_length=4)
    final = last(sample(denoiser, [[1, 2, 3]], Decoding(policy=TopK(count=1)), max_tokens=1, block_length=1))
    assert (len(final.committed[0]), denoiser.num_forwards) == (1, 1)


def test_a_stop_token_in_an_early_part_ends_the_row_at_once() -> None:
    always = Decoding(policy=LeftToRight(1), bias=((2, 100.0),))
    denoiser = toy(block_length=4)
    final = last(sample(denoiser, [[2], [5, 2]], always, max_tokens=64, block_length=2, stop_ids=(2,)))
    assert final.committed == [[2], [2]]  # a stop token of the prompt's is no stop
    assert denoiser.num_forwards == 2  # the second row's first part is its prompt


def test_a_stop_token_that_is_revised_away_ends_nothing() -> None:
    class Fickle(ToyDenoiser):
        def denoise(self, canvas: Canvas, context: list[Tensor] | None) -> Tensor:
            self.num_forwards += 1
            wanted = 2 if canvas.noisy_BL.any() else 4
            return 20.0 * torch.nn.functional.one_hot(torch.full_like(canvas.tokens_BL, wanted), VOCAB)

    def text(policy: Policy) -> list[int]:
        decoding = Decoding(policy=policy, stop=Settled())
        frames = sample(Fickle(ABSORBING), [[1]], decoding, max_tokens=6, block_length=3, stop_ids=(2,))
        return last(frames).committed[0]

    assert text(LeftToRight()) == [2]
    assert text(Revising(LeftToRight(), 0.5)) == [4] * 6


def test_whole_blocks_spend_the_forwards_of_the_block_in_which_a_stop_token_falls() -> None:
    def forwards(whole_blocks: bool) -> int:
        toy = ToyDenoiser(ABSORBING)
        decoding = Decoding(policy=LeftToRight())
        options: dict[str, Any] = {"stop_ids": tuple(range(VOCAB)), "whole_blocks": whole_blocks}
        last(sample(toy, [[1]], decoding, max_tokens=6, block_length=3, **options))
        return toy.num_forwards

    assert (forwards(False), forwards(True)) == (1, 3)


def test_a_denoiser_that_looks_ahead_sees_the_noise_of_the_whole_text() -> None:
    denoiser = toy(looks_ahead=True)
    frames = list(sample(denoiser, [[1, 2]], Decoding(policy=TopK(count=3)), max_tokens=8, block_length=3))
    assert [letters(frame.canvas) for frame in frames] == ["AAA>>>>>", "AAA>>", "AA"]
    assert [len(frame.committed[0]) for frame in frames] == [3, 6, 8]
    assert [frame.canvas.tokens_BL[0, 3:].tolist() for frame in frames] == [[MASK] * 5, [MASK] * 2, []]


def test_a_stop_token_drops_the_noise_ahead_with_the_rest_behind_it() -> None:
    after = AfterStopToken((2,)).surplus(canvas_of("NAN>>", [0, 2, 0, 0, 0]))
    assert after[0].tolist() == [False, False, True, True, True]


@pytest.mark.parametrize("facts", [{"looks_ahead": True}, {"block_length": 4}], ids=["ahead", "blocks"])
def test_ragged_rows_are_the_same_alone_under_every_wrapper_with_a_context(facts: dict[str, Any]) -> None:
    decoding = Decoding(policy=Factor(1.2), repetition_penalty=1.4, guidance=0.5, null_id=MASK)
    prompts = [[3, 4, 5, 6, 7], [8, 9, 1, 2, 3, 4, 5, 6, 7, 8], [1, 2, 3, 4]]

    def run(rows: list[int]) -> Frame:
        return last(sample(toy(**facts), [prompts[row] for row in rows], decoding, max_tokens=9, block_length=4))

    together = run([0, 1, 2])
    for row in range(3):
        assert run([row]).committed == [together.committed[row]]


def test_padding_is_nobodys_repetition() -> None:
    tokens_BS, pad_B = left_padded([[5, 6], [7]], None)
    canvas = canvas_of("NN").select([0, 0])
    penalty = Penalties(toy(), 3.0)
    padded = penalty.denoise(canvas, penalty.encode(tokens_BS, None, pad_B))
    alone = penalty.denoise(canvas.select([0]), penalty.encode(torch.tensor([[7]])))
    assert torch.equal(padded[1:], alone)


def test_logits_narrower_than_the_canvas_pass_through_the_penalty() -> None:
    class Narrow(ToyDenoiser):
        def denoise(self, canvas: Canvas, context: list[Tensor] | None) -> Tensor:
            return super().denoise(canvas, context)[:, :2]

    canvas = canvas_of("FAN>>", [5, 6, 0, 0, 0])
    wide = Penalties(toy(), 2.0).denoise(canvas, None)
    assert torch.equal(Penalties(Narrow(ABSORBING), 2.0).denoise(canvas, None), wide[:, :2])


def test_wrappers_have_the_blocks_of_what_they_wrap() -> None:
    wrapped = ClassifierFreeGuidance(toy(block_length=8), 1.0)
    assert isinstance(wrapped, Blocked)
    assert layout(wrapped, 9, 2).parts(0) == [range(0, 2), range(2, 4), range(4, 6), range(6, 8)]


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda d: sample(d, [[1]], HOT, max_tokens=4, block_length=3), "block_length=3 must divide 4"),
        (lambda d: sample(d, [[1]], HOT, max_tokens=4, block_length=8), "block_length=8 must divide 4"),
        (lambda d: infill(d, [[1, 2]], [[3]], HOT, gap=2), "behind its own block of 4"),
        (lambda d: edit(d, [[1, 2, 3, 4, 5]], HOT, strength=0.5), "a canvas of 5"),
    ],
)
def test_what_a_block_cannot_hold_is_an_error(run: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(iter(run(toy(block_length=4))))


def test_a_canvas_of_one_block_can_be_infilled_and_edited() -> None:
    assert last(infill(toy(block_length=4), [[1]], [[3]], HOT, gap=2)).row_tokens(0)[::3] == [1, 3]
    assert last(edit(toy(block_length=4), [[1, 2, 3]], HOT, strength=1.0)).done_B.all()
