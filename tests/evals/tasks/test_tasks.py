"""Every task: right answers get everything and wrong ones nothing, on small fabricated data in the sets' formats."""

import base64
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import redraft.evals.tasks
from redraft.evals.data import load_examples
from redraft.evals.registry import get_task, tasks
from redraft.evals.task import Task
from redraft.evals.tasks.livecodebench.task import same_output, unpacked

Make = Callable[..., Any]
FOLDERS = sorted(path.parent for path in Path(redraft.evals.tasks.__path__[0]).glob("*/task.py"))


def test_every_folder_holds_a_task_and_every_name_is_its_own() -> None:
    assert len({task.name for task in tasks()}) == len(tasks()) >= len(FOLDERS)
    assert get_task("gsm8k").title == "GSM8K"
    with pytest.raises(ValueError, match=r"unknown task 'gsm8'; did you mean 'gsm8k'\?"):
        get_task("gsm8")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_task_says_where_it_is_from_and_how_numbers_were_obtained(folder: Path) -> None:
    text = (folder / "README.md").read_text()
    for word in ("Source", "Licence", "Version", "Split", "Prompt", "Published numbers"):
        assert f"**{word}**" in text, f"{folder.name}/README.md says nothing of {word}"


@pytest.mark.parametrize("task", tasks(), ids=lambda task: task.name)
def test_every_task_can_be_asked_of_a_server(task: Task) -> None:
    assert {"complete", "chat"} & set(task.asks)


def test_only_gpqa_withholds_its_questions() -> None:
    assert [task.name for task in tasks() if task.withheld] == ["gpqa_diamond"]


# ------------------------------------------------------------------ code

DOUBLE = "def double(x):\n    return 2 * x\n"


def test_humaneval(judge: Make) -> None:
    prompt = 'from typing import List\n\n\ndef double(x: int) -> List[int]:\n    """ Twice. """\n'
    tests = "def check(candidate):\n    assert candidate(2) == [4]\n"
    row = {"task_id": "HumanEval/0", "prompt": prompt, "entry_point": "double", "test": tests}
    ask = judge("humaneval", "HumanEval.jsonl", [row])
    assert ask("    return [2 * x]\n", "complete").score == 1
    assert ask("    return [2 * x]\n\ndef other(:\n", "complete").score == 1  # cut off after the function
    assert ask(f"Here:\n```python\n{prompt}    return [2 * x]\n```\nDone.").score == 1
    assert ask("```python\ndef double(x: int) -> List[int]:\n    return [x + x]\n```").score == 1
    assert ask("    return [3 * x]\n", "complete").score == 0
    assert ask("    return [", "complete").why.startswith("SyntaxError")
    assert ask("").score == 0


@pytest.mark.parametrize(
    "cheat", ["    import sys; sys.exit(0)", "    import os; os._exit(0)", "    raise SystemExit", "    quit()"]
)
def test_leaving_early_is_not_passing(judge: Make, cheat: str) -> None:
    row = {"task_id": "0", "prompt": "def f():\n", "entry_point": "f", "test": "def check(f):\n    assert f() == 1\n"}
    assert judge("humaneval", "HumanEval.jsonl", [row])(cheat, "complete").score == 0


def mbpp_row(number: int) -> dict[str, Any]:
    tests = ["assert set(double(2)) == {4}", "assert double(0) == [0]"]
    code = "def double(x):\r\n  return [2 * x]"
    return {"task_id": number, "text": "Double it.", "code": code, "test_setup_code": "", "test_list": tests}


def test_mbpp(judge: Make) -> None:
    rows = [mbpp_row(number) for number in (1, 2, 3, 4, 10, 11, 510, 511)]
    ask = judge("mbpp", "mbpp.jsonl", rows)
    assert [example.id for example in ask.examples] == ["mbpp/11", "mbpp/510"]
    assert ask.examples[0].prompt.count("[DONE]") == 3
    assert ask.examples[0].target["name"] == "double"
    assert ask(rows[0]["code"] + "\n[DONE]\n\nYou are", "complete").score == 1
    assert ask("```python\ndef double(x):\n    return [2 * x]\n```\n```python\nprint(double(3))\n```").score == 1
    assert ask("def double(x):\n    return [x]", "complete").score == 0


def test_mbpp_without_the_problems_its_prompt_shows_is_refused(judge: Make) -> None:
    with pytest.raises(ValueError, match=r"is not data of mbpp.*lacks \[2, 3, 4\]"):
        judge("mbpp", "mbpp.jsonl", [mbpp_row(11)])


@pytest.mark.parametrize("setup", ["", "from code import double"])
def test_lbpp(judge: Make, setup: str) -> None:
    row = {
        "task_id": "lbpp/python/001", "language": "python", "instruction": "Double it.", "test_setup": setup,
        "signature": "double(x: int) -> int", "test_list": '["assert double(2) == 4"]',
    }  # fmt: skip
    canary = row | {"task_id": "lbpp/python/042"}
    ask = judge("lbpp", "lbpp_python.jsonl", [row, canary, row | {"task_id": "lbpp/go/001", "language": "go"}])
    assert len(ask.examples) == 1
    assert ask(f"```python\n{DOUBLE}```").score == 1
    assert ask(DOUBLE, "complete").score == 1
    assert ask("```python\ndef double(x):\n    return x\n```").score == 0


