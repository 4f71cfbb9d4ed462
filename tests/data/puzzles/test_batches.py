"""Pools and batches: no group is on both sides, a batch depends on its number alone, losses stand where they should."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from redraft.core.attention import causal_context, sdpa_mask
from redraft.data.packing import Part
from redraft.data.puzzles.batches import PuzzleBatches, PuzzleConfig, prepare_puzzles
from redraft.data.puzzles.countdown import Countdown
from redraft.data.puzzles.paths import Paths
from redraft.data.puzzles.pool import draw_pools, held_out, load_pool
from redraft.data.puzzles.sudoku import Sudoku
from redraft.data.puzzles.zebra import Zebra
from redraft.data.tokenizer import CHARACTERS, character_tokenizer

CONFIG = PuzzleConfig(puzzle=Paths(arms=2, length=3, names=8), train=300, test=20, rows=32)
QUESTION, ANSWER = CONFIG.puzzle.question_length, CONFIG.puzzle.answer_length


def batches(seed: int = 0, **changes: object) -> PuzzleBatches:
    config = replace(CONFIG, **changes)  # type: ignore[arg-type]
    learnt, _ = draw_pools(config.puzzle, config.train, config.test)
    return PuzzleBatches(config, learnt, character_tokenizer(), seed)


@pytest.mark.parametrize("kind", [Sudoku(), Paths(), Countdown(), Zebra()], ids=repr)
def test_no_group_is_both_trained_and_tested_on(kind: object) -> None:
    learnt, asked = draw_pools(kind, 400, 40, forms=2)  # type: ignore[arg-type]
    sides = [{kind.group(pool[n].question) for n in range(len(pool))} for pool in (learnt, asked)]  # type: ignore[attr-defined]
    assert not sides[0] & sides[1]
    assert not any(map(held_out, sides[0]))
    assert all(map(held_out, sides[1]))
    assert (len(learnt), len(asked)) == (400, 40)
    assert len({asked[n].question for n in range(40)}) == 40


def test_a_kind_with_too_few_puzzles_to_test_on_is_refused() -> None:
    with pytest.raises(ValueError, match="no 1 puzzles to train on and 100 different ones"):
        draw_pools(Paths(arms=1, length=2, names=3), 1, 100)


def test_forms_are_other_questions_of_the_same_groups() -> None:
    kind = Sudoku()
    pool, _ = draw_pools(kind, 40, 1, forms=4)
    for first in range(0, 40, 4):
        four = [pool[first + n].question for n in range(4)]
        assert len({kind.group(question) for question in four}) == 1
        assert len(set(four)) > 1


def test_pools_survive_their_file(tmp_path: Path) -> None:
    pool, _ = draw_pools(Countdown(), 10, 1)
    pool.save(tmp_path / "pool.npz")
    assert [load_pool(tmp_path / "pool.npz")[n] for n in range(10)] == [pool[n] for n in range(10)]


def test_what_is_prepared_once_is_read_again_and_does_not_depend_on_the_seed_of_a_run(tmp_path: Path) -> None:
    made = prepare_puzzles(CONFIG, tmp_path)
    (tmp_path / "train.npz").touch()
    again = prepare_puzzles(replace(CONFIG, draw_seed=5), tmp_path)  # what is there is kept
    assert all((a.questions == b.questions).all() for a, b in zip(made[1:], again[1:], strict=True))  # type: ignore[union-attr]
    other = prepare_puzzles(replace(CONFIG, draw_seed=5), tmp_path / "other")
    assert not (made[1].questions == other[1].questions).all()


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    one, again, other = batches(), batches(), batches(seed=1)
    assert torch.equal(one.batch(7).tokens_BT, again.batch(7).tokens_BT)
    assert not torch.equal(one.batch(7).tokens_BT, one.batch(8).tokens_BT)
    assert not torch.equal(one.batch(7).tokens_BT, other.batch(7).tokens_BT)


def test_learning_the_next_character_weighs_the_answer_alone() -> None:
    data = batches(learns="next")
    batch, tokenizer = data.batch(0), character_tokenizer()
    assert batch.tokens_BT.shape == (32, 1 + QUESTION + ANSWER)
    assert (batch.weight_BT > 0).sum(1).tolist() == [ANSWER] * 32
    assert set(batch.part_BT[batch.weight_BT > 0].tolist()) == {Part.NEXT}
    for tokens, targets, weight in zip(batch.tokens_BT, batch.targets_BT, batch.weight_BT, strict=True):
        text = tokenizer.decode(tokens.tolist())
        assert CONFIG.puzzle.solved(text[:QUESTION], text[QUESTION:])
        assert tokenizer.decode(targets[weight > 0].tolist()) == text[QUESTION:]


def test_learning_by_diffusion_weighs_masks_by_one_over_the_noise_level() -> None:
    data = batches(rows=2000)
    batch, tokenizer = data.batch(0), character_tokenizer()
    noisy_BA = batch.tokens_BT[:, -ANSWER:] == tokenizer.special("<|mask|>")
    weight_BA = batch.weight_BT[:, -ANSWER:]
    assert torch.equal(weight_BA > 0, noisy_BA)
    assert not batch.weight_BT[:, :-ANSWER].any()
    assert weight_BA.mean() == pytest.approx(1.0, abs=0.03)  # E[hit / level] = 1
    assert weight_BA.max() <= 1 / CONFIG.min_level + 1e-3
    for tokens, targets in zip(batch.tokens_BT[:50], batch.targets_BT[:50], strict=True):
        question, answer = (
            tokenizer.decode(tokens[: 1 + QUESTION].tolist()),
            tokenizer.decode(targets[-ANSWER:].tolist()),
        )
        assert CONFIG.puzzle.solved(question, answer)


@pytest.mark.parametrize("learns", ["diffusion", "both"])
def test_a_noisy_answer_sees_the_question_and_itself_and_never_its_clean_copy(learns: str) -> None:
    batch = batches(learns=learns).batch(0)
    seen_TT = sdpa_mask(causal_context, batch.facts_BT)[0, 0]
    canvas = seen_TT[-ANSWER:]
    assert canvas[:, : 1 + QUESTION].all()
    assert canvas[:, -ANSWER:].all()
    assert not canvas[:, 1 + QUESTION : -ANSWER].any()
    assert batch.tokens_BT.shape[1] == 1 + QUESTION + (2 if learns == "both" else 1) * ANSWER


def test_learning_both_is_both() -> None:
    both, clean, noisy = (batches(learns=learns).batch(3) for learns in ("both", "next", "diffusion"))
    cut = clean.tokens_BT.shape[1]
    assert torch.equal(both.tokens_BT[:, :cut], clean.tokens_BT)
    assert torch.equal(both.weight_BT[:, :cut], clean.weight_BT)
    assert torch.equal(both.tokens_BT[:, cut:], noisy.tokens_BT[:, -ANSWER:])
    assert torch.equal(both.weight_BT[:, cut:], noisy.weight_BT[:, -ANSWER:])


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"learns": "all"}, "learns='all'"), ({"rows": 0}, "rows=0"), ({"min_level": 1.0}, "min_level=1.0")],
)
def test_impossible_settings_are_refused_by_name(changes: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(CONFIG, **changes)  # type: ignore[arg-type]


def test_the_character_tokenizer_has_a_token_per_byte() -> None:
    tokenizer = character_tokenizer()
    text = "12.4>ab, =~!\nü"
    assert len(tokenizer.encode(text)) == len(text.encode())
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert tokenizer.vocab_size == CHARACTERS
    assert np.unique(tokenizer.encode("abc")).size == 3
