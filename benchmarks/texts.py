"""Texts: what benchmarks read. Held-out passages and their sentences, JFLEG, and prompts to write on from.

Knows files and sources. Refuses to know models: everything here is plain text, except `token_rows`.
"""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

from tokenizers import Tokenizer

from redraft.data.passages import load_passages
from redraft.data.sentences import split_sentences
from redraft.data.tokenizer import SPECIALS, TextTokenizer, load_tokenizer

Item = TypeVar("Item")

GROUPS = {
    "tinystories": "stories", "pratham": "stories", "fables": "fables", "dialogues": "dialogues",
    "orders": "dialogues", "fairytales": "tales", "children": "tales",
}  # fmt: skip
PROMPTS = (
    "Once upon a time there was a little girl named Lily. She",
    "Tom and his dog went to the park. They saw a big",
    "One day, a small bird fell out of its nest.",
    "The old man lived alone in a house by the sea. Every morning he",
    "Sam was sad because he had lost his red ball.",
    "In a green forest lived a clever fox who",
    "It was raining, so the children stayed at home and",
    "Once there was a lion who thought he was the strongest animal.",
    "User: I want to find a restaurant for dinner.\nAssistant:",
    "User: Can you help me book a bus ticket?\nAssistant:",
    "User: What is the weather like today?\nAssistant:",
    "User: I would like to order a large pizza.\nAssistant:",
)
PREDICTABLE = (
    "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18,",
    "one two three one two three one two three one two three one two three",
    "The cat sat on the mat. The cat sat on the mat. The cat sat on the mat. The cat sat on the mat.",
    "A is for apple. B is for ball. A is for apple. B is for ball. A is for apple. B is for ball.",
    "yes no yes no yes no yes no yes no yes no yes no yes no",
    "He ran and ran and ran and ran and ran and ran and ran and ran",
    "Red, blue, green, red, blue, green, red, blue, green, red, blue, green,",
    "\"No!\" said Tom. \"No!\" said Tom. \"No!\" said Tom. \"No!\" said Tom.",
    "la la la la la la la la la la la la la la la la",
    "Day 1: milk and bread.\nDay 2: milk and bread.\nDay 3: milk and bread.\nDay 4: milk and bread.\n",
    "I like dogs. You like dogs. I like dogs. You like dogs. I like dogs. You like dogs.",
    "Row, row, row your boat. Row, row, row your boat. Row, row, row your boat.",
)  # fmt: skip


class Pair(NamedTuple):
    """A text and the source it is from."""

    source: str
    text: str


class Corrections(NamedTuple):
    """A tokenised sentence with its corrections by several people."""

    source: str
    references: list[str]


def held_out(path: Path, sources: Iterable[str] | None = None) -> list[Pair]:
    """Held-out passages as text. Raises ValueError when there is no such file."""
    if not path.is_file():
        raise ValueError(f"{path} is missing: training writes it beside the tokenizer; name one with --held-out")
    passages = load_passages(path)
    tokenizer = _beside(path)
    wanted = set(passages.names if sources is None else sources)
    texts = ((passages.names[passages.source[n]], tokenizer.decode(passages[n].tolist())) for n in range(len(passages)))
    return [Pair(name, text.strip()) for name, text in texts if name in wanted]


def sentences(passages: Sequence[Pair], per_source: int, *, num_words: tuple[int, int] = (3, 50)) -> list[Pair]:
    """Whole sentences, each once and up to `per_source` of every source, spread over its passages."""
    found: dict[str, list[str]] = {}
    for source, text in passages:
        whole = (text[first:last].strip() for first, last in split_sentences(text))
        found.setdefault(source, []).extend(s for s in whole if _is_sentence(s, *num_words))
    kept = {source: _spread(list(dict.fromkeys(held)), per_source) for source, held in found.items()}
    return [Pair(source, sentence) for source, held in kept.items() for sentence in held]


def opening(passage: str, most: int) -> str:
    """The first whole sentences of a passage, on one line, up to so many characters; at least one."""
    found = ""
    for first, last in split_sentences(passage):
        sentence = " ".join(passage[first:last].split())
        if found and len(found) + len(sentence) > most:
            break
        found = f"{found} {sentence}".strip()
    return found


def read_jfleg(folder: Path) -> list[Corrections]:
    """JFLEG dev (Napoles et al., 2017): the folder `dev` of its repository, or one file jfleg_dev.jsonl."""
    lines = folder / "jfleg_dev.jsonl"
    if lines.is_file():
        records = map(json.loads, lines.read_text().splitlines())
        return [Corrections(record["src"], record["refs"]) for record in records]
    names = ("dev.src", "dev.ref0", "dev.ref1", "dev.ref2", "dev.ref3")
    if not (folder / "dev" / names[0]).is_file():
        raise ValueError(f"{folder} holds neither dev/dev.src nor jfleg_dev.jsonl; JFLEG is at github.com/keisks/jfleg")
    columns = [(folder / "dev" / name).read_text().splitlines() for name in names]
    return [Corrections(source, references) for source, *references in zip(*columns, strict=True)]


def token_rows(passages: Sequence[Pair], tokenizer: TextTokenizer, multiple: int) -> list[tuple[str, list[int]]]:
    """(source, tokens) of every passage's beginning, cut to a multiple of so many tokens; shorter ones are left out."""
    encoded = tokenizer.encode_batch([pair.text for pair in passages])
    cut = [(pair.source, ids[: len(ids) // multiple * multiple]) for pair, ids in zip(passages, encoded, strict=True)]
    return [(source, ids) for source, ids in cut if ids]


def spread_over(passages: Sequence[Pair], limit: int | None) -> list[Pair]:
    """Up to `limit` of every source's passages, evenly taken."""
    if limit is None:
        return list(passages)
    by_source: dict[str, list[Pair]] = {}
    for pair in passages:
        by_source.setdefault(pair.source, []).append(pair)
    return [pair for held in by_source.values() for pair in _spread(held, limit)]


def _spread(items: list[Item], count: int) -> list[Item]:
    if len(items) <= count:
        return items
    return [items[n * len(items) // count] for n in range(count)]


def _is_sentence(text: str, fewest: int, most: int) -> bool:
    """A passage may begin or end within a sentence: what looks whole begins with a capital and ends with a mark."""
    start = text.lstrip("\"'(")[:1]
    ends = text.rstrip("\"')")[-1:] in (".", "!", "?") if text else False
    return start.isupper() and ends and "\n" not in text and fewest <= len(text.split()) <= most


def _beside(path: Path) -> TextTokenizer:
    """The tokenizer that made the passages, next to them."""
    file = path.parent / "tokenizer.json"
    if not file.is_file():
        raise ValueError(f"{file} is missing: the passages beside it cannot be read without it")
    text_size = Tokenizer.from_file(str(file)).token_to_id(SPECIALS[0])
    return load_tokenizer(file, int(text_size or 0))
