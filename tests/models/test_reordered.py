"""Reordered: a mask over the text as it stands is plain causal attention over the text moved about."""

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import assemble
from redraft.models.reordered import ReorderedDenoiser
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Policy, Threshold, TopK
from redraft.sampling.samplers import infill, sample
from tests.models.tiny_open import MASK_ID, text, tiny_facts, tiny_network

CLOSE = {"atol": 2e-5, "rtol": 0.0}
STATUS = {"F": Status.FIXED, "N": Status.NOISY, "A": Status.ACCEPTED, ".": Status.EMPTY}


@pytest.fixture(scope="module")
def denoiser() -> ReorderedDenoiser:
    facts = tiny_facts(attention="reordered", counted_positions=True)
    made = assemble(tiny_network(facts), facts)
    assert isinstance(made, ReorderedDenoiser)
    return made


def canvas_of(tokens_BL: Tensor, *rows: str) -> Canvas:
    status_BL = torch.tensor([[int(STATUS[letter]) for letter in row] for row in rows])
    return make_canvas(tokens_BL, status_BL)


def moved(denoiser: ReorderedDenoiser, tokens_L: Tensor, status: str) -> Tensor:
    """Logits [L, V] of one text, its observed tokens moved to the front, a triangle for a mask, and moved back."""
    order = [n for n, letter in enumerate(status) if letter != "N"] + [n for n, s in enumerate(status) if s == "N"]
    order_L = torch.tensor(order)
    network = denoiser.network
    triangle = torch.ones(len(order), len(order), dtype=torch.bool).tril()
    states = network.hidden(network.embed_tokens(tokens_L[order_L][None]), order_L[None], triangle)
    return network.logits(states)[0][order_L.argsort()]


@pytest.mark.parametrize("status", ["NNNNNNNN", "FFFFNNNN", "FNANNFAN", "NNFFNNAA", "FFFFFFFA"])
def test_the_mask_in_place_is_the_text_moved(denoiser: ReorderedDenoiser, status: str) -> None:
    tokens_BL = text(1, 8)
    ours = denoiser.scores(canvas_of(tokens_BL, status))[0]
    torch.testing.assert_close(ours, moved(denoiser, tokens_BL[0], status), **CLOSE)


@pytest.mark.parametrize("start", [1, 3, 5])
def test_a_context_says_what_the_text_in_the_canvas_would(denoiser: ReorderedDenoiser, start: int) -> None:
    tokens_BL, status = text(2, 10), "FFFFFANNFN"
    whole = denoiser.scores(canvas_of(tokens_BL, status, status))[:, start:]
    canvas = canvas_of(tokens_BL[:, start:], status[start:], status[start:])
    torch.testing.assert_close(denoiser.scores(canvas, denoiser.encode(tokens_BL[:, :start])), whole, **CLOSE)


def test_a_context_grown_in_pieces_is_the_context(denoiser: ReorderedDenoiser) -> None:
    tokens_BL, canvas = text(2, 9), canvas_of(text(2, 4, seed=1), "NNNN", "NANN")
    pieces = denoiser.encode(tokens_BL[:, 5:], denoiser.encode(tokens_BL[:, :5]))
    torch.testing.assert_close(
        denoiser.scores(canvas, pieces), denoiser.scores(canvas, denoiser.encode(tokens_BL)), **CLOSE
    )


def test_text_without_noise_is_plain_causal(denoiser: ReorderedDenoiser) -> None:
    tokens_BL = text(1, 8)
    logits_BLV, context = denoiser.score(tokens_BL)
    torch.testing.assert_close(logits_BLV[0], moved(denoiser, tokens_BL[0], "FFFFFFFF"), **CLOSE)
    assert context.length == 8


@pytest.mark.parametrize("pad", [4, 9])  # some of the row's context, and all of it
def test_a_padded_row_equals_the_row_alone(denoiser: ReorderedDenoiser, pad: int) -> None:
    prompt_BS, canvas_BL = text(2, 9), text(2, 6, seed=1)
    context = denoiser.encode(prompt_BS, pad_B=torch.tensor([0, pad]))
    together = denoiser.scores(canvas_of(canvas_BL, "NNNNNN", "NANNAN"), context)
    own = denoiser.encode(prompt_BS[1:, pad:]) if pad < 9 else None
    alone = denoiser.scores(canvas_of(canvas_BL[1:], "NANNAN"), own)
    torch.testing.assert_close(together[1:], alone, **CLOSE)


def test_slack_and_finished_rows_are_seen_by_nobody(denoiser: ReorderedDenoiser) -> None:
    tokens_BL = text(2, 6)
    ours = denoiser.scores(canvas_of(tokens_BL, "NANN..", "......"))
    assert ours.isfinite().all()
    torch.testing.assert_close(ours[:1, :4], denoiser.scores(canvas_of(tokens_BL[:1, :4], "NANN")), **CLOSE)


def test_what_is_accepted_is_seen_by_noise_before_it(denoiser: ReorderedDenoiser) -> None:
    tokens_BL = text(1, 6)
    accepted, noise = (denoiser.scores(canvas_of(tokens_BL, status)) for status in ("NNNNNA", "NNNNNN"))
    assert (accepted[:, 0] - noise[:, 0]).abs().max() > 0.1


@pytest.mark.parametrize("policy", [Threshold(0.5), TopK(count=1)])
def test_ragged_prompts_are_sampled_as_each_alone(denoiser: ReorderedDenoiser, policy: Policy) -> None:
    prompts = [text(1, length, seed=length)[0].tolist() for length in (9, 2, 5)]
    decoding = Decoding(policy=policy, max_steps=5)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=8, block_length=5)
        return last.committed

    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]


def test_a_gap_is_filled_from_both_sides(denoiser: ReorderedDenoiser) -> None:
    prefix, decoding = text(1, 4), Decoding(policy=TopK(count=1), max_steps=8)

    def filled(suffix: Tensor) -> list[int]:
        *_, last = infill(denoiser, prefix, suffix, decoding, gap=4)
        return last.row_tokens(0)

    one, other = filled(text(1, 4, seed=1)), filled(text(1, 4, seed=2))
    assert MASK_ID not in one
    assert one[:4] == prefix[0].tolist()
    assert one[4:8] != other[4:8]
