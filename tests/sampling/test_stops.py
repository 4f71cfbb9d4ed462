"""Stops: when a row is done, and what nobody needs any more."""

from dataclasses import replace

import pytest
import torch

from redraft.core.canvas import stack
from redraft.sampling.stops import AfterStopToken, AllAccepted, AllSteps, AnyOf, Settled, StableAndConfident, Stop
from tests.sampling.toy import canvas_of, prediction_of

SOME = prediction_of([1, 2, 3, 4], [0.9] * 4)


def done(stop: Stop, after: str, tokens: list[int] | None = None) -> bool:
    canvas = canvas_of(after, tokens)
    return bool(stop(SOME, canvas, canvas))


@pytest.mark.parametrize(
    ("statuses", "expected"), [("FAAA", True), ("FANA", False), ("FF..", True), ("N...", False), ("....", True)]
)
def test_all_accepted_is_done_when_nothing_is_noisy(statuses: str, expected: bool) -> None:
    assert done(AllAccepted(), statuses) == expected


@pytest.mark.parametrize(
    ("statuses", "tokens", "expected"),
    [
        ("AAAN", [5, 6, 2, 0], True),
        ("ANAN", [5, 6, 2, 0], False),  # something before it is noisy
        ("AANN", [5, 6, 2, 0], False),  # the stop token itself is noise
        ("FFFN", [5, 2, 7, 0], False),  # a stop token of the caller's is no stop
        ("AAAA", [5, 6, 7, 7], False),
        ("FAAN", [5, 6, 3, 0], True),
    ],
)
def test_a_row_stops_after_an_accepted_stop_token_with_everything_before_it(
    statuses: str, tokens: list[int], expected: bool
) -> None:
    assert done(AfterStopToken((2, 3)), statuses, tokens) == expected


@pytest.mark.parametrize(
    ("statuses", "tokens", "surplus"),
    [
        ("NANA", [0, 2, 0, 2], [False, False, True, True]),
        ("NANF", [0, 2, 0, 9], [False] * 4),  # what is given is never lost
        ("FANN", [2, 5, 2, 2], [False] * 4),
        ("AAA.", [5, 6, 2, 0], [False, False, False, True]),
    ],
)
def test_what_follows_the_first_accepted_stop_token_is_surplus(
    statuses: str, tokens: list[int], surplus: list[bool]
) -> None:
    assert AfterStopToken((2,)).surplus(canvas_of(statuses, tokens))[0].tolist() == surplus


def test_stable_and_confident_wants_its_steps_of_peace_and_low_mean_entropy() -> None:
    calm = prediction_of([9, 2, 3, 4], [0.9] * 4, entropy=[9.0, 0.1, 0.3, 7.0])
    before = canvas_of("FNA.", [5, 2, 3, 0])  # only the middle two count
    after = replace(before, stable_B=torch.tensor([2]))
    assert bool(StableAndConfident(0.21)(calm, before, after))
    assert not bool(StableAndConfident(0.19)(calm, before, after))
    assert bool(StableAndConfident(0.21, patience=2)(calm, before, after))
    assert not bool(StableAndConfident(0.21, patience=3)(calm, before, after))
    assert bool(StableAndConfident(0.21, patience=0)(calm, before, before))
    assert not bool(StableAndConfident(0.21)(calm, before, before))


def test_settled_is_done_when_a_step_changed_nothing_and_nothing_is_noisy() -> None:
    before = canvas_of("FAA.", [5, 2, 3, 0])
    assert bool(Settled()(SOME, before, canvas_of("FAA.", [5, 2, 3, 7])))  # slack holds nothing
    assert not bool(Settled()(SOME, before, canvas_of("FAA.", [5, 2, 4, 0])))
    assert not bool(Settled()(SOME, before, canvas_of("FA..", [5, 2, 3, 0])))
    noisy = canvas_of("FNA.", [5, 2, 3, 0])
    assert not bool(Settled()(SOME, noisy, noisy))


def test_settled_may_run_out_of_patience_with_a_quiet_canvas() -> None:
    before, changed = canvas_of("FAA", [5, 2, 3]), canvas_of("FAA", [5, 2, 4])
    for quiet, expected in ((1, False), (2, True), (3, True)):
        after = replace(changed, quiet_B=torch.tensor([quiet]))
        assert bool(Settled(max_quiet=2)(SOME, before, after)) == expected
    noisy = replace(canvas_of("FNA", [5, 2, 4]), quiet_B=torch.tensor([9]))
    assert not bool(Settled(max_quiet=2)(SOME, before, noisy))
    assert bool(Settled(max_quiet=0)(SOME, canvas_of("FNA", [5, 2, 3]), changed))


def test_all_steps_is_never_done_of_itself() -> None:
    assert not done(AllSteps(), "FAAA")


def test_stops_compose_with_or_and_flatten() -> None:
    either = AllAccepted() | AfterStopToken((2,)) | Settled()
    assert either == AnyOf((AllAccepted(), AfterStopToken((2,)), Settled()))
    assert done(either, "AAAN", [5, 6, 2, 0])
    assert not done(AllAccepted() | Settled(), "AAAN", [5, 6, 2, 0])
    assert either.surplus(canvas_of("ANNN", [2, 0, 0, 0]))[0].tolist() == [False, True, True, True]
    assert (AllAccepted() | Settled()).surplus(canvas_of("ANNN")) is None


def test_rows_stop_one_by_one() -> None:
    canvas = stack([canvas_of("AA"), canvas_of("AN")])
    prediction = prediction_of([1, 2], [0.9] * 2)
    assert AllAccepted()(prediction, canvas, canvas).tolist() == [True, False]


@pytest.mark.parametrize(
    "make",
    [
        lambda: StableAndConfident(-1),
        lambda: StableAndConfident(float("nan")),
        lambda: StableAndConfident(patience=-1),
        lambda: Settled(max_quiet=-1),
        lambda: Settled(max_quiet=1.5),
        lambda: AfterStopToken(()),
        lambda: AfterStopToken([2]),
        lambda: AfterStopToken(("</s>",)),
        lambda: AnyOf(()),
        lambda: AnyOf(("settled",)),
    ],
)
def test_an_impossible_stop_is_an_error(make) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError):
        make()


def test_stops_are_values() -> None:
    assert hash(AfterStopToken((2,))) == hash(AfterStopToken((2,)))
    assert torch.is_tensor(AllAccepted()(SOME, canvas_of("A"), canvas_of("A")))
