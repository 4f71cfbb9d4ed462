"""GPQA Diamond: graduate questions of biology, chemistry and physics with four choices.

Its authors ask that questions never stand in plain text where they could be crawled: records hold their hashes.
"""

import hashlib
from collections.abc import Sequence
from random import Random

from redraft.evals.answers import letter
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

LETTERS = "ABCD"
ASKED = "\n\nReason step by step, and put the letter of the right choice within \\boxed{{}}."
WRONG = ("Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3")


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_official(row) if "Question" in row else _prepared(row) for row in rows]


def _prepared(row: Row) -> Example:
    """A row whose choices have been put in an order already."""
    answer = letter(row["answer"], LETTERS)
    if answer is None:
        raise KeyError(f"no letter in the answer {row['answer']!r}")
    return _example(row["prompt"], answer)


def _official(row: Row) -> Example:
    """A row of the authors' table; the order of its choices depends on the question alone."""
    choices = [row["Correct Answer"].strip(), *(row[name].strip() for name in WRONG)]
    order = list(range(4))
    Random(_digest(row["Question"])).shuffle(order)
    lines = [f"{name}) {choices[n]}" for name, n in zip(LETTERS, order, strict=True)]
    return _example("\n".join([row["Question"].strip(), "", *lines]) + ASKED.format(), LETTERS[order.index(0)])


def _example(question: str, answer: str) -> Example:
    return Example(f"gpqa/{_digest(question)}", f"{question}\n\nAnswer:", question, answer)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = letter(answer, LETTERS)
    return right(found == example.target, f"said {found}")


GPQA_DIAMOND = Task(
    name="gpqa_diamond",
    title="GPQA Diamond",
    version="1",
    split="diamond, 198 questions",
    source="https://github.com/idavidrein/gpqa",
    licence="CC BY 4.0; the authors ask not to show questions in plain text",
    files=("gpqa_diamond.jsonl", "gpqa_diamond.csv"),
    hub=Hub("Idavidrein/gpqa", "gpqa_diamond.csv"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=2048,
    withheld=True,
)
