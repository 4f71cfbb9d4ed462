"""GSM8K: grade-school word problems; the number in the end decides."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from redraft.evals.answers import boxed, last_number, same_number
from redraft.evals.data import download, read_rows
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

QUESTION = "{}\n\nReason step by step, and put the final number within \\boxed{{}}."
PROMPT = "Question: {}\nAnswer: Let's think step by step."
STOP = ("\nQuestion:",)
# As in lm-evaluation-harness, which draws the problems that it shows.
SHOT = "Question: {}\nAnswer: {}\n\n"
SHOTS = 8
SHOWN = ("gsm8k_train.jsonl", "train.jsonl")
TRAIN = Hub("openai/gsm8k", "main/train-00000-of-00001.parquet")


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


def with_shots(rows: Sequence[Row], folder: Path | None) -> Sequence[Row]:
    """Rows with the first problems of the training split, solved, as it lies beside the file or on the hub."""
    if folder is None:
        path = download(TRAIN)
    else:
        path = next((folder / name for name in SHOWN if (folder / name).is_file()), folder)
    if not path.is_file():
        raise ValueError(f"gsm8k_8shot shows problems of the training split: it needs {' or '.join(SHOWN)} in {folder}")
    shots = "".join(SHOT.format(row["question"], row["answer"]) for row in read_rows(path)[:SHOTS])
    return [{**row, "shots": shots} for row in rows]


def shot_examples(rows: Sequence[Row]) -> list[Example]:
    prompts = (row["shots"] + SHOT.format(row["question"], "").rstrip() for row in rows)
    return [replace(example, prompt=prompt) for example, prompt in zip(examples(rows), prompts, strict=True)]


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
FEW_SHOT = replace(
    GSM8K,
    name="gsm8k_8shot",
    title="GSM8K, eight shots",
    split="test, 1319 problems, eight of the training split shown",
    examples=shot_examples,
    beside=with_shots,
    asks=("complete",),
)
