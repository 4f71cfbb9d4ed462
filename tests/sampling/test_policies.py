"""Policies: hand-computed actions on six positions, and the statistics of the random ones."""

import dataclasses
from dataclasses import replace
from itertools import pairwise, product
from typing import Any

import pytest
import torch

from redraft.core.canvas import Action, Canvas, Status, make_canvas
from redraft.core.corruption import Absorbing, Uniform
from redraft.sampling.decoding import Decoding
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
    Policy,
    Remasking,
    Renoising,
    Revising,
    Staged,
    Threshold,
    TimeGrid,
    TopK,
    UniformAncestral,
    uniform_reverse,
)
from redraft.sampling.prediction import COSTLY, Prediction
from redraft.sampling.step import step
from redraft.sampling.stops import AllAccepted, AllSteps
from tests.sampling.toy import canvas_of, prediction_of

CONFIDENCE = [0.95, 0.60, 0.92, 0.30, 0.85, 0.10]
ENTROPY = [0.05, 0.40, 0.08, 0.70, 0.15, 0.90]
MARGIN = [0.10, 0.50, 0.20, 0.05, 0.40, 0.30]
HELD = [1, 2, 3, 4, 5, 6]
PREDICTED = [9, 9, 3, 4, 9, 9]
W, D, J = int(Action.WRITE), int(Action.DELETE), int(Action.INSERT)

