"""The transformer: it is the Qwen3 decoder of transformers, number for number, cached or not."""

from pathlib import Path

import pytest
import torch
from torch import Tensor
from transformers import Qwen3ForCausalLM

from redraft.models.architecture import AttentionFacts, Rope
from redraft.models.checkpoint import to_qwen3
from redraft.models.rope import Rotary, rotate
from redraft.models.three_mode import ThreeModeModel
from redraft.models.transformer import SHORT, attend_to
from tests.models.tiny import NEVER_TEXT, ids, tiny_model

TEXT = torch.tensor([v for v in range(64) if v not in NEVER_TEXT])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> tuple[ThreeModeModel, Qwen3ForCausalLM]:
    """Our model and transformers' reading of its export. Every extra is built in, and must not matter."""
    folder = tmp_path_factory.mktemp("qwen3")
    tokenizer = folder / "made_up.json"
    tokenizer.write_text("{}")
    model = tiny_model(labels=("a", "b"), condition_size=5, self_conditioning=True, rope_theta=5000.0)
    to_qwen3(model, folder / "model", tokenizer_file=tokenizer)
    theirs, report = Qwen3ForCausalLM.from_pretrained(folder / "model", output_loading_info=True)
    assert not any(report.values()), report
    return model, theirs.eval()


def test_the_causal_mode_is_qwen3(pair: tuple[ThreeModeModel, Qwen3ForCausalLM]) -> None:
    model, theirs = pair
    tokens_BL = ids(3, 40)
    with torch.no_grad():
        expected = theirs(tokens_BL).logits
    logits_BLV, _ = model.score(tokens_BL)
    assert expected.std() > 0.5  # else any two random models agree
    torch.testing.assert_close(logits_BLV[..., TEXT], expected[..., TEXT], atol=1e-4, rtol=0)


def test_the_causal_mode_is_qwen3_token_by_token(pair: tuple[ThreeModeModel, Qwen3ForCausalLM]) -> None:
    model, theirs = pair
    tokens_BL = ids(2, 12, seed=1)
    context, cache = None, None
    for place in range(tokens_BL.shape[1]):
        with torch.no_grad():
            step = theirs(tokens_BL[:, place : place + 1], past_key_values=cache, use_cache=True)
        cache = step.past_key_values
        logits_BV, context = model.next_logits(tokens_BL[:, place : place + 1], context)
        torch.testing.assert_close(logits_BV[:, TEXT], step.logits[:, 0, TEXT], atol=1e-4, rtol=0)


def test_left_padding_is_qwen3s_attention_mask(pair: tuple[ThreeModeModel, Qwen3ForCausalLM]) -> None:
    model, theirs = pair
    tokens_BL = ids(2, 10, seed=2)
    real_BL = torch.ones(2, 10, dtype=torch.long)
    real_BL[1, :4] = 0
    position_BL = (real_BL.cumsum(-1) - 1).clamp_min(0)
    with torch.no_grad():
        expected = theirs(tokens_BL, attention_mask=real_BL, position_ids=position_BL).logits
    logits_BLV, _ = model.score(tokens_BL, pad_B=torch.tensor([0, 4]))
    seen_BL = real_BL.bool()
    torch.testing.assert_close(logits_BLV[seen_BL][:, TEXT], expected[seen_BL][:, TEXT], atol=1e-4, rtol=0)


def test_the_export_holds_qwen3s_weights_and_no_extras(tmp_path: Path) -> None:
    from safetensors import safe_open

    (tmp_path / "tokenizer.json").write_text("{}")
    model = tiny_model(labels=("a",), condition_size=5, self_conditioning=True)
    to_qwen3(model, tmp_path / "out", tokenizer_file=tmp_path / "tokenizer.json")
    with safe_open(tmp_path / "out" / "model.safetensors", framework="pt") as file:
        names = set(file.keys())
    assert len(names) == 2 + 2 * 11
    assert all(name.startswith("model.") for name in names)


def dot_after_rotation(query_K: Tensor, key_K: Tensor, at: int, distance: int) -> Tensor:
    rotary = Rotary(Rope(), 8)
    cos, sin = rotary(torch.tensor([[at, at + distance]]))
    turned = rotate(torch.stack([key_K, query_K])[None, None], cos, sin)[0, 0]
    return turned[0] @ turned[1]


def test_rotary_scores_depend_on_distance_alone() -> None:
    query_K, key_K = torch.randn(2, 8, generator=torch.Generator().manual_seed(0))
    near, far = (dot_after_rotation(query_K, key_K, at, 7) for at in (0, 80))
    torch.testing.assert_close(near, far, atol=1e-5, rtol=0)
    assert abs(near - dot_after_rotation(query_K, key_K, 0, 9)) > 1e-3


def test_rotation_at_position_zero_changes_nothing() -> None:
    x = torch.randn(1, 2, 1, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rotate(x, *Rotary(Rope(), 8)(torch.tensor([[0]]))), x)


@pytest.mark.parametrize("attend", ["mask", "causal", None])
def test_attention_of_short_rows_that_are_trained_is_the_fused_kernels(attend: str | None) -> None:
    """Outputs and gradients; one key more than the limit goes to the kernel, and what is not trained always does."""
    facts = AttentionFacts(num_heads=4, num_key_heads=2, head_dim=8, rope=Rope(theta=1e4), qk_norm=True)
    torch.manual_seed(0)
    heads = [torch.randn(3, count, SHORT + 1, 8) for count in (4, 2, 2)]
    seen = torch.rand(3, 1, SHORT, SHORT) < 0.5
    seen = seen | torch.eye(SHORT, dtype=torch.bool)

    def mixed(length: int, trained: bool) -> tuple[Tensor, list[Tensor]]:
        leaves = [held[:, :, :length].clone().requires_grad_(trained) for held in heads]
        out = attend_to(*leaves, seen if attend == "mask" else attend, facts)
        if trained:
            out.square().sum().backward()
        return out.detach(), [leaf.grad for leaf in leaves if leaf.grad is not None]

    plain, grads = mixed(SHORT, True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("redraft.models.transformer.SHORT", 0)
        fused, expected = mixed(SHORT, True)
        torch.testing.assert_close(plain, fused, atol=1e-5, rtol=0)
        for one, other in zip(grads, expected, strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=0)
        again, _ = mixed(SHORT, False)
    assert torch.equal(again, mixed(SHORT, False)[0])
