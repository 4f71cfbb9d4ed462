"""sweep: one task under many decodings, as curves of quality against speed."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.cli.arguments import add_common, load_asked, one_of, print_json
from redraft.cli.eval import count, evaluate, finite, parse_modes, parse_names, print_table

if TYPE_CHECKING:
    from redraft.evals.askers import Asker
    from redraft.evals.sweep import Point, Sweep
    from redraft.evals.task import Task

HELP = "speed against quality: one task under many decodings"
EXAMPLES = """\
  redraft sweep gsm8k --data-dir data --policy 'threshold:{0.95,0.9,0.7,0.5}' --baseline ar,one-per-step --limit 100
  redraft sweep humaneval --data-dir data --policy 'threshold:{0.9,0.6}' 'entropy_bound:{0.1,0.5}' --canvas 16,32
  redraft sweep jfleg --data-dir data --policy 'correct:{0.3,0.5,0.7}'

Braces stand for several values. Every policy is a curve per canvas, with AUP, the area under score and tokens per
forward as d3LLM defines it. Answers, the numbers (TASK.sweep.json) and the plot (.svg, .png) stand in DIR; the same
command goes on where it was interrupted. Needs: pip install 'redraft[eval]'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("task", metavar="TASK", help="what to ask; `redraft eval` lists what there is")
    parser.add_argument("--policy", nargs="+", required=True, metavar="P", help="policies, such as threshold:{0.9,0.5}")
    parser.add_argument("--canvas", type=lengths, metavar="L[,L]", help="tokens denoised at once: a curve for each")
    parser.add_argument("--mode", type=parse_modes, default=(), metavar="MODE[,MODE]", help="beside it: ar, verify")
    parser.add_argument(
        "--baseline", type=parse_names, default=(), metavar="B[,B]",
        help="beside it: ar, one-per-step, left-to-right, llada, or a transformers model's folder or hub name",
    )  # fmt: skip
    parser.add_argument("--data-dir", type=Path, metavar="DIR", help="folder of the data (default: the hub, if it can)")
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder of the sweep (default: runs/sweep/MODEL)")
    parser.add_argument("--limit", type=count, metavar="N", help="so many examples, always the same ones")
    parser.add_argument("--samples", type=count, default=1, metavar="N", help="answers per example (1)")
    parser.add_argument("--max-tokens", type=count, metavar="N", help="of an answer (default: the task's)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 takes the likeliest token, 1 draws")
    parser.add_argument("--steps", type=count, metavar="N", help="forwards per canvas at most")
    parser.add_argument(
        "--ask", type=one_of("way to ask", "complete", "chat", "edit", "infill", "rewrite"), metavar="HOW",
        help="complete, chat, edit, infill or rewrite (default: the first of the task's that the model can)",
    )  # fmt: skip
    parser.add_argument("--no-sandbox", action="store_true", help="run code unprotected: only on a throw-away machine")
    parser.set_defaults(workers=1)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.evals.plots import draw
    from redraft.evals.registry import get_task
    from redraft.evals.sandbox import open_sandbox
    from redraft.evals.sweep import sweep_of

    task = get_task(args.task)
    sandbox = open_sandbox(unprotected=args.no_sandbox) if task.runs_code else None
    askers = _askers(task, args)
    args.out = args.out or Path("runs/sweep") / Path(askers[0].manner(task).model).name
    sweep = sweep_of([evaluate(task, asker, sandbox, args)[1] for asker in askers])
    values = finite(sweep.to_json())
    path = args.out / f"{task.name}.sweep.json"
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    for kind in ("svg", "png"):
        path.with_suffix(f".{kind}").write_bytes(draw(sweep, kind))
    if args.json:
        print_json({"file": str(path)} | values)
        return 0
    show(sweep)
    print(f"written: {path}", file=sys.stderr)
    return 0


def _askers(task: "Task", args: argparse.Namespace) -> "list[Asker]":
    """What is asked: every policy on every canvas, then the modes and baselines beside them."""
    from dataclasses import replace

    from redraft.evals.askers import Own
    from redraft.evals.baselines import baseline
    from redraft.evals.sweep import expand
    from redraft.sampling.decoding import parse_policy

    model = load_asked(args)
    changes = {} if args.temperature is None else {"temperature": args.temperature}
    if args.steps is not None:
        changes["max_steps"] = args.steps
    plain = replace(model.defaults.generate, **changes)
    specs = [spec.strip() for given in args.policy for spec in expand(given)]
    policies = {parse_policy(spec): spec for spec in reversed(specs)}
    own = Own(model, "diffusion", plain, args.max_tokens, asked=args.ask)
    filling = own.manner(task).ask == "infill"
    base, edits = (model.defaults.infill if filling else model.defaults.generate), model.defaults.edit
    found: list[Asker] = []
    for canvas in args.canvas or (None,):
        tail = "" if canvas is None else f" canvas {canvas}"
        for policy, spec in reversed(policies.items()):
            decoding, editing = (replace(kind, policy=policy, **changes) for kind in (base, edits))
            found.append(replace(own, decoding=decoding, editing=editing, canvas=canvas, setting=spec + tail))
    modes = [name for name in args.mode if name != "diffusion"]
    for mode in modes:
        if mode not in model.voice.modes:
            raise ValueError(f"{model.name} has no mode {mode!r}, only {', '.join(model.voice.modes)}")
    beside = [replace(own, mode=mode) for mode in modes]
    return [*found, *beside, *(baseline(name, own) for name in args.baseline if name not in modes)]


def show(sweep: "Sweep") -> None:
    """A table: every curve with its area, then what stands beside them."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for number, name in enumerate(("setting", "score", "95 %", "tokens/forward", "tokens/s", "no answer")):
        table.add_column(name, justify="left" if number == 0 else "right")
    for curve in sweep.curves:
        for point in curve.points:
            table.add_row(*_cells(point))
        area = curve.aup
        table.add_row(f"{curve.name}: AUP {area.value:.1f} ({area.low:.1f} to {area.high:.1f})", style="bold")
    for point in sweep.singles:
        table.add_row(*_cells(point))
    print_table(table)


def _cells(point: "Point") -> list[str]:
    from redraft.evals.page import rate

    span = f"{100 * point.score.low:.1f} to {100 * point.score.high:.1f}"
    speeds = rate(point.tokens_per_forward), rate(point.tokens_per_second, 1)
    return [point.label, f"{100 * point.score.value:.1f}", span, *speeds, str(point.unanswered)]


def lengths(text: str) -> tuple[int, ...]:
    return tuple(dict.fromkeys(count(part) for part in text.split(",")))
