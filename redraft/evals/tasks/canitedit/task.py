"""CanItEdit: change a program as an instruction says, in many words or few; hidden tests decide."""

import ast
import sys
from collections.abc import Sequence
from dataclasses import replace

from redraft.evals.programs import best_block, cut, passes
from redraft.evals.sandbox import Limits
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

QUESTION = (
    "{instruction}\n\nThis is the program to change:\n\n```python\n{before}\n```\n\nAnswer with the whole changed "
    "program in one fenced block of Python."
)
# The form in which the authors ask base models.
PROMPT = "## Code Before:\n{before}\n## Instruction:\n{instruction}\n## Code After:\n"
STOP = ("## Code Before:", "## Instruction:", "## Code After:")


def descriptive(rows: Sequence[Row]) -> list[Example]:
    return [_example(row, "instruction_descriptive") for row in rows]


def lazy(rows: Sequence[Row]) -> list[Example]:
    return [_example(row, "instruction_lazy") for row in rows]


def _example(row: Row, kind: str) -> Example:
    before, instruction = row["before"].strip(), row[kind].strip()
    taxonomy = row.get("taxonomy") or {}
    return Example(
        id=f"{row['full_name']}",
        prompt=PROMPT.format(before=before, instruction=instruction),
        question=QUESTION.format(before=before, instruction=instruction),
        target={"tests": row["tests"]},
        group=taxonomy.get("change_kind", ""),
        needs=_modules("\n".join((row["before"], row["after"], row["tests"]))),
        source=before,
        instruction=instruction,
    )


def _modules(program: str) -> tuple[str, ...]:
    """What a program imports that Python does not have."""
    nodes = list(ast.walk(ast.parse(program)))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return tuple(sorted({name.partition(".")[0] for name in names} - sys.stdlib_module_names))


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    program = {"complete": lambda: cut(answer, STOP), "rewrite": lambda: answer}.get(ask, lambda: best_block(answer))()
    return passes(best_block(program), example.target["tests"], bench)


DESCRIPTIVE = Task(
    name="canitedit",
    title="CanItEdit, descriptive",
    version="1",
    split="test, 105 programs, descriptive instructions",
    source="https://huggingface.co/datasets/nuprl/CanItEdit",
    licence="MIT (hub); the authors ask not to train on it",
    files=("canitedit.jsonl", "canitedit.parquet"),
    hub=Hub("nuprl/CanItEdit", "data/test-00000-of-00001.parquet"),
    examples=descriptive,
    judge=judge,
    asks=("rewrite", "chat", "complete"),
    max_tokens=2048,
    stop=STOP,
    runs_code=True,
    limits=Limits(cpu_seconds=60, wall_seconds=180, memory=8 << 30, processes=64),
)
LAZY = replace(
    DESCRIPTIVE,
    name="canitedit_lazy",
    title="CanItEdit, lazy",
    split="test, 105 programs, lazy instructions",
    examples=lazy,
)
