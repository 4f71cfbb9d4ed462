"""Corpora: metrics of many texts together, from counts that every text contributes.

BLEU and chrF are sacrebleu's; how well marks and capitals were put back is counted here. Knows words. Refuses to know
models. Counts can be summed, so that a bootstrap need not score texts again.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from functools import cache
from random import Random
from typing import Any

Counts = Sequence[Any]

# ------------------------------------------------------------------ translation


def translation_counts(hypothesis: str, references: Sequence[str]) -> tuple[list[float], list[float]]:
    """What BLEU and what chrF sum of one sentence. Raises ValueError where sacrebleu is missing."""
    bleu, chrf = _sacrebleu()
    found = [
        metric._extract_corpus_statistics([hypothesis], [[text] for text in references])[0] for metric in (bleu, chrf)
    ]
    return [float(n) for n in found[0]], [float(n) for n in found[1]]


@cache
def _sacrebleu() -> tuple[Any, Any]:
    try:
        from sacrebleu.metrics.bleu import BLEU
        from sacrebleu.metrics.chrf import CHRF
    except ModuleNotFoundError:
        raise ValueError("translations are scored by sacrebleu: pip install 'redraft[eval]'") from None
    return BLEU(), CHRF()


def bleu(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    """Corpus BLEU in [0, 1], sacrebleu's default: 13a tokens, exponential smoothing."""
    return float(_sacrebleu()[0]._aggregate_and_compute([[int(n) for n in piece[0]] for piece in pieces]).score) / 100


def chrf(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    """Corpus chrF2 in [0, 1], sacrebleu's default: 6 characters, no words."""
    return float(_sacrebleu()[1]._aggregate_and_compute([[int(n) for n in piece[1]] for piece in pieces]).score) / 100


# ------------------------------------------------------------------ marks and capitals

MARKS = ".,;:!?"
RESTORED = ("errors", "characters", "capitals", "said capitals", "true capitals", "marks", "said marks", "true marks")


def restoration_counts(found: str, wanted: str) -> tuple[int, ...]:
    """Counts of one text against what it should be, in the order of RESTORED.

    Words are aligned without case and marks. Capitals and marks belong to words: one on a word that is not in the other
    text is wrong.
    """
    said, true = _words(found), _words(wanted)
    blocks = SequenceMatcher(None, [w for w, _, _ in said], [w for w, _, _ in true], autojunk=False)
    pairs = [
        (said[block.a + n], true[block.b + n]) for block in blocks.get_matching_blocks() for n in range(block.size)
    ]
    capitals = sum(one[1] == other[1] and other[1] for one, other in pairs)
    marks = sum((Counter(one[2]) & Counter(other[2])).total() for one, other in pairs)
    errors = edits(" ".join(found.split()), " ".join(wanted.split()))
    return (
        errors, len(" ".join(wanted.split())),
        capitals, sum(word[1] for word in said), sum(word[1] for word in true),
        marks, sum(len(word[2]) for word in said), sum(len(word[2]) for word in true),
    )  # fmt: skip


def _words(text: str) -> list[tuple[str, bool, str]]:
    """Words without case and marks, whether each has a capital, and the marks behind it."""
    found = []
    for word in text.split():
        bare = word.strip(MARKS)
        marks = word[len(word.rstrip(MARKS)) :]
        if bare:
            found.append((bare.lower(), bare != bare.lower(), marks))
        elif found:  # a mark that stands alone belongs to the word before it
            found[-1] = (*found[-1][:2], found[-1][2] + marks)
    return found


def edits(one: str, other: str) -> int:
    """Levenshtein's distance: characters to insert, delete or replace."""
    try:
        from rapidfuzz.distance import Levenshtein
    except ModuleNotFoundError:
        raise ValueError("edits are counted by rapidfuzz: pip install 'redraft[eval]'") from None
    return int(Levenshtein.distance(one, other))


def _summed(pieces: Sequence[Counts]) -> dict[str, float]:
    return dict(zip(RESTORED, (sum(column) for column in zip(*pieces, strict=True)), strict=True))


def closeness(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    """1 minus edits per character of the right text: 1 is equal, below 0 is further away than an empty text."""
    total = _summed(pieces)
    return 1 - total["errors"] / max(total["characters"], 1)


def capitals_f1(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    return _f1(_summed(pieces), "capitals")


def marks_f1(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    return _f1(_summed(pieces), "marks")


def _f1(total: Mapping[str, float], name: str) -> float:
    """The harmonic mean of precision and recall; of nothing to be found and nothing said, 1."""
    there = total[f"said {name}"] + total[f"true {name}"]
    return 2 * total[name] / there if there else 1.0


# ------------------------------------------------------------------ instructions


def by_instruction(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    """Of all instructions in all prompts, those that were followed."""
    return sum(piece[0] for piece in pieces) / sum(piece[3] for piece in pieces)


def loose_by_instruction(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    return sum(piece[1] for piece in pieces) / sum(piece[3] for piece in pieces)


def loose(pieces: Sequence[Counts], rng: Random | None = None) -> float:
    """Prompts whose every instruction was followed, loosely."""
    return sum(piece[2] for piece in pieces) / len(pieces)


METRICS = {
    "by_instruction": by_instruction,
    "loose": loose,
    "loose_by_instruction": loose_by_instruction,
    "bleu": bleu,
    "chrf": chrf,
    "closeness": closeness,
    "capitals_f1": capitals_f1,
    "marks_f1": marks_f1,
}
