"""base: about 120M parameters, sharded by FSDP2 over the GPUs of one machine under torchrun.

torchrun --nproc-per-node 8 -m redraft.cli.main train base --data-dir data
"""

from dataclasses import replace

from recipes.small import MIXTURE, small
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, model_config


def base() -> Recipe:
    """small, wider, deeper and with longer rows. Batches and workers are those of one process."""
    narrower = small()
    return replace(
        narrower,
        name="base",
        model=model_config(
            6144,
            hidden_size=768,
            num_hidden_layers=16,
            num_attention_heads=12,
            num_key_value_heads=4,
            head_dim=64,
            intermediate_size=2432,
            max_position_embeddings=2048,
            labels=narrower.model.labels,
        ),
        mixture=replace(MIXTURE, row_length=1024),
        train=replace(
            narrower.train,
            steps=20_000,
            optim=OptimConfig(matrix_lr=2e-3, other_lr=1.5e-3, warmup=200),
            ema=0.999,
            batches=8,
            workers=4,
        ),
    )
