"""Counter-based randomness: a number is a function of (seed, step, position, stream), never of a batch.

A row's draws do not depend on its neighbours, and a request resumes after preemption to the same tokens.

Shapes: B rows, L positions.
"""

from enum import IntEnum

import torch
from torch import Tensor


class Stream(IntEnum):
    """Independent uses of randomness at the same (seed, step, position)."""

    CORRUPT = 0  # which positions the forward process hits
    NOISE = 1  # what it puts there
    TOKEN = 2  # which token a prediction draws
    RENOISE = 3  # fresh noise written by a step
    POLICY = 4  # a policy's own coin
    REMASK = 5  # a wrapping policy's coin
    VERIFY = 6  # speculative acceptance
    RESIDUAL = 7  # the token drawn after a rejection
    TIME = 9  # the noise level of a likelihood sample


def uniform(seed_B: Tensor, step_B: Tensor, length: int, stream: int) -> Tensor:
    """U[0, 1) as float64 [B, L]: the same (seed, step, position, stream) always gives the same number.

    A splitmix64 finaliser over a linear combination of the counters (Steele et al., 2014).
    """
    position_L = torch.arange(length, device=seed_B.device) + (stream << 40)
    x = (
        seed_B[:, None] * 0x2545F4914F6CDD1D
        + step_B[:, None] * 0x5851F42D4C957F2D
        + position_L * 0x14057B7EF767814F
        + 0x1E3779B97F4A7C15
    )
    for shift, multiplier in ((30, 0x3F58476D1CE4E5B9), (27, 0x14D049BB133111EB)):
        x = (x ^ (x >> shift & (1 << 64 - shift) - 1)) * multiplier
    x = x ^ (x >> 31 & (1 << 33) - 1)
    return (x >> 11 & (1 << 53) - 1).double() * 2.0**-53
