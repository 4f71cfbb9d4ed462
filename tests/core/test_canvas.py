"""The canvas: statuses, rows, slack."""

from dataclasses import replace

import pytest
import torch

from redraft.core.canvas import Action, Canvas, Controls, Status, make_canvas, stack

F, N, A, E = Status.FIXED, Status.NOISY, Status.ACCEPTED, Status.EMPTY


def small() -> Canvas:
    return make_canvas(torch.tensor([[1, 2, 3, 0], [4, 5, 6, 7]]), torch.tensor([[F, N, A, E], [N, N, F, A]]), 10)


def test_status_says_what_is_noisy_present_and_editable() -> None:
    canvas = small()
    assert canvas.noisy_BL.tolist() == [[False, True, False, False], [True, True, False, False]]
    assert canvas.present_BL.tolist() == [[True, True, True, False], [True] * 4]
    assert canvas.editable_BL.tolist() == [[False, True, True, False], [True, True, False, True]]


def test_a_finished_row_is_no_longer_editable() -> None:
    canvas = small()
    done = replace(canvas, done_B=torch.tensor([True, False]))
    assert not done.editable_BL[0].any()
    assert torch.equal(done.editable_BL[1], canvas.editable_BL[1])
    assert torch.equal(done.noisy_BL, canvas.noisy_BL)


def test_a_fresh_canvas_starts_at_step_zero_with_one_seed_per_row() -> None:
    canvas = small()
    assert canvas.seed_B.tolist() == [10, 11]
    assert canvas.step_B.tolist() == [0, 0]
    assert canvas.done_B.tolist() == [False, False]
    given = make_canvas(canvas.tokens_BL, canvas.status_BL, torch.tensor([5, 5]))
    assert given.seed_B.tolist() == [5, 5]


def test_row_tokens_leave_the_slack_out() -> None:
    assert small().row_tokens(0) == [1, 2, 3]
    assert small().row_tokens(1) == [4, 5, 6, 7]
    assert (len(small()), small().length) == (2, 4)


def test_select_takes_rows_in_the_given_order() -> None:
    canvas = small()
    swapped = canvas.select([1, 0, 1])
    assert swapped.tokens_BL.tolist() == [[4, 5, 6, 7], [1, 2, 3, 0], [4, 5, 6, 7]]
    assert swapped.seed_B.tolist() == [11, 10, 11]
    assert swapped.memory_BLD is None


def test_widening_appends_empty_slack_and_keeps_the_rest() -> None:
    canvas = small()
    memory_BLD = torch.randn(2, 4, 3)
    remembering = replace(canvas, memory_BLD=memory_BLD)
    wide = remembering.widen(2)
    assert wide.length == 6
    assert (wide.status_BL[:, 4:] == Status.EMPTY).all()
    assert torch.equal(wide.tokens_BL[:, :4], canvas.tokens_BL)
    assert torch.equal(wide.status_BL[:, :4], canvas.status_BL)
    assert wide.memory_BLD is not None
    assert torch.equal(wide.memory_BLD[:, :4], memory_BLD)
    assert (wide.memory_BLD[:, 4:] == 0).all()
    assert [wide.row_tokens(0), wide.row_tokens(1)] == [[1, 2, 3], [4, 5, 6, 7]]
    with pytest.raises(ValueError, match="extra"):
        canvas.widen(-1)


def test_stacking_pads_shorter_rows_and_selecting_undoes_it() -> None:
    short = make_canvas(torch.tensor([[8, 9]]), torch.tensor([[N, F]]), 3)
    both = stack([short, small()])
    assert both.length == 4
    assert both.seed_B.tolist() == [3, 10, 11]
    assert both.row_tokens(0) == [8, 9]
    assert both.status_BL[0].tolist() == [N, F, E, E]
    assert torch.equal(both.select([1, 2]).tokens_BL, small().tokens_BL)


def test_noise_ahead_is_present_but_neither_noisy_nor_editable_nor_text() -> None:
    canvas = make_canvas(torch.tensor([[1, 2, 3, 4]]), torch.tensor([[F, N, Status.AHEAD, E]]))
    assert canvas.present_BL.tolist() == [[True, True, True, False]]
    assert canvas.inside_BL.tolist() == [[True, True, False, False]]
    assert canvas.noisy_BL.tolist() == canvas.editable_BL.tolist() == [[False, True, False, False]]
    assert canvas.row_tokens(0) == [1, 2]


def test_narrowing_undoes_widening() -> None:
    canvas = replace(small(), memory_BLD=torch.randn(2, 4, 3), best_BL=torch.ones(2, 4).long())
    wide = canvas.widen(2)
    assert wide.best_BL is not None
    assert wide.best_BL[:, 4:].tolist() == [[-1, -1]] * 2
    again = wide.narrow(4)
    for name in Canvas.__slots__:
        assert torch.equal(getattr(again, name), getattr(canvas, name))


def test_a_stacked_row_without_a_prediction_still_has_none() -> None:
    fresh = make_canvas(torch.tensor([[8, 9, 7, 6]]), torch.tensor([[N, N, N, N]]))
    both = stack([replace(small(), memory_BLD=torch.ones(2, 4, 3), best_BL=torch.ones(2, 4).long()), fresh])
    assert both.memory_BLD is not None
    assert both.best_BL is not None
    assert both.memory_BLD.sum((1, 2)).tolist() == [12, 12, 0]
    assert both.best_BL.tolist() == [[1] * 4, [1] * 4, [-1] * 4]
    assert stack([fresh, fresh]).best_BL is None


def test_nothing_is_written_into_the_canvas_given() -> None:
    canvas = small()
    before = canvas.tokens_BL.clone(), canvas.status_BL.clone()
    canvas.widen(3)
    canvas.select([0])
    stack([canvas, canvas])
    assert torch.equal(canvas.tokens_BL, before[0])
    assert torch.equal(canvas.status_BL, before[1])


def test_controls_list_delete_first_and_then_insert_by_count() -> None:
    assert Controls(7, (8, 9)).ids == (7, 8, 9)
    assert Controls(7).ids == (7,)


def test_the_numbers_of_statuses_and_actions_are_part_of_every_recorded_trace() -> None:
    assert [status.name for status in sorted(Status)] == ["FIXED", "NOISY", "ACCEPTED", "EMPTY", "AHEAD"]
    assert [action.name for action in sorted(Action)] == ["KEEP", "WRITE", "RENOISE", "INSERT", "DELETE"]