# policy, statuses (F fixed, N noisy, A accepted, . empty), step, actions (K keep, W write, R renoise)
TABLE: list[tuple[Policy, str, int, str]] = [
    (Threshold(0.9), "NNNNNN", 0, "WKWKKK"),
    (Threshold(0.9), "FNANNN", 0, "KKKKWK"),  # none passes: the best noisy one
    (Threshold(0.99), "NNNNNN", 0, "WKKKKK"),
    (Threshold(0.0), "NNNN..", 0, "WWWWKK"),
    (Threshold(0.9), "FAAAAA", 0, "KKKKKK"),
    (Threshold(0.9, num_steps=2), "NNNNNN", 0, "WKWKWK"),  # quota 3
    (Threshold(0.9, num_steps=4), "NNNNNN", 0, "WKWKKK"),  # quota 2, as many pass
    (Threshold(0.99, num_steps=4), "NNNNNN", 1, "WKWKKK"),  # remainder 2 goes to steps 0 and 1
    (Threshold(0.99, num_steps=4), "NNNNNN", 2, "WKKKKK"),
    (Threshold(0.2, num_steps=4), "NNNNNN", 0, "WWWWWK"),
    (Threshold(0.99, count=2), "NNNNNN", 5, "WKWKKK"),  # at least two, at every step
    (Threshold(0.2, count=2), "NNNNNN", 0, "WWWWWK"),
    (Factor(0.05), "NNNNNN", 0, "WKKKKK"),  # 2 * 0.05 is too much: the best alone
    (Factor(0.3), "NNNNNN", 0, "WKWKKK"),  # 0.1, 0.24, 0.6
    (Factor(0.7), "NNNNNN", 0, "WKWKWK"),  # 0.1, 0.24, 0.6, 2.0
    (Factor(0.7), "ANNFNN", 0, "KKWKWK"),  # 2 * 0.08, 3 * 0.15, 4 * 0.4
    (Factor(0.05, last_rank=True), "NNNFFF", 0, "WKKKKK"),
    (Factor(0.3, last_rank=True), "NNNFFF", 0, "WWWKKK"),  # the run stops at the last one, which is taken too
    (Factor(0.05, last_rank=True), "FNNFFF", 0, "KWWKKK"),
    (TopK(num_steps=4), "NNNNNN", 0, "WKWKKK"),  # 2, 2, 1, 1
    (TopK(num_steps=4), "ANANNN", 1, "KWKKWK"),
    (TopK(num_steps=4), "AAANAN", 2, "KKKWKK"),
    (TopK(num_steps=4), "AAANAN", 3, "KKKWKW"),
    (TopK(num_steps=4), "AAANAN", 9, "KKKWKW"),
    (TopK(count=3), "NNNNNN", 0, "WKWKWK"),
    (TopK(count=3), "FFNNFF", 0, "KKWWKK"),
    (TopK(count=2, by="margin"), "NNNNNN", 0, "KWKKWK"),
    (TopK(count=2, by="entropy"), "FNNNNN", 0, "KKWKWK"),
    (TimeGrid(3, eps=0.1), "NNNNNN", 0, "WKKKKK"),  # floor(6 * 0.3)
    (TimeGrid(3, eps=0.1), "ANNNNN", 1, "KKWKWK"),  # floor(5 * 0.3 / 0.7)
    (TimeGrid(3, eps=0.1), "ANANAN", 2, "KWKWKW"),
    (TimeGrid(16, eps=1e-3), "NNNNNN", 0, "KKKKKK"),  # floor(6 * 0.062)
    (LinearGrid(4), "NNNNNN", 0, "WKWKKK"),  # floor(6 * 3/4) stay
    (LinearGrid(4), "ANANNN", 1, "KKKKWK"),  # floor(6 * 2/4)
    (LinearGrid(4), "ANANAN", 2, "KWKWKK"),  # floor(6 * 1/4)
    (LinearGrid(4, by="confidence"), "AAAANN", 3, "KKKKWW"),
    (LinearGrid(5), "FFFFNN", 0, "KKKKWK"),  # floor(2 * 4/5)
    (Budgeted(0.9, 3), "NNNNNN", 0, "WKWKKK"),  # two earned, both good enough
    (Budgeted(0.94, 3), "NNNNNN", 0, "WKKKKK"),
    (Budgeted(0.9, 3), "ANNNNN", 1, "KKWKKK"),  # one refused and two earned: 0.92, 0.85, 0.60
    (Budgeted(0.8, 3), "ANNNNN", 1, "KKWKWK"),
    (Budgeted(0.2, 3), "ANANAN", 7, "KWKWKK"),  # nothing more is earned, three are owed
    (Budgeted(0.0, 4), "AAANNN", 9, "KKKKWK"),  # the remainder is never earned, but the best always goes
    (Margin(2), "NNNNNN", 0, "KWKKWK"),
    (Margin(1, tau=0.25), "NNNNNN", 0, "KWKKWW"),
    (Margin(1, tau=0.9), "NFNNFN", 0, "KKKKKW"),
    (EntropyBound(0.2), "NNNNNN", 0, "WKWKWK"),  # 0, 0.05, 0.13, 0.28 before each
    (EntropyBound(0.0), "NNNNNN", 0, "WKKKKK"),
    (EntropyBound(0.2), "AFFNAN", 0, "KKKWKK"),  # the first always fits, 0.7 before the second
    (EntropyBound(0.2, sticky=False), "NANAFN", 0, "WWWRKR"),
    (LeftToRight(2), "FANNAN", 0, "KKWWKK"),
    (EntropyBound(0.2, sticky=False), "NAN>>>", 0, "WWWKKK"),
    (EntropyBound(0.1, by="confidence"), "NNNNNN", 0, "WKWKKK"),
    (LeftToRight(), "NNNNNN", 0, "WKKKKK"),
    (LeftToRight(num_steps=4), "FFNNNN", 1, "KKWWKK"),  # 2, 2, 1, 1, whatever is given
    (LeftToRight(num_steps=4), "FAANNN", 2, "KKKWKK"),
    (Staged(LeftToRight(), Threshold(0.9)), "FNNNNN", 0, "KWKKKK"),
    (Staged(LeftToRight(), Threshold(0.9)), "FNNNNN", 1, "KKWKKK"),
    (Staged(LeftToRight(), Threshold(0.9), num_steps=2), "FNNNNN", 1, "KWKKKK"),
    (Threshold(0.0), "NN>>>>", 0, "WWKKKK"),  # what lies ahead is nobody's to decide
    (Threshold(0.99, num_steps=2), "NNNN>>", 0, "WKWKKK"),  # nor does it count
    (Revising(Threshold(0.9), 0.8), "AAANNN", 0, "WKKKWK"),  # 1 is disputed too weakly, 2 is agreed on
    (Revising(LeftToRight(), 0.5), "FAANNN", 0, "KWKWKK"),
    (Renoising(Threshold(0.9), 0.5), "AAAANN", 0, "KKKRWK"),
    (Renoising(Threshold(0.9), 0.5), "AAAANN", 1, "KKKKWK"),
    (Renoising(Threshold(0.9), 0.5, num_steps=2), "AFAFNN", 1, "KKKKWK"),
    (Correct(0.5), "AAAAAA", 0, "WWKKWK"),
    (Correct(0.9), "AAAAAA", 0, "WKKKKK"),
    (Correct(0.9), "FANNNA", 0, "KKWKKK"),
    (Correct(0.99), "FANNNA", 0, "KKWKKK"),
    (Ancestral(4), "NNFNAN", 3, "WWKWKW"),  # the last step writes everything
    (Remasking(4, eta=1.0), "NNFNAN", 3, "WWKWKW"),  # and remasks nothing
    (Remasking(4, eta=0.0, kind="rescale"), "AAAAAF", 1, "KKKKKK"),
    (UniformAncestral(4, 13), "NNANAN", 3, "WWWWWW"),
]


