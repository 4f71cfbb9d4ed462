"""Kinds of mistakes: how often people make each, and how often the error generator does.

python -m benchmarks.error_kinds --pairs jfleg_dev.jsonl --data-dir data

Prints one table: changes per 100 words of each kind, in the given pairs (`src`, `refs` per line, counted and thrown
away: nothing of them is trained on) and in as many made ones. Knows words; refuses to know models.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

from rapidfuzz.distance import Levenshtein

from redraft.data import lexicon as lex
from redraft.data.errors import ErrorModel, make_errors
from redraft.data.sentences import split_sentences, tokenize
from redraft.data.sources import SOURCES, documents

Pair = tuple[str, str]
ARTICLES = {"a", "an", "the"}
PREPOSITIONS = set(lex.PREPOSITIONS) | {"to", "of", "in", "on", "at", "for", "with", "from", "by", "about", "into"}
HELPERS = lex.words("is are was were be been being am do does did have has had will would can could should may might")
PRONOUNS = lex.words("""
i you he she it we they me him her us them my your his its our their this that these those
""")
JOINERS = lex.words("and but or so because that which who if when as than then while where what how although")


def changes(source: str, target: str, known: frozenset[str]) -> Iterator[str]:
    """The kind of every change that turns one tokenised sentence into the other."""
    first, second = source.split(), target.split()
    for tag, i, i_end, j, j_end in Levenshtein.opcodes(first, second):
        if tag != "equal":
            yield from _stretch(first[i:i_end], second[j:j_end], known)


def _stretch(wrong: list[str], right: list[str], known: frozenset[str]) -> Iterator[str]:
    if "".join(wrong).lower() == "".join(right).lower() and len(wrong) != len(right):
        yield "spacing"
    elif sorted(word.lower() for word in wrong) == sorted(word.lower() for word in right) and len(wrong) > 1:
        yield "order"
    else:
        shared = min(len(wrong), len(right))
        for k in range(shared):
            yield _substituted(wrong[k], right[k], known)
        yield from (f"extra {_class(word)}" for word in wrong[shared:])
        yield from (f"missing {_class(word)}" for word in right[shared:])


def _class(word: str) -> str:
    low = word.lower()
    if not any(c.isalnum() for c in low):
        return "comma" if low == "," else "other mark"
    for name, group in (("article", ARTICLES), ("preposition", PREPOSITIONS), ("auxiliary", HELPERS),
                        ("pronoun", PRONOUNS), ("joiner", JOINERS)):  # fmt: skip
        if low in group:
            return name
    return "word"


def _substituted(wrong: str, right: str, known: frozenset[str]) -> str:
    low, other = wrong.lower(), right.lower()
    if low == other:
        return "casing"
    if not any(c.isalnum() for c in low + other):
        return "mark for mark"
    if not any(c.isalnum() for c in low) or not any(c.isalnum() for c in other):
        return "word and mark"
    if low.isalpha() and low not in known and other in known:
        return "spelling" if Levenshtein.normalized_distance(low, other) < 0.6 else "other word"
    for name in ("article", "preposition", "auxiliary", "pronoun", "joiner"):
        if _class(low) == name == _class(other):
            return f"{name} for {name}"
    if low + "s" == other or low + "es" == other or low[:-1] + "ies" == other:
        return "s missing"
    if other + "s" == low or other + "es" == low or other[:-1] + "ies" == low:
        return "s too many"
    if _root(low) == _root(other):
        return "form of a word"
    return "like word" if Levenshtein.normalized_distance(low, other) < 0.4 else "other word"


def _root(word: str) -> str:
    for ending in ("ation", "ments", "ment", "ness", "ing", "ies", "ied", "ers", "ive", "ous", "ful", "ed", "er", "ly",
                   "al", "es", "y", "e", "s"):  # fmt: skip
        if word.endswith(ending) and len(word) - len(ending) > 2:
            return (
                word.removesuffix(ending)[:-1]
                if word[-len(ending) - 1 :][:1] == word[-len(ending) - 2 :][:1]
                else (word.removesuffix(ending))
            )
    return word


def table(pairs: Iterable[Pair], known: frozenset[str]) -> tuple[Counter[str], int, float]:
    """(changes by kind, words of the sources, share of sentences without any)."""
    counts: Counter[str] = Counter()
    words = same = total = 0
    for source, target in pairs:
        counts.update(changes(source, target, known))
        words += len(source.split())
        same += source == target
        total += 1
    return counts, words, same / max(total, 1)


def given(path: Path) -> list[Pair]:
    with path.open() as lines:
        return [(row["src"].strip(), ref.strip()) for row in map(json.loads, lines) for ref in row["refs"]]


def made(data_dir: Path, names: list[str], count: int, model: ErrorModel) -> Iterator[Pair]:
    sources = {source.name: source for source in SOURCES}
    rng = Random(0)
    for name in names:
        for text in islice(documents(sources[name], data_dir), 0, count // len(names) * 3, 3):
            spans = split_sentences(text)
            start, end = rng.choice(spans)
            clean = text[start:end].strip()
            if 4 < len(clean.split()) < 40:
                yield tokenize(make_errors(clean, rng, model)), tokenize(clean)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=Path, required=True)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--words", type=Path, default=Path("redraft/weights/tiny/words.txt.gz"))
    parser.add_argument("--sources", default="dolly_answers,textbooks,roleplay")
    parser.add_argument("--rate", type=float, default=ErrorModel().rate)
    options = parser.parse_args()
    with gzip.open(options.words, "rt") as lines:
        known = frozenset(line.strip().lower() for line in lines)
    human = table(given(options.pairs), known)
    model = ErrorModel(rate=options.rate)
    ours = table(made(options.data_dir, options.sources.split(","), 3000, model), known)
    print(f"{'changes per 100 words':28s} people   made")
    for kind in sorted(set(human[0]) | set(ours[0]), key=lambda kind: -human[0][kind]):
        print(f"{kind:28s} {100 * human[0][kind] / human[1]:6.2f} {100 * ours[0][kind] / ours[1]:6.2f}")
    print(f"{'all':28s} {100 * human[0].total() / human[1]:6.2f} {100 * ours[0].total() / ours[1]:6.2f}")
    print(f"{'unchanged sentences, %':28s} {100 * human[2]:6.2f} {100 * ours[2]:6.2f}")


if __name__ == "__main__":
    main()
