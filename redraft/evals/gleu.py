"""GLEU, the metric of grammatical error correction: n-gram precision that punishes what was left wrong.

Napoles et al., "Ground Truth for Grammatical Error Correction Metrics" (ACL 2015), in the form without tuning of
arXiv:1605.02592. Not to be confused with the sentence-level GLEU of machine translation. Knows words that spaces
separate. Refuses to know models and how text was tokenised: score like with like.
"""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from random import Random

MAX_ORDER = 4

# Hypothesis length, reference length, then for n = 1..4 the n-grams that count and the n-grams there are.
Statistics = tuple[int, ...]


def gleu(
    sources: Sequence[str],
    hypotheses: Sequence[str],
    references: Sequence[Sequence[str]],
    *,
    iterations: int = 500,
    seed: int = 0,
) -> float:
    """Corpus GLEU in [0, 1] of tokenised sentences; `references[i]` are the corrections of sentence i.

    Of several references each iteration draws one per sentence and scores the corpus; the result is the mean. Raises
    ValueError when the lists differ in length or a sentence has no reference.
    """
    return mean_gleu(sentence_statistics(sources, hypotheses, references), iterations=iterations, seed=seed)


def sentence_statistics(
    sources: Sequence[str], hypotheses: Sequence[str], references: Sequence[Sequence[str]]
) -> list[list[Statistics]]:
    """What `mean_gleu` sums: statistics of every sentence against each of its references."""
    if not len(sources) == len(hypotheses) == len(references):
        raise ValueError(
            f"{len(sources)} sources, {len(hypotheses)} hypotheses and {len(references)} sets of references"
        )
    if not sources or not all(references):
        raise ValueError("GLEU needs at least one sentence, and a reference for each")
    found = []
    for source, hypothesis, alternatives in zip(sources, hypotheses, references, strict=True):
        before, after = source.split(), hypothesis.split()
        orders = [(_ngrams(before, n), _ngrams(after, n)) for n in range(1, MAX_ORDER + 1)]
        found.append([_statistics(orders, len(after), reference.split()) for reference in alternatives])
    return found


def mean_gleu(statistics: Sequence[Sequence[Statistics]], *, iterations: int = 500, seed: int = 0) -> float:
    """The mean of `corpus_gleu` over draws of one reference per sentence; of single references, its only value."""
    if all(len(alternatives) == 1 for alternatives in statistics):
        return corpus_gleu([alternatives[0] for alternatives in statistics])
    scores = []
    for iteration in range(iterations):
        rng = Random(seed + 101 * iteration)  # with seed 0 the draws of the authors' script
        scores.append(corpus_gleu([alternatives[rng.randrange(len(alternatives))] for alternatives in statistics]))
    return sum(scores) / len(scores)


def corpus_gleu(statistics: Sequence[Statistics]) -> float:
    """GLEU of summed statistics: the brevity penalty times the geometric mean of the four precisions."""
    length, reference_length, *counts = map(sum, zip(*statistics, strict=True))
    if not all(counts):
        return 0.0
    precisions = zip(counts[::2], counts[1::2], strict=True)
    mean_log = sum(math.log(good / there) for good, there in precisions) / MAX_ORDER
    return math.exp(min(0.0, 1 - reference_length / length) + mean_log)


def _statistics(orders: list[tuple[Counter, Counter]], length: int, reference: list[str]) -> Statistics:
    pairs = chain.from_iterable(
        (_good(before, after, _ngrams(reference, n)), max(length + 1 - n, 0))
        for n, (before, after) in enumerate(orders, start=1)
    )
    return (length, len(reference), *pairs)


def _good(source: Counter, hypothesis: Counter, reference: Counter) -> int:
    """n-grams shared with the reference, less those kept from the source that the reference has nowhere."""
    good = sum(min(count, reference[gram]) for gram, count in hypothesis.items() if gram in reference)
    kept = sum(
        min(count, source[gram]) for gram, count in hypothesis.items() if gram in source and gram not in reference
    )
    return max(0, good - kept)


def _ngrams(words: list[str], n: int) -> Counter:
    return Counter(zip(*(words[k:] for k in range(n)), strict=False))
