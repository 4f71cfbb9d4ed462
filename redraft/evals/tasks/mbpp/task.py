"""MBPP: write a short Python function from a sentence and three tests; the same tests decide."""

import builtins
import re
from collections.abc import Sequence

from redraft.evals.programs import best_block, cut, passes
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict

TEST = range(11, 511)
SHOTS = (2, 3, 4)  # of the prompt split
STOP = ("[DONE]",)
SHOT = (
    "You are an expert Python programmer, and here is your task: {text} Your code should pass these tests:\n\n"
    "{tests}\n[BEGIN]\n"
)
QUESTION = "{text}\n\nWrite it in Python, in one fenced block. These tests must pass:\n\n```python\n{tests}\n```"


def examples(rows: Sequence[Row]) -> list[Example]:
    by_number = {int(row["task_id"]): row for row in rows}
    lacking = [number for number in SHOTS if number not in by_number]
    if lacking:
        raise KeyError(f"the prompt shows problems {SHOTS} of the set, and it lacks {lacking}")
    shots = "".join(_shot(by_number[n]) + _code(by_number[n]) + "\n[DONE]\n\n" for n in SHOTS)
    return [_example(row, shots) for number, row in sorted(by_number.items()) if number in TEST]


def _example(row: Row, shots: str) -> Example:
    tests = "\n".join(row["test_list"])
    return Example(
        id=f"mbpp/{row['task_id']}",
        prompt=shots + _shot(row),
        question=QUESTION.format(text=row["text"], tests=tests),
        target={"name": tested(row["test_list"][0]), "tests": f"{row['test_setup_code']}\n{tests}"},
    )


def _shot(row: Row) -> str:
    return SHOT.format(text=row["text"], tests="\n".join(row["test_list"]))


def _code(row: Row) -> str:
    return str(row["code"]).replace("\r\n", "\n").strip()


def tested(assertion: str) -> str:
    """The function that an assertion calls: the first name in front of a parenthesis that Python does not have."""
    called = re.findall(r"\b([A-Za-z_]\w*)\s*\(", assertion)
    return next((name for name in called if not hasattr(builtins, name) and name != "assert"), "")


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    name = example.target["name"]
    program = best_block(answer, name) if ask == "chat" else cut(answer, STOP)
    return passes(program, example.target["tests"], bench)


MBPP = Task(
    name="mbpp",
    title="MBPP",
    version="1",
    split="test, problems 11 to 510",
    source="https://github.com/google-research/google-research/tree/master/mbpp",
    licence="CC BY 4.0",
    files=("mbpp.jsonl", "mbpp.jsonl.gz"),
    examples=examples,
    judge=judge,
    asks=("complete", "chat"),
    max_tokens=512,
    stop=STOP,
    runs_code=True,
)
