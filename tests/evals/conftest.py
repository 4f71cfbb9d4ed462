"""What tests of evaluation share: a sandbox where there can be one, and small fabricated files of data."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from redraft.evals.data import load_examples
from redraft.evals.registry import get_task
from redraft.evals.sandbox import Sandbox, open_sandbox
from redraft.evals.task import Ask, Bench, Example, Verdict

Rows = Sequence[Mapping[str, Any]]


@pytest.fixture(scope="session")
def sandbox() -> Sandbox:
    try:
        return open_sandbox()
    except ValueError as error:
        pytest.skip(str(error))


def write_rows(path: Path, rows: Rows) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


class Judge:
    """A task with examples of a fabricated file, and the sandbox if it runs code."""

    def __init__(self, name: str, folder: Path, sandbox: Callable[[], Sandbox]) -> None:
        self.task = get_task(name)
        self.examples: list[Example] = load_examples(self.task, folder)[0]
        self.bench = Bench(sandbox() if self.task.runs_code else None, self.task.limits)

    def __call__(self, answer: str, ask: Ask = "chat", number: int = 0) -> Verdict:
        return self.task.judge(self.examples[number], answer, ask, self.bench)


@pytest.fixture
def judge(tmp_path: Path, request: pytest.FixtureRequest) -> Callable[[str, str, Rows], Judge]:
    """judge(task, file name, rows): the task over those rows."""

    def make(name: str, file: str, rows: Rows) -> Judge:
        write_rows(tmp_path / file, rows)
        return Judge(name, tmp_path, lambda: request.getfixturevalue("sandbox"))

    return make
