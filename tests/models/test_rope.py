"""Rotary positions: every stretching against transformers' own functions, and the rotation by its meaning."""

import math
from typing import Any

import pytest
import torch

from redraft.models.architecture import Rope
from redraft.models.fields import rope_of
from redraft.models.rope import Rotary, attention_scale, dynamic_frequency, frequency, rotate

LENGTH = 4096
YARN = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 1024}
LLAMA3 = {
    "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 512,
}  # fmt: skip
SCALINGS: dict[str, dict[str, Any]] = {
    "linear": {"rope_type": "linear", "factor": 3.0},
    "dynamic": {"rope_type": "dynamic", "factor": 2.5},
    "proportional": {"rope_type": "proportional"},
    "proportional, stretched": {"rope_type": "proportional", "factor": 2.0},
    "yarn": YARN,
    "yarn, old word": {**YARN, "type": "yarn"},
    "yarn, betas": YARN | {"beta_fast": 20, "beta_slow": 3},
    "yarn, not rounded": YARN | {"truncate": False},
    "yarn, its own factor": YARN | {"attention_factor": 0.75},
    "yarn, two scales": YARN | {"mscale": 0.7, "mscale_all_dim": 1.3},
    "yarn, one scale alone": YARN | {"mscale": 0.7},
    "yarn, nothing to ramp": YARN | {"beta_fast": 1e-3, "beta_slow": 1e-4},
    "yarn, no factor": YARN | {"factor": None},
    "yarn, no length": {"rope_type": "yarn", "factor": 4.0},
    "llama3": LLAMA3,
    "llama3, wide": LLAMA3 | {"factor": 32.0, "low_freq_factor": 0.5, "high_freq_factor": 16.0},
}
SHAPES = [(16, 1.0, 1e4), (64, 1.0, 5e5), (64, 0.5, 1e4), (128, 0.25, 1e6), (128, 1.0, 1e6)]


def theirs(head_dim: int, parameters: dict[str, Any], length: Any = None) -> tuple[torch.Tensor, float]:
    transformers = pytest.importorskip("transformers")
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = transformers.LlamaConfig(max_position_embeddings=LENGTH, hidden_size=head_dim, num_attention_heads=1)
    config.rope_parameters = dict(parameters)
    wanted: tuple[torch.Tensor, float] = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, seq_len=length)
    return wanted


def ours(parameters: dict[str, Any]) -> Rope:
    said = {name: value for name, value in parameters.items() if name != "rope_type" or "type" not in parameters}
    return rope_of({"max_position_embeddings": LENGTH, "rope_scaling": said})


@pytest.mark.parametrize(("head_dim", "share", "theta"), SHAPES)
@pytest.mark.parametrize("scaling", SCALINGS.values(), ids=SCALINGS)
def test_frequencies_and_scale_are_those_of_transformers(
    scaling: dict[str, Any], head_dim: int, share: float, theta: float
) -> None:
    parameters = scaling | {"rope_theta": theta, "partial_rotary_factor": share}
    wanted_R, factor = theirs(head_dim, parameters)
    rope = ours(parameters)
    torch.testing.assert_close(frequency(rope, head_dim), wanted_R, atol=0, rtol=1e-5)
    assert attention_scale(rope) == pytest.approx(factor)


@pytest.mark.parametrize("length", [1, LENGTH, LENGTH + 1, 3 * LENGTH])
def test_dynamic_positions_stretch_with_the_text_beyond_the_trained_length(length: int) -> None:
    parameters = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 1e4}
    wanted_R, _ = theirs(32, parameters, length)
    rope = ours(parameters)
    torch.testing.assert_close(dynamic_frequency(rope, 32, torch.tensor(length)), wanted_R, atol=0, rtol=1e-5)
    cos, _ = Rotary(rope, 32)(torch.arange(length)[None])
    torch.testing.assert_close(cos[0, 0, -1, :16], ((length - 1) * wanted_R).cos(), atol=2e-3, rtol=0)


def test_plain_frequencies_are_powers_of_theta() -> None:
    wanted_R = [1e4 ** (-2 * i / 8) for i in range(4)]
    assert frequency(Rope(), 8).tolist() == pytest.approx(wanted_R)


def test_pairs_are_turned_by_the_angle_of_their_position() -> None:
    """Dimension i and i + R of a head are one point in the plane."""
    rope = Rope(theta=100.0)
    x_BHLK = torch.randn(1, 2, 5, 6, generator=torch.Generator().manual_seed(0))
    turned = rotate(x_BHLK, *Rotary(rope, 6)(torch.arange(5)[None]))
    for place in range(5):
        for pair, speed in enumerate(frequency(rope, 6).tolist()):
            point = torch.complex(x_BHLK[0, :, place, pair], x_BHLK[0, :, place, pair + 3])
            wanted = point * complex(math.cos(place * speed), math.sin(place * speed))
            torch.testing.assert_close(turned[0, :, place, pair], wanted.real)
            torch.testing.assert_close(turned[0, :, place, pair + 3], wanted.imag)


def test_scores_depend_on_distance_alone() -> None:
    rotary = Rotary(Rope(), 16)
    query, key = torch.randn(2, 1, 1, 1, 16, generator=torch.Generator().manual_seed(0))
    near, far = (
        rotate(query, *rotary(torch.tensor([[9 + move]]))) @ rotate(key, *rotary(torch.tensor([[2 + move]]))).mT
        for move in (0, 100)
    )
    torch.testing.assert_close(near, far, atol=1e-5, rtol=0)


def test_what_is_not_rotated_passes_through() -> None:
    x_BHLK = torch.randn(1, 1, 3, 16, generator=torch.Generator().manual_seed(0))
    turned = rotate(x_BHLK, *Rotary(Rope(share=0.25), 16)(torch.arange(3)[None]))
    assert torch.equal(turned[..., 4:], x_BHLK[..., 4:])
    assert not torch.equal(turned[:, :, 1:, :4], x_BHLK[:, :, 1:, :4])


def test_yarn_scales_cos_and_sin() -> None:
    rope = Rope(scaling="yarn", factor=4.0, trained_length=64)
    cos, sin = Rotary(rope, 8)(torch.arange(3)[None])
    torch.testing.assert_close(cos**2 + sin**2, torch.full_like(cos, (0.1 * math.log(4) + 1) ** 2))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"theta": 0.0}, "theta=0.0 must be positive"),
        ({"share": 0.0}, "rotated share of a head, 0.0"),
        ({"share": 1.5}, "rotated share of a head, 1.5"),
        ({"scaling": "longrope"}, "'longrope' must be one of"),
        ({"scaling": "yarn"}, "'yarn' needs the length"),
        ({"scaling": "linear", "factor": -1.0}, "factor=-1.0 must be positive"),
    ],
)
def test_positions_that_cannot_be_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        Rope(**options)
