"""Evaluation: every public task that a model can attempt here, in its diffusion and its autoregressive mode.

Greedy answers by completion, as a small model without instruction tuning is best asked; mistakes are corrected by
editing, gaps filled as gaps. All tasks are asked a few questions, then a few more, until --minutes are over. Answers
are recorded in --runs and the run goes on where it was interrupted. Scores near zero are results.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import record
from redraft.evals import runner
from redraft.evals.askers import Asker, Own
from redraft.evals.baselines import baseline
from redraft.evals.data import load_examples
from redraft.evals.page import page
from redraft.evals.published import BENCHMARKS
from redraft.evals.records import Run
from redraft.evals.registry import get_task, tasks
from redraft.evals.sandbox import Sandbox, open_sandbox
from redraft.evals.summary import Summary, compare, summarise
from redraft.evals.sweep import sweep_of
from redraft.evals.task import Ask, Example, Task
from redraft.library import Model
from redraft.sampling.decoding import parse_policy

# Tasks that are part of others, or that others are part of: asked only by name.
PARTS = ("bbeh", "bigcodebench", "sudoku_4x4", "swebench_verified_form")
ROUNDS = (2, 4, 8, 12, 20)  # examples of a task after every round
EDITS = 8  # times as many of an edit, which is quick
SWEPT = tuple(f"correct:{tau}" for tau in (0.1, 0.3, 0.5, 0.7, 0.9))  # policies of edits, as a curve
COLUMNS = ("task", "mode", "score", "95 %", "n", "tokens/forward", "tokens/s", "no answer")
WAYS: tuple[Ask, ...] = ("edit", "infill", "complete", "chat")


class Bench:
    """A model, its tasks with their examples, and the runs so far."""

    def __init__(self, model: Model, sandbox: Sandbox | None, options: Any) -> None:
        self.model, self.sandbox, self.options = model, sandbox, options
        self.runs: dict[tuple[str, str], Run] = {}
        self.left_out: dict[str, str] = {}
        self.examples: dict[str, tuple[list[Example], str, int]] = {}

    def load(self, task: Task) -> None:
        """A task's examples. What is not here, or cannot be asked, is left out with the reason."""
        try:
            examples, digest = load_examples(task, self.options.data_dir)
            self.askers(task)
        except ValueError as error:
            self.left_out[task.name] = str(error)
            return
        lacking = runner.missing(examples)
        kept = [example for example in examples if example.id not in lacking]
        self.examples[task.name] = (kept, digest, len(lacking))

    def askers(self, task: Task) -> list[Asker]:
        """Diffusion and, where a task can be asked so, the autoregressive mode, baselines, and a sweep of an edit."""
        way = next(way for way in WAYS if way in task.asks)
        decoding = replace(self.model.defaults.generate, temperature=0.0)
        own = Own(self.model, "diffusion", decoding, max_tokens=min(self.options.tokens, task.max_tokens), asked=way)
        own.manner(task)
        if way == "edit":
            edit = self.model.defaults.edit
            return [own, *(replace(own, editing=replace(edit, policy=parse_policy(p)), setting=p) for p in SWEPT)]
        names = () if way == "infill" else ("ar", *self.options.baselines)
        return [own, *(baseline(name, own) for name in names)]

    def ask(self, task: Task, limit: int) -> None:
        """So many examples of a task, of all its askers; a run stands in a file and is continued."""
        examples, digest, lacking = self.examples[task.name]
        kept = runner.chosen(examples, limit * (EDITS if "edit" in task.asks else 1))
        for asker in self.askers(task):
            manner = asker.manner(task)
            about = runner.header(
                task, manner, data=digest, samples=1, seed=self.options.seed, left_out=lacking,
                machine=record.machine(),
            )  # fmt: skip
            path = self.options.runs / manner.file_name(task)
            self.runs[task.name, about.label] = runner.run(task, kept, asker, path, about, sandbox=self.sandbox)


def default_tasks() -> list[str]:
    """All but parts of others; first those of the article's ten, and JFLEG."""
    first = [name for benchmark in BENCHMARKS for name in benchmark.tasks] + ["jfleg"]
    names = [task.name for task in tasks() if task.name not in PARTS]
    return sorted(names, key=lambda name: (first.index(name) if name in first else len(first), name))


def ask_all(bench: Bench, names: Sequence[str], rounds: Sequence[int], minutes: float) -> None:
    """Round after round, until they or the minutes are over; a task that was begun is finished."""
    console, end = Console(stderr=True), time.monotonic() + 60 * minutes
    for task in map(get_task, names):
        bench.load(task)
    for limit in rounds:
        for name in bench.examples:
            if time.monotonic() > end:
                return
            bench.ask(get_task(name), limit)
            console.print(f"{name}: {limit}", highlight=False)


def differences(runs: dict[tuple[str, str], Run]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Diffusion minus the autoregressive mode, on the examples that both have."""
    for (task, label), run in runs.items():
        if label == "diffusion" and (task, "ar") in runs:
            yield task, asdict(compare(runs[task, "ar"], run))


def row(summary: Summary) -> list[Any]:
    score, header = summary.score, summary.header
    span = f"{100 * score.low:.1f}-{100 * score.high:.1f}"
    speeds = [summary.tokens_per_forward.value, f"{summary.tokens_per_second.value:.1f}"]
    lost = f"{summary.unanswered}/{summary.answers}"
    return [header.task, header.label, f"{100 * score.value:.1f}", span, score.examples, *speeds, lost]


def told(summary: Summary) -> dict[str, Any]:
    header = summary.header
    kept = ("task", "version", "mode", "setting", "ask", "decoding", "max_tokens", "data", "left_out")
    facts = {name: getattr(header, name) for name in kept}
    names = ("score", "tokens_per_forward", "tokens_per_second")
    numbers = {name: asdict(getattr(summary, name)) for name in names}
    also = {name: asdict(found) for name, found in summary.also.items()}
    return facts | numbers | {"also": also, "unanswered": summary.unanswered, "seconds": summary.seconds}


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("evaluation", __doc__)
    options.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of the sets")
    options.add_argument("--tasks", nargs="+", help="which tasks (default: all whose data is there)")
    options.add_argument("--tokens", type=int, default=96, help="of an answer, at most")
    options.add_argument("--minutes", type=float, default=10.0, help="then nothing new is asked")
    options.add_argument("--baselines", nargs="*", default=(), help="beside both modes: one-per-step, llada, a folder")
    options.add_argument("--runs", type=Path, default=record.ROOT / "runs" / "evaluation", help="folder of the answers")
    run = record.start("evaluation", options, arguments)
    given, limit = run.options, run.options.limit
    bench = Bench(run.model, open_sandbox(), given)
    names = given.tasks or default_tasks()
    ask_all(bench, names, ROUNDS if limit is None else (limit,), given.minutes)
    found = list(bench.runs.values())
    if not found:
        raise ValueError(f"nothing was asked: {bench.left_out or f'--minutes {given.minutes:g} were over'}")
    summaries = [summarise(each) for each in found]
    record.show("Public tasks", COLUMNS, [row(summary) for summary in summaries])
    swept = {run.header.task: run.header for run in found if run.header.setting in SWEPT}
    sweeps = [sweep_of([run for run in found if run.header.task == task]).to_json() for task in swept]
    path = run.write(
        {
            "tokens": given.tokens, "runs": list(map(told, summaries)), "sweeps": sweeps,
            "diffusion_minus_ar": dict(differences(bench.runs)), "left_out": bench.left_out,
        }
    )  # fmt: skip
    path.with_suffix(".html").write_text(page(found, samples=False), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