@pytest.mark.parametrize(("policy", "statuses", "at_step", "actions"), TABLE)
def test_policy_decides_as_computed_by_hand(policy: Policy, statuses: str, at_step: int, actions: str) -> None:
    prediction = prediction_of(PREDICTED, CONFIDENCE, entropy=ENTROPY, margin=MARGIN)
    assert letters_of(policy(prediction, canvas_of(statuses, HELD, step=at_step))) == actions


def letters_of(action_BL: torch.Tensor) -> str:
    return "".join("KWRID"[action] for action in action_BL[0].tolist())


@pytest.mark.parametrize(("policy", "statuses", "at_step", "actions"), TABLE)
def test_policy_decides_the_same_without_what_it_does_not_read(
    policy: Policy, statuses: str, at_step: int, actions: str
) -> None:
    prediction = prediction_of(PREDICTED, CONFIDENCE, entropy=ENTROPY, margin=MARGIN)
    nan_BL = torch.full_like(prediction.margin_BL, torch.nan)
    prediction = replace(prediction, **{name: nan_BL for name in COSTLY - policy.reads})
    assert letters_of(policy(prediction, canvas_of(statuses, HELD, step=at_step))) == actions


@pytest.mark.parametrize(("policy", "statuses", "at_step", "actions"), TABLE)
def test_policy_of_noisy_positions_does_not_look_at_others(
    policy: Policy, statuses: str, at_step: int, actions: str
) -> None:
    canvas = canvas_of(statuses, HELD, step=at_step)
    whole = prediction_of(PREDICTED, CONFIDENCE, entropy=ENTROPY, margin=MARGIN)
    if policy.only_noisy:
        noisy = canvas.noisy_BL
        some = {f.name: getattr(whole, f.name)[noisy][None] for f in dataclasses.fields(whole)}
        action_BL = policy(Prediction(**some).spread(canvas, noisy), canvas)
        assert torch.equal(action_BL[noisy], policy(whole, canvas)[noisy])
        assert not policy.revises


def test_every_policy_has_a_row_in_the_table() -> None:
    assert {type(row[0]) for row in TABLE} == set(POLICIES)


