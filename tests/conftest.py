"""What every test shares: one thread, no network, no GPU unless there is one, and a tiny random checkpoint."""

import os
from pathlib import Path

import pytest
import torch

from redraft.data.tokenizer import train_tokenizer
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train.recipe import model_config

os.environ["HF_HUB_OFFLINE"] = "1"
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine without a GPU still passes: tests marked gpu are skipped there, with the reason."""
    if torch.cuda.is_available():
        return
    for item in items:
        if item.get_closest_marker("gpu"):
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


TEXT = "The quick brown fox jumps over the lazy dog. She went to school yesterday. He has a big red ball. " * 4
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
    "intermediate_size": 48, "max_position_embeddings": 256, "labels": ("story", "dialogue"), "initializer_range": 0.3,
}  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder with random weights and a tokenizer of 320 entries."""
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = train_tokenizer([TEXT], 320)
    tokenizer.save(folder / "tokenizer.json")
    torch.manual_seed(0)
    model = ThreeModeModel(model_config(tokenizer.vocab_size, **SIZES))
    card = "# a test\n\nRandom weights, for tests.\n"
    save_checkpoint(model, folder / "model", tokenizer_file=folder / "tokenizer.json", card=card)
    return folder / "model"
