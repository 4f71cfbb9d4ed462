"""Exponential moving average of weights. Knows tensors and a decay."""

import torch
from torch import Tensor, nn


class Ema:
    """Averages of a model's parameters in float32; the decay warms up with the step."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"{decay=} must be in [0, 1)")
        self.decay = decay
        self.average = {name: p.detach().float().clone() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        decay = min(self.decay, (step + 1) / (step + 10))
        live = dict(model.named_parameters())
        torch._foreach_lerp_(list(self.average.values()), [live[n].float() for n in self.average], 1 - decay)

    def state_dict(self) -> dict[str, Tensor]:
        return self.average

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        for name, value in state.items():
            self.average[name].copy_(value)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        for name, p in model.named_parameters():
            p.copy_(self.average[name].to(p.dtype))