def test_bigcodebench(judge: Make) -> None:
    tests = (
        "import unittest\nclass TestCases(unittest.TestCase):\n    def test_it(self):\n"
        "        self.assertEqual(double(2), 4)\n"
    )
    row = {
        "task_id": "BigCodeBench/0", "complete_prompt": "import math\ndef double(x):\n", "instruct_prompt": "Double.",
        "entry_point": "double", "test": tests, "libs": "['math', 'surely.absent']",
    }  # fmt: skip
    for name, file in (("bigcodebench", "BigCodeBench.jsonl"), ("bigcodebench_hard", "BigCodeBench-Hard.jsonl")):
        ask = judge(name, file, [row])
        assert ask.examples[0].needs == ("math", "surely", "unittest")
        assert ask("    return 2 * x", "complete").score == 1
        assert ask(f"```python\n{DOUBLE}```").score == 1
        assert ask("    return x", "complete").score == 0
        assert ask("    import sys; sys.exit(0)", "complete").score == 0


def packed(text: str) -> str:
    return base64.b64encode(zlib.compress(pickle.dumps(text))).decode()


def contest_row(starter: str, cases: list[tuple[str, str]], name: str = "") -> dict[str, Any]:
    tests = [{"input": given, "output": wanted, "testtype": "stdin"} for given, wanted in cases]
    metadata = json.dumps({"func_name": name} if name else {})
    return {
        "question_id": name or "a", "question_content": "Double it.", "contest_date": "2025-01-04T00:00:00",
        "starter_code": starter, "public_test_cases": json.dumps(tests[:1]),
        "private_test_cases": packed(json.dumps(tests[1:])), "metadata": metadata,
    }  # fmt: skip


def test_livecodebench(judge: Make) -> None:
    reads = contest_row("", [("2\n", "4"), ("10\n", "20.0\n")])
    calls = contest_row(
        "class Solution:\n    def double(self, x, by):", [("2\n2", "4"), ("[1]\n2", "[1, 1]")], "double"
    )
    ask = judge("livecodebench", "livecodebench_v6.jsonl", [reads, calls])
    assert [example.group for example in ask.examples] == ["2025-01", "2025-01"]
    assert ask("```python\nprint(2 * int(input()))\n```").score == 1
    assert ask("print(2 * int(input()))\n", "complete").score == 1
    assert "wrote '4" in ask("```python\nprint(4)\n```").why
    assert ask("```python\nprint(int(input()) / 0)\n```").why == "ZeroDivisionError: division by zero"
    method = "```python\nclass Solution:\n    def double(self, x, by):\n        return {} * by\n```"
    assert ask(method.format("x"), number=1).score == 1
    assert ask(method.format("3"), number=1).score == 0
    assert ask("no code", number=1).score == 0


def test_livecodebench_release_6_is_all_its_files(tmp_path: Path) -> None:
    task = get_task("livecodebench_release_v6")
    for number in range(1, 7):
        row = contest_row("", [("2", "4")]) | {"question_id": f"q{number}"}
        if number == 6:
            with pytest.raises(ValueError, match=r"needs test6.jsonl in"):
                load_examples(task, tmp_path)
        (tmp_path / f"test{number if number > 1 else ''}.jsonl").write_text(json.dumps(row) + "\n")
    assert [example.id for example in load_examples(task, tmp_path)[0]] == [f"q{number}" for number in range(1, 7)]


def test_methods_keep_their_object_and_have_their_time_for_every_case(judge: Make) -> None:
    starter = "class Solution:\n    def run(self, x):"
    ask = judge("livecodebench", "livecodebench_v6.jsonl", [contest_row(starter, [("1", "[1]"), ("2", "[2]")], "run")])
    program = "```python\nclass Solution:\n    def run(self, x):\n        return {}\n```"
    assert ask(program.format("(x,)")).score == 1
    assert ask(program.format("{x}")).score == 0
    assert ask(program.format("[x] if vars(self).setdefault('first', x) == x else []")).score == 0


def test_prompts_without_hidden_tests_are_refused(judge: Make) -> None:
    with pytest.raises(ValueError, match="no hidden tests"):
        judge("livecodebench", "livecodebench_v6.jsonl", [{"question_id": "a", "prompt": "Double it."}])


class Danger:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this ran",)


def test_packed_tests_can_only_be_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert unpacked(packed("[]")) == "[]"
    for value in (Danger(), [1]):
        with pytest.raises(ValueError, match="packed tests"):
            unpacked(base64.b64encode(zlib.compress(pickle.dumps(value))).decode())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("found", "wanted", "same"),
    [("1 2\n", "1 2", True), ("1.0 2", "1 2.00", True), ("a \nb", "a\nb ", True), ("1\n2", "1", False),
     ("a", "b", False), ("", "1", False), ("yes", "YES", False)],
)  # fmt: skip
def test_output_is_compared_by_lines_and_numbers_by_value(found: str, wanted: str, same: bool) -> None:
    assert same_output(found, wanted) == same


