"""A training run in miniature, also as a program that a test can kill, or start with torchrun.

python -m tests.train.tiny_run FOLDER STEPS [adamw]
"""

import sys
from pathlib import Path

import torch

from redraft.data.mixture import Mixture, MixtureConfig
from redraft.models.three_mode import ThreeModeModel
from redraft.train.loop import TrainConfig
from redraft.train.optim import OptimConfig
from redraft.train.recipe import model_config
from tests.data.tiny import VOCAB, controls, corruption, passages, tokenizer

MIXTURE = MixtureConfig(
    text={"tales": 0.7, "fables": 0.3}, edits={"tales": 1.0}, labels={"tales": "tale", "fables": "fable"},
    row_length=96, text_rows=2, edit_rows=2, infill_rows=1, block_lengths=(4, 8), block_shares=(0.5, 0.5),
)  # fmt: skip


def mixture(seed: int = 0) -> Mixture:
    return Mixture(MIXTURE, passages(), tokenizer(), corruption(), controls(), seed)


def model() -> ThreeModeModel:
    """The same random weights every time."""
    torch.manual_seed(0)
    sizes = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "max_position_embeddings": 128}
    shape = {"hidden_size": 48, "num_hidden_layers": 2, "intermediate_size": 96}
    return ThreeModeModel(
        model_config(VOCAB, **sizes, **shape, labels=("tale", "fable"), self_conditioning=True, initializer_range=0.05)
    )


def config(steps: int, *, muon: bool = True, **changes: object) -> TrainConfig:
    """Single precision, a checkpoint every third step. Muon rounds to half precision inside, AdamW does not."""
    optim = OptimConfig(warmup=5, matrix_lr=0.02 if muon else 0.005, other_lr=0.02 if muon else 0.005, muon=muon)
    values = {"optim": optim, "bf16": False, "checkpoint_every": 3, "log_every": 2, "ema": 0.9}
    return TrainConfig(steps=steps, **(values | changes))  # type: ignore[arg-type]


def main() -> None:
    from redraft.train.loop import train

    torch.set_num_threads(1)
    settings = config(int(sys.argv[2]), muon="adamw" not in sys.argv)
    say = lambda record: print(record["step"], flush=True)  # noqa: E731
    train(model(), mixture(), settings, Path(sys.argv[1]), resume=True, progress=say)


if __name__ == "__main__":
    main()
