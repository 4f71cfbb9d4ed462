"""A way to run the command in process."""

import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from redraft.cli.main import main


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
