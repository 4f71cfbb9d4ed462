"""Summary: the numbers of a run, each with its interval, and of two runs on the same examples.

Knows records and metrics. Refuses to know how numbers are shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from redraft.evals.metrics import Difference, Estimate, Piece, estimate, paired, pass_at_k, ratio
from redraft.evals.records import Header, Record, Run


@dataclass(frozen=True, slots=True)
class Summary:
    """A run in numbers.

    score         of one answer per example: pass@1, accuracy, or the corpus metric
    pass_at       k -> pass@k, where there are several samples
    groups        of parts of the benchmark
    also          metric -> its value, of metrics beside the first
    unanswered    answers that are missing because something failed; they count as wrong
    """

    header: Header
    score: Estimate
    pass_at: dict[int, Estimate]
    groups: dict[str, Estimate]
    tokens_per_forward: Estimate
    tokens_per_second: Estimate
    seconds: float
    unanswered: int
    answers: int
    also: dict[str, Estimate] = field(default_factory=dict)


def summarise(run: Run) -> Summary:
    header, examples = run.header, run.by_example()
    answered = [record for record in run.records if record.error is None]
    counted = [r for r in answered if r.tokens is not None]
    walked = [r for r in counted if r.forwards]
    return Summary(
        header=header,
        score=estimate(pieces(header, list(examples.values())), header.metric),
        pass_at=_pass_at(header, examples),
        groups=_groups(header, examples),
        tokens_per_forward=ratio([r.tokens or 0 for r in walked], [r.forwards or 0 for r in walked]),
        tokens_per_second=ratio([r.tokens or 0 for r in counted], [r.seconds for r in counted]),
        seconds=sum(record.seconds for record in run.records),
        unanswered=len(run.records) - len(answered),
        answers=len(run.records),
        also={name: estimate(pieces(header, list(examples.values()), name), name) for name in header.also},
    )


def pieces(header: Header, examples: Sequence[Sequence[Record]], metric: str | None = None) -> list[Piece]:
    """What each example contributes to a metric (the run's): the mean score of its samples, or the first's parts."""
    if (metric or header.metric) != "mean":
        return [samples[0].parts for samples in examples]
    return [sum(record.score for record in samples) / len(samples) for samples in examples]


def _pass_at(header: Header, examples: dict[str, list[Record]]) -> dict[int, Estimate]:
    """pass@1, 2, 5, 10, ... up to the samples there are, of scores that are 0 or 1."""
    right = {name: [r.score for r in samples] for name, samples in examples.items()}
    if header.samples == 1 or not all(set(scores) <= {0.0, 1.0} for scores in right.values()):
        return {}
    sizes = [k for k in (1, 2, 5, 10, 20, 50, 100) if k <= min(map(len, right.values()))]
    return {k: estimate([pass_at_k(len(s), round(sum(s)), k) for s in right.values()]) for k in sizes}


def _groups(header: Header, examples: dict[str, list[Record]]) -> dict[str, Estimate]:
    names = sorted({samples[0].group for samples in examples.values()} - {""})
    found = {name: [s for s in examples.values() if s[0].group == name] for name in names}
    return {name: estimate(pieces(header, members), header.metric) for name, members in found.items()}


def compare(first: Run, second: Run) -> Difference:
    """Second minus first, over the examples that both have. Raises ValueError for runs of different tasks or data."""
    for name in ("task", "version", "data"):
        here, there = getattr(first.header, name), getattr(second.header, name)
        if here != there:
            raise ValueError(f"these runs are not of the same {name}: {here!r} and {there!r}")
    one, other = first.by_example(), second.by_example()
    both = [name for name in one if name in other]
    if not both:
        raise ValueError(f"two runs of {first.header.task} have no example in common")
    before, after = (pieces(first.header, [of[name] for name in both]) for of in (one, other))
    return paired(before, after, first.header.metric)
