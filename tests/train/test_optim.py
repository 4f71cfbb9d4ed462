"""Optimisers: the schedule is warmup, stable, decay; matrices go to Muon and the rest to AdamW; both descend."""

from copy import deepcopy

import pytest
import torch
from torch import Tensor, nn

from redraft.train.optim import OptimConfig, Optimizer, rate_factor
from tests.models.tiny import tiny_model

CONFIG = OptimConfig(warmup=10, decay_share=0.25)


def test_the_rate_warms_up_stays_and_decays_to_zero() -> None:
    factors = [rate_factor(step, 100, CONFIG) for step in range(101)]
    assert factors[:10] == pytest.approx([n / 10 for n in range(1, 11)])
    assert factors[9:76] == [1.0] * 67
    assert factors[75:] == pytest.approx([n / 25 for n in range(25, -1, -1)])


def test_no_warmup_and_no_decay_are_a_constant_rate() -> None:
    config = OptimConfig(warmup=0, decay_share=0.0)
    assert {rate_factor(step, 100, config) for step in range(100)} == {1.0}


def test_a_step_behind_the_end_has_no_rate() -> None:
    assert rate_factor(120, 100, CONFIG) == 0.0


def test_matrices_of_the_layers_go_to_muon_and_everything_else_to_adamw() -> None:
    model = tiny_model(labels=("a", "b"), condition_size=3, self_conditioning=True).requires_grad_(True)
    (adamw, _), (muon, _) = Optimizer(model, CONFIG).parts
    name = {id(p): n for n, p in model.named_parameters()}
    to_muon = {name[id(p)] for group in muon.param_groups for p in group["params"]}
    kinds = ("attention.qkv", "attention.out", "feed.gate_up", "feed.down")
    assert isinstance(muon, torch.optim.Muon)
    assert isinstance(adamw, torch.optim.AdamW)
    assert to_muon == {f"transformer.layers.{n}.{kind}.weight" for n in range(2) for kind in kinds}
    to_adamw = [name[id(p)] for group in adamw.param_groups for p in group["params"]]
    assert sorted([*to_adamw, *to_muon]) == sorted(name.values())


def test_norms_and_biases_do_not_decay() -> None:
    model = tiny_model().requires_grad_(True)
    decayed, plain = Optimizer(model, CONFIG).parts[0][0].param_groups
    assert decayed["weight_decay"] > 0
    assert plain["weight_decay"] == 0
    assert all(p.ndim == 2 for p in decayed["params"])
    assert all(p.ndim == 1 for p in plain["params"])


def test_without_muon_matrices_go_to_adamw_at_their_own_rate() -> None:
    model = tiny_model().requires_grad_(True)
    optimizer = Optimizer(model, OptimConfig(muon=False, matrix_lr=0.5, other_lr=0.1))
    assert [(type(inner), peak) for inner, peak in optimizer.parts] == [
        (torch.optim.AdamW, 0.1), (torch.optim.AdamW, 0.5),
    ]  # fmt: skip


def test_frozen_parameters_are_left_out() -> None:
    model = tiny_model().requires_grad_(True)
    model.embed.weight.requires_grad_(False)
    optimizer = Optimizer(model, CONFIG)
    held = [p for inner, _ in optimizer.parts for group in inner.param_groups for p in group["params"]]
    assert all(p is not model.embed.weight for p in held)


class Quadratic(nn.Module):
    """A bowl over one matrix that looks like a layer's and one that does not; zero at `goal`."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({"layers": nn.ModuleDict({"0": nn.Linear(8, 6, bias=False)})})
        self.embed = nn.Linear(6, 5)
        self.goal = {n: torch.full_like(p, 0.3) for n, p in self.named_parameters()}

    def loss(self) -> Tensor:
        return torch.stack([(p - self.goal[n]).square().sum() for n, p in self.named_parameters()]).sum()


@pytest.mark.parametrize("muon", [True, False])
def test_a_quadratic_decreases(muon: bool) -> None:
    torch.manual_seed(0)
    bowl = Quadratic()
    config = OptimConfig(matrix_lr=0.05, other_lr=0.05, warmup=1, weight_decay=0.0, muon=muon)
    optimizer = Optimizer(bowl, config)
    assert len(optimizer.parts[1][0].param_groups[0]["params"]) == 1
    first = float(bowl.loss().detach())
    for step in range(150):
        bowl.loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step(step, 150)
    assert float(bowl.loss().detach()) < 0.02 * first


def test_a_step_reports_the_norm_before_clipping_and_clears_the_gradients() -> None:
    torch.manual_seed(0)
    bowl = Quadratic()
    optimizer = Optimizer(bowl, OptimConfig(clip=1e-3, warmup=4))
    bowl.loss().backward()  # type: ignore[no-untyped-call]
    grads = [p.grad for p in bowl.parameters() if p.grad is not None]
    expected = float(torch.cat([g.flatten() for g in grads]).norm())
    norm, factor = optimizer.step(1, 100)
    assert norm == pytest.approx(expected, rel=1e-5)
    assert factor == 0.5
    assert all(p.grad is None for p in bowl.parameters())


def test_state_comes_back_and_the_next_step_is_the_same() -> None:
    torch.manual_seed(0)
    one = Quadratic()
    first = Optimizer(one, CONFIG)
    for step in range(3):
        one.loss().backward()  # type: ignore[no-untyped-call]
        first.step(step, 100)
    other = Quadratic()
    other.load_state_dict(one.state_dict())
    second = Optimizer(other, CONFIG)
    second.load_state_dict(deepcopy(first.state_dict()))  # torch would share the tensors
    for bowl, optimizer in ((one, first), (other, second)):
        bowl.loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step(3, 100)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("name", "value"), [("matrix_lr", 0), ("other_lr", -1), ("clip", 0), ("decay_share", 1.1), ("decay_share", -0.1)]
)
def test_values_out_of_range_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{name}={value}"):
        OptimConfig(**{name: value})  # type: ignore[arg-type]
