"""One step: statuses, lengths and rows, against a plain row-by-row reading of the rules."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from redraft.core.canvas import Action, Canvas, Controls, Status, make_canvas, stack
from redraft.core.corruption import Absorbing, Uniform
from redraft.core.denoiser import Noise
from redraft.core.rng import Stream, uniform
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.policies import (
    Budgeted,
    Correct,
    EntropyBound,
    Factor,
    LeftToRight,
    LinearGrid,
    Policy,
    Renoising,
    Staged,
    Threshold,
    TopK,
    UniformAncestral,
)
from redraft.sampling.prediction import Prediction, predict
from redraft.sampling.step import step
from redraft.sampling.stops import AfterStopToken, AllAccepted, Settled, StableAndConfident, Stop
from tests.sampling.toy import MASK, VOCAB, canvas_of, letters, logits_for

CONTROLS = Controls(delete_id=15, insert_ids=(13, 14))
NOISES = [Absorbing(MASK, VOCAB), Uniform(VOCAB, text_size=13)]
SURE = [0.99] * 6


class Scripted(Policy):
    """Says what it was told to."""

    def __init__(self, action_BL: Tensor) -> None:
        self.action_BL = action_BL

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        return self.action_BL


class Never(Stop):
    """Never done."""

    def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
        return torch.zeros_like(before.done_B)


def play(
    statuses: str,
    tokens: list[int],
    predicted: list[int],
    actions: str,
    *,
    indels: bool = True,
    limit: int | None = None,
    max_steps: int = 9,
    stop: Stop | None = None,
    noise: Noise = NOISES[0],
) -> Canvas:
    """One row, one step; actions are letters K W R I D."""
    script_BL = torch.tensor([["KWRID".index(letter) for letter in actions]])
    decoding = Decoding(policy=Scripted(script_BL), stop=stop or Never(), max_steps=max_steps, indels=indels)
    limit_B = None if limit is None else torch.tensor([limit])
    canvas = canvas_of(statuses, tokens)
    return step(canvas, logits_for(predicted, SURE[: len(tokens)]), noise, decoding, CONTROLS, limit_B)


def test_write_renoise_and_keep() -> None:
    after = play("FNAANA", [1, 2, 3, 4, 5, 6], [7, 8, 9, 10, 11, 12], "WWWRKK", indels=False)
    assert after.tokens_BL[0].tolist() == [1, 8, 9, MASK, 5, 6]
    assert letters(after) == "FAANNA"
    assert (after.step_B.item(), after.done_B.item()) == (1, False)


def test_delete_compacts_the_row_and_leaves_slack_at_its_end() -> None:
    after = play("FANAF.", [1, 2, 3, 4, 5, 0], [7] * 6, "DDDKDK")
    assert letters(after) == "FAF..."
    assert after.tokens_BL[0, :3].tolist() == [1, 4, 5]


def test_insert_opens_noisy_slots_before_the_position_and_keeps_its_token() -> None:
    after = play("FAF...", [1, 2, 3, 0, 0, 0], [7, 14, 13, 7, 7, 7], "KIIKKK")
    assert letters(after) == "FNNANF"
    assert after.tokens_BL[0].tolist() == [1, MASK, MASK, 2, MASK, 3]


def test_write_of_a_control_carries_it_out() -> None:
    after = play("AAAA..", [1, 2, 3, 4, 0, 0], [15, 9, 13, 7, 7, 7], "WWWKKK")
    assert letters(after) == "ANAA.."
    assert after.tokens_BL[0, :4].tolist() == [9, MASK, 3, 4]


def test_an_insertion_never_splits_or_precedes_a_locked_span_at_the_front() -> None:
    after = play("FFAFF.", [1, 2, 3, 4, 5, 0], [13, 13, 9, 9, 13, 9], "IIKKIK")
    assert letters(after) == "FFAFF."
    after = play("FAFF..", [1, 2, 3, 4, 0, 0], [9, 9, 13, 9, 9, 9], "KKIKKK")
    assert letters(after) == "FANFF."  # behind an editable token it may open
    after = play("AFF...", [1, 2, 3, 0, 0, 0], [13, 9, 9, 9, 9, 9], "IKKKKK")
    assert letters(after) == "NAFF.."


def test_insertions_that_do_not_fit_are_dropped_whole_from_the_right() -> None:
    after = play("AAA...", [1, 2, 3, 0, 0, 0], [13, 14, 13, 9, 9, 9], "IIIKKK", limit=5)
    assert letters(after) == "NAAA.."  # 1 fits, 1 + 2 does not, and nothing to its right is tried
    assert letters(play("AAA...", [1, 2, 3, 0, 0, 0], [13, 14, 13, 9, 9, 9], "IIIKKK")) == "NANNAA"
    assert letters(play("AAAAAA", [1] * 6, [13] * 6, "IIIIII")) == "AAAAAA"
    assert letters(play("AAAAAA", [1] * 6, [13] * 5 + [15], "IKKKKW")) == "NAAAAA"  # a deletion makes room


def test_slack_neither_inserts_nor_becomes_anything() -> None:
    assert letters(play("AA....", [1, 2, 0, 0, 0, 0], [9, 9, 13, 15, 9, 9], "KKIDWR")) == "AA...."


def test_length_changes_are_refused_without_controls() -> None:
    with pytest.raises(ValueError, match="controls"):
        step(canvas_of("A"), logits_for([1], [0.9]), NOISES[0], Decoding(indels=True))


def test_without_indels_controls_are_never_predicted() -> None:
    after = play("NNNN..", [0] * 6, [15, 13, 14, 3, 3, 3], "WWWWWW", indels=False)
    assert letters(after) == "AAAA.."
    assert not set(after.tokens_BL[0, :4].tolist()) & set(CONTROLS.ids)


@pytest.mark.parametrize("indels", [False, True])
def test_on_the_last_step_leftovers_are_written_and_noise_is_never_emitted(indels: bool) -> None:
    after = play("FNNAA.", [1, 0, 0, 4, 5, 0], [7, 8, 9, 10, 11, 0], "KKWRKK", max_steps=1, indels=indels)
    assert letters(after) == "FAAAA."
    assert after.tokens_BL[0, :5].tolist() == [1, 8, 9, 10, 5]
    assert after.done_B.item()


def test_on_the_last_step_leftover_slots_that_predict_a_control_are_deleted_and_none_is_opened() -> None:
    after = play("FNNAAF", [1, 0, 0, 4, 5, 6], [9, 15, 13, 13, 14, 9], "KKKIRK", max_steps=1)
    assert letters(after) == "FAAF.."
    assert after.tokens_BL[0, :4].tolist() == [1, 4, 5, 6]


def test_a_stop_that_fires_with_noise_left_also_writes_the_leftovers() -> None:
    class Now(Never):
        def __call__(self, prediction: Prediction, before: Canvas, after: Canvas) -> Tensor:
            return torch.ones_like(before.done_B)

    after = play("NNAA..", [0, 0, 3, 4, 0, 0], [7, 8, 9, 9, 9, 9], "KRRKKK", stop=Now())
    assert letters(after) == "AAAA.."
    assert after.tokens_BL[0, :4].tolist() == [7, 8, 9, 4]


def test_positions_after_an_accepted_stop_token_become_empty_at_once() -> None:
    after = play("NNNNN.", [0] * 6, [5, 2, 6, 2, 6, 0], "KWKWWK", stop=AfterStopToken((2,)), indels=False)
    assert letters(after) == "NA...."
    assert not after.done_B.item()
    again = play("ANNNN.", [5, 0, 0, 0, 0, 0], [5, 2, 6, 2, 6, 0], "KWKKKK", stop=AfterStopToken((2,)), indels=False)
    assert letters(again) == "AA...."
    assert again.done_B.item()


def test_memory_moves_with_its_token_and_new_slots_have_none() -> None:
    canvas = replace(canvas_of("FAAA..", [1, 2, 3, 4, 0, 0]), memory_BLD=torch.arange(1.0, 7.0).repeat(2, 1).T[None])
    script_BL = torch.tensor([[0, 4, 3, 0, 0, 0]])
    decoding = Decoding(policy=Scripted(script_BL), stop=Never(), indels=True)
    after = step(canvas, logits_for([9, 9, 13, 9, 9, 9], SURE), NOISES[0], decoding, CONTROLS)
    assert letters(after) == "FNAA.."
    assert after.memory_BLD is not None
    assert after.memory_BLD[0, :4, 0].tolist() == [1.0, 0.0, 3.0, 4.0]


def test_the_last_prediction_moves_with_its_token_and_new_slots_had_none() -> None:
    canvas = replace(canvas_of("FAAA..", [1, 2, 3, 4, 0, 0]), best_BL=torch.tensor([[1, 2, 3, 4, 5, 6]]))
    decoding = Decoding(policy=Scripted(torch.tensor([[0, 4, 3, 0, 0, 0]])), stop=Never(), indels=True)
    after = step(canvas, logits_for([9, 10, 13, 11, 9, 9], SURE), NOISES[0], decoding, CONTROLS)
    assert after.best_BL is not None
    assert after.best_BL[0, :4].tolist() == [9, -1, 13, 11]


def test_a_canvas_counts_how_long_the_best_tokens_of_its_editable_positions_stayed_the_same() -> None:
    canvas = stack([canvas_of("FAN", [1, 2, 3]), canvas_of("AAA", [1, 2, 3])])
    decoding = Decoding(policy=Scripted(torch.zeros(2, 3).long()), stop=Never())
    seen = []
    for predicted in ([7, 8, 9], [6, 8, 9], [7, 8, 9], [7, 8, 10]):
        canvas = step(canvas, logits_for(predicted, [0.9] * 3).expand(2, 3, VOCAB), NOISES[0], decoding)
        seen.append(canvas.stable_B.tolist())
    assert seen == [[0, 0], [1, 0], [2, 0], [0, 0]]


def test_a_canvas_counts_the_forwards_that_found_nothing_noisy() -> None:
    seen, canvas = [], canvas_of("FNA", [1, 2, 3])
    for actions in ("KKK", "KWK", "KKK", "KKK", "KKR", "KKK"):
        script_BL = torch.tensor([["KWRID".index(letter) for letter in actions]])
        decoding = Decoding(policy=Scripted(script_BL), stop=Never())
        canvas = step(canvas, logits_for([7, 8, 9], [0.9] * 3), NOISES[0], decoding)
        seen.append(canvas.quiet_B.item())
    assert seen == [0, 0, 1, 2, 3, 0]


def test_a_finished_row_keeps_what_it_remembers() -> None:
    canvas = replace(canvas_of("AA", [1, 2]), best_BL=torch.tensor([[5, 6]]), stable_B=torch.tensor([3]))
    canvas = replace(canvas, quiet_B=torch.tensor([4]), done_B=torch.tensor([True]))
    after = step(canvas, logits_for([7, 8], [0.9] * 2), NOISES[0], Decoding())
    assert after.best_BL is not None
    assert (after.best_BL.tolist(), after.stable_B.item(), after.quiet_B.item()) == ([[5, 6]], 3, 4)


def test_the_best_tokens_are_emitted_where_asked_and_only_on_a_rows_last_step() -> None:
    logits_BLV = logits_for([7, 8, 9, 10], [0.6] * 4)
    script_BL = torch.tensor([[0, 1, 2, 0]])
    decoding = Decoding(policy=Scripted(script_BL), stop=Never(), temperature=5.0, max_steps=2, emit="best")
    canvas = canvas_of("FNA>", [1, 2, 3, 4])
    early = step(canvas, logits_BLV, NOISES[0], decoding)
    assert letters(early) == "FAN>"
    final = step(early, logits_BLV, NOISES[0], decoding)
    assert letters(final) == "FAA>"
    assert final.tokens_BL[0].tolist() == [1, 8, 9, 4]


def test_noise_ahead_is_neither_written_nor_renoised_nor_finished() -> None:
    after = play("NN>>", [0, 0, 5, 6], [7, 8, 9, 13], "WWWI", max_steps=1)
    assert letters(after) == "AA>>"
    assert after.tokens_BL[0].tolist() == [7, 8, 5, 6]
    assert after.row_tokens(0) == [7, 8]
    assert letters(play("NN>>", [0, 0, 5, 6], [7, 8, 9, 9], "WKRR", indels=False)) == "AN>>"


def test_the_logits_may_cover_only_the_columns_in_use() -> None:
    canvas = canvas_of("FNNA..", [1, 0, 0, 4, 0, 0])
    logits_BLV = logits_for([9, 13, 8, 15, 3, 3], SURE)
    decoding = Decoding(policy=Threshold(0.5), stop=Settled(), indels=True)
    full = step(canvas, logits_BLV, NOISES[0], decoding, CONTROLS)
    part = step(canvas, logits_BLV[:, :4], NOISES[0], decoding, CONTROLS)
    assert torch.equal(full.tokens_BL, part.tokens_BL)
    assert torch.equal(full.status_BL, part.status_BL)


def test_a_temperature_schedule_reads_each_rows_own_step() -> None:
    """Row 0 at the hot start draws widely; row 1 at the cold end does not."""
    canvas = make_canvas(torch.zeros(2, 400), torch.full((2, 400), int(Status.NOISY)))
    canvas = replace(canvas, step_B=torch.tensor([0, 9]))
    logits_BLV = torch.tensor([3.0, 2.0, 1.0, 0.0]).expand(2, 400, 4)
    decoding = Decoding(policy=TopK(count=400), temperature=LinearTemperature(2.0, 0.0), max_steps=10)
    after = step(canvas, logits_BLV, Uniform(4), decoding)
    best_B = (after.tokens_BL == 0).double().mean(-1)
    assert abs(best_B[0].item() - (logits_BLV[0, 0] / 2).softmax(-1)[0].item()) < 0.1
    assert abs(best_B[1].item() - (logits_BLV[0, 0] / 0.2).softmax(-1)[0].item()) < 0.02


def test_step_writes_into_none_of_its_arguments() -> None:
    canvas = canvas_of("FNAAA.", [1, 2, 3, 4, 5, 0])
    kept = [canvas.tokens_BL.clone(), canvas.status_BL.clone()]
    step(canvas, logits_for([15, 9, 15, 13, 9, 9], SURE), NOISES[1], Decoding(policy=Correct(), indels=True), CONTROLS)
    assert torch.equal(canvas.tokens_BL, kept[0])
    assert torch.equal(canvas.status_BL, kept[1])


# ---------------------------------------------------------------- any actions, any logits, against a plain reading


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Canvas, Tensor, Tensor, Noise, int]:
    """A batch of rows with slack, random actions, random logits with many controls, a noise and a step limit."""
    rows, length = draw(st.integers(1, 4)), draw(st.integers(1, 9))
    statuses = []
    for _ in range(rows):
        used = draw(st.integers(0, length))
        statuses.append(draw(st.lists(st.integers(0, 2), min_size=used, max_size=used)) + [3] * (length - used))
    generator = torch.Generator().manual_seed(draw(st.integers(0, 2**31)))
    canvas = make_canvas(torch.randint(0, 13, (rows, length), generator=generator), torch.tensor(statuses))
    canvas = replace(canvas, done_B=torch.tensor(draw(st.lists(st.booleans(), min_size=rows, max_size=rows))))
    action_BL = torch.randint(0, 5, (rows, length), generator=generator)
    logits_BLV = torch.randn(rows, length, VOCAB, generator=generator)
    logits_BLV[..., 13:16] += 1.5
    logits_BLV[..., MASK] = -torch.inf
    return canvas, action_BL, logits_BLV, draw(st.sampled_from(NOISES)), draw(st.sampled_from([1, 9]))


def run(canvas: Canvas, action_BL: Tensor, logits_BLV: Tensor, noise: Noise, max_steps: int, indels: bool) -> Canvas:
    decoding = Decoding(policy=Scripted(action_BL), stop=Never(), temperature=0.7, max_steps=max_steps, indels=indels)
    return step(canvas, logits_BLV, noise, decoding, CONTROLS)


def plain_row(
    canvas: Canvas, row: int, action_BL: Tensor, prediction: Prediction, last: bool
) -> tuple[list[int], list[int]]:
    """The rules, one position after the other. Returns tokens and statuses without slack."""
    room = canvas.length - int(canvas.present_BL[row].sum())
    status_L = canvas.status_BL[row].tolist()
    moves = []
    for i, status in enumerate(status_L):
        action = int(action_BL[row, i])
        proposal, slots = int(prediction.proposal_BL[row, i]), int(prediction.slots_BL[row, i])
        token, predicted = int(canvas.tokens_BL[row, i]), int(prediction.tokens_BL[row, i])
        if action == Action.WRITE:
            action = proposal
        locked = status == Status.FIXED and (i == 0 or status_L[i - 1] == Status.FIXED)
        if status == Status.EMPTY or (action == Action.INSERT and (locked or not slots)):
            action = Action.KEEP
        if status == Status.FIXED and action != Action.INSERT:
            action = Action.KEEP
        stays_noise = action == Action.RENOISE or (status == Status.NOISY and action in (Action.KEEP, Action.INSERT))
        if last and stays_noise:
            leftover = Action.DELETE if status == Status.NOISY else Action.KEEP
            action = Action.WRITE if proposal == Action.WRITE else leftover
        if last and action == Action.INSERT:
            action = Action.KEEP
        moves.append((action, status, token, predicted, slots))
    room += sum(move[0] == Action.DELETE for move in moves)
    tokens: list[int] = []
    statuses: list[int] = []
    for action, status, token, predicted, slots in moves:
        if action == Action.INSERT:
            room -= slots  # once negative it stays negative: the rest is dropped
            if room >= 0:
                statuses += [int(Status.NOISY)] * slots
                tokens += [MASK] * slots
        if action == Action.DELETE or status == Status.EMPTY:
            continue
        tokens.append({Action.WRITE: predicted, Action.RENOISE: MASK}.get(Action(action), token))
        statuses.append({Action.WRITE: 2, Action.RENOISE: 1}.get(Action(action), status))
    return tokens, statuses


@settings(max_examples=120, deadline=None)
@given(scenes())
def test_step_is_the_plain_reading_of_the_rules(scene: tuple[Canvas, Tensor, Tensor, Noise, int]) -> None:
    canvas, action_BL, logits_BLV, _, max_steps = scene
    noise = Absorbing(MASK, VOCAB)  # the same everywhere, so that renoised and opened slots read alike
    after = run(canvas, action_BL, logits_BLV, noise, max_steps, indels=True)
    u_BL = uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.TOKEN)
    prediction = predict(logits_BLV, 0.7, u_BL, controls=CONTROLS, indels=True)
    for row in range(len(canvas)):
        if not canvas.done_B[row]:
            tokens, statuses = plain_row(canvas, row, action_BL, prediction, max_steps == 1)
            assert after.row_tokens(row) == tokens
            assert after.status_BL[row].tolist() == statuses + [3] * (canvas.length - len(statuses))


@settings(max_examples=120, deadline=None)
@given(scenes(), st.booleans())
def test_locked_tokens_done_rows_and_lengths_survive_any_actions(
    scene: tuple[Canvas, Tensor, Tensor, Noise, int], indels: bool
) -> None:
    canvas, action_BL, logits_BLV, noise, max_steps = scene
    after = run(canvas, action_BL, logits_BLV, noise, max_steps, indels)
    assert after.tokens_BL.shape == canvas.tokens_BL.shape
    for row in range(len(canvas)):
        assert fixed_tokens(after, row) == fixed_tokens(canvas, row)
        if canvas.done_B[row]:
            assert torch.equal(after.tokens_BL[row], canvas.tokens_BL[row])
            assert torch.equal(after.status_BL[row], canvas.status_BL[row])
            assert after.step_B[row] == canvas.step_B[row]
        else:
            assert after.step_B[row] == canvas.step_B[row] + 1
            assert not (after.done_B[row] and after.noisy_BL[row].any())
            present_L = after.present_BL[row].tolist()
            assert present_L == sorted(present_L, reverse=True)  # slack is at the end
            accepted_L = after.tokens_BL[row][after.status_BL[row] == Status.ACCEPTED]
            assert not torch.isin(accepted_L, torch.tensor(CONTROLS.ids)).any()
        if not indels:
            assert torch.equal(after.present_BL[row], canvas.present_BL[row])


@settings(max_examples=60, deadline=None)
@given(scenes(), st.booleans())
def test_a_row_alone_is_the_row_among_others(scene: tuple[Canvas, Tensor, Tensor, Noise, int], indels: bool) -> None:
    canvas, action_BL, logits_BLV, noise, max_steps = scene
    together = run(canvas, action_BL, logits_BLV, noise, max_steps, indels)
    for row in range(len(canvas)):
        one = slice(row, row + 1)
        alone = run(canvas.select([row]), action_BL[one], logits_BLV[one], noise, max_steps, indels)
        for name in ("tokens_BL", "status_BL", "step_B", "done_B"):
            assert torch.equal(getattr(alone, name), getattr(together, name)[one])


@settings(max_examples=60, deadline=None)
@given(scenes())
def test_the_fast_path_agrees_with_the_moving_one_where_no_length_changes(
    scene: tuple[Canvas, Tensor, Tensor, Noise, int],
) -> None:
    canvas, action_BL, logits_BLV, noise, max_steps = scene
    action_BL = action_BL % 3
    logits_BLV = logits_BLV.index_fill(-1, torch.tensor(CONTROLS.ids), -torch.inf)
    fast = run(canvas, action_BL, logits_BLV, noise, max_steps, indels=False)
    moving = run(canvas, action_BL, logits_BLV, noise, max_steps, indels=True)
    assert torch.equal(fast.status_BL, moving.status_BL)
    assert torch.equal(fast.tokens_BL[fast.present_BL], moving.tokens_BL[moving.present_BL])


def fixed_tokens(canvas: Canvas, row: int) -> list[int]:
    return canvas.tokens_BL[row][canvas.status_BL[row] == Status.FIXED].tolist()


def test_step_never_waits_for_the_device() -> None:
    """On the meta device there are no values: any .item(), bool() or shape that depends on data raises."""
    canvas = stack([canvas_of("FNNA.", [1, 0, 0, 4, 0]), canvas_of("AAAAA", [1, 2, 3, 4, 5])])
    canvas = replace(canvas, memory_BLD=torch.zeros(2, 5, 3), best_BL=torch.zeros(2, 5).long())
    meta = Canvas(*(getattr(canvas, name).to("meta") for name in Canvas.__slots__))
    logits_BLV = torch.empty(2, 5, VOCAB, device="meta")
    for noise in NOISES:
        for policy in (Correct(), EntropyBound(sticky=False), Threshold()):
            decoding = Decoding(
                policy=policy, stop=AllAccepted() | AfterStopToken((2,)), indels=True, temperature=LinearTemperature()
            )
            assert step(meta, logits_BLV, noise, decoding, CONTROLS).tokens_BL.shape == (2, 5)
    stops = StableAndConfident(patience=2) | Settled(max_quiet=1)
    for policy in (
        Budgeted(num_steps=4),
        EntropyBound(by="confidence"),
        Factor(last_rank=True),
        LinearGrid(4),
        Staged(LeftToRight(num_steps=2), TopK(count=1)),
        UniformAncestral(4, 9),
    ):
        decoding = Decoding(policy=policy, stop=stops, unsure_ids=(1,), emit="best")
        assert step(meta, logits_BLV, NOISES[0], decoding).quiet_B.shape == (2,)


def test_a_token_keeps_the_confidence_of_the_step_that_wrote_it() -> None:
    canvas = canvas_of("NNF", [0, 0, 9])
    decoding = Decoding(policy=Threshold(0.5), max_steps=9)
    first = step(canvas, logits_for([5, 6, 7], [0.9, 0.3, 0.9]), NOISES[0], decoding)
    second = step(first, logits_for([5, 6, 7], [0.2, 0.7, 0.9]), NOISES[0], decoding)
    torch.testing.assert_close(second.confidence_BL, torch.tensor([[0.9, 0.7, 0.0]]))


def test_a_renoised_token_has_no_confidence() -> None:
    canvas = replace(canvas_of("AN", [5, 0]), confidence_BL=torch.tensor([[0.8, 0.0]]))
    policy = Renoising(LeftToRight(1), tau=0.9)
    after = step(canvas, logits_for([6, 7], [0.9, 0.6]), NOISES[0], Decoding(policy=policy, max_steps=9))
    torch.testing.assert_close(after.confidence_BL, torch.tensor([[0.0, 0.6]]))
