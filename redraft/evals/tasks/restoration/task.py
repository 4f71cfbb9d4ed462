"""Restoration: marks and capitals put back into a text that has none; and questions as they were meant, of Disfl-QA.

Exact match decides; beside it stand edits per character, and F1 of capitals and of marks.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from redraft.evals.corpora import MARKS, restoration_counts
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict

QUESTION = (
    "Put capitals, full stops, commas and other marks into this text, change no word, and answer with the text alone."
    "\n\n{}"
)
DISFLUENT = (
    "This is a question as somebody said it, with a slip that was corrected in the middle. Answer with the question as "
    "it was meant, alone.\n\n{}"
)
LONGEST = 400  # characters of a text


def text_examples(rows: Sequence[Row]) -> list[Example]:
    """Of a text per row (`text`), its beginning, up to a sentence's end."""
    texts = [beginning(str(row["text"])) for row in rows]
    return [
        _example(f"text/{number}", stripped(text), text, QUESTION, "punctuate")
        for number, text in enumerate(texts)
        if stripped(text)
    ]


def beginning(text: str) -> str:
    """Whole sentences of a text, as many as LONGEST has room for, and at least one."""
    sentences = re.split(r"(?<=[.!?])\s+", " ".join(text.split()))
    while len(sentences) > 1 and len(" ".join(sentences)) > LONGEST:
        sentences.pop()
    return " ".join(sentences)


def stripped(text: str) -> str:
    """A text in lower case without marks; apostrophes and hyphens stay, and a mark inside a word or number."""
    words = (word.strip(MARKS + "\"'()[]\u201c\u201d\u2018\u2019\u2014\u2013") for word in text.split())
    return " ".join(word for word in words if word).lower()


def disfl_qa_examples(rows: Sequence[Row]) -> list[Example]:
    return [
        _example(row["id"], row["disfluent"], row["clean"], DISFLUENT, "Give the question as it was meant.")
        for row in rows
        if row.get("split", "test") == "test"
    ]


def _example(name: str, source: str, target: str, question: str, instruction: str) -> Example:
    return Example(
        id=name, prompt=source, question=question.format(source), target=target, source=source,
        instruction=instruction,
    )  # fmt: skip


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = " ".join(answer.split())
    same = found == " ".join(example.target.split())
    return Verdict(float(same), "" if same else "differs", restoration_counts(found, example.target))


RESTORATION = Task(
    name="restoration",
    title="Marks and capitals",
    version="1",
    split="the texts of a file",
    source="any text: restoration.txt with a text per line, or restoration.jsonl with `text`",
    licence="the texts' own",
    files=("restoration.jsonl", "restoration.jsonl.gz", "restoration.txt"),
    examples=text_examples,
    judge=judge,
    asks=("edit", "rewrite", "chat"),
    max_tokens=256,
    also=("closeness", "capitals_f1", "marks_f1"),
)
DISFL_QA = replace(
    RESTORATION,
    name="disfl_qa",
    title="Disfl-QA",
    split="test, 3643 questions",
    source="https://github.com/google-research-datasets/Disfl-QA",
    licence="CC BY 4.0",
    files=("disfl_qa.jsonl.gz", "disfl_qa.jsonl"),
    examples=disfl_qa_examples,
    max_tokens=64,
)
