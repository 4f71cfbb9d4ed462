"""A2D: the decoders they came from, under a full and under a block-causal mask, cached or not."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config, Qwen3Config

from benchmarks.parity.golden import whole
from redraft.models.bidirectional import BidirectionalDenoiser
from redraft.models.block_causal import BlockCausalDenoiser
from redraft.models.loading import load, read_json, tensors_of

SIZES: dict[str, Any] = {
    "vocab_size": 96, "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 6,
    "num_key_value_heads": 2, "tie_word_embeddings": True,
}  # fmt: skip
KINDS = {"qwen3": Qwen3Config(**SIZES, head_dim=16), "qwen2": Qwen2Config(**SIZES), "llama": LlamaConfig(**SIZES)}
BLOCK = 8


@pytest.fixture(params=KINDS)
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Any, Path, str]:
    """A random model of transformers, its folder saying that it is A2D's, and its kind."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(KINDS[request.param]).eval()
    model.save_pretrained(tmp_path)
    state(tmp_path, model_type=f"a2d-{request.param}", mask_token_id=95)
    return model, tmp_path, request.param


def state(folder: Path, **fields: Any) -> None:
    """Put fields into a folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps(read_json(path) | fields))


def text(rows: int, length: int) -> Tensor:
    return torch.randint(0, 90, (rows, length), generator=torch.Generator().manual_seed(1))


def by_transformers(model: Any, tokens_BL: Tensor, seen_LL: Tensor) -> Tensor:
    with torch.no_grad():
        mask = seen_LL.expand(len(tokens_BL), 1, *seen_LL.shape)
        scores: Tensor = model(tokens_BL, attention_mask=mask).logits
    return scores


def test_without_a_block_size_everything_sees_everything(saved: tuple[Any, Path, str]) -> None:
    model, folder, kind = saved
    denoiser, checkpoint = load(folder)
    assert checkpoint.family.name == f"a2d_{kind}"
    assert isinstance(denoiser, BidirectionalDenoiser)
    tokens_BL = text(2, 21)
    theirs = by_transformers(model, tokens_BL, torch.ones(21, 21, dtype=torch.bool))
    torch.testing.assert_close(denoiser.scores(whole(tokens_BL)), theirs, atol=1e-5, rtol=0)


def test_with_a_block_size_blocks_see_themselves_and_those_before(saved: tuple[Any, Path, str]) -> None:
    model, folder, _ = saved
    state(folder, block_size=BLOCK)
    denoiser, _ = load(folder)
    assert isinstance(denoiser, BlockCausalDenoiser)
    tokens_BL = text(2, 3 * BLOCK)
    block_L = torch.arange(3 * BLOCK) // BLOCK
    theirs = by_transformers(model, tokens_BL, block_L[None, :] <= block_L[:, None])
    torch.testing.assert_close(denoiser.score(tokens_BL)[0], theirs, atol=1e-5, rtol=0)
    context = denoiser.encode(tokens_BL[:, : 2 * BLOCK])
    last = denoiser.scores(whole(tokens_BL[:, 2 * BLOCK :]), context)
    torch.testing.assert_close(last, theirs[:, 2 * BLOCK :], atol=1e-5, rtol=0)


def test_tensors_come_back_as_they_were(saved: tuple[Any, Path, str]) -> None:
    model, folder, _ = saved
    denoiser, checkpoint = load(folder)
    stored = model.state_dict()
    given_back = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert all(torch.equal(tensor, stored[name]) for name, tensor in given_back.items())


def test_a_llama_must_say_which_token_is_the_mask(tmp_path: Path) -> None:
    AutoModelForCausalLM.from_config(KINDS["llama"]).save_pretrained(tmp_path)
    state(tmp_path, model_type="a2d-llama")
    with pytest.raises(ValueError, match="mask"):
        load(tmp_path)
