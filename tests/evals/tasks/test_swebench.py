"""SWE-bench: files from clones, edits to patches, the form of a patch, predictions, and a stand-in for the harness."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redraft.evals.askers import Manner, Reply
from redraft.evals.data import load_examples
from redraft.evals.records import find_runs, read_run
from redraft.evals.registry import get_task
from redraft.evals.runner import header, run
from redraft.evals.task import Bench, Example, Task
from redraft.evals.tasks.swebench import harness
from redraft.evals.tasks.swebench import task as swebench
from redraft.evals.tasks.swebench.patches import applied, diff, form, patch_of
from tests.evals.conftest import write_rows

SOURCE = "def double(x):\n    return x\n\n\ndef triple(x):\n    return x\n"
FIXED = SOURCE.replace("return x\n", "return 2 * x\n", 1)
FILES = {"pkg/sums.py": SOURCE, "docs.txt": "one\ntwo"}
GOLD = diff("pkg/sums.py", SOURCE, FIXED)
ROW = {
    "repo": "someone/sums", "instance_id": "someone__sums-1", "base_commit": "HEAD", "patch": GOLD, "version": "1",
    "problem_statement": "double does not double.\r\n", "files": FILES,
}  # fmt: skip
EDIT = """pkg/sums.py
<<<<<<< SEARCH
def double(x):
    return x
=======
def double(x):
    return 2 * x
