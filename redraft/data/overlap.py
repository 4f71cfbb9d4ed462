"""Overlap: which training documents share long runs of words with texts that a model is evaluated on.

Words are lower-case letters and digits; a run is `length` of them in a row, kept as a 64-bit hash. Knows texts and
hashes; refuses to know sources and what is done about a hit.
"""

import gzip
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]
RUN = 13  # words; shorter texts are compared by runs of SHORT
SHORT = 8
_WORD = re.compile(r"[a-z0-9]+")
_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def run_hashes(text: str, length: int) -> Hashes:
    """A hash for each run of `length` words of a text, in order; none where the text is shorter."""
    return _rolled(_word_hashes(text), length)


def _word_hashes(text: str) -> Hashes:
    # hash() of bytes differs between processes, which is no matter: hashes never leave one.
    return np.fromiter((hash(w) & 0xFFFFFFFFFFFFFFFF for w in _WORD.findall(text.lower())), np.uint64)


def _rolled(words: Hashes, length: int) -> Hashes:
    count = len(words) - length + 1
    if count <= 0:
        return np.zeros(0, np.uint64)
    total = np.zeros(count, np.uint64)
    for k in range(length):
        total = total * _FACTOR + (words[k : k + count] ^ (words[k : k + count] >> np.uint64(29)))
    return total


class Overlap:
    """Runs of words of texts to keep away from."""

    def __init__(self, texts: Iterable[str]) -> None:
        long: list[Hashes] = []
        short: list[Hashes] = []
        for text in texts:
            words = _word_hashes(text)
            long.append(_rolled(words, RUN))
            if SHORT <= len(words) < RUN:
                short.append(_rolled(words, SHORT))
        self.long, self.short = (np.unique(np.concatenate([np.zeros(0, np.uint64), *runs])) for runs in (long, short))

    def __contains__(self, text: str) -> bool:
        """Whether a text shares a run of RUN words, or of SHORT with a text that is shorter than RUN."""
        words = _word_hashes(text)
        return _shares(_rolled(words, RUN), self.long) or _shares(_rolled(words, SHORT), self.short)


def _shares(runs: Hashes, kept: Hashes) -> bool:
    if not len(kept) or not len(runs):
        return False
    places = np.minimum(kept.searchsorted(runs), len(kept) - 1)
    return bool((kept[places] == runs).any())


def texts_of(folder: Path) -> Iterator[str]:
    """Every string of five words or more in the `.json`, `.jsonl` and `.tsv` files of a folder, packed or not."""
    for path in sorted(folder.iterdir()):
        name = path.name.removesuffix(".gz")
        if not name.endswith((".json", ".jsonl", ".tsv", ".txt")):
            continue
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        text = raw.decode("utf-8")
        for record in _records(name, text):
            yield from _strings(record)


def _records(name: str, text: str) -> Iterator[Any]:
    if name.endswith((".tsv", ".txt")):
        yield from text.splitlines()
        return
    try:
        yield json.loads(text)
    except json.JSONDecodeError:  # a record per line, whatever the ending says
        yield from (json.loads(line) for line in text.splitlines() if line.strip())


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if value.count(" ") > 3:
            yield value
    elif isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)
