"""Acceptance: whether the change of a whole word is taken, after the model has settled on it.

A policy decides token by token, so that half a word may go ("taked" becomes "t") and the model is content with what is
left. Here a run of changed words is taken or refused as one. Three things speak for it:

  - every word that it makes is a word;
  - the model was sure of each token when it wrote it, and is still when everything has settled;
  - it now believes the new text more than it believed the old, by so many nats.

Knows log probabilities of whole rows. Refuses to know forwards.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from redraft.instant.diffs import Edit, token_starts, word_changes
from redraft.instant.words import Words, touching


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """What a change of words needs, to be taken.

    written   probability of every token it writes, at the moment of writing; a pure insertion needs `inserted`
    settled   probability of every token of it in the settled text
    gain      nats by which the model believes the new more than it did the old; `mended` where the old was no word
    spelled   must what it makes be words of the checkpoint's list?
    """

    written: float = 0.5
    inserted: float = 0.85
    settled: float = 0.6
    gain: float = 2.5
    mended: float = 1.0
    spelled: bool = True

    def __post_init__(self) -> None:
        for name in ("written", "inserted", "settled"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value} must be in [0, 1]")

    def takes(self, change: "Change", words: Words | None) -> bool:
        """Whether a change is taken. Without a list of words only the model speaks."""
        known = words if self.spelled else None
        if known is not None and not all(word in known for word in change.made):
            return False
        if change.settled is None or change.settled < math.log(max(self.settled, 1e-30)):
            return False
        if known is not None and change.made and any(w.islower() and w not in known for w in change.lost):
            return change.gain > self.mended
        if change.inserts:
            return change.written > max(self.inserted, self.written)
        return change.written > self.written and change.gain > self.gain

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Change:
    """A run of changed words.

    edit     what it does to the text
    lost     words that are there no more, and `made`: words that were not there
    written  the least probability of a token it wrote, at the moment of writing; 1 where it wrote none
    settled  the least log probability of its tokens in the settled text; None where the text did not settle
    gain     nats: the settled text's tokens there, less those of the old text before the first forward
    """

    edit: Edit
    lost: tuple[str, ...]
    made: tuple[str, ...]
    written: float
    settled: float | None
    gain: float

    @property
    def inserts(self) -> bool:
        return self.edit.start == self.edit.end


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens and what is known of each: its log probability where it stands, and the probability it was written with.

    `written` is 0 where no step has written. `nats` is None where no forward saw the tokens as they are.
    """

    tokens: Sequence[int]
    nats: Sequence[float] | None
    written: Sequence[float]

    def part(self, where: slice) -> "Row":
        return Row(self.tokens[where], None if self.nats is None else self.nats[where], self.written[where])


def changes(text: str, offset: int, old: Row, new: Row, decode: Callable[[list[int]], str]) -> list[Change]:
    """What became of `text`, which stands at `offset` and is what `old` decodes to, run by run."""
    after = decode(list(new.tokens))
    runs = word_changes(text, after)
    if not runs:
        return []
    old_starts, new_starts = token_starts(old.tokens, decode), token_starts(new.tokens, decode)
    return [_change(text, after, run, offset, _Placed(old, old_starts), _Placed(new, new_starts)) for run in runs]


@dataclass(frozen=True, slots=True)
class _Placed:
    """A row whose tokens begin at known characters of its text."""

    row: Row
    starts: list[int]

    def tokens(self, start: int, end: int) -> list[int]:
        """Places of the tokens that hold characters start:end."""
        return [n for n in range(len(self.row.tokens)) if self.starts[n] < end and self.starts[n + 1] > start]


def _change(text: str, after: str, run: tuple[int, int, int, int], offset: int, old: _Placed, new: _Placed) -> Change:
    start, end, new_start, new_end = run
    was, now = touching(text, start, end), touching(after, new_start, new_end)
    here = new.tokens(new_start, new_end)
    written = min((new.row.written[n] for n in here if new.row.written[n] > 0), default=1.0)
    settled = _settled(new, here, new_start)
    sure = written if settled is None else min(written, math.exp(min(settled, 0.0)))
    edit = Edit(offset + start, offset + end, text[start:end], after[new_start:new_end], round(sure, 4))
    lost, made = tuple(w for w in was if w not in now), tuple(w for w in now if w not in was)
    return Change(edit, lost, made, written, settled, _gain(old, new, run, here))


def _settled(new: _Placed, here: list[int], start: int) -> float | None:
    """The least log probability of the run's tokens and the one behind; of a deletion's neighbours."""
    if new.row.nats is None:
        return None
    if here:
        around = [*here, here[-1] + 1] if here[-1] + 1 < len(new.row.tokens) else here
    else:
        around = new.tokens(max(start - 1, 0), start + 1)
    return min((new.row.nats[n] for n in around), default=0.0)


def _gain(old: _Placed, new: _Placed, run: tuple[int, int, int, int], here: list[int]) -> float:
    """What an insertion is measured by is the token behind it: it is there that the model asked for one."""
    start, end, _, _ = run
    if new.row.nats is None or old.row.nats is None:
        return 0.0
    there = old.tokens(start, end) if start < end else old.tokens(end, end + 1)[:1]
    return sum(new.row.nats[n] for n in here) - sum(old.row.nats[n] for n in there)
