"""Scorers: every task's own right answers must score 100 %, and wrong ones 0 %. No model is asked.

    python -m benchmarks.scorers --data-dir eval [--tasks humaneval,math500] [--limit 50]

Right answers are the sets' own solutions, put as a model would put them, in every way that the task can be asked. Knows
where sets keep their solutions. Tasks whose sets have none (LiveCodeBench, SWE-bench beyond its patch) are not here.
"""

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from redraft.evals import runner
from redraft.evals.data import find_file, load_examples, read_rows
from redraft.evals.metrics import METRICS
from redraft.evals.registry import get_task
from redraft.evals.sandbox import open_sandbox
from redraft.evals.task import Ask, Bench, Example, Row, Task


class Answers(NamedTuple):
    """A right and a wrong answer, and how they were asked for."""

    ask: Ask
    right: str
    wrong: str


class Tally(NamedTuple):
    """Of one task in one way: how many answers of each kind, what they score, and which right ones do not."""

    task: str
    ask: Ask
    count: int
    right: float
    wrong: float
    missed: list[str]


def fenced(code: str) -> str:
    return f"Here it is:\n\n```python\n{code}\n```\n"


def function(row: Row, example: Example) -> list[Answers]:
    """A function that is finished from its head."""
    name, head = row["entry_point"], row["complete_prompt"] if "complete_prompt" in row else row["prompt"]
    nothing = f"def {name}(*args, **kwargs):\n    return None\n"
    body = "    return None\n" if head.rstrip().endswith(('"""', "'''", ":")) and "def " in head else nothing
    return [Answers("complete", row["canonical_solution"], body),
            Answers("chat", fenced(head + row["canonical_solution"]), fenced(nothing))]  # fmt: skip


def mbpp(row: Row, example: Example) -> list[Answers]:
    nothing = f"def {example.target['name']}(*args):\n    return None\n"
    return [Answers("complete", f"{row['code']}\n[DONE]", nothing), Answers("chat", fenced(row["code"]), nothing)]


def gap(row: Row, example: Example) -> list[Answers]:
    return [Answers("infill", row["canonical_solution"], "")]


def edit(row: Row, example: Example) -> list[Answers]:
    return [
        Answers("rewrite", row["after"], row["before"]),
        Answers("chat", fenced(row["after"]), fenced(row["before"])),
    ]


def output(row: Row, example: Example) -> list[Answers]:
    call = f"assert f({row['input']}) == "
    return [Answers("chat", f"[ANSWER]{call}{row['output']}[/ANSWER]", f"[ANSWER]{call}...[/ANSWER]"),
            Answers("complete", f" {row['output']}\n", " ...\n")]  # fmt: skip


def input_(row: Row, example: Example) -> list[Answers]:
    right, wrong = (f"{given}) == {row['output']}" for given in (row["input"], ""))
    return [Answers("chat", f"[ANSWER]assert f({right}[/ANSWER]", f"[ANSWER]assert f({wrong}[/ANSWER]")]


def solution(row: Row, example: Example) -> list[Answers]:
    return [Answers("chat", row["solution"], r"\boxed{no such answer}")]


def puzzle(row: Row, example: Example) -> list[Answers]:
    return [Answers("complete", row["output"], example.target)]


def sums(row: Row, example: Example) -> list[Answers]:
    return [Answers("complete", row["answer"], "#### 123456789")]


def boxed(row: Row, example: Example) -> list[Answers]:
    return [Answers("chat", rf"So \boxed{{{example.target}}}", r"So \boxed{none}")]


def said(row: Row, example: Example) -> list[Answers]:
    return [Answers("chat", f"The answer is: {example.target}", "The answer is: no such answer")]


def text(row: Row, example: Example) -> list[Answers]:
    right = example.target if isinstance(example.target, str) else example.target[0]
    return [Answers("chat", right, "")]


def patch(row: Row, example: Example) -> list[Answers]:
    return [Answers("chat", f"```diff\n{row['patch']}```", "```diff\n--- a/x\n+++ b/x\n```")]