@pytest.mark.parametrize(
    ("proposal", "slots", "statuses", "taus", "actions"),
    [
        ([D, W, W, J, J, W], [0, 0, 0, 1, 2, 0], "AAAAAA", {}, "WWKKWK"),
        ([D, W, W, J, J, W], [0, 0, 0, 1, 2, 0], "AAAAAA", {"tau_delete": 0.97}, "KWKKWK"),
        ([D, W, W, J, J, W], [0, 0, 0, 1, 2, 0], "AAAAAA", {"tau_insert": 0.2}, "WWKKWK"),  # 3 is what it holds
        ([D, W, W, J, J, W], [0, 0, 0, 1, 2, 0], "AAAAAA", {"tau_insert": 0.9}, "WWKKKK"),
        ([D, W, J, W, J, W], [0, 0, 1, 0, 1, 0], "FAFAFN", {}, "KWWKWW"),  # fixed ones ask for insertions alone
    ],
)
def test_correct_has_a_threshold_for_each_kind_of_edit(
    proposal: list[int], slots: list[int], statuses: str, taus: dict[str, Any], actions: str
) -> None:
    prediction = prediction_of(PREDICTED, CONFIDENCE, proposal=proposal, slots=slots)
    decided = Correct(0.5, **taus)(prediction, canvas_of(statuses, HELD))
    assert "".join("KWRID"[action] for action in decided[0].tolist()) == actions


def test_the_entropy_bound_counts_the_largest_entropy_out_in_either_order() -> None:
    prediction = prediction_of([1, 2, 3, 4], [0.9, 0.8, 0.7, 0.6], entropy=[0.4, 0.1, 0.3, 0.2])
    by_confidence = EntropyBound(0.2, by="confidence")(prediction, canvas_of("NNNN"))
    assert by_confidence[0].tolist() == [1, 1, 0, 0]  # 0, 0.1, 0.4: the first is the largest
    by_entropy = EntropyBound(0.2)(prediction, canvas_of("NNNN"))
    assert by_entropy[0].tolist() == [0, 1, 0, 1]  # 0, 0.1, 0.3


def test_a_budget_writes_what_it_refused_once_it_is_sure() -> None:
    """Six positions in three steps, confidences rising as the canvas fills: one, then what was owed."""
    canvas, spent = canvas_of("NNNNNN"), []
    for k, chance in enumerate((0.3, 0.95, 0.3, 0.95)):
        prediction = prediction_of(HELD, [chance] * 6)
        action_BL = Budgeted(0.9, 3)(prediction, replace(canvas, step_B=torch.tensor([k])))
        spent.append(int((action_BL == W).sum()))
        canvas = replace(canvas, status_BL=torch.where(action_BL == W, int(Status.ACCEPTED), canvas.status_BL))
    assert spent == [1, 3, 1, 1]


def test_the_uniform_reverse_process_is_the_posterior_of_the_forward_one() -> None:
    size = 5
    noise, tokens = Uniform(size), torch.arange(size)
    for alpha_t, alpha_s in ((0.0, 0.25), (0.25, 0.5), (0.1, 0.9), (0.75, 1.0)):
        at_t, at_s = torch.tensor(alpha_t).double(), torch.tensor(alpha_s).double()
        for now, clean in product(tokens, tokens):
            exact_V = noise.posterior(now[None], clean[None], at_s[None], at_t[None])[0]
            keep, renoise = uniform_reverse(now == clean, at_s, at_t, size)
            mixed_V = keep * (tokens == now) + renoise / size + (1 - keep - renoise) * (tokens == clean)
            torch.testing.assert_close(mixed_V, exact_V)


def test_uniform_ancestral_keeps_the_marginal_of_every_noise_level() -> None:
    length, size, num_steps = 40_000, 6, 5
    policy = UniformAncestral(num_steps, size)
    canvas = make_canvas(torch.arange(length)[None] % size, torch.full((1, length), int(Status.NOISY)), 3)
    decoding = Decoding(policy=policy, stop=AllSteps(), max_steps=num_steps)
    logits_BLV = 50.0 * torch.nn.functional.one_hot(torch.full((1, length), 2), size)
    for k in range(1, num_steps + 1):
        canvas = step(canvas, logits_BLV, Uniform(size), decoding)
        clean = k / num_steps + (1 - k / num_steps) / size
        deviation = (clean * (1 - clean) / length) ** 0.5
        assert abs((canvas.tokens_BL == 2).double().mean().item() - clean) <= 4.5 * deviation + 1e-9
    assert canvas.done_B.item()


