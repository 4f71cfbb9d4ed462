"""Bidirectional: everything is seen but padding and slack, and what a row says is its own."""

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from tests.models.tiny_open import MASK_ID, text, tiny_bidirectional

CLOSE = {"atol": 2e-5, "rtol": 0.0}
KINDS = pytest.mark.parametrize("shifted", [False, True], ids=["aligned", "shifted"])
COUNTED = pytest.mark.parametrize("counted_positions", [False, True], ids=["columns", "counted"])


def noisy(tokens_BL: Tensor) -> Canvas:
    return make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.NOISY)))


@KINDS
@COUNTED
def test_a_padded_row_equals_the_row_alone(shifted: bool, counted_positions: bool) -> None:
    denoiser = tiny_bidirectional(shifted=shifted, counted_positions=counted_positions)
    prompt_BS, canvas_BL = text(2, 9), text(2, 6, seed=1)
    context = denoiser.encode(prompt_BS, pad_B=torch.tensor([0, 4]))
    together = denoiser.scores(noisy(canvas_BL), context)
    alone = denoiser.scores(noisy(canvas_BL[1:]), denoiser.encode(prompt_BS[1:, 4:]))
    torch.testing.assert_close(together[1:], alone, **CLOSE)


@KINDS
def test_slack_is_not_seen(shifted: bool) -> None:
    denoiser = tiny_bidirectional(shifted=shifted)
    tokens_BL = text(2, 8)
    status_BL = torch.full_like(tokens_BL, int(Status.NOISY))
    status_BL[0, 5:] = int(Status.EMPTY)
    ours = denoiser.scores(make_canvas(tokens_BL, status_BL))
    torch.testing.assert_close(ours[:1, :5], denoiser.scores(noisy(tokens_BL[:1, :5])), **CLOSE)


def test_noise_ahead_is_seen() -> None:
    denoiser = tiny_bidirectional()
    tokens_BL = text(1, 8)
    status_BL = torch.full_like(tokens_BL, int(Status.NOISY))
    status_BL[:, 5:] = int(Status.AHEAD)
    seen = denoiser.denoise(make_canvas(tokens_BL, status_BL))
    assert seen.shape[1] == 5  # what lies ahead is not scored
    gap = (seen - denoiser.denoise(noisy(tokens_BL[:, :5])))[..., :MASK_ID].abs().max()
    assert gap > 0.1


@KINDS
def test_a_context_encoded_in_pieces_is_the_context(shifted: bool) -> None:
    denoiser = tiny_bidirectional(shifted=shifted)
    prompt_BS, canvas = text(2, 9), noisy(text(2, 6, seed=1))
    pieces = denoiser.encode(prompt_BS[:, 5:], denoiser.encode(prompt_BS[:, :5]))
    torch.testing.assert_close(denoiser.scores(canvas, pieces), denoiser.scores(canvas, denoiser.encode(prompt_BS)))


@KINDS
def test_context_and_canvas_are_one_text(shifted: bool) -> None:
    denoiser = tiny_bidirectional(shifted=shifted)
    tokens_BL = text(2, 15)
    whole = denoiser.scores(noisy(tokens_BL))
    behind = denoiser.scores(noisy(tokens_BL[:, 9:]), denoiser.encode(tokens_BL[:, :9]))
    torch.testing.assert_close(behind, whole[:, 9:], **CLOSE)


def test_the_mask_is_never_predicted() -> None:
    logits_BLV = tiny_bidirectional().denoise(noisy(text(1, 5)))
    assert (logits_BLV[..., MASK_ID] == -torch.inf).all()
    assert logits_BLV[..., :MASK_ID].isfinite().all()


def test_more_positions_than_the_model_has_are_refused() -> None:
    denoiser = tiny_bidirectional()
    with pytest.raises(ValueError, match="70 positions are more than the model's context of 64"):
        denoiser.encode(text(1, 70))
    with pytest.raises(ValueError, match="65 positions"):
        denoiser.scores(noisy(text(1, 5)), denoiser.encode(text(1, 60)))
