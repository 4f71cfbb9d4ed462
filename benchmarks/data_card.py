"""The data card's table: documents and characters of every source, what repeats, and what overlaps with evaluations.

python -m benchmarks.data_card --data-dir data/train --eval-dir data/eval

Knows sources; refuses to know recipes. A made source is counted over its first --made documents.
"""

import argparse
from itertools import islice
from pathlib import Path

from redraft.data.overlap import Overlap, texts_of
from redraft.data.sources import SOURCES, Source, documents

NAMES = ("source", "file", "licence", "documents", "million characters", "repeated", "overlapping")
HEAD = f"| {' | '.join(NAMES)} |\n|{'---|' * len(NAMES)}"


def row(source: Source, data_dir: Path, away: Overlap, made: int) -> str:
    """One line of the table. Raises ValueError when the source's file is missing."""
    found = documents(source, data_dir)
    texts = list(found if source.make is None else islice(found, made))
    fresh = dict.fromkeys(texts)
    overlapping = sum(text in away for text in fresh)
    size = sum(map(len, fresh)) / 1e6
    file = source.file or "(made)"
    cells = (source.name, file, source.licence, len(fresh), f"{size:.1f}", len(texts) - len(fresh), overlapping)
    return "| " + " | ".join(map(str, cells)) + " |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--eval-dir", type=Path, required=True)
    parser.add_argument("--sources", default=",".join(source.name for source in SOURCES))
    parser.add_argument("--made", type=int, default=5000)
    options = parser.parse_args()
    away = Overlap(texts_of(options.eval_dir))
    print(HEAD)
    for source in SOURCES:
        if source.name in options.sources.split(","):
            print(row(source, options.data_dir, away, options.made), flush=True)


if __name__ == "__main__":
    main()
