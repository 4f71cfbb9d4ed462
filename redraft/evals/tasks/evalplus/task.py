"""HumanEval+ and MBPP+: the same problems with many more tests; the reference's outputs decide."""

import ast
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from redraft.evals.programs import best_block, completed, cut, passes
from redraft.evals.sandbox import Limits
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict
from redraft.evals.tasks.evalplus.typed import spelt_inputs
from redraft.evals.tasks.humaneval import task as humaneval

INSIDE = Path(__file__).with_name("inside.py")
# Inside: the job is on standard input, and nothing of it is left there for the answer.
START = """
import json, sys
sys.set_int_max_str_digits(0)
sys.setrecursionlimit(max(sys.getrecursionlimit(), 3000))
_why = check(json.loads(sys.stdin.read()))
assert not _why, _why
"""
QUESTION = "{}\n\nWrite the function in Python, its imports included, in one fenced block. Its name is `{}`."
STOP = ('\n"""', "\nassert", "\nprint(", "\nif __name__", "\n```", "\n# Test")


def humaneval_examples(rows: Sequence[Row]) -> list[Example]:
    plain = {example.id: example for example in humaneval.examples(rows)}
    return [replace(plain[row["task_id"]], target=_job(row, False, _spelt)) for row in rows]


def _spelt(inputs: Sequence[Sequence[Any]], row: Row) -> list[list[Any]]:
    return spelt_inputs(inputs, "", row["entry_point"])


def mbpp_examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=row["task_id"],
            prompt=row["prompt"],
            question=QUESTION.format(row["prompt"].strip().strip('"').strip(), row["entry_point"]),
            target=_job(row, True, lambda inputs, row: spelt_inputs(inputs, row["assertion"], row["entry_point"])),
        )
        for row in rows
    ]


def _job(row: Row, mbpp: bool, spelt: Any) -> dict[str, Any]:
    """What `inside.check` is given, but for the answer. First the base inputs, then the rest."""
    return {
        "name": row["entry_point"], "mbpp": mbpp, "atol": row["atol"],
        "reference": row["prompt"] + row["canonical_solution"],
        "inputs": [*spelt(row["base_input"], row), *spelt(row["plus_input"], row)],
    }  # fmt: skip


def judge_humaneval(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    name = example.target["name"]
    return check(example, completed(example.prompt, answer, name, ask == "chat", humaneval.STOP), bench)


def judge_mbpp(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    if ask == "chat":
        return check(example, best_block(answer, example.target["name"]), bench)
    return check(example, example.prompt + cut(answer, STOP), bench)


def check(example: Example, program: str, bench: Bench) -> Verdict:
    """Whether a program gives what the reference gives, on every input."""
    try:
        ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Verdict(0.0, f"{type(error).__name__}: {error}")
    job = json.dumps(example.target | {"answer": program})
    return passes(INSIDE.read_text(encoding="utf-8"), START, bench, stdin=job)


HUMANEVAL_PLUS = Task(
    name="humaneval_plus",
    title="HumanEval+",
    version="0.1.10",
    split="test, 164 problems, base and further tests",
    source="https://github.com/evalplus/humanevalplus_release",
    licence="Apache-2.0",
    files=("HumanEvalPlus.jsonl.gz", "HumanEvalPlus.jsonl"),
    examples=humaneval_examples,
    judge=judge_humaneval,
    asks=("complete", "chat"),
    max_tokens=512,
    stop=humaneval.STOP,
    runs_code=True,
    limits=Limits(cpu_seconds=60, wall_seconds=180, memory=4 << 30),
)
MBPP_PLUS = replace(
    HUMANEVAL_PLUS,
    name="mbpp_plus",
    title="MBPP+",
    version="0.2.0",
    split="378 problems, base and further tests",
    source="https://github.com/evalplus/mbppplus_release",
    licence="Apache-2.0 (tests), CC BY 4.0 (MBPP)",
    files=("MbppPlus.jsonl.gz", "MbppPlus.jsonl"),
    examples=mbpp_examples,
    judge=judge_mbpp,
    stop=STOP,
)
