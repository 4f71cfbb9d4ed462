"""sudoku: 4 x 4 sudoku with 4 to 6 digits given, minutes of one CPU core; the recipe that all puzzles derive from.

With --set mixture.learns=next the same network learns the same puzzles from left to right.
"""

from redraft.data.puzzles.batches import PuzzleConfig
from redraft.data.puzzles.puzzle import PuzzleKind
from redraft.data.puzzles.sudoku import Sudoku
from redraft.data.tokenizer import CHARACTERS
from redraft.models.config import ModelConfig
from redraft.train.loop import TrainConfig
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, model_config


def sudoku() -> Recipe:
    """Which cell can be filled next depends on the puzzle: an order that adapts against orders that do not."""
    return small_puzzles("sudoku", Sudoku(box_rows=2, box_columns=2, min_givens=4, max_givens=6), steps=600)


def small_puzzles(name: str, puzzle: PuzzleKind, steps: int, layers: int = 3) -> Recipe:
    """A recipe for a kind of puzzle, sized for a CPU; too short a run for a compiler to pay."""
    return Recipe(
        name=name,
        model=solver(hidden_size=64, num_hidden_layers=layers, num_attention_heads=4),
        mixture=PuzzleConfig(puzzle=puzzle, train=20_000, rows=64),
        train=TrainConfig(
            steps=steps,
            optim=OptimConfig(matrix_lr=8e-3, other_lr=6e-3),
            ema=0.99,
            checkpoint_every=300,
            log_every=50,
        ),
    )


def solver(*, hidden_size: int, num_hidden_layers: int, num_attention_heads: int) -> ModelConfig:
    """A transformer over characters whose noise is the mask alone."""
    return model_config(
        CHARACTERS,
        hidden_size=hidden_size,
        num_hidden_layers=num_hidden_layers,
        num_attention_heads=num_attention_heads,
        num_key_value_heads=num_attention_heads,
        head_dim=hidden_size // num_attention_heads,
        intermediate_size=2 * hidden_size,
        max_position_embeddings=256,
        uniform_share=0.0,
    )
