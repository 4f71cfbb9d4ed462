"""Compare folders of golden vectors and print one line per array and sampler case; exit 1 on any miss."""

import argparse
from pathlib import Path

from benchmarks.parity.golden import read_golden, verdicts


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.parity", description=__doc__)
    parser.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folder of golden vectors")
    missed = 0
    for folder in parser.parse_args().folders:
        missed += compare(folder)
    print("everything agrees" if not missed else f"{missed} do not agree")
    return 1 if missed else 0


def compare(folder: Path) -> int:
    """Print the verdicts of one folder; return how many are misses."""
    try:
        golden = read_golden(folder)
        print(f"{folder}: {golden.checkpoint.family.title}, {golden.checkpoint.num_parameters:,} parameters")
        missed = 0
        for verdict in verdicts(golden):
            print(f"  {'ok  ' if verdict.agrees else 'MISS'} {verdict.name:<44} {verdict.told}", flush=True)
            missed += not verdict.agrees
        return missed
    except ValueError as error:
        print(f"{folder}: {error}")
        return 1


raise SystemExit(main())
