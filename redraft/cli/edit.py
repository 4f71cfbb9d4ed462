"""edit: a text is corrected in place, or rewritten as it is told."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import add_common, load_asked, print_json, read_stdin

if TYPE_CHECKING:
    from redraft.files import TextFile
    from redraft.instant.editor import Strength
    from redraft.instant.locks import Locks
    from redraft.library import Model
    from redraft.results import EditResult

HELP = "correct a text in place: the words that are right stay the same bytes"
EXAMPLES = """\
  redraft edit letter.txt                                  see what would change
  redraft edit letter.txt --write --lock "Dr Smith-Jonson" change it, but never the name
  redraft edit notes.md --lock-pattern "`[^`]+`" --lock-lines 1-4
  redraft edit notes.md --lines 10-20                      these lines alone
  redraft edit story.txt --strength auto                   rewrite what the model finds surprising
  redraft edit mail.txt formal --rewrite --model ORG/CHAT  tell a conversational checkpoint what to do
  echo "She go to school yesterday ." | redraft edit - --json

A pipe gets the edited text. Offsets in JSON count characters of the file as it is, line ends included and a byte order
mark not. --write replaces the file in one go and keeps its permissions, line ends and byte order mark."""
MOST = 10_000_000  # bytes: hours of work for any model on any machine


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("file", metavar="FILE", help='a UTF-8 text file, or "-" for standard input')
    add("instruction", nargs="?", default="fix", metavar="INSTRUCTION", help="what to do, or a preset (default: fix)")
    add("--rewrite", action="store_true", help="tell a conversational model; the answer begins as a copy of the text")
    add("--lock", action="append", default=[], metavar="TEXT", help="leave this text alone; repeatable")
    add("--lock-pattern", action="append", default=[], metavar="REGEX", help="leave what this matches alone")
    add("--lock-lines", action="append", default=[], metavar="A-B", help="leave these lines alone")
    add("--lines", action="append", default=[], metavar="A-B", help="change these lines alone; repeatable")
    add("--strength", default=None, metavar="S", help='rewrite this share of it (0 to 1), or "auto": what surprises')
    add("--policy", metavar="P", help="which positions to change in a step, such as correct:0.7")
    add("--accept-all", action="store_true", help="take every change, also of half a word or into no word at all")
    add("--write", action="store_true", help="replace the file")
    add("--diff", action="store_true", help="print a unified diff")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.files import decode_text, read_text_file, replace_file

    _check(args)
    file = decode_text(read_stdin(), "standard input") if args.file == "-" else read_text_file(Path(args.file))
    result = _localised(file, _edited(load_asked(args), file.text, args))
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
    if args.file != "-" and os.path.isfile(args.file) and os.path.getsize(args.file) > MOST:
        size = os.path.getsize(args.file)
        raise ValueError(f"{args.file} has {size:,} bytes; {MOST:,} are the most, so edit it in parts")
    for option in ("strength", "policy", "lines", "accept_all"):
        if args.rewrite and getattr(args, option):
            raise ValueError(f"--{option.replace('_', '-')} is for edits in place; it does not apply to --rewrite")


def _edited(model: "Model", text: str, args: argparse.Namespace) -> "EditResult":
    locks = _locks(args)
    if args.rewrite:
        return model.rewrite(text, args.instruction, locks=locks, seed=args.seed)
    options: dict[str, Any] = {"locks": locks, "accept": not args.accept_all, "strength": _strength(args)}
    if args.policy is not None:
        options["decoding"] = _decoding(model, args)
    if args.lines:
        options["spans"] = _locks_of_lines(args.lines).find(text)
    return _shown(model.stream_edit(text, args.instruction, seed=args.seed, **options))


def _shown(views: Any) -> "EditResult":
    """The result, with how far it is told on a terminal's standard error."""
    from redraft.cli import terminal

    told = 0
    for view in views:
        if view.total > 32 and view.finished // (view.total // 10) > told:
            told = view.finished // (view.total // 10)
            terminal.note(f"{view.finished} of {view.total} windows · {view.seconds:.0f} s")
    result: EditResult = view.result
    return result


def _strength(args: argparse.Namespace) -> "Strength | None":
    if args.strength in (None, "auto"):
        return args.strength  # type: ignore[no-any-return]
    try:
        return float(args.strength)
    except ValueError:
        raise ValueError(f'--strength {args.strength} must be a number in [0, 1], or "auto"') from None


def _decoding(model: "Model", args: argparse.Namespace) -> Any:
    from dataclasses import replace

    from redraft.sampling.decoding import parse_policy

    if args.strength is not None and _strength(args) != 0:
        raise ValueError("--policy does not apply to --strength, which decodes as generate does")
    return replace(model.defaults.edit, policy=parse_policy(args.policy))


def _locks(args: argparse.Namespace) -> "Locks":
    """Locks as they are written, but for line ends: a model sees plain ones."""
    from redraft.files import LINE_END
    from redraft.instant.locks import Locks

    literals = tuple(LINE_END.sub("\n", lock) for lock in args.lock)
    return Locks(literals, tuple(args.lock_pattern), _locks_of_lines(args.lock_lines).lines)


def _locks_of_lines(ranges: list[str]) -> "Locks":
    from redraft.instant.locks import Locks

    lines = []
    for text in ranges:
        first, dash, last = text.partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise ValueError(f"{text!r} is no range of lines; write 3 or 3-8")
        lines.append((int(first), int(last or first)))
    return Locks(lines=tuple(lines))


def _localised(file: "TextFile", result: "EditResult") -> "EditResult":
    """The edit as one of the file's own characters: the model saw plain line ends."""
    from dataclasses import replace

    from redraft.files import apply_edits

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
