"""A module of transformers as a denoiser: the same scores and the same text as our own network with its weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from redraft.core.canvas import Status, make_canvas
from redraft.core.denoiser import Denoiser
from redraft.models.assemble import assemble
from redraft.models.base import FamilyDenoiser
from redraft.models.context import TokenContext
from redraft.models.hf import HuggingFaceDenoiser
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Threshold, TopK
from redraft.sampling.samplers import sample
from tests.families.from_transformers import Pair, make_pair, text

MASK_ID = 95
CLOSE = {"atol": 2e-5, "rtol": 0.0}
CONTRACTS: dict[str, dict[str, Any]] = {
    "full": {"attention": "full"},
    "full, shifted": {"attention": "full", "shifted": True},
    "block_causal": {"attention": "block_causal", "block_length": 4, "counted_positions": True},
    "block_causal, shifted": {
        "attention": "block_causal",
        "block_length": 4,
        "shifted": True,
        "counted_positions": True,
    },
}
EITHER = pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)


@pytest.fixture(scope="module", params=["eager", "sdpa"])
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("llama"), "Llama", attn_implementation=request.param)


def both(pair: Pair, contract: dict[str, Any]) -> tuple[HuggingFaceDenoiser, FamilyDenoiser]:
    facts = replace(pair.checkpoint.facts, noise="absorbing", mask_id=MASK_ID, **contract)
    return HuggingFaceDenoiser(pair.theirs, mask_id=MASK_ID, **contract), assemble(pair.ours.network, facts)


@EITHER
def test_a_canvas_scores_as_it_does_in_our_network(pair: Pair, contract: dict[str, Any]) -> None:
    theirs, ours = both(pair, contract)
    assert isinstance(theirs, Denoiser)
    canvas = make_canvas(torch.full((3, 4), MASK_ID), torch.full((3, 4), int(Status.NOISY)))
    torch.testing.assert_close(theirs.denoise(canvas), ours.denoise(canvas), **CLOSE)
    tokens_BL, pad_B = text(3, 12), torch.tensor([0, 4, 8])
    wanted_BLV = ours.denoise(canvas, ours.encode(tokens_BL, pad_B=pad_B))
    torch.testing.assert_close(theirs.denoise(canvas, theirs.encode(tokens_BL, pad_B=pad_B)), wanted_BLV, **CLOSE)


@EITHER
@pytest.mark.parametrize("policy", [TopK(count=1), Threshold(0.3)], ids=["topk", "threshold"])
def test_it_writes_what_our_network_writes(pair: Pair, contract: dict[str, Any], policy: Any) -> None:
    decoding = Decoding(policy=policy, max_steps=8)
    theirs, ours = both(pair, contract)
    rows = [text(1, length, seed=length)[0].tolist() for length in (6, 1, 9)]
    drafts = [list(sample(d, rows, decoding, max_tokens=12, block_length=4))[-1] for d in (theirs, ours)]
    assert drafts[0].committed == drafts[1].committed


def test_a_module_may_decide_itself_who_sees_whom(pair: Pair) -> None:
    """Llama's own mask is causal, so what it scores does not change with what comes later."""
    denoiser = HuggingFaceDenoiser(pair.theirs, mask_id=MASK_ID, attention="own")
    tokens_BL = text(1, 6)
    context = denoiser.encode(tokens_BL)
    assert isinstance(context, TokenContext)
    canvas = make_canvas(torch.full((1, 4), MASK_ID), torch.full((1, 4), int(Status.NOISY)))
    wanted_BLV, _ = pair.ours.score(torch.cat([tokens_BL, canvas.tokens_BL], 1))
    logits_BLV = denoiser.denoise(canvas, context)
    assert bool((logits_BLV[..., MASK_ID] == -torch.inf).all())
    torch.testing.assert_close(logits_BLV[..., :MASK_ID], wanted_BLV[:, 6:, :MASK_ID], **CLOSE)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"mask_id": 96}, "mask_id=96 is outside the vocabulary of 96"),
        ({"attention": "causal"}, "attention='causal' must be one of full, block_causal, own"),
        ({"attention": "block_causal"}, "block_length=None does not go with"),
        ({"block_length": 4}, "block_length=4 does not go with attention='full'"),
        ({"attention": "block_causal", "block_length": 0}, "block_length=0 does not go with"),
    ],
)
def test_options_that_do_not_go_together_are_refused(pair: Pair, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        HuggingFaceDenoiser(pair.theirs, **({"mask_id": MASK_ID} | options))


def test_a_text_longer_than_the_module_takes_is_refused(pair: Pair) -> None:
    denoiser = HuggingFaceDenoiser(pair.theirs, mask_id=MASK_ID)
    with pytest.raises(ValueError, match="65 positions are more than the model's context of 64"):
        denoiser.encode(text(1, 65))
