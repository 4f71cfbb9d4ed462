"""Correction: what a model makes of faulty and of clean sentences, once, for every acceptance afterwards.

A sentence is decoded once; what is known of each change (`instant.acceptance`) then says which of them an acceptance
takes, without another forward. Knows sentences and models; metrics are `evals`' and `jfleg`'s.
"""

import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher

import torch
from rich.progress import Progress

from redraft.data.sentences import tokenize
from redraft.instant.acceptance import Acceptance, Change
from redraft.instant.diffs import apply_edits
from redraft.instant.words import Words
from redraft.library import Model
from redraft.sampling.decoding import Decoding

Edit = tuple[int, int, tuple[str, ...]]  # words start:end of a sentence become these


@dataclass(frozen=True, slots=True)
class Corrected:
    """A text, what the model would change of it, and the most forwards that any part of it took."""

    before: str
    changes: tuple[Change, ...]
    forwards: int
    milliseconds: float  # its share of the time that all texts took
    words: Words | None

    def after(self, accept: Acceptance | None = None) -> str:
        """The text with the changes that are taken; None takes them all."""
        taken = [change.edit for change in self.changes if accept is None or accept.takes(change, self.words)]
        return apply_edits(self.before, taken)


def correct(
    model: Model, texts: Sequence[str], *, decoding: Decoding | None = None, description: str = "editing"
) -> list[Corrected]:
    """What `Model.edit` finds in every text, which is one line: they are edited as the lines of one."""
    whole = "\n".join(texts)
    # Every acceptance is applied afterwards, but this one makes the editor ask what the model believes.
    plan = model.plan_edit(whole, decoding=decoding, accept=Acceptance())
    began = time.perf_counter()
    with Progress(transient=True) as progress, torch.inference_mode():
        task = progress.add_task(description, total=len(plan.windows))
        for moment in plan.editor.run(whole, plan.windows, rows=32):
            progress.update(task, completed=len(moment.finished))
    share = 1000 * (time.perf_counter() - began) / len(texts)
    found: list[list[Change]] = [[] for _ in texts]
    forwards = [0] * len(texts)
    starts = _starts(texts)
    for outcome in moment.finished:
        line = _line(starts, outcome.window.start)
        forwards[line] = max(forwards[line], outcome.forwards)
        found[line] += [_moved(change, -starts[line]) for change in outcome.found]
    held = zip(texts, found, forwards, strict=True)
    return [
        Corrected(text, tuple(sorted(changes, key=lambda c: c.edit.start)), most, share, model.words)
        for text, changes, most in held
    ]


def _starts(texts: Sequence[str]) -> list[int]:
    starts = [0]
    for text in texts:
        starts.append(starts[-1] + len(text) + 1)
    return starts


def _line(starts: Sequence[int], place: int) -> int:
    return bisect_right(starts, place) - 1


def _moved(change: Change, by: int) -> Change:
    return replace(change, edit=replace(change.edit, start=change.edit.start + by, end=change.edit.end + by))


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
