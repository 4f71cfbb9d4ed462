"""Baselines: one token per step in three orders, the autoregressive mode, and the same weights through transformers."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redraft.evals.askers import Own
from redraft.evals.baselines import REFERENCES, Transformers, baseline
from redraft.evals.registry import get_task
from redraft.evals.task import Example
from redraft.library import Model, load
from redraft.models.checkpoint import to_qwen3
from redraft.sampling.policies import LeftToRight, TopK

TASK = get_task("gsm8k")
SUM = Example("a", "She went to school. ", "What is 1?", "1")


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(checkpoint)


def own(model: Model, **changes: Any) -> Own:
    decoding = replace(model.defaults.generate, temperature=0.0)
    return replace(Own(model, "diffusion", decoding, max_tokens=32, asked="complete"), **changes)


@pytest.fixture(scope="module")
def exported(model: Model, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("qwen3")
    to_qwen3(model.network, folder, tokenizer_file=checkpoint / "tokenizer.json")
    return folder


@pytest.mark.parametrize("name", [name for name in REFERENCES if name != "ar"])
def test_a_reference_decoding_writes_one_token_per_forward(model: Model, name: str) -> None:
    asker = baseline(name, own(model))
    reply = asker.ask(TASK, SUM, 0, 0)
    manner = asker.manner(TASK)
    assert (manner.mode, manner.setting) == ("diffusion", name)
    assert reply.forwards is not None
    # A forward per token of every canvas begun; prompt and commits are a few more.
    assert reply.tokens is not None
    assert reply.forwards >= 32 or reply.tokens < 32
    assert manner.file_name(TASK) == f"gsm8k.diffusion.{name}.jsonl"


def test_lladas_schedule_is_greedy_in_blocks_of_32_by_confidence(model: Model) -> None:
    asker = baseline("llada", own(model, decoding=replace(model.defaults.generate, temperature=0.7)))
    assert isinstance(asker, Own)
    assert (asker.canvas, asker.decoding.policy, asker.decoding.temperature) == (32, TopK(count=1), 0.0)
    order = baseline("left-to-right", own(model))
    assert isinstance(order, Own)
    assert order.decoding.policy == LeftToRight()


def test_autoregressive_is_the_mode_of_the_same_weights(model: Model) -> None:
    assert baseline("ar", own(model)) == own(model, mode="ar")


def test_transformers_says_what_our_autoregressive_mode_says(model: Model, exported: Path) -> None:
    asker = baseline(str(exported), own(model))
    assert isinstance(asker, Transformers)
    # Random weights like what is no text: controls and padding, which ours never writes.
    size, config = asker.module.config.vocab_size, model.network.config
    never = [i for i in range(config.text_size, size) if i != config.eos_token_id]
    asker.module.generation_config.suppress_tokens = never
    theirs = asker.ask(TASK, SUM, 0, 0)
    start = model.tokenizer.encode(SUM.prompt)
    ours = model.generate(start, mode="ar", max_tokens=32, temperature=0)
    assert theirs.error is None
    assert theirs.text == ours.text
    assert theirs.forwards == theirs.tokens
    assert asker.manner(TASK).setting == exported.name


def test_a_transformers_model_is_seeded_and_refuses_what_does_not_fit(model: Model, exported: Path) -> None:
    hot = baseline(str(exported), own(model, decoding=replace(model.defaults.generate, temperature=1.0)))
    texts = [hot.ask(TASK, SUM, 0, seed).text for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    long = replace(SUM, prompt="She went to school. " * 200)
    assert "more than 256" in (hot.ask(TASK, long, 0, 0).error or "")
    with pytest.raises(ValueError, match="has no chat template"):
        replace(hot, asked="chat").manner(TASK)  # type: ignore[type-var]


def test_what_is_no_baseline_is_refused(model: Model, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no baseline 'lada': there are ar, one-per-step"):
        baseline("lada", own(model))
    with pytest.raises(ValueError, match="transformers cannot read"):
        baseline(str(tmp_path), own(model))
    voiceless = replace(model.voice, modes=("diffusion",))
    other = Model(model.network, model.tokenizer, model.defaults, voiceless, "other")
    with pytest.raises(ValueError, match="'ar' needs the mode 'ar'; other has diffusion"):
        baseline("ar", own(other))