def test_ties_go_to_the_left() -> None:
    prediction = prediction_of(HELD, [0.5] * 6)
    assert TopK(count=2)(prediction, canvas_of("FNNNNN"))[0].tolist() == [0, 1, 1, 0, 0, 0]


def test_top_k_spends_llada_s_fixed_schedule_with_the_remainder_first() -> None:
    canvas, spent = canvas_of("N" * 14), []
    for k in range(4):
        action_BL = TopK(num_steps=4)(prediction_of(range(14), [0.5] * 14), replace(canvas, step_B=torch.tensor([k])))
        spent.append(int((action_BL == W).sum()))
        canvas = replace(canvas, status_BL=torch.where(action_BL == W, int(Status.ACCEPTED), canvas.status_BL))
    assert spent == [4, 4, 3, 3]


def test_random_order_depends_on_the_seed_and_not_on_the_prediction() -> None:
    policy = TopK(count=3, by="random")
    one, two = prediction_of(HELD, CONFIDENCE), prediction_of(HELD, CONFIDENCE[::-1])
    chosen = [policy(p, canvas_of("NNNNNN", seed=s))[0].tolist() for s in range(6) for p in (one, two)]
    assert chosen[::2] == chosen[1::2]
    assert len({tuple(row) for row in chosen}) > 2


def trajectory(policy: Policy, length: int, num_steps: int) -> list[Canvas]:
    """The canvases a policy makes of pure noise under a model without opinions."""
    canvas = make_canvas(torch.full((1, length), 3), torch.full((1, length), int(Status.NOISY)), 11)
    decoding = Decoding(policy=policy, stop=AllAccepted(), temperature=1.0, max_steps=num_steps)
    canvases = [canvas]
    for _ in range(num_steps):
        canvases.append(step(canvases[-1], torch.zeros(1, length, 3), Absorbing(3, 4), decoding))
    return canvases


@pytest.mark.parametrize(
    "policy",
    [
        Ancestral(8),
        Remasking(8, 0.1, "cap"),
        Remasking(8, 1.0, "cap"),
        Remasking(8, 0.3, "rescale"),
        Remasking(8, 1.0, "rescale"),
    ],
)
def test_marginal_after_k_of_n_steps_is_noise_level_one_minus_k_over_n(policy: Policy) -> None:
    length = 40_000
    for k, canvas in enumerate(trajectory(policy, length, 8)):
        level = 1 - k / 8
        deviation = (level * (1 - level) / length) ** 0.5
        assert abs(canvas.noisy_BL.float().mean().item() - level) <= 4.5 * deviation


def test_ancestral_never_takes_back_and_remasking_does_so_at_its_rate() -> None:
    length = 40_000
    for policy in (Ancestral(8), Remasking(8, 0.2, "cap"), Remasking(8, 0.5, "rescale")):
        canvases = trajectory(policy, length, 8)
        for k, (before, after) in enumerate(pairwise(canvases)):
            accepted_BL = before.status_BL == Status.ACCEPTED
            taken_back = (accepted_BL & after.noisy_BL).sum().item()
            highest = min(1.0, (7 - k) / k) if k else 1.0  # (1 - alpha_s) / alpha_t
            rate = {"Ancestral": 0.0}.get(type(policy).__name__)
            if isinstance(policy, Remasking):
                rate = min(0.2, highest) if policy.kind == "cap" else 0.5 * highest
            count = accepted_BL.sum().item()
            assert abs(taken_back - rate * count) <= 4.5 * (count * rate * (1 - rate)) ** 0.5


