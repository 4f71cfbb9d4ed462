"""Schedules: ends, monotonicity, derivative and inverse, in float64."""

import pytest
import torch

from redraft.core.schedules import Cosine, Geometric, Linear, LogLinear, Polynomial, Schedule, grid

ALL = [Linear(), Cosine(), LogLinear(), LogLinear(0.1), Polynomial(2.0), Polynomial(0.5), Geometric(1e-3, 12.0)]
each = pytest.mark.parametrize("schedule", ALL, ids=str)
T = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)


@each
def test_derivative_is_the_limit_of_differences(schedule: Schedule) -> None:
    h = 1e-6
    numerical = (schedule.alpha(T + h) - schedule.alpha(T - h)) / (2 * h)
    torch.testing.assert_close(schedule.d_alpha(T), numerical, rtol=1e-6, atol=1e-8)


@each
def test_derivative_is_what_autograd_says(schedule: Schedule) -> None:
    t = T.clone().requires_grad_()
    (slope,) = torch.autograd.grad(schedule.alpha(t).sum(), t)
    torch.testing.assert_close(schedule.d_alpha(T), slope)


@each
def test_alpha_falls_and_stays_a_probability(schedule: Schedule) -> None:
    alpha = schedule.alpha(torch.linspace(0, 1, 101, dtype=torch.float64))
    assert (alpha.diff() < 0).all()
    assert alpha.min() >= 0
    assert alpha.max() <= 1
    assert (schedule.d_alpha(T) < 0).all()


@each
def test_inverse_finds_the_time_again(schedule: Schedule) -> None:
    torch.testing.assert_close(schedule.inverse(schedule.alpha(T)), T, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Polynomial(3.0)], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_exact_schedules_end_at_exactly_one_and_zero(schedule: Schedule, dtype: torch.dtype) -> None:
    assert schedule.alpha(torch.tensor([0, 1], dtype=dtype)).tolist() == [1, 0]


def test_inexact_schedules_end_where_they_say() -> None:
    ends = torch.tensor([0, 1], dtype=torch.float64)
    torch.testing.assert_close(LogLinear(0.01).alpha(ends), torch.tensor([1, 0.01], dtype=torch.float64))
    sigma = torch.tensor([0.1, 5.0], dtype=torch.float64)
    torch.testing.assert_close(Geometric(0.1, 5.0).alpha(ends), torch.exp(-sigma))


def test_log_linear_is_the_exponential_of_minus_its_sigma() -> None:
    sigma = -torch.log(1 - (1 - 1e-3) * T)
    torch.testing.assert_close(LogLinear().alpha(T), torch.exp(-sigma))


def test_cosine_is_maskgits_formula() -> None:
    torch.testing.assert_close(Cosine().alpha(T), 1 - torch.cos(torch.pi / 2 * (1 - T)))


def test_grid_has_num_steps_equal_steps_from_zero_to_one() -> None:
    times = grid(1000)
    assert len(times) == 1001
    assert times[0] == 0
    assert times[-1] == 1
    torch.testing.assert_close(times.diff(), torch.full((1000,), 1e-3, dtype=torch.float64))


def test_values_out_of_range_are_refused_by_name() -> None:
    for make, name in [
        (lambda: LogLinear(0.0), "eps"),
        (lambda: Polynomial(-1.0), "power"),
        (lambda: Geometric(2.0, 1.0), "sigma_min"),
        (lambda: grid(0), "num_steps"),
    ]:
        with pytest.raises(ValueError, match=name):
            make()
