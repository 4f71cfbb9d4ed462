"""The loops: forwards counted, rows independent, locked text untouched, lengths free where asked."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls, Status, make_canvas, stack
from redraft.core.corruption import Absorbing, Uniform
from redraft.core.denoiser import Noise
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.policies import (
    POLICIES,
    Ancestral,
    Budgeted,
    Correct,
    EntropyBound,
    Factor,
    LeftToRight,
    LinearGrid,
    Margin,
    Remasking,
    Renoising,
    Revising,
    Staged,
    Threshold,
    TimeGrid,
    TopK,
    UniformAncestral,
)
from redraft.sampling.samplers import Frame, blank, denoise, edit, infill, sample
from redraft.sampling.stops import AllAccepted, AllSteps, Settled, StableAndConfident
from tests.sampling.toy import MASK, VOCAB, RememberingDenoiser, ToyDenoiser, canvas_of, letters

CONTROLS = Controls(delete_id=15, insert_ids=(13, 14))
ABSORBING, UNIFORM = Absorbing(MASK, VOCAB), Uniform(VOCAB, text_size=13)
DECODINGS = [
    Decoding(policy=Threshold(0.6), temperature=0.7),
    Decoding(policy=Threshold(0.9, num_steps=4), max_steps=12),
    Decoding(policy=Factor(1.5), top_k=5, temperature=1.0),
    Decoding(policy=TopK(num_steps=4), repetition_penalty=1.3),
    Decoding(policy=TimeGrid(5, by="random"), temperature=0.5),
    Decoding(policy=Margin(2), guidance=0.7, null_id=MASK),
    Decoding(policy=EntropyBound(0.5), max_steps=5),
    Decoding(policy=EntropyBound(0.5, sticky=False), stop=StableAndConfident(0.4), temperature=0.3, max_steps=12),
    Decoding(policy=Ancestral(6), temperature=1.0),
    Decoding(policy=Remasking(6, 0.5), temperature=LinearTemperature(1.0, 0.2), max_steps=6),
    Decoding(policy=Remasking(6, 0.9, "confidence"), stop=AllAccepted(), logit_temperature=0.8, max_steps=6),
    Decoding(policy=LeftToRight(2), banned_ids=(3, 4)),
    Decoding(policy=Revising(Threshold(0.6), 0.5), stop=Settled(), max_steps=9),
    Decoding(policy=Renoising(Threshold(0.5), 0.2, num_steps=2)),
    Decoding(policy=Correct(0.5), stop=Settled(), max_steps=9),
    Decoding(policy=Staged(LeftToRight(), Threshold(0.7)), unsure_ids=(3, 4)),
    Decoding(policy=Budgeted(0.7, num_steps=4), temperature=0.8),
    Decoding(policy=LinearGrid(5)),
    Decoding(policy=UniformAncestral(6, 13), stop=AllSteps(), max_steps=6, emit="best", temperature=1.0),
]
IDS = [type(d.policy).__name__ for d in DECODINGS]


def last(items: Any) -> Any:
    *_, final = items
    return final


def test_every_policy_is_run_against_strangers() -> None:
    assert {type(d.policy) for d in DECODINGS} == set(POLICIES)


@pytest.mark.parametrize("decoding", DECODINGS, ids=IDS)
def test_scoring_noisy_positions_alone_leads_to_the_same_canvases(
    decoding: Decoding, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run() -> list[Canvas]:
        blanks = [blank(n, ABSORBING, torch.tensor([n])) for n in (9, 5)]
        return list(denoise(ToyDenoiser(ABSORBING, CONTROLS), stack(blanks), None, decoding))

    few = run()
    monkeypatch.setattr(Decoding, "only_noisy", False)
    every = run()
    assert len(few) == len(every)
    for ours, plain in zip(few, every, strict=True):
        assert torch.equal(ours.tokens_BL, plain.tokens_BL)
        assert torch.equal(ours.status_BL, plain.status_BL)
        torch.testing.assert_close(ours.confidence_BL, plain.confidence_BL)


@pytest.mark.parametrize("noise", [ABSORBING, UNIFORM], ids=["absorbing", "uniform"])
@pytest.mark.parametrize("decoding", DECODINGS, ids=IDS)
def test_a_sampled_row_alone_is_the_row_among_strangers(decoding: Decoding, noise: Noise) -> None:
    prompt_BL = torch.tensor([[1, 2, 3], [4, 5, 6], [7, 8, 9], [3, 1, 2]])
    seed_B = torch.tensor([5, 9, 5, 77])

    def run(rows: list[int]) -> Frame:
        return last(
            sample(
                RememberingDenoiser(noise),
                prompt_BL[rows],
                decoding,
                max_tokens=20,
                block_length=8,
                seed=seed_B[rows],
                stop_ids=(2,),
            )
        )

    together = run([0, 1, 2, 3])
    for row in range(4):
        assert run([row]).committed == [together.committed[row]]
    assert all(MASK not in text for text in together.committed) or noise is UNIFORM


@pytest.mark.parametrize("noise", [ABSORBING, UNIFORM], ids=["absorbing", "uniform"])
@pytest.mark.parametrize(
    "decoding",
    [
        Decoding(policy=Threshold(0.6), indels=True, max_steps=8, temperature=0.8),
        Decoding(policy=Correct(0.4), stop=Settled(), indels=True, max_steps=8),
        Decoding(policy=Revising(LeftToRight(2), 0.4), stop=Settled(), indels=True, max_steps=8),
        Decoding(policy=EntropyBound(0.5, sticky=False), indels=True, max_steps=8, top_p=0.9, temperature=1.0),
    ],
    ids=["threshold", "correct", "revising", "entropy_bound"],
)
def test_rows_of_any_length_that_grow_and_shrink_are_the_same_alone(decoding: Decoding, noise: Noise) -> None:
    prefixes, suffixes, gaps = [[1, 2], [], [3, 4, 5, 6, 7]], [[8], [9, 9, 9], []], [3, 1, 6]
    texts = [[1, 2, 3, 4, 5, 6, 7], [4], [9, 8, 7]]

    def fill(rows: list[int]) -> Canvas:
        chosen = [[part[row] for row in rows] for part in (prefixes, suffixes, gaps)]
        denoiser = RememberingDenoiser(noise, CONTROLS)
        return last(infill(denoiser, chosen[0], chosen[1], decoding, gap=chosen[2], seed=torch.tensor(rows) + 3))

    def rewrite(rows: list[int]) -> Canvas:
        denoiser = RememberingDenoiser(noise, CONTROLS)
        return last(edit(denoiser, [texts[row] for row in rows], decoding, strength=0.4, seed=torch.tensor(rows)))

    for run in (fill, rewrite):
        together = run([0, 1, 2])
        assert together.done_B.all()
        for row in range(3):
            alone = run([row])
            assert alone.row_tokens(0) == together.row_tokens(row)
            assert alone.step_B[0] == together.step_B[row]


def test_sampling_commits_blocks_and_the_last_frame_holds_everything() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    frames = list(sample(denoiser, torch.tensor([[1], [2]]), Decoding(), max_tokens=11, block_length=4))
    assert [len(text) for text in frames[-1].committed] == [11, 11]
    assert frames[-1].step == len(frames) == denoiser.num_forwards
    assert denoiser.num_encodes == 3  # the prompt and two of three blocks
    assert [frame.block for frame in frames] == sorted(frame.block for frame in frames)
    lengths = [len(frame.committed[0]) for frame in frames]
    assert set(lengths) == {0, 4, 8, 11}
    for early, late in pairwise(frames):
        assert late.committed[0][: len(early.committed[0])] == early.committed[0]


def test_sampling_ends_when_every_row_has_a_stop_token_and_computes_nothing_behind_it() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    always = Decoding(policy=LeftToRight(1), bias=((2, 100.0),))
    final = last(sample(denoiser, torch.tensor([[1], [5]]), always, max_tokens=64, block_length=8, stop_ids=(2,)))
    assert final.committed == [[2], [2]]
    assert denoiser.num_forwards == 1


def test_a_row_that_ended_waits_without_changing() -> None:
    decoding = Decoding(policy=Threshold(0.5), temperature=1.0)
    frames = list(
        sample(
            ToyDenoiser(ABSORBING, heat=3.0),
            torch.tensor([[1], [2], [3], [4]]),
            decoding,
            max_tokens=60,
            block_length=6,
            stop_ids=(2, 3),
        )
    )
    ends = [len(text) for text in frames[-1].committed]
    assert len(set(ends)) > 1
    for text in frames[-1].committed:
        stops = [place for place, token in enumerate(text) if token in (2, 3)]
        assert stops == [len(text) - 1] or (not stops and len(text) == 60)


def test_sampling_starts_from_a_context_or_from_nothing() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    decoding = Decoding(policy=TopK(num_steps=2))
    by_prompt = last(sample(denoiser, torch.tensor([[1, 2]]), decoding, max_tokens=4, block_length=4))
    context = denoiser.encode(torch.tensor([[1, 2]]), None)
    by_context = last(sample(denoiser, None, decoding, max_tokens=4, block_length=4, context=context, rows=1))
    assert by_prompt.committed == by_context.committed
    assert len(last(sample(denoiser, None, decoding, max_tokens=4, block_length=2, rows=3)).committed) == 3
    with pytest.raises(ValueError, match="rows"):
        next(iter(sample(denoiser, None, decoding, max_tokens=4, block_length=4)))
    with pytest.raises(ValueError, match="indels"):
        next(iter(sample(denoiser, None, Decoding(indels=True), max_tokens=4, block_length=4, rows=1)))


@pytest.mark.parametrize("indels", [False, True])
def test_infill_keeps_prefix_and_suffix(indels: bool) -> None:
    denoiser = ToyDenoiser(ABSORBING, CONTROLS)
    decoding = Decoding(policy=Threshold(0.5), indels=indels, max_steps=12)
    canvas = last(infill(denoiser, [[1, 2, 3], [4]], [[5, 6], [7, 8, 9]], decoding, gap=[4, 2]))
    for row, (prefix, suffix, gap) in enumerate([([1, 2, 3], [5, 6], 4), ([4], [7, 8, 9], 2)]):
        text = canvas.row_tokens(row)
        assert text[: len(prefix)] == prefix
        assert text[-len(suffix) :] == suffix
        middle = text[len(prefix) : -len(suffix)]
        assert not set(middle) & {MASK, 13, 14, 15}
        assert indels or len(middle) == gap


def test_an_infilled_gap_grows_and_shrinks_as_the_model_asks() -> None:
    def fill(bias: int, steps: int) -> Canvas:
        denoiser = ToyDenoiser(ABSORBING, CONTROLS)
        decoding = Decoding(policy=TopK(count=9), indels=True, bias=((bias, 100.0),), max_steps=steps)
        return last(infill(denoiser, [[1, 2]], [[3]], decoding, gap=3))

    assert fill(15, 5).row_tokens(0) == [1, 2, 3]
    grown = list(
        infill(
            ToyDenoiser(ABSORBING, CONTROLS),
            [[1]],
            [[3]],
            Decoding(policy=TopK(count=99), indels=True, bias=((14, 100.0),), max_steps=4),
            gap=1,
        )
    )
    assert [letters(canvas).strip(".") for canvas in grown[1:3]] == ["FNNNF", "F" + "N" * 9 + "F"]
    assert grown[-1].row_tokens(0) == [1, 3]  # every slot still asked for slots when the steps ran out


def test_growth_ends_at_twice_the_length_and_64() -> None:
    decoding = Decoding(policy=TopK(count=999), indels=True, bias=((14, 100.0),), max_steps=30)
    canvases = list(infill(ToyDenoiser(ABSORBING, CONTROLS), [[1]], [[3]], decoding, gap=2))
    assert max(int(canvas.present_BL.sum()) for canvas in canvases) in (2 * 4 + 63, 2 * 4 + 64)


def test_edit_at_full_strength_rewrites_only_what_is_editable() -> None:
    tokens_BL = torch.arange(12)[None]
    editable_BL = (tokens_BL >= 4) & (tokens_BL < 9)
    start, first, *_, final = edit(ToyDenoiser(UNIFORM), tokens_BL, Decoding(), editable=editable_BL, strength=1.0)
    assert torch.equal(start.noisy_BL, editable_BL)
    assert torch.equal(final.tokens_BL[~editable_BL], tokens_BL[~editable_BL])
    assert not torch.equal(final.tokens_BL, tokens_BL)
    assert first.noisy_BL.sum() == 4  # five, less the best


def test_edit_at_a_strength_noises_that_share() -> None:
    tokens_BL = torch.randint(0, 13, (4, 500))
    start = next(iter(edit(ToyDenoiser(ABSORBING), tokens_BL, Decoding(), strength=0.3)))
    assert abs(start.noisy_BL.float().mean().item() - 0.3) < 0.04


def test_correcting_runs_until_nothing_changes_and_leaves_a_fixed_point() -> None:
    denoiser = ToyDenoiser(ABSORBING, CONTROLS)
    decoding = Decoding(policy=Correct(0.9), stop=Settled(), indels=True, max_steps=40)
    canvases = list(edit(denoiser, [[1, 2, 3, 4, 5, 6]], decoding, seed=1))
    assert canvases[-1].done_B.all()
    assert len(canvases) - 1 == denoiser.num_forwards < 40
    settled = canvases[-1].row_tokens(0)
    assert last(edit(denoiser, [settled], decoding)).row_tokens(0) == settled


def test_a_model_that_agrees_costs_one_forward_and_changes_nothing() -> None:
    class Content(ToyDenoiser):
        def denoise(self, canvas: Canvas, context: list[Tensor] | None) -> Tensor:
            self.num_forwards += 1
            return 20.0 * torch.nn.functional.one_hot(canvas.tokens_BL, VOCAB)

    denoiser = Content(ABSORBING, CONTROLS)
    decoding = Decoding(policy=Correct(0.5), stop=Settled(), indels=True)
    assert last(edit(denoiser, [[1, 2], [3]], decoding)).row_tokens(0) == [1, 2]
    assert denoiser.num_forwards == 1
    surprised = Decoding(policy=Renoising(Threshold(), 0.05))
    assert last(edit(denoiser, [[1, 2], [3]], surprised)).row_tokens(1) == [3]
    assert denoiser.num_forwards == 2


def test_rows_with_nothing_editable_are_done_before_the_first_forward() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    nothing = [[False, False]]
    (start,) = edit(denoiser, [[1, 2]], Decoding(), editable=nothing, strength=1.0)
    assert start.row_tokens(0) == [1, 2]
    assert denoiser.num_forwards == 0


def test_empty_columns_are_not_computed() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    canvas = stack([canvas_of("FNN", [1, 0, 0]).widen(20), canvas_of("NN")])
    last(denoise(denoiser, canvas, None, Decoding()))
    assert denoiser.widest == 3


def test_a_denoiser_with_memory_hears_its_last_prediction() -> None:
    canvas = blank(6, ABSORBING, torch.tensor([3]))
    decoding = Decoding(policy=LeftToRight(1))
    heard = list(denoise(RememberingDenoiser(ABSORBING), canvas, None, decoding))
    plain = list(denoise(ToyDenoiser(ABSORBING), canvas, None, decoding))
    assert heard[0].memory_BLD is not None
    assert heard[0].memory_BLD.shape == (1, 6, 2)
    assert torch.equal(heard[0].tokens_BL, plain[0].tokens_BL)  # the first forward has nothing to remember
    assert not torch.equal(heard[-1].tokens_BL, plain[-1].tokens_BL)


def test_ancestral_sampling_takes_exactly_its_steps() -> None:
    canvas = blank(4096, ABSORBING, torch.tensor([0]))
    trace = list(denoise(ToyDenoiser(ABSORBING), canvas, None, Decoding(policy=Ancestral(8))))
    assert len(trace) == 8
    for k, after in enumerate(trace, start=1):
        assert abs(after.noisy_BL.float().mean().item() - (1 - k / 8)) < 0.03


def test_seeds_change_the_text_and_repeat_it() -> None:
    def text(seed: int) -> list[list[int]]:
        decoding = Decoding(policy=Threshold(0.5), temperature=1.0)
        return last(
            sample(ToyDenoiser(ABSORBING), torch.tensor([[1]]), decoding, max_tokens=8, block_length=4, seed=seed)
        ).committed

    assert text(1) == text(1)
    assert text(1) != text(2)


def test_a_stream_may_be_left_early() -> None:
    denoiser = ToyDenoiser(ABSORBING)
    stream = sample(denoiser, torch.tensor([[1]]), Decoding(), max_tokens=64, block_length=32)
    next(iter(stream))
    assert denoiser.num_forwards == 1


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda d: infill(d, [[1]], [[2], [3]], Decoding(), gap=2), "1 prefixes, 2 suffixes"),
        (lambda d: infill(d, [[1]], [[2]], Decoding(), gap=-1), "gap=-1"),
        (lambda d: edit(d, [[1]], Decoding(), strength=1.5), "strength=1.5"),
        (lambda d: edit(d, [[1, 2]], Decoding(), editable=[[True]]), "every token"),
        (lambda d: edit(d, [[1, 2]], Decoding(), seed=torch.tensor([1, 2])), "seed of shape"),
        (lambda d: sample(d, [[1]], Decoding(), max_tokens=0, block_length=4), "max_tokens=0"),
        (lambda d: sample(d, [[1]], Decoding(), max_tokens=4, block_length=0), "block_length=0"),
        (lambda d: sample(d, [[1], [2, 3]], Decoding(), max_tokens=4, block_length=4, context=[]), r"\[1, 2\] tokens"),
    ],
)
def test_impossible_requests_are_errors(run: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        next(iter(run(ToyDenoiser(ABSORBING))))


def test_done_rows_of_a_canvas_come_back_as_they_were() -> None:
    status_BL = torch.full((2, 4), int(Status.NOISY))
    canvas = replace(make_canvas(torch.full((2, 4), 5), status_BL), done_B=torch.tensor([True, False]))
    final = last(denoise(RememberingDenoiser(ABSORBING), canvas, None, Decoding()))
    assert final.tokens_BL[0].tolist() == [5] * 4
    assert letters(final) == "NNNN"
    assert final.step_B[0] == 0