>>>>>>> REPLACE"""


def block(path: str, old: str, new: str) -> str:
    return f"{path}\n<<<<<<< SEARCH\n{old}\n=======\n{new}\n>>>>>>> REPLACE\n"


@pytest.mark.parametrize(
    "answer",
    [EDIT, f"I see.\n\n```python\n{EDIT}\n```\nDone.", EDIT.replace("pkg/sums.py", "### `pkg/sums.py`"),
     EDIT.replace("\n", "\r\n"), f"```diff\n{GOLD}```", GOLD, f"The patch:\n{GOLD}"],
    ids=["edit", "fenced", "heading", "CRLF", "diff", "bare diff", "diff behind words"],
)  # fmt: skip
def test_every_way_to_write_the_right_edit_gives_the_same_file(answer: str) -> None:
    found = form(answer, FILES)
    assert (found.applies, found.why) == (True, "")
    assert applied(found.patch, FILES)["pkg/sums.py"] == FIXED


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("I do not know.", "no edit"),
        ("", "no edit"),
        (block("pkg/sums.py", "    return x", "    return 2 * x"), "is there 2 times"),
        (block("pkg/sums.py", "def quadruple(x):", "pass"), "is there 0 times"),
        (block("pkg/sums.py", "ef double(x):", "pass"), "is there 0 times"),  # not a whole line
        (block("pkg/other.py", "def double(x):", "pass"), "pkg/other.py was not shown"),
        (block("", "def double(x):", "pass"), "names no file"),
        (block("pkg/sums.py", "", "pass"), "does not say where"),
        (block("pkg/sums.py", "def double(x):", "def double(x):"), "change nothing"),
        (block("pkg/sums.py", "def double(x):", "def double(x:"), "pkg/sums.py does not parse: SyntaxError"),
        (EDIT.removesuffix(">>>>>>> REPLACE"), "an edit has no end"),
        (f"```diff\n{GOLD.replace('-    return x', '-    return y')}```", "does not apply"),
        (f"```diff\n{GOLD.replace('pkg/sums.py', '../../etc/passwd')}```", "was not shown"),
        ("```diff\n--- /dev/null\n+++ b/../../out.txt\n@@ -0,0 +1 @@\n+x\n```", "does not apply"),
        ("```diff\nnonsense\n```", "does not apply"),
    ],
)
def test_what_is_wrong_with_an_edit_is_said(answer: str, why: str) -> None:
    assert why in form(answer, FILES).why


def test_a_patch_cannot_leave_its_folder(tmp_path: Path) -> None:
    for path in ("../escaped.txt", str(tmp_path / "escaped.txt"), "a/../../escaped.txt"):
        found = form(block(path, "", "x"), FILES)
        assert "is no path in the repository" in found.why, path
        form(f"```diff\n{diff('x', None, 'x').replace('b/x', f'b/{path}')}```", {})
    assert not list(tmp_path.parent.rglob("escaped.txt"))


def test_files_without_a_last_line_end_with_crlf_and_new_ones_are_patched_exactly() -> None:
    files = FILES | {"dos.py": "a = 1\r\nb = 2\r\n", "odd.txt": "x\x0cy\u2028z\nlast"}
    answer = "\n".join([
        block("docs.txt", "two", "2"), block("dos.py", "a = 1\nb = 2", "a = 1\nc = 3"),
        block("new.py", "", "d = 4"), block("odd.txt", "x\x0cy\u2028z", "w"),
    ])  # fmt: skip
    after = applied(patch_of(answer, files), files)
    assert after == files | {"docs.txt": "one\n2", "dos.py": "a = 1\r\nc = 3\r\n", "new.py": "d = 4\n",
                             "odd.txt": "w\nlast"}  # fmt: skip


def test_several_edits_of_one_file_follow_each_other_and_lines_can_go() -> None:
    answer = block("pkg/sums.py", "def triple(x):\n    return x", "") + block(
        "pkg/sums.py", "def double(x):", "def d(x):"
    )
    assert applied(patch_of(answer, FILES), FILES)["pkg/sums.py"] == "def d(x):\n    return x\n\n\n"


def test_a_file_that_never_parsed_here_is_not_held_against_the_patch() -> None:
    files = {"old.py": "print 'two'\n"}
    assert form(block("old.py", "print 'two'", "print 'three'"), files).why == ""


# ------------------------------------------------------------------ the task


def test_form_is_judged_and_called_form(judge: Callable[..., Any]) -> None:
    ask = judge("swebench_verified_form", "swebench_verified.jsonl", [ROW])
    assert "form of the patch only" in ask.task.title
    question = ask.examples[0].question
    assert "\r" not in question
    assert '<file path="docs.txt">\none\ntwo\n</file>' in question
    assert (ask(EDIT).score, ask("nothing").score, ask(EDIT, "complete").score) == (1, 0, 1)


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


@pytest.mark.parametrize("place", ["someone/sums", "someone__sums", "sums", "someone/sums.git", "sums.git"])
def test_files_are_read_from_clones_at_the_commit(tmp_path: Path, place: str) -> None:
    clone = tmp_path / "repositories" / place
    (clone / "pkg").mkdir(parents=True)
    (clone / "pkg" / "sums.py").write_text(SOURCE)
    git(clone, "init", "-q", "-b", "main")
    for message in ("first", "second"):
        git(clone, "add", "-A")
        git(clone, "commit", "-q", "-m", message)
        (clone / "pkg" / "sums.py").write_text("later\n")
    row = {name: value for name, value in ROW.items() if name != "files"} | {"base_commit": "HEAD~1"}
    write_rows(tmp_path / "swebench_verified.jsonl", [row, row | {"repo": "a/b", "instance_id": "a__b-1"}])
    here, absent = load_examples(get_task("swebench_verified_form"), tmp_path)[0]
    assert here.target == {"files": {"pkg/sums.py": SOURCE}}
    assert (here.refused, absent.refused) == ("", "there is no clone of a/b")
    write_rows(tmp_path / "swebench_verified.jsonl", [row | {"base_commit": "0" * 40}])
    with pytest.raises(ValueError, match=r"has no pkg/sums.py at 0000"):
        load_examples(get_task("swebench_verified_form"), tmp_path)


def test_without_any_clone_it_is_said_how_to_get_one(tmp_path: Path) -> None:
    write_rows(tmp_path / "swebench_verified.jsonl", [{k: v for k, v in ROW.items() if k != "files"}])
    with pytest.raises(ValueError, match=r"git clone --bare https://github.com/someone/sums"):
        load_examples(get_task("swebench_verified_form"), tmp_path)


def test_a_prompt_that_is_too_long_is_not_asked(tmp_path: Path) -> None:
    write_rows(tmp_path / "swebench_verified.jsonl", [ROW | {"files": {"pkg/sums.py": "x = 1\n" * 30_000}}])
    [example] = load_examples(get_task("swebench_verified_form"), tmp_path)[0]
    assert "more than 32768" in example.refused


def test_without_the_harness_the_official_task_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_rows(tmp_path / "swebench_verified.jsonl", [ROW])
    monkeypatch.setattr(harness, "lacking", lambda: "there is no Docker")
    with pytest.raises(ValueError, match=r"there is no Docker; swebench_verified_form writes"):
        load_examples(get_task("swebench_verified"), tmp_path)


# A stand-in for `python -m swebench.harness.run_evaluation`: it resolves what patches a line to "2 * x".
STAND_IN = """
import argparse, json, pathlib
parser = argparse.ArgumentParser()
for name in ("dataset_name", "split", "instance_ids", "predictions_path", "max_workers", "timeout", "run_id"):
    parser.add_argument(f"--{name}", required=True)
