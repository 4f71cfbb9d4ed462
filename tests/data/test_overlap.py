"""A document that shares a long run of words with an evaluation text is found, whatever its marks and casing."""

import gzip
import json
from pathlib import Path

import pytest

from redraft.data.overlap import Overlap, texts_of

LONG = "The quick brown fox jumps over the lazy dog near the old stone bridge at dawn."  # sixteen words
SHORT = "Nine small words stand here in a single row."


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"Once there was this: {LONG.upper()} And so on.", True),
        (LONG.replace(" ", " - "), True),
        ("The quick brown fox jumps over the lazy dog near the old bridge at dawn.", False),  # a word is missing
        ("quick brown fox jumps over the lazy dog near the old stone bridge, he said", True),
        ("Well: nine small words stand here in a single line.", True),  # eight words of a short text
        ("Nine small words stand here in one single row.", False),
        ("", False),
    ],
)
def test_runs_of_words_are_found(text: str, found: bool) -> None:
    assert (text in Overlap([LONG, SHORT])) == found


def test_nothing_overlaps_with_nothing() -> None:
    assert LONG not in Overlap([])
    assert LONG not in Overlap(["Too short to tell."])


def test_texts_are_found_in_every_kind_of_file(tmp_path: Path) -> None:
    rows = [{"a": {"b": [LONG]}, "n": 3, "c": "too short"}]
    (tmp_path / "one.json").write_text(json.dumps(rows))
    (tmp_path / "two.json").write_text("\n".join(json.dumps(row) for row in rows * 2))  # lines in spite of the name
    (tmp_path / "three.jsonl.gz").write_bytes(gzip.compress(json.dumps(rows[0]).encode()))
    (tmp_path / "four.tsv").write_text(f"{LONG}\t{SHORT}\n")
    (tmp_path / "README.md").write_text(LONG)
    assert list(texts_of(tmp_path)) == [f"{LONG}\t{SHORT}", LONG, LONG, LONG, LONG]
