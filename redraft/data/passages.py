"""Passages: a corpus cut into pieces that fit a context, tokenised once and kept as flat arrays.

Knows tokens, offsets and which source a passage came from. A passage ends with end-of-text where its
document ends there. Held-out documents are chosen by a hash of the document, never by order.
"""

import zlib
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from redraft.data.sources import SOURCES, Source, documents
from redraft.data.tokenizer import TextTokenizer

HELD_OUT = 100  # one document in a hundred


@dataclass(frozen=True, slots=True)
class Passages:
    """Flat token array; passage p is tokens[offsets[p]:offsets[p + 1]], from source names[source[p]]."""

    tokens: NDArray[np.uint16]
    offsets: NDArray[np.int64]
    source: NDArray[np.int16]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> NDArray[np.int64]:
        return self.tokens[self.offsets[index] : self.offsets[index + 1]].astype(np.int64)

    def of(self, name: str) -> NDArray[np.int64]:
        """Indices of one source's passages."""
        if name not in self.names:
            raise ValueError(f"no source {name!r} among {', '.join(self.names)}")
        return np.flatnonzero(self.source == self.names.index(name))

    def first(self, name: str, tokens: int) -> "Passages":
        """One source's first passages, so many tokens of them together, and at least one."""
        found = self.of(name)
        lengths = np.diff(self.offsets)[found]
        found = found[: max(1, int(np.searchsorted(lengths.cumsum(), tokens)))]
        kept = [self.tokens[self.offsets[p] : self.offsets[p + 1]] for p in found]
        offsets = np.concatenate([[0], np.cumsum([len(p) for p in kept])]).astype(np.int64)
        return Passages(np.concatenate(kept), offsets, np.zeros(len(kept), np.int16), (name,))

    def save(self, path: Path) -> None:
        np.savez(path, tokens=self.tokens, offsets=self.offsets, source=self.source, names=np.array(self.names))


def load_passages(path: Path) -> Passages:
    with np.load(path) as held:
        names = tuple(str(n) for n in held["names"])
        return Passages(held["tokens"], held["offsets"], held["source"], names)


def held_out(document: str) -> bool:
    """True for the documents that are never trained on."""
    return zlib.crc32(document[:500].encode()) % HELD_OUT == 0


def corpus(
    folder: Path, limits: Mapping[str, int], sources: Sequence[Source] = SOURCES, away: Container[str] = ()
) -> Iterator[tuple[str, str]]:
    """(source name, document) pairs, each source up to its limit in characters; books are taken evenly.

    Documents that `away` contains (an `Overlap` with evaluation texts, say) are left out.
    """
    for source in sources:
        budget = limits.get(source.name, 0)
        if not budget:
            continue
        if source.make is not None:
            yield from ((source.name, document) for document in _until(documents(source, folder), budget))
            continue
        found = [document for document in dict.fromkeys(documents(source, folder)) if document not in away]
        cap = max(budget // max(len(found), 1), 2000) * (1 if len(found) < 1000 else 1000)
        for document in found:
            if budget <= 0:
                break
            yield source.name, document[:cap]
            budget -= min(len(document), cap)


def _until(found: Iterator[str], budget: int) -> Iterator[str]:
    """Documents as long as the budget in characters lasts."""
    for document in found:
        if budget <= 0:
            return
        yield document
        budget -= len(document)


def build_passages(pairs: Sequence[tuple[str, str]], tokenizer: TextTokenizer, max_tokens: int) -> Passages:
    """Tokenise documents and cut them, at line ends where possible, into passages of at most `max_tokens`.

    Nothing is lost but passages of a single token, from which there is nothing to learn.
    """
    eos = tokenizer.special("<|endoftext|>")
    names = tuple(dict.fromkeys(name for name, _ in pairs))
    pieces: list[NDArray[np.uint16]] = []
    source: list[int] = []
    for start in range(0, len(pairs), 512):
        batch = pairs[start : start + 512]
        lines = [[line + "\n" for line in text.split("\n")] for _, text in batch]
        flat = tokenizer.encode_batch([line for doc in lines for line in doc])
        position = 0
        for (name, _), doc in zip(batch, lines, strict=True):
            cut = _cut(flat[position : position + len(doc)], max_tokens, eos)
            position += len(doc)
            pieces += cut
            source += [names.index(name)] * len(cut)
    offsets = np.concatenate([[0], np.cumsum([len(p) for p in pieces])]).astype(np.int64)
    tokens = np.concatenate([np.zeros(0, np.uint16), *pieces])  # there may be no passage at all
    return Passages(tokens, offsets, np.array(source, np.int16), names)


def _cut(lines: list[list[int]], max_tokens: int, eos: int) -> list[NDArray[np.uint16]]:
    """Greedy: whole lines while they fit; a line longer than a passage is cut where it must be."""
    if lines:
        lines = [*lines[:-1], [*lines[-1][:-1], eos]]  # the last line break is the document's end
    passages: list[list[int]] = [[]]
    for line in lines:
        if passages[-1] and len(passages[-1]) + len(line) > max_tokens:
            passages.append([])
        while len(line) > max_tokens:
            passages[-1] += line[:max_tokens]
            passages.append([])
            line = line[max_tokens:]
        passages[-1] += line
    return [np.array(p, np.uint16) for p in passages if len(p) > 1]
