"""Records: what a benchmark was run with and what came out, as a dated JSON file and a table to read.

Knows arguments, the machine and the commit. Refuses to know what was measured.
"""

import argparse
import json
import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.table import Table

import redraft
from redraft.library import Model

ROOT = Path(__file__).resolve().parents[1]
HELD_OUT = "runs/tiny/data/held_out.npz"


def parser(name: str, doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has."""
    found = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=(doc or "").split("\n")[0])
    found.add_argument("--model", help="checkpoint folder or hub name (default: the model in the package)")
    found.add_argument("--limit", type=int, help="use so many examples of each kind at most")
    found.add_argument("--seed", type=int, default=0)
    found.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results", help="folder of the record")
    found.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of pages and of images/")
    return found


def add_held_out(options: argparse.ArgumentParser) -> None:
    options.add_argument("--held-out", type=Path, default=ROOT / HELD_OUT, help="passages that were never trained on")


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a benchmark: its name, what it was called with and the model it is about."""

    name: str
    arguments: tuple[str, ...]
    options: argparse.Namespace
    loaded: Model | None

    @property
    def model(self) -> Model:
        assert self.loaded is not None, "a benchmark that trains its own models has no other"
        return self.loaded

    @property
    def image(self) -> Path:
        return Path(self.options.docs) / "images" / f"{self.name}.png"

    def write(self, results: dict[str, Any]) -> Path:
        """The record, at OUT/YYYY-MM-DD-NAME.json."""
        values = {
            "benchmark": self.name,
            "date": date.today().isoformat(),
            "command": f"python -m benchmarks.{self.name} {_spelt(self.arguments)}".strip(),
            "commit": commit(),
            "machine": machine(),
            "seed": self.options.seed,
            **({} if self.loaded is None else {"model": _about(self.loaded)}),
            "results": results,
        }
        folder = Path(self.options.out)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{values['date']}-{self.name}.json"
        path.write_text(json.dumps(_finite(values), indent=1, allow_nan=False) + "\n")
        Console(stderr=True).print(f"written: {path}", highlight=False, soft_wrap=True)
        return path


def start(name: str, options: argparse.ArgumentParser, arguments: Sequence[str] | None, *, loads: bool = True) -> Run:
    """Parse the arguments (by default the command line's) and load the model they name, unless it trains its own."""
    import sys

    given = tuple(sys.argv[1:] if arguments is None else arguments)
    parsed = options.parse_args(given)
    return Run(name, given, parsed, redraft.load(parsed.model) if loads else None)


def _about(model: Model) -> dict[str, Any]:
    return {"name": Path(model.name).name, "parameters": sum(p.numel() for p in model.network.parameters())}


def machine() -> dict[str, Any]:
    return {
        "cpu": _cpu(),
        "cores": torch.multiprocessing.cpu_count(),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "system": platform.system(),
    }


def commit() -> str:
    """The short hash, with a mark when files differ from it; "unknown" outside a checkout."""
    command = ["git", "describe", "--always", "--dirty", "--exclude", "*"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table on standard output. Numbers have up to three decimals; None is empty."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for number, column in enumerate(columns):
        table.add_column(column, justify="left" if number == 0 else "right")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    Console(width=160).print(table)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _finite(value: Any) -> Any:
    """JSON has no word for what is not a number: null."""
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not isfinite(value) else value


def _spelt(arguments: Sequence[str]) -> str:
    """The command line, where an absolute path names its last part only: the rest is about somebody's machine."""
    return shlex.join(Path(word).name if Path(word).is_absolute() else word for word in arguments)


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())
