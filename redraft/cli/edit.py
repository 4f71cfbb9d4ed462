"""edit: a text is corrected in place."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.cli.arguments import add_common, load_asked, print_json, read_stdin

if TYPE_CHECKING:
    from redraft.files import TextFile
    from redraft.library import Model
    from redraft.results import EditResult

HELP = "correct a text in place: the words that are right stay the same bytes"
EXAMPLES = """\
  redraft edit letter.txt                                  see what would change
  redraft edit letter.txt --write --lock "Dr Smith-Jonson" change it, but never the name
  echo "She go to school yesterday ." | redraft edit - --json

A pipe gets the edited text. Offsets in JSON count characters of the file as it is, line ends included and a byte order
mark not. --write replaces the file in one go and keeps its permissions, line ends and byte order mark."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help='a UTF-8 text file, or "-" for standard input')
    parser.add_argument(
        "instruction", nargs="?", default="fix", metavar="INSTRUCTION", help="what to do (default: fix)"
    )
    parser.add_argument("--lock", action="append", default=[], metavar="TEXT", help="leave this text alone; repeatable")
    parser.add_argument("--strength", type=float, default=0.0, metavar="S", help="rewrite this share of it (0 to 1)")
    parser.add_argument("--policy", metavar="P", help="which positions to change in a step, such as correct:0.7")
    parser.add_argument("--write", action="store_true", help="replace the file")
    parser.add_argument("--diff", action="store_true", help="print a unified diff")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.files import decode_text, read_text_file, replace_file

    _check(args)
    file = decode_text(read_stdin(), "standard input") if args.file == "-" else read_text_file(Path(args.file))
    result = _edited(load_asked(args), file, args)
    if args.write and result.edits:
        replace_file(Path(args.file), file.encoded(result.text))
    _tell(result, args)
    return 0


def _check(args: argparse.Namespace) -> None:
    if args.write and args.file == "-":
        raise ValueError("--write needs a file, not standard input")
    if args.json and args.diff:
        raise ValueError("--json and --diff both want standard output; the JSON holds the edits")
    if args.write and not os.access(args.file, os.W_OK):
        raise ValueError(f"cannot write {args.file}: it is missing or read-only")


def _edited(model: "Model", file: "TextFile", args: argparse.Namespace) -> "EditResult":
    """The edit as one of the file's own characters: the model saw plain line ends."""
    from dataclasses import replace

    from redraft.files import apply_edits
    from redraft.sampling.decoding import parse_policy

    decoding = model.defaults.edit
    if args.policy is not None:
        if args.strength > 0:
            raise ValueError("--policy does not apply to --strength, which decodes as generate does")
        decoding = replace(decoding, policy=parse_policy(args.policy))
    result = model.edit(
        file.text, args.instruction, locks=args.lock, strength=args.strength, decoding=decoding, seed=args.seed
    )
    edits = file.localise(result.edits)
    return replace(result, original=file.raw, text=apply_edits(file.raw, edits), edits=edits)


def _tell(result: "EditResult", args: argparse.Namespace) -> None:
    from redraft.cli import terminal

    for line in result.notes:
        terminal.note(f"note: {line}")
    if args.json:
        print_json(result.to_json() | {"file": args.file, "written": args.write and bool(result.edits)})
    elif args.diff:
        print(result.diff("text" if args.file == "-" else args.file), end="")
    elif terminal.interactive():
        terminal.show(terminal.paint_edits(result.original, result.edits))
    elif not args.write:
        print(result.text, end="")
    done = " (written)" if args.write and result.edits else ""
    terminal.note(f"{len(result.edits)} edits{done} · {result.nfe} forwards · {result.wall_s:.2f} s")