# ------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("answer", "score"),
    [("She has 3 + 4 = <<3+4=7>>7.\n#### 1,007", 1), (r"\boxed{1007}", 1), ("So it is $1,007.00.", 1),
     (r"\boxed{1{,}007} or \boxed{1007 \text{ eggs}}", 1), ("1007 or 8", 0), (r"\boxed{7} not 1007", 0), ("", 0)],
)  # fmt: skip
def test_gsm8k(judge: Make, answer: str, score: float) -> None:
    ask = judge("gsm8k", "gsm8k_test.jsonl", [{"question": "How many?", "answer": "It is so.\n#### 1,007"}])
    assert ask(answer).score == score


@pytest.mark.parametrize(
    ("answer", "score"), [(r"\boxed{070}", 1), (r"\boxed{35 \cdot 2}", 1), (r"\boxed{71}", 0), ("70", 0), ("", 0)]
)
def test_aime(judge: Make, answer: str, score: float) -> None:
    pytest.importorskip("math_verify", reason="needs pip install 'redraft[eval]'")
    ask = judge("aime25", "aime25.jsonl", [{"problem": "What is 7 times 10?", "answer": 70}])
    assert r"\boxed{}" in ask.examples[0].question
    assert ask(answer).score == score


def test_gpqa_in_both_formats(judge: Make, tmp_path: Path) -> None:
    prepared = {"prompt": "Which?\n\nA) one\nB) two\nC) three\nD) four", "answer": r"\boxed{C}"}
    ask = judge("gpqa_diamond", "gpqa_diamond.jsonl", [prepared])
    assert (ask(r"\boxed{C}").score, ask("The answer is (B).").score) == (1, 0)
    (tmp_path / "gpqa_diamond.jsonl").unlink()
    heads = "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3"
    lines = [f'"Which is right,\nof {n}?",right {n},wrong x,wrong y,wrong z' for n in range(40)]
    (tmp_path / "gpqa_diamond.csv").write_text("\n".join([heads, *lines]) + "\n")
    examples, _ = load_examples(get_task("gpqa_diamond"), tmp_path)
    assert {example.target for example in examples} == set("ABCD")  # the right choice moves about
    for n, example in enumerate(examples):
        assert f"\n{example.target}) right {n}\n" in f"{example.question}\n"


def test_global_mmlu(judge: Make) -> None:
    row = {"sample_id": "x/test/1", "question": "Which?", "answer": "B", "cultural_sensitivity_label": "CS"}
    row |= {f"option_{name}": f"choice {name}" for name in "abcd"}
    for name, file in (
        ("global_mmlu_lite", "global_mmlu_lite_en.jsonl"),
        ("global_mmlu_dev", "global_mmlu_dev_en.json"),
    ):
        ask = judge(name, file, [row])
        assert ask.examples[0].group == "culturally sensitive"
        assert "B. choice b" in ask.examples[0].prompt
        assert (ask(r"\boxed{B}").score, ask(" B", "complete").score, ask(r"\boxed{A}").score) == (1, 1, 0)


# Rows of a table made with the authors' script, whose every rule is in one of them.
BBEH = [
    ("The answer is: 42", "42", 1), ("So. The final answer is 42.", "42", 1), ("The answer is: (A)", "(a)", 1),
    ("The answer is: A", "(A)", 1), ("The answer is: (a)", "A", 1), ("The answer is: 42.0", "42", 1),
    ("The answer is: yes,no, yes", "yes, no, yes", 1), ("The answer is: [1, 2]", "1,2", 1),
    ("The answer is: don't", "dont", 1), ("The answer is: who?", "who", 1), (r"The answer is: $\boxed{7}$", "7", 1),
    (r"The answer is: \text{seven}", "seven", 1), ("The answer is: **7**", "7", 1), ("The answer is: 7\nBye.", "7", 1),
    ("7", "7", 1), ("The answer is: 7, I think", "7", 0), ("The answer is: 8", "7", 0), ("It may be 7", "7", 0),
    ("The answer is: he cried.", "he cried.", 0), ("The answer is: B", "(A)", 0), ("", "7", 0),
]  # fmt: skip


@pytest.mark.parametrize(("answer", "target", "score"), BBEH)
def test_bbeh_compares_as_the_authors_do(judge: Make, answer: str, target: str, score: float) -> None:
    ask = judge("bbeh_mini", "bbeh_mini.jsonl", [{"input": "What?", "target": target}])
    assert ask(answer).score == score


def test_jfleg(judge: Make) -> None:
    row = {
        "src": "He go home , and sleep well .",
        "refs": ["He goes home , and sleeps well .", "He went home , and slept well ."],
    }
    ask = judge("jfleg", "jfleg_dev.jsonl", [row])
    assert ask.examples[0].prompt == "He go home, and sleep well."
    assert ask("He goes home, and sleeps well.").score == 1
    assert ask("He went home, and slept well.", "edit").score == 1
    assert ask("He go home, and sleep well.").why == "unchanged"
    assert ask("He go home, and sleep well.").score < 0.5
    assert ask("").score == 0
