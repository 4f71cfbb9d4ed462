"""MATH-500: competition problems; the expression in the last box decides, compared by math-verify."""

from collections.abc import Sequence

from redraft.evals.answers import boxed, same_mathematics
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

ASKED = "\n\nReason step by step, and put your final answer within \\boxed{}."


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=f"math500/{row['unique_id']}",
            prompt=f"Problem: {row['problem'].strip()}{ASKED}\n\nSolution:",
            question=row["problem"].strip() + ASKED,
            target=row["answer"],
            group=f"level {row['level']}",
        )
        for row in rows
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    """Written alike is right without being parsed: some answers are words."""
    found = boxed(answer)
    if found is not None and plain(found) == plain(example.target):
        return Verdict(1.0)
    same = same_mathematics(answer, example.target)
    return right(same, "nothing in a box" if found is None else f"said {found[:60]}")


def plain(text: str) -> str:
    return "".join(text.split()).replace(r"\left", "").replace(r"\right", "").replace(r"\dfrac", r"\frac")


MATH500 = Task(
    name="math500",
    title="MATH-500",
    version="1",
    split="500 problems of the test split",
    source="https://huggingface.co/datasets/HuggingFaceH4/MATH-500",
    licence="MIT",
    files=("math500.jsonl", "test.jsonl"),
    hub=Hub("HuggingFaceH4/MATH-500", "test.jsonl"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=2048,
    stop=("\nProblem:",),
)
