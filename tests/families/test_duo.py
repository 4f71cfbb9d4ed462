"""Duo: UDLM's network under its own name."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.parity.golden import whole
from redraft.families.duo import FAMILY, VOCAB, read
from redraft.models.loading import load
from redraft.sampling.decoding import from_json
from redraft.sampling.policies import UniformAncestral

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "udlm"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text()) | {"model_type": "DUO", "causal": False}


def test_it_is_udlm_but_for_the_name(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes((FOLDER / "model.safetensors").read_bytes())
    silent = {name: value for name, value in CONFIG.items() if name != "time_conditioning"}
    (tmp_path / "config.json").write_text(json.dumps(silent | {"architectures": ["DUO"]}))
    denoiser, checkpoint = load(tmp_path)
    assert checkpoint.family.name == "duo"
    canvas = whole(torch.tensor([[5, 6, 7]]))
    assert torch.equal(denoiser.denoise(canvas), load(FOLDER)[0].denoise(canvas))


def test_a_causal_one_is_refused() -> None:
    with pytest.raises(ValueError, match="causal=True; only False is known"):
        read(CONFIG | {"causal": True})


def test_the_recommended_decoding_draws_from_its_vocabulary() -> None:
    policy = from_json(FAMILY.decoding).policy
    assert isinstance(policy, UniformAncestral)
    assert policy.vocab_size == VOCAB
