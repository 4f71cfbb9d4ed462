"""MDLM: what its config.json may say, the noise level it may be told, and samples of the reverse process."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from benchmarks.parity.golden import whole
from redraft.core.canvas import Status, make_canvas
from redraft.families.mdlm import FAMILY, MDLM_OWT, STEPS, read
from redraft.models.assemble import assemble
from redraft.models.dit import DiT, sigma_of
from redraft.models.dit_export import BUFFERS
from redraft.models.loading import build, load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import Ancestral
from redraft.sampling.samplers import infill, sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "mdlm"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def test_the_published_size_has_170_million_parameters() -> None:
    facts = read(MDLM_OWT)
    assert (facts.mask_id, facts.attention, facts.shifted, facts.max_steps) == (50257, "full", False, None)
    network = build(FAMILY, facts, "meta", torch.float32)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6) == 170


def test_the_recommended_decoding_is_the_exact_reverse_process() -> None:
    decoding = from_json(FAMILY.decoding)
    assert (decoding.policy, decoding.temperature, decoding.max_steps) == (Ancestral(STEPS), 1.0, STEPS)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"n_heads": 5}, "hidden_dim=48, which 5 heads cannot share"),
        ({"n_heads": 0}, "which 0 heads cannot share"),
        ({"n_heads": 16}, "must be even"),
        ({"n_blocks": 0}, "number of layers=0"),
        ({"cond_dim": None}, "config.json has no 'cond_dim'"),
        ({"model_length": "64"}, "model_length='64', which is no int"),
        ({"time_conditioning": 1}, "time_conditioning=1, which is no bool"),
        ({"mask_token_id": 257}, "mask id 257 is outside the vocabulary of 257"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_the_checkpoint_is_given_back_bit_for_bit_but_for_its_buffers() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = {name: held for name, held in load_file(FOLDER / "model.safetensors").items()}
    weights = {name: held for name, held in stored.items() if not name.startswith(BUFFERS)}
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == weights.keys() != stored.keys()
    assert all(torch.equal(ours[name], weights[name]) for name in weights)


def test_a_padded_row_is_the_row_alone() -> None:
    denoiser, _ = load(FOLDER)
    tokens_BS = torch.tensor([[0, 0, 0, 5, 9], [1, 2, 3, 4, 5]])
    canvas = whole(torch.full((2, 4), 256))
    both = denoiser.denoise(canvas, denoiser.encode(tokens_BS, pad_B=torch.tensor([3, 0])))
    alone = denoiser.denoise(canvas.select([0]), denoiser.encode(tokens_BS[:1, 3:]))
    torch.testing.assert_close(both[:1], alone, atol=1e-4, rtol=0)


def test_a_time_conditioned_model_is_told_the_steps_that_are_left() -> None:
    facts = read(CONFIG | {"time_conditioning": True})
    loaded, _ = load(FOLDER)
    network = DiT(facts.architecture)
    network.load_state_dict(loaded.network.state_dict())  # type: ignore[attr-defined]
    denoiser = assemble(network, facts, max_steps=10)
    tokens_BL = torch.tensor([[5, 256, 9], [256, 7, 7]])
    canvas = replace(whole(tokens_BL), step_B=torch.tensor([0, 6]))
    position_BL = torch.arange(3).expand_as(tokens_BL)
    with torch.no_grad():
        ours = denoiser.scores(canvas)
        sigma_B = sigma_of(torch.tensor([1.0, 0.4], dtype=torch.float64))
        told = network.logits(network.states(network.embed_tokens(tokens_BL), position_BL, sigma_B=sigma_B))
    torch.testing.assert_close(ours, told)


@pytest.mark.parametrize(("steps", "complaint"), [(0, "must be at least 1"), (8, "is not told how far")])
def test_steps_that_a_model_cannot_be_told_are_refused(steps: int, complaint: str) -> None:
    config = CONFIG | {"time_conditioning": steps == 0}
    facts = read(config)
    with pytest.raises(ValueError, match=complaint):
        assemble(build(FAMILY, facts, "cpu", torch.float32), facts, max_steps=steps)


def test_a_sample_holds_text_alone_whoever_else_is_in_the_batch() -> None:
    denoiser, _ = load(FOLDER)
    decoding = Decoding(policy=Ancestral(8), temperature=1.0, max_steps=8)

    def texts(rows: int, seed: int) -> list[list[int]]:
        *_, last = sample(denoiser, None, decoding, max_tokens=24, block_length=24, rows=rows, seed=seed)
        return last.committed

    both = texts(2, 0)
    assert [len(text) for text in both] == [24, 24]
    assert all(0 <= token < 256 for text in both for token in text)
    assert both[0] != both[1]
    assert both[1:] == texts(1, 1)


def test_given_text_stands_on_both_sides_of_a_gap() -> None:
    denoiser, _ = load(FOLDER)
    decoding = Decoding(policy=Ancestral(4), temperature=1.0, max_steps=4)
    *_, last = infill(denoiser, [[1, 2, 3]], [[4, 5]], decoding, gap=6)
    tokens = last.row_tokens(0)
    assert (tokens[:3], tokens[-2:], len(tokens)) == ([1, 2, 3], [4, 5], 11)
    assert 256 not in tokens


def test_the_mask_is_never_predicted() -> None:
    denoiser, _ = load(FOLDER)
    tokens_BL = torch.full((1, 5), 256)
    canvas = make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.NOISY)))
    assert bool((denoiser.denoise(canvas)[..., 256] == -torch.inf).all())
