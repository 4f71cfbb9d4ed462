"""Sentence tokens: where sentences start among the tokens of passages, and a few of them as a text of their own.

Knows which tokens end a sentence and which can begin one, so that nothing is decoded to find out. Coarser than
`sentences`: titles and initials are the only abbreviations it knows.
"""

import re

import numpy as np
from numpy.typing import NDArray

from redraft.data.passages import Passages
from redraft.data.tokenizer import TextTokenizer

Ints = NDArray[np.int64]

_ENDS = re.compile(r"[.!?\u2026]+[\"'\u201d\u2019)\]]*$")
_BEGINS = re.compile(r"\s*[\"'(\[\u201c\u2018]*[A-Z0-9]|\s*[\"'(\u201c\u2018]+$")
_TITLE = re.compile(r"\s?(Mr|Mrs|Ms|Dr|Prof|Rev|Gen|Col|Capt|Lt|Sgt|St|Mt|Mme|vs|Vol|No|[A-HJ-Z])$")

_PART = "\ufffd"  # what a part of a character is decoded to


class SentenceTokens:
    """Sentences of passages, found once by what each entry of the vocabulary spells."""

    def __init__(self, passages: Passages, tokenizer: TextTokenizer) -> None:
        self.passages, self.tokenizer = passages, tokenizer
        spelt = [tokenizer.decode([n]) for n in range(tokenizer.vocab_size)]
        self.space = np.array([not text.strip() for text in spelt])  # specials spell nothing
        self.word_start = np.array([not text[:1].isalnum() and text[:1] != _PART for text in spelt])
        line = np.array(["\n" in text for text in spelt])
        ends = np.array([bool(_ENDS.search(text)) for text in spelt])
        begins = np.array([bool(_BEGINS.match(text)) and text[:1].isspace() for text in spelt])
        title = np.array([bool(_TITLE.match(text)) for text in spelt])
        tokens = passages.tokens
        stop = ends[tokens]
        stop[1:] &= ~(title[tokens[:-1]] & (tokens[1:] == _id_of(tokenizer, ".")))
        starts = np.zeros(len(tokens), bool)
        starts[1:] = (stop[:-1] & begins[tokens[1:]]) | (line[tokens[:-1]] & ~line[tokens[1:]])
        starts[passages.offsets[:-1]] = True
        self.starts = np.flatnonzero(starts)
        self._unspaced: dict[tuple[int, ...], list[int]] = {}

    def some(self, rng: np.random.Generator, passage: int, count: int, most: int) -> Ints:
        """Up to `count` sentences in a row of a passage, as many as fit into `most` tokens; empty where none does.

        The ids are those that the tokenizer gives to the sentences as a text of their own.
        """
        low, high = (int(offset) for offset in self.passages.offsets[passage : passage + 2])
        first, last = (int(n) for n in self.starts.searchsorted((low, high)))
        at = first + int(rng.integers(0, max(last - first - count, 0) + 1))
        ends = [*self.starts[at + 1 : min(at + count, last) + 1], high][:count]
        start = int(self.starts[at])
        fitting = [int(end) for end in ends if min(int(end), high) - start <= most]
        return self._alone(self.passages.tokens[start : min(fitting[-1], high)]) if fitting else np.zeros(0, np.int64)

    def _alone(self, tokens: NDArray[np.uint16]) -> Ints:
        """Without white space around, and with the first word as it is spelt at the start of a text."""
        words = np.flatnonzero(~self.space[tokens])
        if not len(words):
            return np.zeros(0, np.int64)
        tokens = tokens[words[0] : words[-1] + 1]
        following = np.flatnonzero(self.word_start[tokens[1:]])
        cut = int(following[0]) + 1 if len(following) else len(tokens)
        return np.concatenate([self._first_word(tuple(tokens[:cut].tolist())), tokens[cut:].astype(np.int64)])

    def _first_word(self, ids: tuple[int, ...]) -> list[int]:
        if ids not in self._unspaced:
            self._unspaced[ids] = self.tokenizer.encode(self.tokenizer.decode(ids).lstrip())
        return self._unspaced[ids]


def _id_of(tokenizer: TextTokenizer, text: str) -> int:
    return tokenizer.encode(text)[0]
