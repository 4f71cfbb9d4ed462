"""Every task that is registered, asked of a server with known answers: exactly the expected score, whatever breaks.

A task is found by itself; tests/evals/tiny has a file with rows in its format and a right and a wrong answer. Of a new
task this test fails until it has one.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from redraft.evals import runner
from redraft.evals.data import load_examples
from redraft.evals.registry import tasks
from redraft.evals.remote import Server
from redraft.evals.sandbox import Sandbox
from redraft.evals.summary import summarise
from redraft.evals.task import Example, Task
from tests.evals.conftest import write_rows
from tests.evals.server import Answer, serving

FOLDER = Path(__file__).parent / "tiny"
# What a server sends that is no reply. Each is asked for once, in turn.
BROKEN: tuple[Answer, ...] = (
    0.6, (500, b"oh"), (200, b"<html>not JSON"), (200, b'{"choices": []}'), (200, b'{"choices": [{"text": null}]}'),
    (302, b""), (200, b'{"choices": [{"message": {}}]}'),
)  # fmt: skip


@dataclass(frozen=True)
class Tiny:
    """Rows in a task's own format, and answers: `right` for every example in order, or one for all."""

    files: dict[str, list[Any] | str]
    right: list[str] | str
    wrong: str
    refuses: str


@cache
def tiny() -> dict[str, Tiny]:
    found = {}
    for path in sorted(FOLDER.glob("*.json")):
        values = json.loads(path.read_text())
        for name in values["tasks"]:
            right = values.get("rights", {}).get(name, values["right"])
            refuses = values.get("refuses", {}).get(name, "")
            found[name] = Tiny(values["files"], right, values["wrong"], refuses)
    return found


def test_every_task_has_rows_of_its_own() -> None:
    missing = {task.name for task in tasks()} - set(tiny())
    assert not missing, f"put rows and answers of {', '.join(sorted(missing))} into tests/evals/tiny"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def loaded(task: Task, folder: Path) -> list[Example]:
    for name, rows in tiny()[task.name].files.items():
        if isinstance(rows, str):
            (folder / name).write_text(rows)
        else:
            write_rows(folder / name, rows)
    return load_examples(task, folder)[0]


@pytest.mark.parametrize("task", [task for task in tasks() if task.name in tiny()], ids=lambda task: task.name)
def test_a_server_with_known_answers_gets_exactly_the_expected_score(
    task: Task, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    known = tiny()[task.name]
    if known.refuses:
        with pytest.raises(ValueError, match=known.refuses):
            loaded(task, folder)
        return
    sandbox: Sandbox | None = request.getfixturevalue("sandbox") if task.runs_code else None
    examples = loaded(task, folder)
    right = [known.right] * len(examples) if isinstance(known.right, str) else known.right
    assert len(right) == len(examples), "an answer for every example"
    places: dict[str, int] = {}
    for number, example in enumerate(examples):
        places |= {example.question: number, example.prompt: number}
    breaks = iter(BROKEN * len(examples))
    behaviour = "right"

    def answer(path: str, body: dict[str, Any]) -> Answer:
        asked = body["messages"][0]["content"] if "messages" in body else body["prompt"]
        if behaviour == "broken":
            return next(breaks)
        return right[places[asked]] if behaviour == "right" else known.wrong

    scores = {}
    with serving(answer) as url:
        server = Server(url, "fake", timeout=0.3, retries=0)
        for behaviour in ("right", "wrong", "broken"):
            about = runner.header(task, server.manner(task), data="x", samples=1, seed=0)
            run = runner.run(task, examples, server, tmp_path / behaviour, about, sandbox=sandbox)
            found = summarise(run)
            scores[behaviour] = found.score.value
            assert found.unanswered == (len(examples) if behaviour == "broken" else 0)
            assert found.answers == len(examples)
    if task.metric == "mean":
        assert scores == {"right": 1.0, "wrong": 0.0, "broken": 0.0}
    else:  # of a corpus: all of it for what is asked for, and nothing for no answer
        assert scores["right"] == pytest.approx(1.0)
        assert scores["wrong"] < 0.5
        assert scores["broken"] == pytest.approx(0.0)
