"""BIG-Bench Extra Hard: 23 kinds of reasoning, answers compared as the authors compare them."""

import re
from collections.abc import Sequence
from dataclasses import replace

from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict, right

ASKED = (
    "\n\nThink step by step. Then end with a line that begins with \"The answer is:\" and goes on with the answer "
    "alone, without any formatting, as in \"The answer is: 42\". Of several choices give the letter alone, as in "
    '"The answer is: (a)".'
)  # fmt: skip
MARKS = ("The answer is:", "The final answer is ", "The final answer is: ", "The answer is ")
WRAPPERS = ("boxed{", "text{", "texttt{")


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=f"bbeh/{number}",
            prompt=f"{row['input'].strip()}{ASKED}\n\n",
            question=f"{row['input'].strip()}{ASKED}",
            target=row["target"],
            group=str(row.get("task", "")).removeprefix("bbeh_").replace("_", " "),
        )
        for number, row in enumerate(rows)
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = said(answer)
    return right(alike(found, plain(example.target)), f"said {found[:60]}")


def said(answer: str) -> str:
    """What an answer ends on: behind the last mark, its first line, without TeX, bold print and a full stop."""
    text = answer.strip()
    for mark in MARKS:
        text = text.rpartition(mark)[2].strip() if mark in text else text
    text = unwrapped(text.removesuffix("."))
    return text.lower().replace(", ", ",").replace("**", "").partition("\n")[0].removesuffix(".")


def unwrapped(text: str) -> str:
    if text.startswith("$") and text.endswith("$"):
        text = text[1:-1]
    for wrapper in WRAPPERS:
        if wrapper in text and text.endswith("}"):
            text = text[:-1].split(wrapper)[1]
    return text


def plain(text: str) -> str:
    return text.strip().lower().replace(", ", ",")


def alike(found: str, target: str) -> bool:
    """Equal up to brackets around a letter or a list, quotes, a question mark, or how a number is written."""
    letters = [re.fullmatch(r"\((.)\)", text) for text in (found, target)]
    if letters[0] or letters[1]:
        return found == target or bare(found) == target or found == bare(target)
    if found.replace("'", "") == target.replace("'", "") or found.removesuffix("?") == target:
        return True
    return found == f"[{target}]" or target == f"[{found}]" or _number(found) == _number(target) is not None


def bare(text: str) -> str:
    return text[1] if re.fullmatch(r"\((.)\)", text) else text


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


MINI = Task(
    name="bbeh_mini",
    title="BIG-Bench Extra Hard, mini",
    version="1",
    split="mini, 460 questions",
    source="https://github.com/google-deepmind/bbeh",
    licence="CC BY 4.0 (data), Apache-2.0 (code)",
    files=("bbeh_mini.jsonl", "bbeh_mini.json"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=2048,
)
FULL = replace(
    MINI,
    name="bbeh",
    title="BIG-Bench Extra Hard",
    split="all, 4520 questions of 23 tasks",
    files=("bbeh.jsonl.gz", "bbeh.jsonl"),
)
