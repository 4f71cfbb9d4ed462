"""sudoku9: 9 x 9 sudoku for one GPU, the size of Kim et al. (arXiv:2502.06768). Not run yet.

Drawing 20,000 grids takes some ten minutes of one core, once; each stands in the pool in twenty-five disguises.
"""

from dataclasses import replace

from recipes.sudoku import solver, sudoku
from redraft.data.puzzles.batches import PuzzleConfig
from redraft.data.puzzles.sudoku import Sudoku
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe


def sudoku9() -> Recipe:
    """6 million parameters; 60,000 steps of 512 puzzles, 60 times through the pool."""
    smaller = sudoku()
    return replace(
        smaller,
        name="sudoku9",
        model=solver(hidden_size=256, num_hidden_layers=8, num_attention_heads=8),
        mixture=PuzzleConfig(
            puzzle=Sudoku(box_rows=3, box_columns=3, min_givens=24, max_givens=34),
            train=500_000, test=1000, forms=25, rows=512,
        ),
        train=replace(
            smaller.train,
            steps=60_000,
            optim=OptimConfig(matrix_lr=3e-3, other_lr=2e-3, warmup=500),
            ema=0.999,
            compile=True,
            device="cuda",
            workers=4,
            checkpoint_every=2000,
            log_every=100,
        ),
    )  # fmt: skip
