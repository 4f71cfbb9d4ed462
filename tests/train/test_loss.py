"""The loss: every part is its published mean, by hand on a tiny model, and what weighs nothing teaches nothing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from redraft.core.attention import causal_context, sdpa_mask
from redraft.data.packing import Batch, Example, Part, canvas_side, clean_side, join, pack
from redraft.train.loss import PARTS, LossConfig, attention_for, choose, three_mode_loss
from tests.models.tiny import tiny_model

MODEL = tiny_model(labels=("story",), self_conditioning=True)
ONES = LossConfig(next=1.0, block=1.0, edit=1.0, gap=1.0)


def example(seed: int, part: Part, *, learn: bool, length: int = 6) -> Example:
    rng = np.random.default_rng(seed)
    clean = clean_side(rng.integers(0, 50, length + 1).tolist(), learn=learn)
    weight = rng.choice(np.float32([0, 0.5, 1, 4]), length)
    weight[:2] = [2, 0]
    canvas = canvas_side(
        rng.integers(0, 50, length), rng.integers(0, 50, length), weight, part, start=1, block_length=3
    )
    return join(clean, canvas, block_length=3)


def every_part() -> Batch:
    return pack(
        [
            [example(1, Part.BLOCK, learn=True), example(2, Part.EDIT, learn=False)],
            [example(3, Part.GAP, learn=False), example(4, Part.BLOCK, learn=True)],
        ],
        30,
    )


def by_hand(batch: Batch, part: Part) -> float:
    """One position at a time, from full logits."""
    hidden = MODEL.packed(
        batch.tokens_BT, batch.facts_BT, sdpa_mask(causal_context, batch.facts_BT), label_BT=batch.label_BT
    )
    log_probs = MODEL.head(hidden).double().log_softmax(-1)
    total = weights = count = 0.0
    for row in range(batch.tokens_BT.shape[0]):
        for place in range(batch.tokens_BT.shape[1]):
            if batch.part_BT[row, place] == part:
                weight = float(batch.weight_BT[row, place])
                total += -weight * float(log_probs[row, place, batch.targets_BT[row, place]]) if weight else 0.0
                weights += weight
                count += 1
    return total / (count if part == Part.BLOCK else weights)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_is_its_mean_by_hand(part: Part) -> None:
    """Blocks divide by all their tokens: with weight 1/t on hit tokens that is the NELBO per token."""
    batch = every_part()
    _, report = three_mode_loss(MODEL, batch, ONES)
    assert float(report[part.name.lower()]) == pytest.approx(by_hand(batch, part), rel=1e-5)


def test_the_loss_is_the_weighted_sum_of_its_parts() -> None:
    config = LossConfig(next=0.1, block=0.2, edit=0.3, gap=0.4)
    loss, report = three_mode_loss(MODEL, every_part(), config)
    assert set(report) == {"next", "block", "edit", "gap"}
    expected = sum(weight * float(report[name]) for name, weight in zip(report, (0.1, 0.2, 0.3, 0.4), strict=True))
    assert float(loss) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_not_there_is_zero(part: Part) -> None:
    batch = every_part()
    without = replace(batch, weight_BT=batch.weight_BT * (batch.part_BT != part))
    _, report = three_mode_loss(MODEL, without, ONES)
    assert report[part.name.lower()] == 0
    assert all(report[other.name.lower()] > 0 for other in PARTS if other != part)


def test_what_weighs_nothing_teaches_nothing() -> None:
    """Neither the targets of weightless positions nor a part of weight zero reach the gradient."""
    model = tiny_model().requires_grad_(True)
    batch = every_part()
    scrambled = torch.where(batch.weight_BT > 0, batch.targets_BT, 3)
    assert not torch.equal(scrambled, batch.targets_BT)
    no_gap = LossConfig(next=1.0, block=1.0, edit=1.0, gap=0.0)
    other_gap = torch.where(batch.part_BT == Part.GAP, 5, batch.targets_BT)
    grads = [
        torch.autograd.grad(three_mode_loss(model, replace(batch, targets_BT=t), c)[0], list(model.parameters()))
        for t, c in ((batch.targets_BT, ONES), (scrambled, ONES), (batch.targets_BT, no_gap), (other_gap, no_gap))
    ]
    assert all(torch.equal(a, b) for a, b in zip(grads[0], grads[1], strict=True))
    assert all(torch.equal(a, b) for a, b in zip(grads[2], grads[3], strict=True))
    assert any(not torch.equal(a, b) for a, b in zip(grads[0], grads[2], strict=True))


def test_a_batch_of_padding_has_no_loss() -> None:
    loss, report = three_mode_loss(MODEL, pack([[], []], 8), ONES)
    assert loss == 0
    assert not any(report.values())


def test_padding_does_not_change_the_loss() -> None:
    examples = [example(1, Part.BLOCK, learn=True)]
    narrow, wide = (three_mode_loss(MODEL, pack([examples], length), ONES)[0] for length in (13, 24))
    assert float(wide) == pytest.approx(float(narrow), rel=1e-6)


def test_remembering_changes_the_loss_once_the_model_uses_its_memory() -> None:
    model = tiny_model(self_conditioning=True)
    batch = every_part()
    losses = [three_mode_loss(model, batch, ONES, remember=remember)[0] for remember in (False, True)]
    assert losses[0] == losses[1]  # the projection starts at zero
    assert model.memory_proj is not None
    torch.nn.init.normal_(model.memory_proj.weight)
    (plain, before), (remembered, after) = (
        three_mode_loss(model, batch, ONES, remember=remember) for remember in (False, True)
    )
    assert plain == losses[0]
    assert abs(remembered - plain) > 1e-3
    assert after["next"] == before["next"]  # only canvases remember


def test_the_first_pass_gets_no_gradient() -> None:
    """With a memory of its own predictions, the gradient is that of the second pass alone."""
    model = tiny_model(self_conditioning=True).requires_grad_(True)
    assert model.memory_proj is not None
    torch.nn.init.normal_(model.memory_proj.weight)
    batch = every_part()
    attend = sdpa_mask(causal_context, batch.facts_BT)
    with torch.no_grad():
        hidden = model.packed(batch.tokens_BT, batch.facts_BT, attend)
        memory = model.remember(model.head(hidden)) * batch.facts_BT.canvas[..., None]
    given = model.packed(batch.tokens_BT, batch.facts_BT, attend, memory_BTD=memory)
    chosen = batch.weight_BT > 0
    nats = torch.nn.functional.cross_entropy(model.head(given[chosen]), batch.targets_BT[chosen], reduction="none")
    block = batch.part_BT == Part.BLOCK
    expected = (nats * batch.weight_BT[chosen] * block[chosen]).sum() / block.sum()
    only_block = LossConfig(next=0.0, block=1.0, edit=0.0, gap=0.0)
    loss, _ = three_mode_loss(model, batch, only_block, remember=True)
    assert float(loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-6)
    for found, wanted in zip(
        torch.autograd.grad(loss, list(model.parameters()), allow_unused=True),
        torch.autograd.grad(expected, list(model.parameters()), allow_unused=True),
        strict=True,
    ):
        assert found is not None
        assert wanted is not None
        torch.testing.assert_close(found, wanted, atol=1e-5, rtol=1e-4)


def test_a_mean_over_processes_makes_their_losses_those_of_one_big_batch() -> None:
    """Two batches with different numbers of tokens: the mean of both losses is the loss of both rows together."""
    rows = [[example(1, Part.BLOCK, learn=True)], [example(2, Part.BLOCK, learn=True, length=9)]]
    together, _ = three_mode_loss(MODEL, pack(rows, 20), ONES)
    batches = [pack([row], 20) for row in rows]
    sums: list[list[torch.Tensor]] = []
    for batch in batches:
        seen: list[torch.Tensor] = []
        three_mode_loss(MODEL, batch, ONES, mean=lambda value, seen=seen: seen.append(value) or value)  # type: ignore[misc]
        sums.append(seen)
    means = [(a + b) / 2 for a, b in zip(*sums, strict=True)]
    apart = []
    for batch in batches:
        coming = iter(means)
        apart.append(three_mode_loss(MODEL, batch, ONES, mean=lambda value, coming=coming: next(coming))[0])  # type: ignore[misc]
    assert float(sum(apart)) / 2 == pytest.approx(float(together), rel=1e-5)
    naive = [three_mode_loss(MODEL, batch, ONES)[0] for batch in batches]
    assert abs(float(sum(naive)) / 2 - float(together)) > 1e-3


def test_spare_positions_change_nothing() -> None:
    """Rounded up to a share of all positions, also where a spare one's target can never be said."""
    model = tiny_model().requires_grad_(True)
    batch = every_part()
    banned = next(n for n, value in enumerate(model.banned_V.tolist()) if value < 0)
    batch = replace(batch, targets_BT=torch.where(batch.weight_BT > 0, batch.targets_BT, banned))
    exact, spare = choose(batch), choose(batch, shares=4)
    assert len(exact.index_N) == int((batch.weight_BT > 0).sum())
    assert len(spare.index_N) % (batch.weight_BT.numel() // 4) == 0
    assert len(spare.index_N) > len(exact.index_N)
    assert len(spare.index_N.unique()) == len(spare.index_N)
    losses = [three_mode_loss(model, batch, ONES, chosen=chosen)[0] for chosen in (None, exact, spare)]
    assert losses[0] == losses[1]
    assert float(losses[2]) == pytest.approx(float(losses[0]), rel=1e-6)
    grads = [torch.autograd.grad(loss, list(model.parameters())) for loss in losses[1:]]
    for one, other in zip(*grads, strict=True):
        torch.testing.assert_close(one, other)


def test_the_mask_of_a_batch_may_be_chosen() -> None:
    batch = every_part()
    assert isinstance(attention_for(batch), torch.Tensor)
    assert isinstance(attention_for(batch, "mask"), torch.Tensor)
    dense = attention_for(pack([[example(1, Part.BLOCK, learn=True)]], 128), "flex").to_dense()  # type: ignore[union-attr]
    assert dense.shape == (1, 1, 1, 1)
