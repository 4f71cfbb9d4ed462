"""A run on puzzles: it resumes to the same numbers, learns either way, and leaves a checkpoint to ask puzzles of."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from redraft.data.puzzles.batches import PuzzleConfig, prepare_puzzles
from redraft.data.puzzles.paths import Paths
from redraft.sampling.autoregressive import left_to_right
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Margin
from redraft.sampling.samplers import sample
from redraft.train.checkpoint import load_state
from redraft.train.recipe import Recipe, model_config, run
from tests.train.test_loop import metrics, same_tensors
from tests.train.tiny_run import config

EASY = Paths(arms=1, length=3, names=3)  # six groups, and the answer is in the question
SIZES = {"hidden_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 4, "head_dim": 12}
RECIPE = Recipe(
    name="miniature",
    model=model_config(272, **SIZES, intermediate_size=96, max_position_embeddings=32, uniform_share=0.0),
    mixture=PuzzleConfig(puzzle=EASY, train=200, test=1, rows=16),
    train=config(8),
)


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("learns", ["diffusion", "next", "both"])
def test_a_broken_run_resumes_to_the_same_numbers(tmp_path: Path, learns: str) -> None:
    def stop(record: dict[str, float]) -> None:
        if record["step"] == 4:
            raise Interrupted

    assert isinstance(RECIPE.mixture, PuzzleConfig)
    recipe = replace(RECIPE, mixture=replace(RECIPE.mixture, learns=learns))
    run(recipe, tmp_path, tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(recipe, tmp_path, tmp_path / "parted", progress=stop)
    run(recipe, tmp_path, tmp_path / "parted", resume=True)
    states = [load_state(tmp_path / name / "checkpoint.pt") for name in ("whole", "parted")]
    assert same_tensors(*states)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "parted")


@pytest.mark.parametrize("learns", ["diffusion", "next"])
def test_a_model_learns_easy_puzzles_that_it_has_not_seen(tmp_path: Path, learns: str) -> None:
    assert isinstance(RECIPE.mixture, PuzzleConfig)
    mixture = replace(RECIPE.mixture, learns=learns, puzzle=replace(EASY, names=6), test=10, train=2000, rows=64)
    recipe = replace(RECIPE, mixture=mixture, train=config(120, checkpoint_every=1000))
    model = run(recipe, tmp_path, tmp_path / "run").eval()
    tokenizer, _, pool = prepare_puzzles(mixture, tmp_path / "run" / "data")
    puzzles = [pool[n] for n in range(len(pool))]
    start = tokenizer.special("<|endoftext|>")
    prompts = torch.tensor([[start, *tokenizer.encode(puzzle.question)] for puzzle in puzzles])
    if learns == "next":
        *_, last = left_to_right(model, prompts, None, max_tokens=3)
        rows = last.tokens
    else:
        *_, frame = sample(model, prompts, Decoding(policy=Margin()), max_tokens=3, block_length=3)
        rows = frame.committed
    solved = [EASY.solved(p.question, tokenizer.decode(row)) for p, row in zip(puzzles, rows, strict=True)]
    assert sum(solved) >= 8
