"""Sentences found among tokens are those of the text, spelt as the tokenizer spells them alone."""

import itertools
from functools import cache

import numpy as np
import pytest

from redraft.data.passages import Passages, build_passages
from redraft.data.sentence_tokens import SentenceTokens
from redraft.data.tokenizer import TextTokenizer, train_tokenizer

TEXT = 'Mr. Fox sees the garden. "The dog runs!" The old friend waits.\nShe finds the small cat. J. Hill smiles.'
SENTENCES = [
    "Mr. Fox sees the garden.", '"The dog runs!"', "The old friend waits.", "She finds the small cat.",
    "J. Hill smiles.",
]  # fmt: skip


@cache
def tokenizer() -> TextTokenizer:
    """One that has the words whole."""
    return train_tokenizer([" ".join([*SENTENCES, *reversed(SENTENCES)])] * 40, 330)


def passages(text: str = TEXT) -> Passages:
    return build_passages([("tales", "The dog runs."), ("tales", text)], tokenizer(), 1000)


def drawn(count: int, most: int = 1000, text: str = TEXT) -> set[str]:
    rng, found = np.random.default_rng(0), SentenceTokens(passages(text), tokenizer())
    return {tokenizer().decode(found.some(rng, 1, count, most).tolist()) for _ in range(80)}


def test_single_sentences_are_those_of_the_text() -> None:
    assert drawn(1) == set(SENTENCES)


def test_several_are_neighbours() -> None:
    assert drawn(2) == {TEXT[TEXT.index(a) : TEXT.index(b) + len(b)] for a, b in itertools.pairwise(SENTENCES)}
    assert drawn(9) == {TEXT}


def test_as_many_as_fit_are_taken_and_none_where_one_is_too_long() -> None:
    first = tokenizer().encode(SENTENCES[0])
    short = min(len(tokenizer().encode(sentence)) for sentence in SENTENCES)
    assert "" in drawn(1, most=short)
    assert SENTENCES[0] in drawn(5, most=len(first) + 1) | drawn(2, most=len(first) + 1)
    assert drawn(1, most=1) == {""}


def test_ids_are_those_of_the_sentences_alone() -> None:
    rng, found = np.random.default_rng(0), SentenceTokens(passages(), tokenizer())
    for _ in range(60):
        ids = found.some(rng, 1, 2, 1000).tolist()
        assert ids == tokenizer().encode(tokenizer().decode(ids))


@pytest.mark.parametrize("text", ["   \n ..", "no end", "1", "\u00e9t\u00e9! \u6f22\u5b57? Yes."])
def test_strange_passages_are_no_matter(text: str) -> None:
    made = build_passages([("tales", text)], tokenizer(), 1000)
    found = SentenceTokens(made, tokenizer())
    for n in range(len(made)):
        ids = found.some(np.random.default_rng(0), n, 2, 1000).tolist()
        assert tokenizer().decode(ids) in text
