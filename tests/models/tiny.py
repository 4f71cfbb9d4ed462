"""A random model small enough to check by hand, with weights large enough that every difference shows."""

from dataclasses import replace

import torch
from torch import nn

from redraft.models.config import ModelConfig
from redraft.models.three_mode import ThreeModeModel

CONFIG = ModelConfig(
    vocab_size=64,
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    num_key_value_heads=2,
    head_dim=8,
    intermediate_size=48,
    max_position_embeddings=320,
    initializer_range=0.3,
    text_size=56,
    eos_token_id=56,
    mask_token_id=57,
    delete_token_id=58,
    insert_token_ids=(59, 60),
)
NEVER_TEXT = (57, 61, 62, 63)


def tiny_model(seed: int = 0, **changes: object) -> ThreeModeModel:
    """In evaluation mode; extras that start at zero or one are random too."""
    torch.manual_seed(seed)
    model = ThreeModeModel(replace(CONFIG, **changes))  # type: ignore[arg-type]
    with torch.no_grad():
        model.canvas_marker.normal_()
        for module in model.modules():
            if isinstance(module, nn.RMSNorm):
                module.weight.uniform_(0.5, 1.5)
    return model.eval().requires_grad_(False)


def ids(rows: int, length: int, seed: int = 0) -> torch.Tensor:
    """Random text tokens [rows, length]."""
    return torch.randint(0, CONFIG.text_size, (rows, length), generator=torch.Generator().manual_seed(seed))
