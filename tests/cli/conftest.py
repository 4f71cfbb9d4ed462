"""A tiny random checkpoint, and a way to run the command in process."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from redraft.cli.main import main
from redraft.data.tokenizer import train_tokenizer
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train.recipe import model_config

TEXT = "The quick brown fox jumps over the lazy dog. She went to school yesterday. He has a big red ball. " * 4
SIZES = {
    "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 16,
    "intermediate_size": 48, "max_position_embeddings": 256, "labels": ("story", "dialogue"),
}  # fmt: skip


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("checkpoint")
    tokenizer = train_tokenizer([TEXT], 320)
    tokenizer.save(folder / "tokenizer.json")
    torch.manual_seed(0)
    model = ThreeModeModel(model_config(tokenizer.vocab_size, **SIZES))
    card = "# a test\n\nRandom weights, for tests.\n"
    save_checkpoint(model, folder / "model", tokenizer_file=folder / "tokenizer.json", card=card)
    return folder / "model"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """run(*arguments) -> (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


@pytest.fixture
def answer(run: Callable[..., tuple[int, str, str]]) -> Callable[..., dict[str, Any]]:
    """answer(*arguments): the one JSON object a command prints."""

    def call(*arguments: object) -> dict[str, Any]:
        code, out, err = run(*arguments, "--json")
        assert code == 0, err
        assert err == ""
        assert out.count("\n") == 1
        values = json.loads(out)
        assert isinstance(values, dict)
        return values

    return call


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Callable[[bytes], None]:
    """stdin(data): what a pipe holds."""

    def fill(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data), encoding="utf-8"))

    return fill


@pytest.fixture(autouse=True)
def _nothing_piped(stdin: Callable[[bytes], None]) -> None:
    stdin(b"")
