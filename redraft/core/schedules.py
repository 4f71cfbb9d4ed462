"""Noise schedules: alpha(t), the probability that a token is still clean at noise level t.

t = 0 is clean, t = 1 is noise. This file knows alpha, its exact derivative and its inverse, and refuses to know
what noise is. Tensors of any shape in, the same shape out; use float64 times where 1 - alpha matters near t = 0.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


class Schedule(Protocol):
    """A decreasing alpha on [0, 1]."""

    def alpha(self, t: Tensor) -> Tensor:
        """Probability that a token is still clean at t."""
        ...

    def d_alpha(self, t: Tensor) -> Tensor:
        """Derivative of alpha by t; negative."""
        ...

    def inverse(self, alpha: Tensor) -> Tensor:
        """The t with this alpha."""
        ...


@dataclass(frozen=True, slots=True)
class Linear:
    """alpha = 1 - t (LLaDA, arXiv:2502.09992; MD4, arXiv:2406.04329)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def d_alpha(self, t: Tensor) -> Tensor:
        return -torch.ones_like(t)

    def inverse(self, alpha: Tensor) -> Tensor:
        return 1 - alpha


@dataclass(frozen=True, slots=True)
class Cosine:
    """alpha = 1 - cos(pi/2 (1 - t)), written 1 - sin(pi t / 2) (MaskGIT, arXiv:2202.04200; MD4, arXiv:2406.04329)."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - torch.sin(math.pi / 2 * t)

    def d_alpha(self, t: Tensor) -> Tensor:
        return -math.pi / 2 * torch.cos(math.pi / 2 * t)

    def inverse(self, alpha: Tensor) -> Tensor:
        return torch.asin(1 - alpha) * (2 / math.pi)


@dataclass(frozen=True, slots=True)
class LogLinear:
    """sigma = -log(1 - (1 - eps) t), alpha = exp(-sigma) (SEDD, arXiv:2310.16834; MDLM, arXiv:2406.07524).

    alpha(1) = eps, not 0: at t = 1 a share eps of the tokens is still clean.
    """

    eps: float = 1e-3

    def __post_init__(self) -> None:
        if not 0 < self.eps < 1:
            raise ValueError(f"{self.eps=} must be in (0, 1)")

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - (1 - self.eps) * t

    def d_alpha(self, t: Tensor) -> Tensor:
        return torch.full_like(t, self.eps - 1)

    def inverse(self, alpha: Tensor) -> Tensor:
        return (1 - alpha) / (1 - self.eps)


@dataclass(frozen=True, slots=True)
class Polynomial:
    """alpha = 1 - t^power (MD4, arXiv:2406.04329)."""

    power: float = 2.0

    def __post_init__(self) -> None:
        if self.power <= 0:
            raise ValueError(f"{self.power=} must be positive")

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t**self.power

    def d_alpha(self, t: Tensor) -> Tensor:
        return -self.power * t ** (self.power - 1)

    def inverse(self, alpha: Tensor) -> Tensor:
        return (1 - alpha) ** (1 / self.power)


@dataclass(frozen=True, slots=True)
class Geometric:
    """sigma = sigma_min^(1-t) sigma_max^t, alpha = exp(-sigma) (SEDD, arXiv:2310.16834; MD4, arXiv:2406.04329).

    Neither end is exact: alpha(0) = exp(-sigma_min) < 1 and alpha(1) = exp(-sigma_max) > 0.
    """

    sigma_min: float = 1e-5
    sigma_max: float = 20.0

    def __post_init__(self) -> None:
        if not 0 < self.sigma_min < self.sigma_max:
            raise ValueError(f"{self.sigma_min=} and {self.sigma_max=} must satisfy 0 < sigma_min < sigma_max")

    def alpha(self, t: Tensor) -> Tensor:
        return torch.exp(-self._sigma(t))

    def d_alpha(self, t: Tensor) -> Tensor:
        sigma = self._sigma(t)
        return -math.log(self.sigma_max / self.sigma_min) * sigma * torch.exp(-sigma)

    def inverse(self, alpha: Tensor) -> Tensor:
        return (torch.log(-torch.log(alpha)) - math.log(self.sigma_min)) / math.log(self.sigma_max / self.sigma_min)

    def _sigma(self, t: Tensor) -> Tensor:
        return self.sigma_min ** (1 - t) * self.sigma_max**t


def grid(num_steps: int) -> Tensor:
    """The num_steps + 1 times 0, 1/T, ..., 1 of a discrete chain of T steps, float64 (D3PM, arXiv:2107.03006)."""
    if num_steps < 1:
        raise ValueError(f"{num_steps=} must be at least 1")
    return torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
