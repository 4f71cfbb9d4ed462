"""BigCodeBench: functions that use libraries, from a docstring or an instruction; unit tests decide."""

import ast
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from redraft.evals.programs import completed, passes
from redraft.evals.sandbox import Limits
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

STOP = ("\nclass ", "\ndef ", "\nif __name__", "\nprint(", "\nassert ", "\n```")
QUESTION = "{}\n\nAnswer with the whole function, its imports included, in one fenced block of Python."
UNITTEST = """\
import unittest as _unittest
_suite = _unittest.defaultTestLoader.loadTestsFromTestCase(TestCases)
_result = _unittest.TextTestRunner(verbosity=0).run(_suite)
assert _result.wasSuccessful() and _result.testsRun, f"{len(_result.failures)} failed, {len(_result.errors)} broke"
"""


def examples(rows: Sequence[Row]) -> list[Example]:
    """The set as it was annotated and as it was published differ in the names of two fields."""
    return [
        Example(
            id=row["task_id"],
            prompt=row["complete_prompt"] if "complete_prompt" in row else row["prompt"],
            question=QUESTION.format(row["instruct_prompt"] if "instruct_prompt" in row else row["instruction"]),
            target={"name": row["entry_point"], "tests": row["test"]},
            needs=_modules(row["libs"], row["test"]),
        )
        for row in rows
    ]


def _modules(libs: Any, tests: str) -> tuple[str, ...]:
    """What the solution is said to use, and what the tests import."""
    names = set(ast.literal_eval(libs) if isinstance(libs, str) else libs)
    for node in ast.walk(ast.parse(tests)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return tuple(sorted({str(name).partition(".")[0] for name in names}))


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    program = completed(example.prompt, answer, example.target["name"], ask == "chat", STOP)
    return passes(program, f"{example.target['tests']}\n\n{UNITTEST}", bench)


FULL = Task(
    name="bigcodebench",
    title="BigCodeBench",
    version="1",
    split="full, 1140 problems",
    source="https://huggingface.co/datasets/bigcode/bigcodebench",
    licence="Apache-2.0",
    files=("BigCodeBench.jsonl.gz", "BigCodeBench.jsonl"),
    hub=Hub("bigcode/bigcodebench", "data/v0.1.4-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("complete", "chat"),
    max_tokens=1280,
    stop=STOP,
    runs_code=True,
    limits=Limits(cpu_seconds=60, wall_seconds=240, memory=8 << 30, processes=64),
)
HARD = replace(
    FULL,
    name="bigcodebench_hard",
    title="BigCodeBench, hard",
    split="hard, 148 problems",
    source="https://huggingface.co/datasets/bigcode/bigcodebench-hard",
    files=("bigcodebench_hard.json", "BigCodeBench-Hard.jsonl"),
    hub=Hub("bigcode/bigcodebench-hard", "data/v0.1.4-00000-of-00001.parquet"),
)
