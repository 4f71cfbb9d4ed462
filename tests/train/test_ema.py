"""The moving average: a geometric mean of the past that warms up, kept beside the model and not in it."""

import pytest
import torch
from torch import nn

from redraft.train.ema import Ema


def line(value: float) -> nn.Linear:
    module = nn.Linear(2, 1, bias=False)
    nn.init.constant_(module.weight, value)
    return module


def test_the_average_follows_the_recurrence_with_a_warm_decay() -> None:
    module, expected = line(1.0), 1.0
    ema = Ema(module, 0.6)
    for step in range(20):
        nn.init.constant_(module.weight, float(step))
        ema.update(module, step)
        decay = min(0.6, (step + 1) / (step + 10))
        expected = decay * expected + (1 - decay) * step
        assert ema.average["weight"][0, 0].item() == pytest.approx(expected, rel=1e-5)
    assert module.weight[0, 0] == 19  # the model itself is as it was


def test_an_average_of_a_constant_is_the_constant() -> None:
    module = line(0.7)
    ema = Ema(module, 0.99)
    for step in range(50):
        ema.update(module, step)
    torch.testing.assert_close(ema.average["weight"], module.weight.detach())


def test_copying_gives_the_model_the_average_in_its_own_type() -> None:
    module = line(1.0).bfloat16()
    ema = Ema(module, 0.5)
    nn.init.constant_(module.weight, 3.0)
    ema.update(module, 1000)
    assert ema.average["weight"].dtype == torch.float32
    ema.copy_to(module)
    assert module.weight.dtype == torch.bfloat16
    assert module.weight[0, 0] == 2.0


def test_state_is_copied_into_the_average() -> None:
    ema = Ema(line(1.0), 0.5)
    state = {"weight": torch.full((1, 2), 9.0)}
    ema.load_state_dict(state)
    assert torch.equal(ema.average["weight"], state["weight"])
    state["weight"].zero_()
    assert ema.average["weight"][0, 0] == 9.0


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_out_of_range_is_refused(decay: float) -> None:
    with pytest.raises(ValueError, match=f"decay={decay}"):
        Ema(line(1.0), decay)
