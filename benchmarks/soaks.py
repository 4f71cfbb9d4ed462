"""Soaks: everything that takes long, one after another: the law, hostile bodies, generated requests, half an hour over
HTTP, locks. `--short` is a minute or two of the same. What fails is named at the end; the rest is carried out anyway.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import hostile, law, lock_soak, schema, soak, soak_http
from benchmarks.record import ROOT


@dataclass(frozen=True, slots=True)
class Part:
    """A benchmark with the arguments of its full and its short length."""

    name: str
    main: Callable[[Sequence[str]], Any]
    full: tuple[str, ...]
    short: tuple[str, ...]
    records: bool = True  # it takes --out and writes a record


PARTS = (
    Part("law", law.main, ("--requests", "2000"), ("--requests", "14", "--group", "2")),
    Part("hostile", hostile.main, ("--bodies", "10000"), ("--bodies", "100")),
    Part("schema", schema.main, ("--examples", "500"), ("--examples", "5")),
    Part("soak", soak.main, ("--seconds", "300"), ("--seconds", "2", "--clients", "4")),
    Part("soak_http", soak_http.main, ("--seconds", "1800"), ("--seconds", "10", "--clients", "4", "--share", "0.5")),
    Part("lock_soak", lock_soak.main, ("--runs", "100000"), ("--runs", "200"), records=False),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """How many parts failed."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.soaks", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--short", action="store_true")
    options.add_argument("--only", choices=[part.name for part in PARTS], action="append", help="may be repeated")
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    asked = options.parse_args(arguments)
    failed = [part.name for part in PARTS if part.name in (asked.only or part.name) and not _holds(part, asked)]
    Console(stderr=True).print(f"failed: {', '.join(failed)}" if failed else "all of it holds", highlight=False)
    return len(failed)


def _holds(part: Part, asked: argparse.Namespace) -> bool:
    given = [*(part.short if asked.short else part.full), *(("--out", str(asked.out)) if part.records else ())]
    Console(stderr=True).print(f"{part.name} {' '.join(given)}", highlight=False, soft_wrap=True)
    try:
        part.main(given)
    except AssertionError as error:
        Console(stderr=True).print(f"{part.name}: {error}", highlight=False, soft_wrap=True)
        return False
    return True


if __name__ == "__main__":
    sys.exit(main())
