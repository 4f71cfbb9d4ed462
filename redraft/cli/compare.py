"""compare: two runs on the same examples, and whether they differ."""

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.cli.arguments import print_json

if TYPE_CHECKING:
    from redraft.evals.records import Run

HELP = "compare two recorded runs on the same examples"
EXAMPLES = """\
  redraft compare runs/eval/tiny/gsm8k.ar.jsonl runs/eval/tiny/gsm8k.diffusion.jsonl
  redraft compare runs/eval/before runs/eval/after --json

Of two folders, runs of the same task and mode are compared. The difference is second minus first, with a paired
bootstrap interval; p is the chance of one so large if which is which did not matter."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="RUN", help="a file of `redraft eval`, or its folder")
    parser.add_argument("second", type=Path, metavar="RUN", help="what is compared with it")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    from redraft.evals.summary import compare

    pairs = _pairs(args.first, args.second)
    found = [(one, other, compare(one, other)) for one, other in pairs]
    if args.json:
        rows = [
            {"task": one.header.task, "first": _side(one), "second": _side(other), "difference": asdict(difference)}
            for one, other, difference in found
        ]
        print_json({"comparisons": rows})
        return 0
    for one, other, d in found:
        print(f"{one.header.title}: {_name(one)} -> {_name(other)}, {d.examples} examples")
        span = f"95 % {100 * d.low:+.1f} to {100 * d.high:+.1f}, p = {d.p:.3g}"
        print(f"  difference {100 * d.value:+.1f} points ({span})")
    return 0


def _pairs(first: Path, second: Path) -> "list[tuple[Run, Run]]":
    from redraft.evals.records import find_runs, read_run

    left, right = ([read_run(path) for path in find_runs(folder)] for folder in (first, second))
    if len(left) == len(right) == 1:
        return [(left[0], right[0])]
    named = {(run.header.task, run.header.label): run for run in right}
    pairs = [(run, named[key]) for run in left if (key := (run.header.task, run.header.label)) in named]
    if not pairs:
        raise ValueError(f"{first} and {second} have no task in common in the same mode; name two files instead")
    return pairs


def _side(run: "Run") -> dict[str, str]:
    return {"model": run.header.model, "mode": run.header.mode, "setting": run.header.setting}


def _name(run: "Run") -> str:
    return f"{run.header.model} ({run.header.label})"
