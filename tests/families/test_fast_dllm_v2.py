"""Fast-dLLM v2: Qwen2's weights under a block-causal mask, shifted logits across blocks, blocks decided in parts."""

from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import Qwen2ForCausalLM

from benchmarks.parity.golden import whole
from redraft.families.fast_dllm_v2 import FAMILY, read
from redraft.models.block_causal import BlockCausalDenoiser
from redraft.models.loading import load, tensors_of
from redraft.models.registry import find_family
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import Threshold
from redraft.sampling.samplers import sample
from tests.models.qwen2 import qwen2, save_as

MASK_ID, BLOCK = 95, 32
CONFIG: dict[str, Any] = {
    "model_type": "Fast_dLLM_Qwen", "architectures": ["Fast_dLLM_QwenForCausalLM"], "vocab_size": 96,
    "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 6,
    "num_key_value_heads": 2, "mask_token_id": MASK_ID, "eos_token_id": 93,
}  # fmt: skip


@pytest.fixture(scope="module")
def theirs() -> Qwen2ForCausalLM:
    return qwen2()


@pytest.fixture(scope="module")
def ours(theirs: Qwen2ForCausalLM, tmp_path_factory: pytest.TempPathFactory) -> BlockCausalDenoiser:
    folder = tmp_path_factory.mktemp("fast_dllm") / "checkpoint"
    denoiser, checkpoint = load(save_as(theirs, folder, model_type="Fast_dLLM_Qwen", mask_token_id=MASK_ID))
    assert checkpoint.family is FAMILY
    stored = {name: tensor for name, tensor in theirs.state_dict().items() if name in checkpoint.places}
    given_back = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(given_back[name], stored[name]) for name in checkpoint.places)
    assert isinstance(denoiser, BlockCausalDenoiser)
    return denoiser


def text(length: int, seed: int = 0) -> Tensor:
    return torch.randint(0, 90, (1, length), generator=torch.Generator().manual_seed(seed))


def by_transformers(model: Qwen2ForCausalLM, tokens_BL: Tensor) -> Tensor:
    """Logits of the whole text under the mask, each moved one to the right."""
    block_L = torch.arange(tokens_BL.shape[1]) // BLOCK
    seen_LL = block_L[None, :] <= block_L[:, None]
    with torch.no_grad():
        logits_BLV = model(tokens_BL, attention_mask=seen_LL[None, None]).logits
    return torch.cat([logits_BLV[:, :1], logits_BLV[:, :-1]], 1)


@pytest.mark.parametrize("length", [96, 70, 20])
def test_one_pass_is_qwen2_under_a_block_causal_mask(
    ours: BlockCausalDenoiser, theirs: Qwen2ForCausalLM, length: int
) -> None:
    expected = by_transformers(theirs, text(length))
    assert expected.std() > 0.5  # else any two random models agree
    torch.testing.assert_close(ours.score(text(length))[0], expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("start", [0, 32, 64])
def test_a_block_behind_its_cache_is_qwen2_without_one(
    ours: BlockCausalDenoiser, theirs: Qwen2ForCausalLM, start: int
) -> None:
    tokens_BL = text(start + BLOCK)
    tokens_BL[:, start + 3 :: 2] = MASK_ID
    context = ours.encode(tokens_BL[:, :start]) if start else None
    expected = by_transformers(theirs, tokens_BL)[:, start:]
    torch.testing.assert_close(ours.scores(whole(tokens_BL[:, start:]), context), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("prompt_length", [5, 32, 45])
def test_parts_of_eight_are_the_plain_loop_over_qwen2(
    ours: BlockCausalDenoiser, theirs: Qwen2ForCausalLM, prompt_length: int
) -> None:
    """What is above the threshold in the first part that holds noise, or its best; no cache, one pass a step."""
    made_BL = torch.cat([text(prompt_length), torch.full((1, BLOCK - prompt_length % BLOCK), MASK_ID)], 1)
    forwards = 0
    for start in range(prompt_length // 8 * 8, made_BL.shape[1], 8):
        part = slice(start, start + 8)
        while (noisy_BP := made_BL[:, part] == MASK_ID).any():
            logits_BLV = by_transformers(theirs, made_BL)[:, part]
            logits_BLV[..., MASK_ID] = -torch.inf
            best = logits_BLV.softmax(-1).max(-1)
            sure_BP = best.values.masked_fill(~noisy_BP, 0)
            write_BP = (sure_BP > 0.6) | (sure_BP == sure_BP.max())
            made_BL[:, part] = torch.where(write_BP & noisy_BP, best.indices, made_BL[:, part])
            forwards += 1
    decoding = Decoding(policy=Threshold(0.6), max_steps=8)
    new = made_BL.shape[1] - prompt_length
    *_, last = sample(ours, text(prompt_length), decoding, max_tokens=new, block_length=8)
    assert last.committed == made_BL[:, prompt_length:].tolist()
    assert last.step == forwards


def test_a_row_of_a_ragged_batch_is_the_row_alone(ours: BlockCausalDenoiser) -> None:
    decoding = Decoding(policy=Threshold(0.6), max_steps=8)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(ours, rows, decoding, max_tokens=30, block_length=8)
        return last.committed

    prompts = [text(length, seed=length)[0].tolist() for length in (70, 3, 32)]
    assert texts(prompts) == [texts([prompt])[0] for prompt in prompts]


def test_a_configuration_finds_its_family_and_decoding() -> None:
    assert find_family(CONFIG) is FAMILY
    assert from_json(FAMILY.decoding).policy == Threshold(0.9)


def test_blocks_of_32_are_decided_eight_at_a_time() -> None:
    facts = read(CONFIG)
    assert (facts.block_length, facts.decide_length, facts.shifted) == (32, 8, True)
    assert read(CONFIG | {"bd_size": 64}).block_length == 64
    assert read(CONFIG | {"bd_size": 12}).decide_length is None


def test_an_answer_ends_with_the_turn_too() -> None:
    published = read(CONFIG | {"vocab_size": 152064, "mask_token_id": None, "eos_token_id": 151643})
    assert (published.mask_id, published.stop_ids) == (151665, (151643, 151645))
    assert read(CONFIG).stop_ids == (93,)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"use_sliding_window": True}, "use_sliding_window=True"),
        ({"bd_size": 0}, "needs a block length, not 0"),
        ({"mask_token_id": None}, "mask id 151665 is outside the vocabulary of 96"),
        ({"num_attention_heads": 5}, "hidden_size=48, which 5 heads cannot share"),
        ({"intermediate_size": None}, "config.json has no 'intermediate_size'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_queries_keys_and_values_are_biased_whatever_the_configuration_says() -> None:
    attention = read(CONFIG | {"attention_bias": False}).architecture.layers[0].attention
    assert (attention.qkv_bias, attention.out_bias, attention.qk_norm) == (True, False, False)