Make = Callable[[Row, Example], list[Answers]]
KNOWN: Mapping[str, tuple[Make, str]] = {
    # Task -> its answers, and the field by which a row is found again; "" where rows stand in the order of examples.
    "humaneval": (function, "task_id"), "humaneval_plus": (function, "task_id"), "mbpp": (mbpp, "mbpp/"),
    "mbpp_plus": (function, "task_id"), "bigcodebench": (function, "task_id"),
    "bigcodebench_hard": (function, "task_id"),
    "infilling_single": (gap, "task_id"), "infilling_multi": (gap, "task_id"), "infilling_random": (gap, "task_id"),
    "canitedit": (edit, "full_name"), "canitedit_lazy": (edit, "full_name"), "cruxeval_output": (output, "id"),
    "cruxeval_input": (input_, "id"), "math500": (solution, ""), "gsm8k": (sums, ""), "aime25": (boxed, ""),
    "gpqa_diamond": (boxed, ""), "global_mmlu_dev": (boxed, ""), "bbeh": (said, ""), "bbeh_mini": (said, ""),
    "countdown_3": (puzzle, "input"), "countdown_4": (puzzle, "input"), "countdown_5": (puzzle, "input"),
    "sudoku_4x4": (puzzle, "input"), "disfl_qa": (text, "id"), "multi30k_en_de": (text, "*"),
    "tatoeba_en_fr": (text, "*"), "swebench_verified_form": (patch, "instance_id"),
}  # fmt: skip


def answers(task: Task, data_dir: Path, limit: int | None) -> Iterator[tuple[Example, Answers]]:
    """Right and wrong answers to a task's examples, those left out that need what is not installed."""
    make, field = KNOWN[task.name]
    examples = load_examples(task, data_dir)[0]
    lacking = runner.missing(examples)
    rows = read_rows(find_file(task, data_dir))
    able = [example for example in examples if example.id not in lacking and not example.refused]
    of = _rows(rows, examples, field)
    for example in runner.chosen(able, limit):
        for found in make(of[example.id], example):
            yield example, found


def _rows(rows: Sequence[Row], examples: Sequence[Example], field: str) -> Mapping[str, Row]:
    if field == "*":
        return {example.id: {} for example in examples}
    if field == "input":
        by_input = {row["input"]: row for row in rows}
        return {example.id: by_input[example.target if isinstance(example.target, str) else ""] for example in examples}
    if field == "mbpp/":
        return {f"mbpp/{row['task_id']}": row for row in rows}
    if field:
        return {row[field]: row for row in rows}
    return {example.id: row for example, row in zip(examples, rows, strict=True)}


def tally(task: Task, data_dir: Path, limit: int | None = None) -> list[Tally]:
    """What right and wrong answers score, by how they were asked for."""
    bench = Bench(open_sandbox() if task.runs_code else None, task.limits)
    found: dict[Ask, list[tuple[str, float, float, tuple, tuple]]] = {}
    for example, (ask, right, wrong) in answers(task, data_dir, limit):
        good, bad = (task.judge(example, answer, ask, bench) for answer in (right, wrong))
        found.setdefault(ask, []).append((example.id, good.score, bad.score, good.parts, bad.parts))
    return [_tally(task, ask, rows) for ask, rows in found.items()]


def _tally(task: Task, ask: Ask, rows: Sequence[tuple[str, float, float, tuple, tuple]]) -> Tally:
    names, goods, bads, good_parts, bad_parts = zip(*rows, strict=True)
    missed = [name for name, score in zip(names, goods, strict=True) if score < 1]
    if task.metric == "mean":
        return Tally(task.name, ask, len(rows), sum(goods) / len(rows), sum(bads) / len(rows), missed)
    metric = METRICS[task.metric]
    return Tally(task.name, ask, len(rows), metric(good_parts, None), metric(bad_parts, None), missed)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--tasks", default=",".join(KNOWN), help="default: all that are known")
    parser.add_argument("--limit", type=int, help="so many examples of each")
    args = parser.parse_args()
    for name in args.tasks.split(","):
        if name not in KNOWN:
            parser.error(f"no solutions are known of {name!r}, only of {', '.join(KNOWN)}")
        for t in tally(get_task(name), args.data_dir, args.limit):
            missed = f"; not right: {', '.join(t.missed)}" if t.missed else ""
            print(f"{t.task}, {t.ask}: {t.count}, right {t.right:.1%}, wrong {t.wrong:.1%}{missed}", flush=True)


if __name__ == "__main__":
    main()