def test_confidence_remasking_doubts_the_least_probable_tokens_most() -> None:
    rows = 20_000
    canvas = make_canvas(torch.zeros(rows, 4), torch.tensor([2, 2, 2, 1]).expand(rows, 4), 0)
    canvas = replace(canvas, step_B=torch.full((rows,), 4))
    current = [0.9, 0.5, 0.1, 0.0]
    prediction = prediction_of([0] * 4, [0.5] * 4, current=current)
    wide = type(prediction)(
        **{f.name: getattr(prediction, f.name).expand(rows, 4) for f in dataclasses.fields(prediction)}
    )
    action_BL = Remasking(8, 1.0, "confidence")(wide, canvas)
    rate_L = (action_BL == Action.RENOISE).double().mean(0)
    expected_L = 0.75 * (-torch.tensor(current[:3]).double()).softmax(-1)  # (1 - 5/8) / (4/8)
    assert (rate_L[:3] - expected_L).abs().max() < 0.02
    assert rate_L[3] == 0
    assert abs((action_BL[:, 3] == W).double().mean().item() - 0.25) < 0.02  # (5/8 - 4/8) / (1 - 4/8)


def test_policies_are_frozen_hashable_and_equal_by_value() -> None:
    for policy in {row[0] for row in TABLE}:
        assert replace(policy) == policy  # type: ignore[type-var]
        assert hash(replace(policy)) == hash(policy)  # type: ignore[type-var]
        assert type(policy).__doc__


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: Threshold(1.5), "tau=1.5"),
        (lambda: Threshold(0.9, 4, 2), "self.count=2 and self.num_steps=4"),
        (lambda: Threshold(float("nan")), "tau=nan"),
        (lambda: Threshold("high"), "tau='high'"),  # type: ignore[arg-type]
        (lambda: Threshold(True), "tau=True"),
        (lambda: Factor(-1.0), "factor=-1.0"),
        (lambda: Factor(float("inf")), "factor=inf"),
        (lambda: TopK(), "num_steps=None"),
        (lambda: TopK(num_steps=3, count=2), "count=2"),
        (lambda: TopK(count=0), "count=0"),
        (lambda: TopK(count=1, by="luck"), "by='luck'"),  # type: ignore[arg-type]
        (lambda: TimeGrid(0), "num_steps=0"),
        (lambda: Margin(tau=-0.1), "tau=-0.1"),
        (lambda: EntropyBound(sticky=1), "sticky=1"),  # type: ignore[arg-type]
        (lambda: Ancestral(2.0), "num_steps=2.0"),  # type: ignore[arg-type]
        (lambda: Remasking(kind="loop"), "kind='loop'"),  # type: ignore[arg-type]
        (lambda: Remasking(eta=2), "eta=2"),
        (lambda: LeftToRight(-1), "count=-1"),
        (lambda: LeftToRight(2, num_steps=4), "num_steps=4"),
        (lambda: Factor(last_rank=1), "last_rank=1"),  # type: ignore[arg-type]
        (lambda: EntropyBound(by="margin"), "by='margin'"),  # type: ignore[arg-type]
        (lambda: LinearGrid(0), "num_steps=0"),
        (lambda: Budgeted(1.5), "tau=1.5"),
        (lambda: UniformAncestral(4, 0), "vocab_size=0"),
        (lambda: Staged(then="threshold"), "then='threshold'"),  # type: ignore[arg-type]
        (lambda: Revising("threshold"), "inner='threshold'"),  # type: ignore[arg-type]
        (lambda: Correct(tau_delete=3), "tau_delete=3"),
    ],
)
def test_an_impossible_field_is_an_error_that_names_its_value(make: Any, value: str) -> None:
    with pytest.raises(ValueError, match=value.replace("(", r"\(")):
        make()


def test_policies_that_change_accepted_tokens_say_so() -> None:
    revising = {Remasking, UniformAncestral, Revising, Renoising, Correct}
    defaults = {Staged: Staged(LeftToRight(), Threshold()), UniformAncestral: UniformAncestral(4, 8)}
    for kind in POLICIES:
        given = defaults.get(kind) or (kind(num_steps=4) if kind in (TopK, LinearGrid, Budgeted) else kind())
        assert given.revises == (kind in revising), kind
    assert EntropyBound(sticky=False).revises
    assert Staged(LeftToRight(), Revising()).revises
