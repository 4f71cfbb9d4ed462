"""Global MMLU Lite: questions with four choices, half of them needing knowledge of a culture."""

from collections.abc import Sequence
from dataclasses import replace

from redraft.evals.answers import letter
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict, right

LETTERS = "ABCD"
ASKED = "\n\nAnswer with the letter of the right choice within \\boxed{}."
GROUPS = {"CS": "culturally sensitive", "CA": "culturally agnostic"}


def examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(row) for row in rows]


def _example(row: Row) -> Example:
    choices = [f"{name}. {row['option_' + name.lower()]}" for name in LETTERS]
    text = "\n".join([row["question"].strip(), *choices])
    group = GROUPS.get(row.get("cultural_sensitivity_label", ""), "")
    return Example(row["sample_id"], f"{text}\nAnswer:", text + ASKED, row["answer"], group)


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    found = letter(answer, LETTERS)
    return right(found == example.target, f"said {found}")


LITE = Task(
    name="global_mmlu_lite",
    title="Global MMLU Lite (English)",
    version="1",
    split="English test, 400 questions",
    source="https://huggingface.co/datasets/CohereLabs/Global-MMLU-Lite",
    licence="Apache-2.0",
    files=("global_mmlu_lite_en.jsonl", "global_mmlu_lite_en.parquet"),
    hub=Hub("CohereLabs/Global-MMLU-Lite", "en/test-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=256,
)
# Not the benchmark: for trying things out where only this file is.
DEV = replace(
    LITE,
    name="global_mmlu_dev",
    title="Global MMLU, development questions (English)",
    split="English development questions of the full set, 285",
    source="https://huggingface.co/datasets/CohereLabs/Global-MMLU",
    files=("global_mmlu_dev_en.json", "global_mmlu_dev_en.jsonl"),
    hub=None,
)
