"""report: recorded runs as one page."""

import argparse
from pathlib import Path

HELP = "make one self-contained HTML page of recorded runs"
EXAMPLES = """\
  redraft report runs/eval/tiny
  redraft report runs/eval/tiny runs/eval/other --out report.html

Accuracy beside speed with intervals, modes side by side, samples of right and wrong answers. The page loads nothing."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="files of `redraft eval`, or their folders")
    parser.add_argument("--no-samples", action="store_true", help="show no questions and answers, numbers alone")
    parser.add_argument("--out", type=Path, default=Path("report.html"), metavar="FILE", help="report.html by default")


def run(args: argparse.Namespace) -> int:
    from redraft.evals.page import page
    from redraft.evals.records import find_runs, read_run

    found = [read_run(path) for given in args.runs for path in find_runs(given)]
    args.out.write_bytes(page(found, samples=not args.no_samples).encode("utf-8", "replace"))
    print(f"{len(found)} runs: {args.out}")
    return 0
