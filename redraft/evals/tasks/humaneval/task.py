"""HumanEval: finish a Python function from its head and docstring; hidden tests decide."""

from collections.abc import Sequence

from redraft.evals.programs import completed, passes
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

QUESTION = (
    "Finish this Python function. Answer with the whole function, its imports included, in one fenced block of "
    "Python.\n\n```python\n{}\n```"
)
# After any of these a completion has left the function.
STOP = ("\nclass", "\ndef", "\n#", "\nif", "\nprint")


def examples(rows: Sequence[Row]) -> list[Example]:
    return [
        Example(
            id=row["task_id"],
            prompt=row["prompt"],
            question=QUESTION.format(row["prompt"].strip()),
            target={"name": row["entry_point"], "tests": row["test"]},
        )
        for row in rows
    ]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    name = example.target["name"]
    program = completed(example.prompt, answer, name, ask == "chat", STOP)
    return passes(program, f"{example.target['tests']}\n\ncheck({name})", bench)


HUMANEVAL = Task(
    name="humaneval",
    title="HumanEval",
    version="1",
    split="test, 164 problems",
    source="https://github.com/openai/human-eval",
    licence="MIT",
    files=("HumanEval.jsonl.gz", "HumanEval.jsonl"),
    hub=Hub("openai/openai_humaneval", "openai_humaneval/test-00000-of-00001.parquet"),
    examples=examples,
    judge=judge,
    asks=("complete", "chat"),
    max_tokens=512,
    stop=STOP,
    runs_code=True,
)
