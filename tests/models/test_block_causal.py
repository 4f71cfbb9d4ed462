"""Block-causal: blocks see themselves and what stands before them, and clean blocks are read once for good."""

from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import assemble
from redraft.models.block_causal import BlockCausalDenoiser
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Threshold, TopK
from redraft.sampling.samplers import sample
from tests.models.tiny_open import MASK_ID, text, tiny_facts, tiny_network

CLOSE = {"atol": 2e-5, "rtol": 0.0}
KINDS = pytest.mark.parametrize("shifted", [False, True], ids=["aligned", "shifted"])


def tiny(shifted: bool = False, **options: Any) -> BlockCausalDenoiser:
    facts = tiny_facts(attention="block_causal", block_length=4, shifted=shifted, counted_positions=True)
    denoiser = assemble(tiny_network(facts), facts, **options)
    assert isinstance(denoiser, BlockCausalDenoiser)
    return denoiser


def noisy(tokens_BL: Tensor) -> Canvas:
    return make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.NOISY)))


def states_by_hand(denoiser: BlockCausalDenoiser, tokens_L: Tensor) -> Tensor:
    """Hidden states of one text, its mask written cell by cell."""
    length = len(tokens_L)
    seen = [[key // 4 <= query // 4 for key in range(length)] for query in range(length)]
    network = denoiser.network
    return network.hidden(network.embed_tokens(tokens_L[None]), torch.arange(length)[None], torch.tensor(seen))


@KINDS
@pytest.mark.parametrize("length", [12, 10, 3])  # whole blocks or not
def test_one_pass_is_the_mask_written_by_hand(shifted: bool, length: int) -> None:
    denoiser, tokens_BL = tiny(shifted), text(1, length)
    logits_BLV = denoiser.network.logits(states_by_hand(denoiser, tokens_BL[0]))
    if shifted:
        logits_BLV = torch.cat([logits_BLV[:, :1], logits_BLV[:, :-1]], 1)
    torch.testing.assert_close(denoiser.score(tokens_BL)[0], logits_BLV, **CLOSE)


@KINDS
def test_a_canvas_behind_a_context_is_the_last_block_of_one_pass(shifted: bool) -> None:
    denoiser, tokens_BL = tiny(shifted), text(2, 12)
    whole = denoiser.score(tokens_BL)[0]
    for start in (0, 4, 8):
        context = denoiser.encode(tokens_BL[:, :start]) if start else None
        canvas = noisy(tokens_BL[:, start : start + 4])
        torch.testing.assert_close(denoiser.scores(canvas, context), whole[:, start : start + 4], **CLOSE)


@KINDS
def test_blocks_read_one_by_one_are_blocks_read_at_once(shifted: bool) -> None:
    denoiser, tokens_BL = tiny(shifted), text(2, 12)
    grown = denoiser.encode(tokens_BL[:, 4:8], denoiser.encode(tokens_BL[:, :4]))
    canvas = noisy(tokens_BL[:, 8:])
    torch.testing.assert_close(
        denoiser.scores(canvas, grown), denoiser.scores(canvas, denoiser.encode(tokens_BL[:, :8])), **CLOSE
    )


def test_the_first_token_of_a_shifted_block_is_scored_by_the_last_before_it() -> None:
    """Which no noise in the block can change: clean text never looks ahead."""
    denoiser, tokens_BL = tiny(shifted=True), text(1, 8)
    context = denoiser.encode(tokens_BL)
    first, second = (denoiser.scores(noisy(text(1, 4, seed=seed)), context) for seed in (1, 2))
    expected = denoiser.network.logits(states_by_hand(denoiser, tokens_BL[0])[:, -1])
    torch.testing.assert_close(first[:, 0], expected, **CLOSE)
    torch.testing.assert_close(second[:, 0], expected, **CLOSE)
    assert (first[:, 1:] - second[:, 1:]).abs().max() > 0.1


@KINDS
def test_a_padded_row_equals_the_row_alone(shifted: bool) -> None:
    denoiser, tokens_BL = tiny(shifted), text(3, 12)
    pad_B = torch.tensor([0, 3, 8])
    together = denoiser.score(tokens_BL, pad_B=pad_B)[0]
    for row, pad in enumerate(pad_B.tolist()):
        alone = denoiser.score(tokens_BL[row : row + 1, pad:])[0]
        torch.testing.assert_close(together[row : row + 1, pad:], alone, **CLOSE)


@KINDS
def test_a_row_without_a_whole_block_of_context_equals_the_row_alone(shifted: bool) -> None:
    """All of its context is padding."""
    denoiser, tokens_BL = tiny(shifted), text(2, 8)
    canvas_BL = text(2, 4, seed=1)
    together = denoiser.scores(noisy(canvas_BL), denoiser.encode(tokens_BL, pad_B=torch.tensor([0, 8])))
    torch.testing.assert_close(together[1:], denoiser.scores(noisy(canvas_BL[1:])), **CLOSE)
    torch.testing.assert_close(
        together[:1], denoiser.scores(noisy(canvas_BL[:1]), denoiser.encode(tokens_BL[:1])), **CLOSE
    )


def test_a_later_block_changes_nothing_and_a_neighbour_in_the_block_does() -> None:
    denoiser, tokens_BL = tiny(), text(1, 12)
    later, within = tokens_BL.clone(), tokens_BL.clone()
    later[:, 8:], within[:, 7] = (tokens_BL[:, 8:] + 1) % MASK_ID, (tokens_BL[:, 7] + 1) % MASK_ID
    logits_BLV = denoiser.score(tokens_BL)[0]
    torch.testing.assert_close(denoiser.score(later)[0][:, :8], logits_BLV[:, :8], **CLOSE)
    assert (denoiser.score(within)[0][:, 4] - logits_BLV[:, 4]).abs().max() > 0.1


def test_slack_is_not_seen() -> None:
    denoiser, tokens_BL = tiny(), text(2, 4)
    status_BL = torch.full_like(tokens_BL, int(Status.NOISY))
    status_BL[0, 2:] = int(Status.EMPTY)
    ours = denoiser.scores(make_canvas(tokens_BL, status_BL))
    torch.testing.assert_close(ours[:1, :2], denoiser.scores(noisy(tokens_BL[:1, :2])), **CLOSE)


@KINDS
def test_ragged_prompts_are_sampled_as_each_alone(shifted: bool) -> None:
    denoiser = tiny(shifted)
    prompts = [text(1, length, seed=length)[0].tolist() for length in (9, 2, 4, 11)]
    decoding = Decoding(policy=Threshold(0.5, 4), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=7, block_length=4)
        return last.committed

    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]


@KINDS
@pytest.mark.parametrize("prompt_length", [5, 8])
def test_a_block_decided_part_by_part_is_the_plain_loop(shifted: bool, prompt_length: int) -> None:
    """The whole text in one pass at every step, the best position of the first part that holds noise."""
    denoiser = tiny(shifted)
    prompt = text(1, prompt_length)[0].tolist()
    decoding = Decoding(policy=TopK(count=1), max_steps=4)
    *_, last = sample(denoiser, [prompt], decoding, max_tokens=8, block_length=2)
    made = prompt + [MASK_ID] * (-(-(prompt_length + 8) // 4) * 4 - prompt_length)
    for place in range(prompt_length, len(made)):
        part = range(place // 2 * 2, place // 2 * 2 + 2)
        whole = torch.tensor([made[: place // 4 * 4 + 4]])
        probs_LV = denoiser.score(whole)[0][0, :, :MASK_ID].softmax(-1)
        best = max((at for at in part if made[at] == MASK_ID), key=lambda at: float(probs_LV[at].max()))
        made[best] = int(probs_LV[best].argmax())
    assert last.committed[0] == made[prompt_length : prompt_length + 8]


def test_blocks_may_have_another_length_than_the_configuration_says() -> None:
    denoiser, tokens_BL = tiny(block_length=6), text(1, 12)
    assert denoiser.block_length == 6
    assert denoiser.encode(tokens_BL).length == 12
    one_block = tiny(block_length=12).score(tokens_BL)[0]
    torch.testing.assert_close(one_block, tiny(block_length=12).scores(noisy(tokens_BL)), **CLOSE)
    assert (one_block - denoiser.score(tokens_BL)[0]).abs().max() > 0.1


def test_what_a_block_cannot_hold_is_refused() -> None:
    denoiser, tokens_BL = tiny(), text(2, 8)
    with pytest.raises(ValueError, match="block_length=0 must be at least 1"):
        tiny(block_length=0)
    with pytest.raises(ValueError, match=r"block_causal attention.*cache"):
        tiny(cache="dual")
    with pytest.raises(ValueError, match="6 tokens are not whole blocks of 4"):
        denoiser.encode(tokens_BL[:, :6])
    with pytest.raises(ValueError, match="5 tokens are not whole blocks of 4"):
        denoiser.encode(tokens_BL, pad_B=torch.tensor([0, 3]))
    with pytest.raises(ValueError, match="a canvas of 8 does not fit this model's blocks of 4"):
        denoiser.scores(noisy(tokens_BL))


def test_a_shifted_model_refuses_a_context_whose_last_state_was_cut_off() -> None:
    """The first token of the block would be scored by the wrong state, and nobody would know."""
    context = tiny(shifted=True).encode(text(1, 8)).truncate(4)
    with pytest.raises(ValueError, match="context of 4 tokens was cut"):
        tiny(shifted=True).scores(noisy(text(1, 4)), context)
    assert tiny().scores(noisy(text(1, 4)), tiny().encode(text(1, 8)).truncate(4)).isfinite().all()
