"""The head's loss without logits equals the plain cross-entropy, and so do both gradients."""

import pytest
import torch
import torch.nn.functional as F

from redraft.train import head
from redraft.train.head import head_loss

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]


def inputs(count: int = 37, width: int = 8, vocabulary: int = 19) -> Inputs:
    rng = torch.Generator().manual_seed(0)
    banned = torch.zeros(vocabulary)
    banned[[3, 18]] = -torch.inf
    targets = torch.randint(4, 18, (count,), generator=rng)
    scale = torch.rand(count, generator=rng) * (torch.rand(count, generator=rng) > 0.2)
    hidden, weight = torch.randn(count, width, generator=rng), torch.randn(vocabulary, width, generator=rng)
    return hidden.requires_grad_(True), weight.requires_grad_(True), banned, targets, scale


def plain(hidden: torch.Tensor, weight: torch.Tensor, banned: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.linear(hidden, weight) + banned, targets, reduction="none")


@pytest.mark.parametrize("rows", [5, 37, 512])
def test_stretches_give_the_loss_and_the_gradients_of_the_plain_head(
    rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(head.ROWS, "cpu", rows)
    hidden, weight, banned, targets, scale = inputs()
    total, nats = head_loss(hidden, weight, banned, targets, scale)
    expected = plain(hidden, weight, banned, targets)
    torch.testing.assert_close(nats, expected.detach())
    torch.testing.assert_close(total, (expected * scale).sum())
    found = torch.autograd.grad(3 * total, [hidden, weight])
    for one, other in zip(found, torch.autograd.grad(3 * (expected * scale).sum(), [hidden, weight]), strict=True):
        torch.testing.assert_close(one, other)


def test_no_position_is_a_loss_of_zero_with_gradients() -> None:
    hidden, weight, banned, targets, scale = (
        value[:0] if n in (0, 3, 4) else value for n, value in enumerate(inputs())
    )
    total, nats = head_loss(hidden, weight, banned, targets, scale)
    assert total == 0
    assert nats.shape == (0,)
    assert torch.autograd.grad(total, [weight])[0].abs().max() == 0


def test_autocast_multiplies_in_bfloat16_and_keeps_the_loss_close() -> None:
    hidden, weight, banned, targets, scale = inputs()
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = head_loss(hidden, weight, banned, targets, scale)
    exact = (plain(hidden, weight, banned, targets) * scale).sum()
    assert total != exact
    assert float(total.detach()) == pytest.approx(float(exact.detach()), rel=2e-2)
