"""The command `redraft`: finds a command's file, reads its options, says in one line what went wrong.

Knows names and exit codes: 0 done, 2 refused (nothing was written), 130 interrupted. A command is a file beside this
one with HELP, EXAMPLES, `add_arguments(parser)` and `run(args)`, imported when asked for; importing it is quick too.
"""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import import_module
from types import ModuleType
from typing import NoReturn

from redraft import __version__
from redraft.cli.arguments import unknown

COMMANDS = (
    "demo", "generate", "edit", "infill", "chat", "score", "eval", "compare", "sweep", "tune", "report", "serve",
    "batch", "train", "models", "inspect", "convert", "bench", "replay",
)  # fmt: skip


class Parser(argparse.ArgumentParser):
    """An ArgumentParser that raises ValueError instead of leaving."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        code = _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
        return code
    except SystemExit as exit:  # argparse leaves this way after --help
        return int(exit.code or 0)
    except KeyboardInterrupt:
        print("redraft: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:  # whoever read our output has gone; Python must not complain of it when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (ValueError, OSError) as error:
        print(f"redraft: error: {error}", file=sys.stderr)
        return 2


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(overview())
        return 0
    name, *rest = arguments
    if name == "--version":
        print(f"redraft {__version__}")
        return 0
    if name not in COMMANDS:
        kind, known = ("option", ("--help", "--version")) if name.startswith("-") else ("command", COMMANDS)
        raise ValueError(unknown(kind, name, known))
    command = import_module(f"redraft.cli.{name}")
    code: int = command.run(_parsed(name, command, rest))
    return code


def _parsed(name: str, command: ModuleType, rest: list[str]) -> argparse.Namespace:
    parser = Parser(
        prog=f"redraft {name}",
        description=command.HELP,
        epilog=f"examples:\n{command.EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    # Intermixed, an optional second positional may come after options, as in `edit FILE --write fix`; but argparse then
    # forgets that what follows "--" is no option.
    args, extra = (parser.parse_known_args if "--" in rest else parser.parse_known_intermixed_args)(rest)
    for word in extra:
        if word.startswith("--"):
            known = re.findall(r"--[a-z][a-z-]*", parser.format_usage())
            raise ValueError(unknown("option", word.partition("=")[0], known))
        raise ValueError(f"unexpected argument {word!r} (see redraft {name} --help)")
    return args


def overview() -> str:
    """What `redraft --help` says."""
    lines = [f"  {name:<10} {import_module(f'redraft.cli.{name}').HELP.splitlines()[0]}" for name in COMMANDS]
    return "\n".join(
        [
            "usage: redraft COMMAND [options]",
            "",
            "Write and edit text by diffusion: noise becomes text, many tokens per forward.",
            "",
            "commands:",
            *lines,
            "",
            "examples:",
            "  redraft demo                               see it work, in under a minute",
            '  redraft generate "Once upon a time"        a canvas of noise becomes a story',
            "  redraft edit letter.txt --write            correct a file in place",
            "",
            "`redraft COMMAND --help` explains a command. `redraft --version` says which version this is.",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
