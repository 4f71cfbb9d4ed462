"""HumanEval-Infilling: the missing middle of a solution, between its beginning and its end; hidden tests decide."""

from collections.abc import Sequence
from dataclasses import replace

from redraft.evals.programs import best_block, passes
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict

QUESTION = (
    "Something is missing in this Python program, where it says {gap}. Answer with the whole program, the missing part "
    "filled in and all else as it is, in one fenced block of Python.\n\n```python\n{before}{gap}{behind}\n```"
)
GAP = "<MISSING>"


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=row["task_id"],
            prompt=row["prompt"],
            suffix=row["suffix"],
            question=QUESTION.format(gap=GAP, before=row["prompt"].lstrip("\n"), behind=row["suffix"].rstrip("\n")),
            target={"name": row["entry_point"], "tests": row["test"]},
        )
        for row in rows
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    name = example.target["name"]
    program = best_block(answer, name) if ask == "chat" else example.prompt + answer + example.suffix
    return passes(program, f"{example.target['tests']}\n\ncheck({name})", bench)


SINGLE = Task(
    name="infilling_single",
    title="HumanEval-Infilling, single line",
    version="1",
    split="single line, 1033 gaps",
    source="https://github.com/openai/human-eval-infilling",
    licence="MIT",
    files=("HumanEval-SingleLineInfilling.jsonl.gz", "HumanEval-SingleLineInfilling.jsonl"),
    examples=examples,
    judge=judge,
    asks=("infill", "chat"),
    max_tokens=32,
    runs_code=True,
)
MULTI = replace(
    SINGLE,
    name="infilling_multi",
    title="HumanEval-Infilling, several lines",
    split="several lines, 5815 gaps",
    files=("HumanEval-MultiLineInfilling.jsonl.gz", "HumanEval-MultiLineInfilling.jsonl"),
    max_tokens=128,
)
RANDOM = replace(
    SINGLE,
    name="infilling_random",
    title="HumanEval-Infilling, random span",
    split="random span, 1640 gaps",
    files=("HumanEval-RandomSpanInfilling.jsonl.gz", "HumanEval-RandomSpanInfilling.jsonl"),
    max_tokens=128,
)
