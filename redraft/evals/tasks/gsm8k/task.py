"""GSM8K: grade-school word problems; the number in the end decides."""

from collections.abc import Sequence

from redraft.evals.answers import boxed, last_number, same_number
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

QUESTION = "{}\n\nReason step by step, and put the final number within \\boxed{{}}."
PROMPT = "Question: {}\nAnswer: Let's think step by step."
STOP = ("\nQuestion:",)


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=f"gsm8k/{number}",
            prompt=PROMPT.format(row["question"]),
            question=QUESTION.format(row["question"]),
            target=row["answer"].rpartition("####")[2].strip(),
        )
        for number, row in enumerate(rows)
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = final(answer)
    return right(found is not None and same_number(found, example.target), f"said {found}")


def final(answer: str) -> str | None:
    """The number in the box, else behind the last ####, else the last of all."""
    inside = boxed(answer)
    if inside is None:
        _, marked, behind = answer.rpartition("####")
        inside = behind.strip().partition("\n")[0] if marked else None
    found = None if inside is None else last_number(inside)
    return found if found is not None else last_number(answer)


GSM8K = Task(
    name="gsm8k",
    title="GSM8K",
    version="1",
    split="test, 1319 problems",
    source="https://github.com/openai/grade-school-math",
    licence="MIT",
    files=("gsm8k_test.jsonl", "test.jsonl"),
    hub=Hub("openai/gsm8k", "main/test-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=512,
    stop=STOP,
)
