"""replay: a recorded generation, once more."""

import argparse
import math
from pathlib import Path

from redraft.cli.arguments import print_json

HELP = "play a trace in the terminal, or make a web page of it"
EXAMPLES = """\
  redraft generate "One day" --trace day.jsonl && redraft replay day.jsonl
  redraft replay day.jsonl --speed 0.2
  redraft replay day.jsonl --html day.html

The page is one file that asks nothing of any network. A pipe gets a few snapshots."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("trace", type=Path, metavar="TRACE", help="what `redraft generate --trace` wrote")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a page with play, pause and a slider instead")
    parser.add_argument("--speed", type=float, default=1.0, metavar="X", help="1 is as it happened, 0.5 half as fast")
    parser.add_argument("--json", action="store_true", help="print one JSON object (the header and totals)")


def run(args: argparse.Namespace) -> int:
    from redraft.cli import terminal
    from redraft.files import replace_file
    from redraft.page import page
    from redraft.results import summarise
    from redraft.trace import read_trace, to_json

    if not (math.isfinite(args.speed) and args.speed > 0):
        raise ValueError(f"--speed must be above 0, not {args.speed}")
    trace = read_trace(args.trace)
    result = summarise(trace.views, seed=trace.header.seed, mode=trace.header.mode, model=trace.header.model)
    if args.html is not None:
        replace_file(args.html, page(trace, args.speed).encode())
    if args.json:
        html = None if args.html is None else str(args.html)
        print_json({"header": to_json(trace.header), "views": len(trace.views), "html": html} | result.to_json())
    elif args.html is not None:
        print(args.html)
    else:
        terminal.play(trace.views, trace.header.prompt, args.speed)
        terminal.note(terminal.figures(result))
    return 0
