"""Evaluation: the public tasks a model can attempt here, in its diffusion and its autoregressive mode.

Greedy answers by completion, as a small model without instruction tuning is best asked; JFLEG by editing. Answers are
recorded in --runs and the run goes on where it was interrupted. Scores near zero are results.
"""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks import record
from redraft.evals import runner
from redraft.evals.askers import Own
from redraft.evals.data import load_examples
from redraft.evals.page import page
from redraft.evals.records import Run
from redraft.evals.registry import get_task
from redraft.evals.sandbox import Sandbox, open_sandbox
from redraft.evals.summary import Summary, compare, summarise
from redraft.evals.task import Ask, Task
from redraft.library import Model

TASKS = (
    "humaneval", "mbpp", "bigcodebench_hard", "gsm8k", "aime25", "gpqa_diamond", "global_mmlu_dev", "bbeh_mini",
    "jfleg",
)  # fmt: skip
COLUMNS = ("task", "mode", "score", "95 %", "n", "tokens/forward", "tokens/s", "no answer")


def ask(task: Task, mode: str, model: Model, sandbox: Sandbox, options: Any) -> Run:
    """One task in one mode; the run stands in a file and is continued."""
    way: Ask = "edit" if "edit" in task.asks else "complete"
    decoding = replace(model.defaults.generate, temperature=0.0)
    asker = Own(model, mode, decoding, max_tokens=options.tokens, asked=way)
    examples, digest = load_examples(task, options.data_dir)
    lacking = runner.missing(examples)
    kept = runner.chosen([example for example in examples if example.id not in lacking], options.limit or 20)
    about = runner.header(
        task, asker.manner(task), data=digest, samples=1, seed=options.seed, left_out=len(lacking),
        machine=record.machine(),
    )  # fmt: skip
    path = options.runs / f"{task.name}.{mode}.jsonl"
    bar = iter(track(kept, description=f"{task.name}, {mode}"))
    found = runner.run(task, kept, asker, path, about, sandbox=sandbox, tell=lambda _: next(bar, None))
    list(bar)
    return found


def row(summary: Summary) -> list[Any]:
    score, header = summary.score, summary.header
    span = f"{100 * score.low:.1f}-{100 * score.high:.1f}"
    speeds = [summary.tokens_per_forward.value, f"{summary.tokens_per_second.value:.1f}"]
    lost = f"{summary.unanswered}/{summary.answers}"
    return [header.task, header.mode, f"{100 * score.value:.1f}", span, score.examples, *speeds, lost]


def told(summary: Summary) -> dict[str, Any]:
    header = summary.header
    facts = {name: getattr(header, name) for name in ("task", "version", "mode", "ask", "decoding", "data", "left_out")}
    names = ("score", "tokens_per_forward", "tokens_per_second")
    numbers = {name: asdict(getattr(summary, name)) for name in names}
    return facts | numbers | {"unanswered": summary.unanswered, "seconds": summary.seconds}


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("evaluation", __doc__)
    options.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of the sets")
    options.add_argument("--tasks", nargs="+", default=TASKS, help="which tasks")
    options.add_argument("--tokens", type=int, default=128, help="of an answer")
    options.add_argument("--runs", type=Path, default=record.ROOT / "runs" / "evaluation", help="folder of the answers")
    run = record.start("evaluation", options, arguments)
    sandbox, found, differences = open_sandbox(), [], {}
    for task in map(get_task, run.options.tasks):
        modes = ("diffusion",) if "edit" in task.asks else ("diffusion", "ar")
        runs = [ask(task, mode, run.model, sandbox, run.options) for mode in modes]
        found += runs
        if len(runs) == 2:
            differences[task.name] = asdict(compare(runs[1], runs[0]))
    summaries = [summarise(each) for each in found]
    record.show("Public tasks, both modes", COLUMNS, [row(summary) for summary in summaries])
    path = run.write(
        {"tokens": run.options.tokens, "runs": list(map(told, summaries)), "diffusion_minus_ar": differences}
    )
    path.with_suffix(".html").write_text(page(found, samples=False), encoding="utf-8")
    return path


if __name__ == "__main__":
    main()
