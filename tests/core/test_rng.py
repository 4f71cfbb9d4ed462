"""Counter-based randomness: the same counters, the same number; different counters, independent ones."""

import itertools

import pytest
import torch
from torch import Tensor

from redraft.core.rng import Stream, uniform

ZERO = torch.zeros(1, dtype=torch.long)


def correlation(a: Tensor, b: Tensor) -> float:
    return torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1].item()


def test_numbers_lie_in_the_half_open_unit_interval() -> None:
    u_BL = uniform(torch.arange(300), torch.zeros(300, dtype=torch.long), 300, Stream.TOKEN)
    assert u_BL.dtype == torch.float64
    assert u_BL.min() >= 0
    assert u_BL.max() < 1


@pytest.mark.parametrize("axis", ["seed", "step", "position", "stream"])
def test_numbers_along_every_counter_are_uniform(axis: str) -> None:
    count = torch.arange(100_000)
    rest = torch.full_like(count, 7)
    draws = {
        "seed": lambda: uniform(count, rest, 1, 0),
        "step": lambda: uniform(rest, count, 1, 0),
        "position": lambda: uniform(ZERO, ZERO, len(count), 0),
        "stream": lambda: torch.stack([uniform(ZERO, ZERO, 1, stream) for stream in range(5000)]),
    }
    u = draws[axis]().flatten()
    counts = torch.histc(u, bins=64, min=0, max=1)
    statistic = ((counts - len(u) / 64).square() / (len(u) / 64)).sum()
    assert torch.special.gammaincc(torch.tensor(63 / 2), statistic / 2) > 1e-4


def test_neighbouring_counters_are_uncorrelated() -> None:
    seed_B, step_B = torch.arange(300), torch.arange(300) % 7
    here_BL = uniform(seed_B, step_B, 300, Stream.CORRUPT)
    others = [
        uniform(seed_B + 1, step_B, 300, Stream.CORRUPT),
        uniform(seed_B, step_B + 1, 300, Stream.CORRUPT),
        uniform(seed_B, step_B, 300, Stream.NOISE),
        here_BL.roll(1, dims=-1),
        uniform(seed_B + 2**32, step_B, 300, Stream.CORRUPT),
    ]
    for other_BL in others:
        assert abs(correlation(here_BL, other_BL)) < 5 / 300  # 5 standard errors of 90,000 pairs


def test_streams_are_pairwise_uncorrelated() -> None:
    seed_B = torch.arange(200)
    draws = [uniform(seed_B, torch.zeros_like(seed_B), 200, stream) for stream in Stream]
    for a, b in itertools.combinations(draws, 2):
        assert abs(correlation(a, b)) < 5 / 200


def test_no_two_counters_share_a_number() -> None:
    seed_B, step_B = (grid.flatten() for grid in torch.meshgrid(torch.arange(40), torch.arange(40), indexing="ij"))
    u = torch.cat([uniform(seed_B, step_B, 50, stream) for stream in Stream])
    assert u.unique().numel() == u.numel()


def test_a_number_does_not_depend_on_its_batch_or_its_length() -> None:
    seed_B, step_B = torch.tensor([3, -9, 2**62]), torch.tensor([0, 5, 9])
    together_BL = uniform(seed_B, step_B, 64, Stream.POLICY)
    for row in range(3):
        alone_BL = uniform(seed_B[row : row + 1], step_B[row : row + 1], 16, Stream.POLICY)
        assert torch.equal(alone_BL[0], together_BL[row, :16])


def test_numbers_never_change_between_versions() -> None:
    """Recorded seeds must keep their meaning: these were computed once, by arithmetic on Python integers."""
    for seed, step, position, stream in [(0, 0, 0, 0), (1, 2, 3, 4), (-5, 7, 1000, 9), (2**63 - 1, 12345, 1, 1)]:
        drawn = uniform(torch.tensor([seed]), torch.tensor([step]), position + 1, stream)[0, position].item()
        assert drawn == by_hand(seed, step, position, stream)


def by_hand(seed: int, step: int, position: int, stream: int) -> float:
    """splitmix64's finaliser on unbounded integers, reduced modulo 2^64."""
    modulus = 2**64
    x = seed * 0x2545F4914F6CDD1D + step * 0x5851F42D4C957F2D + 0x1E3779B97F4A7C15
    x = (x + (position + (stream << 40)) * 0x14057B7EF767814F) % modulus
    x = (x ^ x >> 30) * 0x3F58476D1CE4E5B9 % modulus
    x = (x ^ x >> 27) * 0x14D049BB133111EB % modulus
    x ^= x >> 31
    return (x >> 11) / 2**53
