"""UDLM: what its config.json may say, its reverse step by enumeration, and samples."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.parity.golden import whole
from redraft.core.corruption import Uniform
from redraft.families.udlm import FAMILY, LM1B_VOCAB, STEPS, UDLM_LM1B, read
from redraft.models.loading import build, load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import UniformAncestral, uniform_reverse
from redraft.sampling.samplers import sample
from redraft.sampling.stops import AllSteps

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "udlm"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def test_the_published_size_has_no_mask_and_is_told_the_time() -> None:
    facts = read(UDLM_LM1B)
    assert (facts.mask_id, facts.noise, facts.attention, facts.leave_one_out) == (None, "uniform", "full", True)
    assert facts.architecture.timed
    network = build(FAMILY, facts, "meta", torch.float32)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6) == 139


def test_the_recommended_decoding_is_the_exact_reverse_process() -> None:
    decoding = from_json(FAMILY.decoding)
    assert decoding.policy == UniformAncestral(STEPS, LM1B_VOCAB)
    assert (decoding.stop, decoding.temperature, decoding.max_steps) == (AllSteps(), 1.0, STEPS)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"hidden_dim": 50}, "hidden_dim=50, which 4 heads cannot share"),
        ({"cond_dim": 0}, "condition_size=0"),
        ({"vocab_size": None}, "config.json has no 'vocab_size'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_the_checkpoint_is_given_back_bit_for_bit_but_for_its_buffers() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert stored.keys() - ours.keys() == {"backbone.rotary_emb.inv_freq"}
    assert all(torch.equal(ours[name], stored[name]) for name in ours)


def test_class_labels_are_passed_over(tmp_path: Path) -> None:
    held = load_file(FOLDER / "model.safetensors") | {"backbone.cond_map.embedding_table.weight": torch.zeros(4, 24)}
    save_file(held, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(json.dumps(CONFIG | {"cfg": True, "cfg_num_classes": 2}))
    canvas = whole(torch.tensor([[5, 6, 7]]))
    assert torch.equal(load(tmp_path)[0].scores(canvas), load(FOLDER)[0].scores(canvas))


def test_drawing_a_clean_token_and_then_a_step_is_the_reverse_step_of_the_network() -> None:
    """x_0 ~ `denoise`, then x_s ~ q(x_s | x_t, x_0), summed over all x_0, against Bayes' rule on the raw prediction."""
    denoiser, _ = load(FOLDER, dtype=torch.float64, max_steps=4)
    tokens_BL = torch.randint(0, 261, (2, 3), generator=torch.Generator().manual_seed(0))
    canvas = replace(whole(tokens_BL), step_B=torch.tensor([1, 3]))
    alpha_t_B1, alpha_s_B1 = canvas.step_B[:, None] / 4.0, (canvas.step_B[:, None] + 1) / 4.0
    noise = denoiser.corruption
    assert isinstance(noise, Uniform)
    others_BLV = denoiser.scores(canvas).double().softmax(-1)
    theirs_BLV = noise.posterior(tokens_BL, others_BLV, alpha_s_B1.double(), alpha_t_B1.double())

    clean_BLV = denoiser.denoise(canvas).double().softmax(-1)
    here_BLV = torch.nn.functional.one_hot(tokens_BL, 261).bool()
    alphas = (alpha_s_B1[..., None].double(), alpha_t_B1[..., None].double())
    keep_BLV, fresh_BLV = uniform_reverse(here_BLV, *alphas, 261)
    ours_BLV = clean_BLV * (1 - keep_BLV - fresh_BLV)
    ours_BLV = ours_BLV + here_BLV * (clean_BLV * keep_BLV).sum(-1, keepdim=True)
    ours_BLV = ours_BLV + (clean_BLV * fresh_BLV).sum(-1, keepdim=True) / 261
    torch.testing.assert_close(ours_BLV, theirs_BLV, atol=1e-6, rtol=0)
    raw_BLV = denoiser.scores(canvas).double().softmax(-1)
    assert (clean_BLV - raw_BLV).abs().max() > 1e-2  # else the step would prove nothing


def test_at_pure_noise_a_token_says_nothing_of_itself() -> None:
    denoiser, _ = load(FOLDER)
    canvas = whole(torch.tensor([[5, 6, 7]]))
    assert torch.equal(denoiser.denoise(canvas), denoiser.scores(canvas))


def test_a_sample_holds_tokens_of_the_vocabulary_whoever_else_is_in_the_batch() -> None:
    denoiser, _ = load(FOLDER, max_steps=8)
    decoding = Decoding(policy=UniformAncestral(8, 261), stop=AllSteps(), temperature=1.0, max_steps=8)

    def texts(rows: int, seed: int) -> list[list[int]]:
        *_, last = sample(denoiser, None, decoding, max_tokens=16, block_length=16, rows=rows, seed=seed)
        assert last.step == 8
        return last.committed

    both = texts(2, 0)
    assert all(len(text) == 16 and all(0 <= token < 261 for token in text) for text in both)
    assert both[0] != both[1]
    assert both[1:] == texts(1, 1)
