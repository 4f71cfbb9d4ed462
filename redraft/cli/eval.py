"""eval: a model is asked a benchmark's questions, and the answers are judged."""

import argparse
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import add_common, add_decoding, decoding_of, load_asked, one_of, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from redraft.evals.askers import Asker
    from redraft.evals.records import Record, Run
    from redraft.evals.summary import Summary
    from redraft.evals.task import Task

HELP = "ask a model a benchmark's questions and judge the answers"
EXAMPLES = """\
  redraft eval
  redraft eval gsm8k,humaneval --data-dir data --mode diffusion,ar --limit 20 --temperature 0
  redraft eval mbpp --data-dir data --baseline ar,one-per-step,llada,./qwen3-folder
  redraft eval gpqa_diamond --base-url http://127.0.0.1:8000/v1 --model redraft-tiny --workers 8

Without a task it lists them. Every answer is a line of DIR/TASK.MODE.jsonl; the same command goes on where it was
interrupted. Code runs under bubblewrap. Needs: pip install 'redraft[eval]'"""

MODES = ("diffusion", "ar", "verify")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("tasks", nargs="?", metavar="TASK[,TASK]", help="what to ask; without it, what there is")
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder of the data (default: the hub, if it can)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the run (default: runs/eval/MODEL)")
    parser.add_argument("--mode", type=parse_modes, metavar="MODE[,MODE]", help="diffusion, ar, verify: one run each")
    parser.add_argument(
        "--baseline", type=parse_names, default=(), metavar="B[,B]",
        help="beside it: ar, one-per-step, left-to-right, llada, or a transformers model's folder or hub name",
    )  # fmt: skip
    parser.add_argument("--limit", type=count, metavar="N", help="so many examples, always the same ones")
    parser.add_argument("--samples", type=count, default=1, metavar="N", help="answers per example, for pass@k (1)")
    parser.add_argument("--max-tokens", type=count, metavar="N", help="of an answer (default: the task's)")
    parser.add_argument("--canvas", type=count, metavar="L", help="tokens denoised at once")
    parser.add_argument(
        "--ask", type=one_of("way to ask", "complete", "chat", "edit", "infill", "rewrite"), metavar="HOW",
        help="complete, chat, edit, infill or rewrite (default: the first of the task's that the model can)",
    )  # fmt: skip
    parser.add_argument("--base-url", metavar="URL", help="ask a server with OpenAI's API, such as http://HOST:8000/v1")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="the server's key")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds for a server's reply (600)")
    parser.add_argument("--workers", type=count, default=1, metavar="N", help="questions to a server at once (1)")
    parser.add_argument("--replay", type=Path, metavar="RUN", help="judge the answers of a recorded run again")
    parser.add_argument("--no-sandbox", action="store_true", help="run code unprotected: only on a throw-away machine")
    add_decoding(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.evals.registry import get_task

    if args.tasks is None:
        _list(args.json)
        return 0
    _check(args)
    chosen = [get_task(name) for name in dict.fromkeys(args.tasks.split(","))]
    from redraft.evals.sandbox import open_sandbox

    sandbox = open_sandbox(unprotected=args.no_sandbox) if any(task.runs_code for task in chosen) else None
    askers = _askers(args)
    found: list[tuple[Path, Run]] = []
    refused: list[str] = []
    for task in chosen:
        for asker in askers:
            try:
                found.append(evaluate(task, asker, sandbox, args))
            except ValueError as error:
                if len(chosen) * len(askers) == 1:
                    raise
                refused.append(str(error))
                print(f"left out: {error}", file=sys.stderr)
    _tell(found, refused, args.json)
    return 0 if found else 2


def _check(args: argparse.Namespace) -> None:
    if args.base_url is not None:
        if args.model is None:
            raise ValueError("--base-url needs --model, the name by which the server knows it")
        _idle(args, "--base-url", ("mode", "canvas", "policy", "steps", "decoding", "replay", "baseline"))
    if args.replay is not None:
        asking = ("mode", "baseline", "canvas", "policy", "steps", "decoding", "temperature", "max_tokens", "ask")
        _idle(args, "--replay", asking)
    if args.base_url is None and args.workers > 1:
        raise ValueError("--workers is about servers; a loaded model answers one question at a time")
    if args.decoding is not None and not args.decoding.lstrip().startswith("{"):
        if args.policy is not None:
            raise ValueError("--decoding and --policy both name a policy")
        args.policy, args.decoding = args.decoding, None  # a spec, such as threshold:0.9


def _idle(args: argparse.Namespace, option: str, names: Sequence[str]) -> None:
    for name in names:
        if getattr(args, name) not in (None, ()):
            raise ValueError(f"--{name.replace('_', '-')} does not apply to {option}")


def _askers(args: argparse.Namespace) -> "list[Asker]":
    """What is asked: a server, recorded runs, or a model in each of its modes."""
    if args.base_url is not None:
        from redraft.evals.remote import Server

        key = None if args.api_key_file is None else args.api_key_file.read_text().strip()
        heat = 0.0 if args.temperature is None else args.temperature
        _check_samples(args, heat)
        return [Server(args.base_url, args.model, args.max_tokens, heat, args.ask, key, args.timeout)]
    if args.replay is not None:
        from redraft.evals.askers import recorded
        from redraft.evals.records import find_runs, read_run

        return [recorded(read_run(path)) for path in find_runs(args.replay)]
    return _own(args)


def _own(args: argparse.Namespace) -> "list[Asker]":
    from redraft.evals.askers import Own

    model = load_asked(args)
    modes = args.mode or model.voice.modes[:1]
    for mode in modes:
        if mode not in model.voice.modes:
            raise ValueError(f"{model.name} has no mode {mode!r}, only {', '.join(model.voice.modes)}")
    decoding = decoding_of(args, model.defaults.generate)
    _check_samples(args, decoding.temperature)
    from redraft.evals.baselines import baseline

    asked = [Own(model, mode, decoding, args.max_tokens, args.canvas, args.ask) for mode in modes]
    others = [baseline(name, asked[0]) for name in args.baseline if name != "ar" or "ar" not in modes]
    return [*asked, *others]


def _check_samples(args: argparse.Namespace, heat: Any) -> None:
    if args.samples > 1 and heat == 0:
        raise ValueError(f"--samples {args.samples} at temperature 0 would be one answer over and over")


def evaluate(task: "Task", asker: "Asker", sandbox: Any, args: argparse.Namespace) -> "tuple[Path, Run]":
    from redraft.evals import runner
    from redraft.evals.data import load_examples

    manner = asker.manner(task)
    examples, digest = load_examples(task, args.data_dir)
    lacking = runner.missing(examples)
    if lacking:
        names = ", ".join(sorted({name for modules in lacking.values() for name in modules}))
        print(f"{task.name}: {len(lacking)} of {len(examples)} left out, which need {names}", file=sys.stderr)
    examples = runner.chosen([example for example in examples if example.id not in lacking], args.limit)
    folder = args.out or Path("runs/eval") / Path(manner.model).name
    path = folder / manner.file_name(task)
    about = runner.header(
        task, manner, data=digest, samples=args.samples, seed=args.seed, left_out=len(lacking), machine=machine()
    )  # fmt: skip
    with _progress(f"{task.name}, {about.label}", len(examples) * args.samples) as tell:
        found = runner.run(task, examples, asker, path, about, sandbox=sandbox, workers=args.workers, tell=tell)
    if task.finish is not None:
        print(task.finish(examples, found, path), file=sys.stderr)
    return path, found


def machine() -> dict[str, Any]:
    found = {"machine": platform.machine(), "cores": os.cpu_count(), "python": platform.python_version()}
    if "torch" in sys.modules:
        import torch

        found |= {"torch": torch.__version__, "threads": torch.get_num_threads()}
    return found


@contextmanager
def _progress(name: str, total: int) -> "Iterator[Callable[[Record], None]]":
    """A bar on standard error, with the score so far."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(name, total=total)
        scores: list[float] = []

        def tell(record: "Record") -> None:
            scores.append(record.score)
            told = f"{name}: {100 * sum(scores) / len(scores):.1f} %"
            progress.update(bar, advance=1, description=told)

        yield tell


# ------------------------------------------------------------------ what is told


def _list(as_json: bool) -> None:
    from redraft.evals.registry import tasks

    if as_json:
        names = ("name", "title", "version", "split", "source", "licence", "files", "asks", "runs_code", "withheld")
        print_json({"tasks": [{name: getattr(task, name) for name in names} for task in tasks()]})
        return
    from rich.table import Table

    table = Table("task", "what", "asked by", "file", box=None, pad_edge=False, header_style="bold")
    for task in tasks():
        table.add_row(task.name, f"{task.title}: {task.split}", ", ".join(task.asks), task.files[0])
    print_table(table)


def _tell(found: "Sequence[tuple[Path, Run]]", refused: Sequence[str], as_json: bool) -> None:
    from redraft.evals.summary import summarise

    summaries = [summarise(run) for _, run in found]
    if as_json:
        runs = [{"file": str(path)} | numbers(s) for (path, _), s in zip(found, summaries, strict=True)]
        print_json({"runs": runs, "left_out": list(refused)})
    elif found:
        show(summaries)
        print(f"written: {found[0][0].parent}", file=sys.stderr)


def numbers(summary: "Summary") -> dict[str, Any]:
    """A summary as JSON values; what is not a number is null."""
    from dataclasses import asdict

    values = asdict(summary)
    header = values.pop("header")
    kept = ("task", "model", "mode", "setting", "ask", "decoding", "max_tokens", "samples", "seed", "left_out")
    plain: dict[str, Any] = finite({name: header[name] for name in kept} | values)
    return plain


def finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): finite(item) for name, item in value.items()}
    return None if isinstance(value, float) and value != value else value


def show(summaries: "Sequence[Summary]") -> None:
    """The table: accuracy beside speed, every number with its interval."""
    from rich.table import Table

    from redraft.evals.page import rate

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(("task", "mode", "score", "95 %", "n", "tokens/forward", "tokens/s", "no answer")):
        table.add_column(name, justify="left" if number < 2 else "right")
    for s in summaries:
        span = f"{100 * s.score.low:.1f} to {100 * s.score.high:.1f}"
        speeds = rate(s.tokens_per_forward), rate(s.tokens_per_second, 1)
        value, lost = f"{100 * s.score.value:.1f}", f"{s.unanswered}/{s.answers}"
        table.add_row(s.header.task, s.header.label, value, span, str(s.score.examples), *speeds, lost)
        for name, e in s.also.items():
            table.add_row(f"  {name}", "", f"{100 * e.value:.1f}", f"{100 * e.low:.1f} to {100 * e.high:.1f}")
    print_table(table)


def print_table(table: "Table") -> None:
    """As wide as it is: a pipe has no edge."""
    from redraft.cli.terminal import stdout

    console = stdout()
    console.width = max(console.width, 132)
    console.print(table)


def parse_modes(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(map(one_of("mode", *MODES), text.split(","))))


def parse_names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for name in text.split(",") if name))


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)
