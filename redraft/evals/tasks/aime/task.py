"""AIME 2025: competition problems whose answers are whole numbers from 0 to 999."""

from collections.abc import Sequence

from redraft.evals.answers import boxed, same_mathematics, same_number
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

ASKED = "\n\nReason step by step, and put your final answer within \\boxed{}."


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(number, row) for number, row in enumerate(rows)]


def _example(number: int, row: Row) -> Example:
    text = next(row[name] for name in ("prompt", "problem", "question") if name in row)
    question = text if r"\boxed" in text else text + ASKED
    return Example(f"aime25/{number}", f"{question}\n\nSolution:", question, str(row["answer"]))


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = boxed(answer)
    if found is None:
        return Verdict(0.0, "nothing in a box")
    same = same_number(found, example.target) or same_mathematics(rf"\boxed{{{found}}}", example.target)
    return right(same, f"said {found[:60]}")


AIME25 = Task(
    name="aime25",
    title="AIME 2025",
    version="1",
    split="both rounds, 30 problems",
    source="https://huggingface.co/datasets/math-ai/aime25",
    licence="problems (c) Mathematical Association of America",
    files=("aime25.jsonl",),
    hub=Hub("math-ai/aime25", "test.jsonl"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=4096,
)
