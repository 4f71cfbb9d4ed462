"""The command `redraft serve`: what it refuses before anything listens."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from redraft.cli.main import main

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--port", "http"], "no port"),
        (["--port", "65536"], "no port"),
        (["--rows", "0"], "at least 1"),
        (["--api-key-file", "nowhere.txt"], "cannot read nowhere.txt"),
        (["--model", "a=nowhere"], "nowhere"),
        (["--modle", "a"], "did you mean '--model'"),
    ],
)
def test_what_cannot_be_served_is_refused_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", *arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_two_models_of_one_name_are_refused(checkpoint: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve", "--model", f"a={checkpoint}", "--model", f"a={checkpoint}"]) == 2
    assert "two models are called 'a'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_told(checkpoint: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "redraft.cli.main", "serve", "--model", f"a={checkpoint}", "--port", port]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert done.stdout == ""
    assert f"port {port}" in done.stderr.splitlines()[-1]
