"""BD3-LM: what its config.json may say, and blocks over a cache of those before."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from benchmarks.parity.golden import whole
from redraft.core.canvas import make_canvas
from redraft.families.bd3lm import FAMILY, read
from redraft.models.bidirectional import BidirectionalDenoiser
from redraft.models.block_causal import BlockCausalDenoiser
from redraft.models.dit import DiTFacts
from redraft.models.loading import build, load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "bd3lm"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())


def variant(folder: Path, dropped: str = "no such tensor", **changes: Any) -> Path:
    """The checkpoint with another configuration and without the tensors that have `dropped` in their name."""
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(CONFIG | changes))
    held = load_file(FOLDER / "model.safetensors")
    save_file({name: tensor for name, tensor in held.items() if dropped not in name}, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("length", [4, 8, 16])
def test_the_published_sizes_differ_in_their_blocks_alone(length: int) -> None:
    facts = read(FAMILY.presets[f"bd3lm-owt-{length}"])
    assert (facts.block_length, facts.mask_id, facts.attention) == (length, 50257, "block_causal")
    network = build(FAMILY, facts, "meta", torch.float32)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6) == 170


def test_the_recommended_decoding_writes_one_token_at_a_time_in_any_order() -> None:
    assert from_json(FAMILY.decoding).policy == TopK(count=1, by="random")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"causal": True}, "causal=True; only False is known"),
        ({"time_conditioning": True}, "time_conditioning=True; only False is known"),
        ({"block_size": None}, "config.json has no 'block_size'"),
        ({"block_size": 0}, "needs a block length, not 0"),
        ({"adaln": 1}, "adaln=1, which is no bool"),
        ({"cross_attn": "yes"}, "cross_attn='yes', which is no bool"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_the_checkpoint_is_given_back_bit_for_bit_but_for_its_buffers() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert stored.keys() - ours.keys() == {"backbone.rotary_emb.inv_freq", "sampling_eps_min", "sampling_eps_max"}
    assert all(torch.equal(ours[name], stored[name]) for name in ours)


def test_blocks_over_a_cache_are_the_blocks_of_one_pass() -> None:
    denoiser, _ = load(FOLDER)
    assert isinstance(denoiser, BlockCausalDenoiser)
    tokens_BL = torch.randint(0, 256, (2, 16), generator=torch.Generator().manual_seed(0))
    whole_BLV, _ = denoiser.score(tokens_BL)
    context, parts = None, []
    for block_BC in tokens_BL.split(4, 1):
        parts.append(denoiser.scores(whole(block_BC), context))
        context = denoiser.encode(block_BC, context)
    torch.testing.assert_close(torch.cat(parts, 1), whole_BLV, atol=1e-4, rtol=0)


def test_a_padded_row_is_the_row_alone() -> None:
    denoiser, _ = load(FOLDER)
    tokens_BS = torch.tensor([[0, 0, 0, 0, 5, 9, 1, 2], [1, 2, 3, 4, 5, 6, 7, 8]])
    canvas = whole(torch.full((2, 4), 256))
    both = denoiser.denoise(canvas, denoiser.encode(tokens_BS, pad_B=torch.tensor([4, 0])))
    alone = denoiser.denoise(canvas.select([0]), denoiser.encode(tokens_BS[:1, 4:]))
    torch.testing.assert_close(both[:1], alone, atol=1e-4, rtol=0)


def test_a_row_of_a_ragged_batch_is_the_row_alone() -> None:
    denoiser, _ = load(FOLDER)
    decoding = Decoding(policy=TopK(count=1), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=10, block_length=4)
        return last.committed

    rows = [[5, 9, 12, 200, 31], [7], [101, 45, 30, 4]]
    together = texts(rows)
    assert together == [texts([row])[0] for row in rows]
    assert all(0 <= token < 256 for text in together for token in text)


def test_a_sample_goes_to_the_end_of_the_context_and_no_further() -> None:
    denoiser, _ = load(FOLDER)
    decoding = from_json(FAMILY.decoding)
    *_, last = sample(denoiser, None, decoding, max_tokens=24, block_length=4, rows=2)
    assert [len(text) for text in last.committed] == [24, 24]
    with pytest.raises(ValueError, match="28 positions are more than the model's context of 24"):
        list(sample(denoiser, None, decoding, max_tokens=28, block_length=4, rows=1))


def test_without_blocks_every_token_sees_every_other(tmp_path: Path) -> None:
    denoiser, checkpoint = load(variant(tmp_path / "full", cross_attn=False))
    assert isinstance(denoiser, BidirectionalDenoiser)
    assert checkpoint.facts.block_length is None
    tokens_BL = torch.arange(8)[None]
    changed_BL = tokens_BL.clone()
    changed_BL[0, -1] = 100
    first, second = (denoiser.scores(whole(t))[:, 0] for t in (tokens_BL, changed_BL))
    assert (first - second).abs().max() > 1e-3


def test_without_adaptive_norms_there_is_no_condition_to_read(tmp_path: Path) -> None:
    folder = variant(tmp_path / "plain", "adaLN", adaln=False)
    with pytest.raises(ValueError, match=r"unknown backbone\.sigma_map"):
        load(folder)
    held = load_file(folder / "model.safetensors")
    save_file({name: t for name, t in held.items() if "sigma_map" not in name}, folder / "model.safetensors")
    denoiser, checkpoint = load(folder)
    architecture = checkpoint.facts.architecture
    assert isinstance(architecture, DiTFacts)
    assert architecture.condition_size is None
    canvas = make_canvas(torch.full((1, 4), 256), torch.ones(1, 4))
    assert bool(denoiser.denoise(canvas)[..., :256].isfinite().all())
