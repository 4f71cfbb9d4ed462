"""LBPP, the Python part of version 2: short programs that were not on the web when they were written."""

import ast
import json
import re
from collections.abc import Sequence
from typing import Any

from redraft.evals.programs import best_block, cut, passes
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

CANARY = re.compile(r"lbb?pp?/(?:python/0*42|41)$")  # marks data that leaked; no problem
STOP = ("\n```",)
QUESTION = "{instruction}\n\nAnswer with one fenced block of Python that defines `{signature}`."
PROMPT = '"""\n{instruction}\n"""\n\n'
# Tests import what they test from a module `code`.
OURSELVES = "import sys as _sys\n_sys.modules['code'] = _sys.modules['__main__']"


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(row) for row in rows if _wanted(row)]


def _wanted(row: Row) -> bool:
    return row.get("language", "python") == "python" and not CANARY.search(row["task_id"])


def _example(row: Row) -> Example:
    tests = "\n".join([OURSELVES, row.get("test_setup") or "", *_list(row["test_list"])])
    signature = row.get("signature") or ""
    return Example(
        id=row["task_id"],
        prompt=PROMPT.format(instruction=row["instruction"].strip()),
        question=QUESTION.format(instruction=row["instruction"].strip(), signature=signature),
        target={"name": _name(signature), "tests": tests},
    )


def _list(value: Any) -> list[str]:
    """Tests as a list, or as a text that spells one."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            value = ast.literal_eval(value)
    return [str(test) for test in value]


def _name(signature: str) -> str:
    found = re.search(r"(?:def|class)?\s*(\w+)\s*\(", signature)
    return found[1] if found else ""


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    name = example.target["name"] or None
    program = best_block(answer, name) if ask == "chat" else cut(answer, STOP)
    return passes(program, example.target["tests"], bench)


LBPP = Task(
    name="lbpp",
    title="LBPP v2 (Python)",
    version="1",
    split="Python test, without the canary",
    source="https://huggingface.co/datasets/CohereLabs/lbpp",
    licence="Apache-2.0",
    files=("lbpp_python.jsonl", "lbpp_python.parquet"),
    hub=Hub("CohereLabs/lbpp", "python/test.parquet"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=1024,
    stop=STOP,
    runs_code=True,
)
