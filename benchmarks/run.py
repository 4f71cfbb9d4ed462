"""Run: every benchmark in turn, with sizes for an afternoon. What has no data here is named and left out."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from benchmarks import adaptive, jfleg, likelihood, modes, puzzles, self_correction
from benchmarks.record import HELD_OUT, ROOT


def main(arguments: Sequence[str] | None = None) -> list[Path]:
    options = argparse.ArgumentParser(prog="python -m benchmarks.run", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--model", help="checkpoint folder or hub name (default: the model in the package)")
    options.add_argument("--limit", type=int, help="use so many examples of each kind at most")
    options.add_argument("--held-out", type=Path, default=ROOT / HELD_OUT)
    options.add_argument("--data-dir", type=Path, default=Path("data"), help="folder of JFLEG")
    options.add_argument("--out", type=Path, default=ROOT / "benchmarks" / "results")
    options.add_argument("--docs", type=Path, default=ROOT / "docs")
    asked = options.parse_args(arguments)
    shared = ["--out", str(asked.out), "--docs", str(asked.docs)]
    shared += ["--model", asked.model] if asked.model else []
    shared += ["--limit", str(asked.limit)] if asked.limit else []
    written = [modes.main(shared), puzzles.main(["--out", str(asked.out), "--docs", str(asked.docs)])]
    if not asked.held_out.is_file():
        _left_out("likelihood, self_correction, adaptive, jfleg", f"no held-out passages at {asked.held_out}")
        return written
    reading = [*shared, "--held-out", str(asked.held_out)]
    written += [benchmark.main(reading) for benchmark in (likelihood, self_correction, adaptive)]
    try:
        written.append(jfleg.main([*reading, "--data-dir", str(asked.data_dir)]))
    except ValueError as error:
        _left_out("jfleg", str(error))
    return written


def _left_out(names: str, reason: str) -> None:
    Console(stderr=True).print(f"left out: {names} ({reason})", highlight=False, soft_wrap=True)


if __name__ == "__main__":
    main()