args = parser.parse_args()
assert args.dataset_name == "SWE-bench/SWE-bench_Verified" and args.split == "test"
for line in open(args.predictions_path):
    p = json.loads(line)
    folder = pathlib.Path("logs/run_evaluation") / args.run_id / p["model_name_or_path"] / p["instance_id"]
    folder.mkdir(parents=True)
    if "slow" in p["model_patch"]:
        (folder / "run_instance.log").write_text(">>>>> Tests Timed Out")
    elif "broken" not in p["model_patch"]:
        said = {"patch_successfully_applied": True, "resolved": "2 * x" in p["model_patch"], "infra_failure": False}
        (folder / "report.json").write_text(json.dumps({p["instance_id"]: said}))
"""


@pytest.fixture
def official(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    stand_in = tmp_path / "stand_in.py"
    stand_in.write_text(STAND_IN)
    plain = harness.command

    def command(*args: Any, **options: Any) -> list[str]:
        words = plain(*args, **options)
        assert words[:3] == [sys.executable, "-m", "swebench.harness.run_evaluation"]
        return [sys.executable, str(stand_in), *words[3:]]

    monkeypatch.setattr(harness, "lacking", lambda: None)
    monkeypatch.setattr(harness, "command", command)
    write_rows(tmp_path / "swebench_verified.jsonl", [ROW])
    return get_task("swebench_verified")


def test_the_harness_decides(official: Task, tmp_path: Path) -> None:
    [example] = load_examples(official, tmp_path)[0]

    def ask(new: str) -> Any:
        return official.judge(example, block("pkg/sums.py", "def double(x):\n    return x", new), "chat", Bench())

    assert ask("def double(x):\n    return 2 * x").score == 1
    assert (ask("def double(x):\n    return 3 * x").score, ask("def double(x): pass").why) == (0, "its tests fail")
    assert ask("slow = 1").why == "its tests timed out"
    with pytest.raises(ValueError, match="the official harness said nothing of someone__sums-1"):
        ask("broken = 1")
    assert official.judge(example, "nothing", "chat", Bench()).why == "no edit in the answer"


def test_reports_of_the_harness_are_read() -> None:
    said = {"a": {"resolved": False, "patch_successfully_applied": False}}
    assert harness.verdict(said, "a") == (False, "the patch does not apply")
    with pytest.raises(ValueError, match="could not judge a: disk full"):
        harness.verdict({"a": said["a"] | {"infra_failure": True, "infra_failure_reason": "disk full"}}, "a")


class Editor:
    def manner(self, task: Task) -> Manner:
        return Manner("models/editor", "ar", "chat", None, 9)

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        return Reply(EDIT if sample == 0 else "", 0.1, 4, 4)


def test_predictions_are_written_in_the_harness_format_beside_the_run(tmp_path: Path) -> None:
    write_rows(tmp_path / "swebench_verified.jsonl", [ROW, ROW | {"instance_id": "someone__sums-2"}])
    task = get_task("swebench_verified_form")
    examples = load_examples(task, tmp_path)[0]
    for samples, names in ((1, ["one.ar.jsonl"]), (2, ["two.ar.0.jsonl", "two.ar.1.jsonl"])):
        path = tmp_path / "out" / f"{'one' if samples == 1 else 'two'}.ar.jsonl"
        about = header(task, Editor().manner(task), data="x", samples=samples, seed=0)
        done = run(task, examples, Editor(), path, about)
        told = swebench.write_predictions(examples, done, path)
        assert "python -m swebench.harness.run_evaluation --dataset_name SWE-bench/SWE-bench_Verified" in told
        for number, name in enumerate(names):
            lines = (tmp_path / "out" / "predictions" / name).read_text().splitlines()
            first = json.loads(lines[0])
            assert first == {"instance_id": "someone__sums-1", "model_name_or_path": "editor",
                             "model_patch": GOLD if number == 0 else ""}  # fmt: skip
            assert len(lines) == 2
    assert [path.name for path in find_runs(tmp_path / "out")] == ["one.ar.jsonl", "two.ar.jsonl"]
    assert read_run(tmp_path / "out" / "one.ar.jsonl").records[0].score == 1
    assert "Whether they" not in swebench.write_predictions(
        examples, replace(done, header=replace(done.header, task="swebench_verified")), path
    )
