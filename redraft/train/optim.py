"""Optimisers and the learning-rate schedule. Knows parameters and steps, no data.

Matrices inside the layers go to Muon (Jordan et al., 2024; torch.optim.Muon), everything else to AdamW.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True, slots=True, kw_only=True)
class OptimConfig:
    """Peak learning rates, and warmup-stable-decay in steps (arXiv:2404.06395)."""

    matrix_lr: float = 4e-3
    other_lr: float = 3e-3
    weight_decay: float = 0.05
    clip: float = 1.0
    warmup: int = 60
    decay_share: float = 0.25  # of all steps, at the end, linear to zero
    muon: bool = True
    momentum: float = 0.95

    def __post_init__(self) -> None:
        for name in ("matrix_lr", "other_lr", "clip"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)} must be positive")
        if not 0 <= self.decay_share <= 1:
            raise ValueError(f"{self.decay_share=} must be in [0, 1]")


class Optimizer:
    """Both optimisers behind one `step(step, steps)`."""

    def __init__(self, model: nn.Module, config: OptimConfig) -> None:
        self.config = config
        named = [(n, p) for n, p in model.named_parameters() if p.requires_grad]
        matrix = [p for n, p in named if p.ndim == 2 and ".layers." in n]
        chosen = {id(p) for p in matrix}
        decayed = [p for n, p in named if id(p) not in chosen and p.ndim == 2]
        plain = [p for n, p in named if id(p) not in chosen and p.ndim != 2]
        self.parts: list[tuple[torch.optim.Optimizer, float]] = [
            (
                torch.optim.AdamW(
                    [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
                    lr=config.other_lr, betas=(0.9, 0.95), foreach=True,
                ),
                config.other_lr,
            ),
            (self._for_matrices(matrix), config.matrix_lr),
        ]  # fmt: skip
        self.parameters = [p for _, p in named]

    def _for_matrices(self, matrix: list[nn.Parameter]) -> torch.optim.Optimizer:
        config = self.config
        if not config.muon:
            return torch.optim.AdamW(
                matrix, lr=config.matrix_lr, betas=(0.9, 0.95), weight_decay=config.weight_decay, foreach=True
            )
        return torch.optim.Muon(
            matrix,
            lr=config.matrix_lr,
            weight_decay=config.weight_decay,
            momentum=config.momentum,
            adjust_lr_fn="match_rms_adamw",
        )

    def step(self, step: int, steps: int) -> tuple[Tensor, float]:
        """Clip, update, clear. Returns (gradient norm before clipping, not waited for; learning-rate factor)."""
        norm = nn.utils.clip_grad_norm_(self.parameters, self.config.clip)
        factor = rate_factor(step, steps, self.config)
        for optimizer, peak in self.parts:
            for group in optimizer.param_groups:
                group["lr"] = peak * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norm, factor

    def state_dict(self) -> list[dict[str, object]]:
        return [optimizer.state_dict() for optimizer, _ in self.parts]

    def load_state_dict(self, state: list[dict[str, object]]) -> None:
        for (optimizer, _), part in zip(self.parts, state, strict=True):
            optimizer.load_state_dict(part)


def rate_factor(step: int, steps: int, config: OptimConfig) -> float:
    """Warmup, stable, linear decay; step counts from 0."""
    up = min(1.0, (step + 1) / max(config.warmup, 1))
    tail = max(config.decay_share * steps, 1e-9)
    return up * min(1.0, max(steps - step, 0) / tail)
