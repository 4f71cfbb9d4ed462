"""Puzzles as training data: pools prepared once, and batches that are a pure function of (seed, step).

A row is one puzzle: start token and question as context, then the answer. Learning "next" it is clean, each character
predicted from those before it; learning "diffusion" it is one noisy block; learning "both" it stands there twice.
Shapes: B rows, T packed tokens, Q characters of a question and a start token, A characters of an answer.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from redraft.core.attention import Facts
from redraft.core.objectives import antithetic_times
from redraft.data.packing import Batch, Part, canvas_side, clean_side, join, pack
from redraft.data.puzzles.pool import Letters, Pool, draw_pools, load_pool
from redraft.data.puzzles.puzzle import PuzzleKind
from redraft.data.tokenizer import TextTokenizer, character_tokenizer, load_tokenizer

Learns = Literal["diffusion", "next", "both"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PuzzleConfig:
    """Which puzzles, how many, and what is learnt. `draw_seed` alone says which are drawn, whatever the run's seed."""

    puzzle: PuzzleKind
    learns: str = "diffusion"
    train: int = 50_000
    test: int = 500
    forms: int = 1  # puzzles of every group that is drawn, for kinds that take long to draw
    rows: int = 128  # puzzles per batch
    min_level: float = 0.1  # clipped schedule: noise levels below teach little and weigh much
    draw_seed: int = 0

    def __post_init__(self) -> None:
        if self.learns not in get_args(Learns):
            raise ValueError(f"learns={self.learns!r} must be one of {', '.join(get_args(Learns))}")
        for name in ("train", "test", "forms", "rows"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if not 0 <= self.min_level < 1:
            raise ValueError(f"{self.min_level=} must be in [0, 1)")

    def open(self, folder: Path, seed: int) -> "PuzzleBatches":
        """The batches of a run; tokenizer and pools are read from `folder`, or made once and kept there."""
        tokenizer, learnt, _ = prepare_puzzles(self, folder)
        return PuzzleBatches(self, learnt, tokenizer, seed)

    def trial(self, folder: Path) -> tuple[str, int]:
        """A question that was never trained on, and the length of its answer."""
        return prepare_puzzles(self, folder)[2][0].question, self.puzzle.answer_length


def prepare_puzzles(config: PuzzleConfig, folder: Path) -> tuple[TextTokenizer, Pool, Pool]:
    """Tokenizer, and the puzzles to train and to test on."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / name for name in ("tokenizer.json", "train.npz", "held_out.npz")]
    if not all(file.exists() for file in files):
        pools = draw_pools(config.puzzle, config.train, config.test, forms=config.forms, seed=config.draw_seed)
        saves = (character_tokenizer().save, *(pool.save for pool in pools))
        for save, file in zip(saves, files, strict=True):
            fresh = file.with_name(f"partial.{file.name}")
            save(fresh)
            fresh.replace(file)
    return load_tokenizer(files[0], character_tokenizer().text_size), load_pool(files[1]), load_pool(files[2])


class PuzzleBatches:
    """`batch(step)` for any step, in any order."""

    def __init__(self, config: PuzzleConfig, pool: Pool, tokenizer: TextTokenizer, seed: int = 0) -> None:
        self.config, self.seed = config, seed
        self.mask_id = tokenizer.special("<|mask|>")
        start = np.full((len(pool), 1), tokenizer.special("<|endoftext|>"))
        self.prompts = np.concatenate([start, _ids(pool.questions, tokenizer)], 1)
        self.answers = _ids(pool.answers, tokenizer)
        self.form = _form(self.prompts.shape[1], self.answers.shape[1], config)

    def batch(self, step: int) -> Batch:
        """The batch of a step: the same tensors whenever it is asked for."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.integers(len(self.answers), size=self.config.rows)
        prompt_BQ, answer_BA = self.prompts[chosen], self.answers[chosen]
        clean_BT = prompt_BQ if self.config.learns == "diffusion" else np.concatenate([prompt_BQ, answer_BA], 1)
        tokens, targets = [clean_BT], [np.roll(clean_BT, -1, 1)]
        weights = [np.tile(self.form.weight_BT[:, : clean_BT.shape[1]].numpy(), (len(clean_BT), 1))]
        if self.config.learns != "next":
            level_B1 = self._levels(rng)[:, None]
            hit_BA = rng.random(answer_BA.shape) < level_B1
            tokens.append(np.where(hit_BA, self.mask_id, answer_BA))
            targets.append(answer_BA)
            weights.append((hit_BA / level_B1).astype(np.float32))  # 1/t of a linear schedule (MDLM, Eq. 10)
        return self._batch(*(torch.from_numpy(np.concatenate(parts, 1)) for parts in (tokens, targets, weights)))

    def _levels(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """A noise level for every row, evenly spread."""
        low, rows = self.config.min_level, self.config.rows
        return low + (1 - low) * antithetic_times(rows, torch.tensor(rng.random())).numpy()

    def _batch(self, tokens_BT: Tensor, targets_BT: Tensor, weight_BT: Tensor) -> Batch:
        """Rows that are all alike but for these."""
        form, rows = self.form, self.config.rows
        return Batch(
            tokens_BT, targets_BT, weight_BT, form.part_BT.expand(rows, -1), form.label_BT.expand(rows, -1),
            Facts(*(fact.expand(rows, -1) for fact in form.facts_BT)),
        )  # fmt: skip


def _form(prompt: int, answer: int, config: PuzzleConfig) -> Batch:
    """A batch of one row, blank: what every row is like."""
    nothing = np.zeros(answer, np.int64)
    clean = clean_side([0] * (prompt if config.learns == "diffusion" else prompt + answer))
    clean.weight[: prompt - 1] = 0  # questions are not learnt
    clean.part[: prompt - 1] = int(Part.NONE)
    if config.learns == "next":
        return pack([[clean]], len(clean))
    canvas = canvas_side(nothing, nothing, nothing.astype(np.float32), Part.BLOCK, start=prompt, block_length=answer)
    row = join(clean, canvas, block_length=answer)
    return pack([[row]], len(row))


def _ids(letters: Letters, tokenizer: TextTokenizer) -> NDArray[np.int64]:
    """Token ids of characters, of the same shape."""
    table = np.zeros(256, np.int64)
    for letter in np.unique(letters).tolist():
        (table[letter],) = tokenizer.encode(chr(letter))
    return table[letters]
