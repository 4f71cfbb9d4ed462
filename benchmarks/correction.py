"""Correction: what a model makes of faulty and of clean sentences, once, for every margin of acceptance afterwards.

A sentence is decoded once; the causal mode then says by how many nats it prefers what came out. Any margin can be
applied to these gains without another forward. Knows sentences and models; metrics are `evals`' and `jfleg`'s.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from rich.progress import track

from redraft.data.sentences import tokenize
from redraft.editing import Proposal, replace_spans, windows
from redraft.library import Model
from redraft.sampling.decoding import Decoding

Edit = tuple[int, int, tuple[str, ...]]  # words start:end of a sentence become these


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text and what the model would make of it: (start, end, new text, gain in nats) per window, and forwards."""

    before: str
    changes: tuple[tuple[int, int, str, float], ...]
    forwards: int
    milliseconds: float  # its share of the batch it was decoded in

    def after(self, margin: float | None = None) -> str:
        """The text with the changes that gain at least `margin` nats; None takes them all."""
        taken = [(start, end, new) for start, end, new, gain in self.changes if margin is None or gain >= margin]
        return replace_spans(self.before, taken)


def correct(
    model: Model,
    texts: Sequence[str],
    *,
    decoding: Decoding | None = None,
    rows: int = 32,
    window: int = 96,
    description: str = "editing",
) -> list[Corrected]:
    """What `Model.edit` makes of every text; windows of like length share their forwards."""
    parts = [
        (number, part)
        for number, text in enumerate(texts)
        for part in windows(text, (), model.tokenizer.encode, window)
    ]
    parts.sort(key=lambda item: len(item[1].tokens))
    found: list[list[tuple[Proposal, float, float]]] = [[] for _ in texts]
    for start in track(range(0, len(parts), rows), description=description):
        group = parts[start : start + rows]
        began = time.perf_counter()
        proposals = model.propose([part for _, part in group], decoding=decoding)
        share = 1000 * (time.perf_counter() - began) / len(group)
        for (number, _), proposal, gain in zip(group, proposals, model.gains(proposals), strict=True):
            found[number].append((proposal, gain, share))
    return [_corrected(model, text, held) for text, held in zip(texts, found, strict=True)]


def _corrected(model: Model, text: str, held: list[tuple[Proposal, float, float]]) -> Corrected:
    changes = []
    for proposal, gain, _ in sorted(held, key=lambda item: item[0].window.start):
        if proposal.tokens != proposal.window.tokens:
            new = model.tokenizer.decode(proposal.tokens)
            changes.append((proposal.window.start, proposal.window.end, new, gain))
    forwards = max((proposal.forwards for proposal, _, _ in held), default=0)
    return Corrected(text, tuple(changes), forwards, sum(share for _, _, share in held))


def word_edits(before: str, after: str) -> tuple[set[Edit], set[int], int]:
    """The edits from one sentence to another, the words of the first that they touch, and how many words it has."""
    old, new = tokenize(before).split(), tokenize(after).split()
    edits: set[Edit] = set()
    touched: set[int] = set()
    for tag, i, i_end, j, j_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        touched |= set(range(i, i_end))
        if i_end - i == j_end - j:  # word by word, so that a mended word counts next to one that was not
            edits |= {(i + k, i + k + 1, (new[j + k],)) for k in range(i_end - i)}
        else:
            edits.add((i, i_end, tuple(new[j:j_end])))
    return edits, touched, len(old)


@dataclass(frozen=True, slots=True)
class Repair:
    """One faulty sentence: edits it needs, made and both; right words, and those that were changed; wholly right?"""

    needed: int
    made: int
    mended: int
    right: int
    broken: int
    whole: bool


def repair(faulty: str, after: str, clean: str) -> Repair:
    needed, wrong, num_words = word_edits(faulty, clean)
    made, touched, _ = word_edits(faulty, after)
    return Repair(
        needed=len(needed), made=len(made), mended=len(needed & made), right=num_words - len(wrong),
        broken=len(touched - wrong), whole=after == clean,
    )  # fmt: skip
