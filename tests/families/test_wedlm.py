"""WeDLM: both decoders it is made of, their fields and names, rows of a batch apart."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from redraft.families.wedlm import FAMILY, read
from redraft.models.loading import load, tensors_of
from redraft.models.registry import find_family
from redraft.models.reordered import ReorderedDenoiser
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import Policy, Threshold, TopK
from redraft.sampling.samplers import sample
from tests.models.qwen2 import qwen2, save_as

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "wedlm"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def test_a_configuration_finds_its_family_and_decoding() -> None:
    assert find_family(CONFIG) is FAMILY
    assert from_json(FAMILY.decoding).policy == Threshold(0.9)


@pytest.mark.parametrize("tied", [False, True])
def test_without_noise_the_older_decoder_is_qwen2(tmp_path: Path, tied: bool) -> None:
    """No norms of queries and keys, biases on queries, keys and values: what WeDLM-7B is made of."""
    theirs = qwen2(tie_word_embeddings=tied)
    folder = save_as(theirs, tmp_path / "checkpoint", model_type="wedlm", mask_token_id=95)
    denoiser, checkpoint = load(folder)
    assert checkpoint.family is FAMILY
    assert isinstance(denoiser, ReorderedDenoiser)
    tokens_BL = torch.randint(0, 90, (2, 40), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = theirs(tokens_BL).logits
    assert expected.std() > 0.5  # else any two random models agree
    torch.testing.assert_close(denoiser.score(tokens_BL)[0], expected, atol=1e-4, rtol=0)


def test_the_two_decoders_are_told_apart_by_their_fields() -> None:
    newer = read(CONFIG).architecture.layers[0].attention
    assert (newer.qk_norm, newer.qkv_bias, newer.out_bias) == (True, False, False)
    older = read({name: value for name, value in CONFIG.items() if name not in ("qk_norm", "attention_bias")})
    attention = older.architecture.layers[0].attention
    assert (attention.qk_norm, attention.qkv_bias, attention.out_bias) == (False, True, False)


def test_mask_and_stop_tokens_are_what_the_configuration_says_or_the_published_ones() -> None:
    facts = read(CONFIG)
    assert (facts.attention, facts.shifted, facts.mask_id, facts.stop_ids) == ("reordered", False, 318, (316,))
    published = read(CONFIG | {"vocab_size": 151936, "mask_token_id": None, "eos_token_id": 151643})
    assert (published.mask_id, published.stop_ids) == (151665, (151643, 151645))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"use_sliding_window": True}, "use_sliding_window=True"),
        ({"qk_norm": 1}, "qk_norm=1, which is no bool"),
        ({"mask_token_id": None}, "mask id 151665 is outside the vocabulary of 320"),
        ({"num_key_value_heads": 3}, r"must be a multiple of self.num_key_heads=3"),
        ({"vocab_size": None}, "config.json has no 'vocab_size'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_a_block_length_is_no_choice_here() -> None:
    with pytest.raises(ValueError, match=r"reordered attention.*block_length"):
        load(FOLDER, block_length=8)


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


@pytest.mark.parametrize("policy", [Threshold(0.6), TopK(count=1)], ids=["threshold", "best"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(policy: Policy) -> None:
    denoiser, _ = load(FOLDER)
    decoding = Decoding(policy=policy, max_steps=8)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=13, block_length=5)
        return last.committed

    prompts = [list(range(9)), [5, 6], list(range(40, 56))]
    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]
