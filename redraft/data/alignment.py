"""Alignment: what an edit model should do at each token of a text with mistakes.

Knows token ids and minimal edit scripts. Refuses to know tokenizers, mistakes, or tensors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from redraft.core.canvas import Controls
from redraft.data.kept import kept_stretches

Kind = Literal["keep", "substitute", "delete", "insert"]


@dataclass(frozen=True, slots=True)
class Op:
    """One step of an edit script. `source` and `target` index the two sequences; an insert has no
    source and a delete no target. An insert takes place before the next op that has a source."""

    kind: Kind
    source: int | None
    target: int | None


def align(source: Sequence[int], target: Sequence[int]) -> list[Op]:
    """A minimal Levenshtein edit script from source to target, in order of position.

    Between two kept stretches substitutions come first and the deletions or insertions last, so that a gap
    sits before a kept token and all changes of a stretch can be made at once. Gaps lie as far right as they can.
    """
    # A shared last token (the end of the text) stays put: a gap always has a position after it.
    tail = int(bool(source) and bool(target) and source[-1] == target[-1])
    ops: list[Op] = []
    i = j = 0
    for kept_i, kept_j, size in _kept_stretches(source[: len(source) - tail], target[: len(target) - tail], tail):
        ops += _change(i, kept_i, j, kept_j)
        ops += [Op("keep", kept_i + k, kept_j + k) for k in range(size)]
        i, j = kept_i + size, kept_j + size
    return ops + _change(i, len(source), j, len(target))


def _kept_stretches(source: Sequence[int], target: Sequence[int], tail: int) -> list[tuple[int, int, int]]:
    """(source start, target start, length) of every stretch that stays, the shared last token included."""
    kept: list[tuple[int, int, int]] = []
    for i, j, size in [*kept_stretches(source, target), (len(source), len(target), tail)]:
        # As cheap without: [a b] -> [b a] is two substitutions rather than an insert, a kept token and a delete.
        while kept and _cost(_end(kept[:-1]), (i, j)) <= _cost(_end(kept[:-1]), kept[-1]) + _cost(_end(kept), (i, j)):
            kept.pop()
        kept.append((i, j, size))
    return kept


def _end(kept: list[tuple[int, int, int]]) -> tuple[int, int]:
    return (kept[-1][0] + kept[-1][2], kept[-1][1] + kept[-1][2]) if kept else (0, 0)


def _cost(start: tuple[int, ...], end: tuple[int, ...]) -> int:
    """Edits that turn one stretch of source into one of target with nothing kept."""
    return max(end[0] - start[0], end[1] - start[1])


def _change(i: int, i_end: int, j: int, j_end: int) -> list[Op]:
    """source[i:i_end] becomes target[j:j_end] at cost max of the two lengths."""
    shared = min(i_end - i, j_end - j)
    ops = [Op("substitute", i + k, j + k) for k in range(shared)]
    ops += [Op("delete", k, None) for k in range(i + shared, i_end)]
    return ops + [Op("insert", None, k) for k in range(j + shared, j_end)]


@dataclass(frozen=True, slots=True)
class _Noise:
    """The coins of one state of the reverse process."""

    rng: Random
    mask_id: int
    progress: float
    mask_rate: float
    keep_noise: float

    def happens(self, chance: float) -> bool:
        return self.rng.random() < chance

    def substituted(self, source: int, target: int) -> int:
        """What stands on the canvas at a substitution: done, an open mask, or the source still."""
        if self.happens(self.progress):
            return target
        return self.mask_id if self.happens(self.mask_rate) else source

    def gap(self, clean: list[int]) -> list[int]:
        """What a run of inserts puts on the canvas: its tokens, open masks, or nothing while it is pending."""
        if not clean or self.happens(self.progress):
            return clean
        return [self.mask_id] * len(clean) if self.happens(self.mask_rate) else []


def partly_noised(
    source: list[int],
    target: list[int],
    rng: Random,
    controls: Controls,
    mask_id: int,
    *,
    progress: float = 0.0,
    mask_rate: float = 0.0,
    keep_noise: float = 0.0,
) -> tuple[list[int], list[int]]:
    """An intermediate state of the edit reverse process: (canvas tokens, targets), of equal length.

    Each change, a run of inserts counting as one, is done with probability `progress`; of those not done,
    substitutions and inserts are open masks with probability `mask_rate`; the rest is pending, and asks for the
    clean token, DELETE, or INSERT. INSERT stands at the position after the gap and overrides that position's own
    target, which returns once the slots are open. A kept token is masked with probability `keep_noise`, the last
    one (the end of the text) excepted.

    Raises ValueError where the two do not end with the same (end-of-text) token, or where a gap is pending and
    `controls` has no insert ids.
    """
    if not source or not target or source[-1] != target[-1]:
        raise ValueError(f"{source[-1:]=} and {target[-1:]=} must be the same end-of-text token")
    noise = _Noise(rng, mask_id, progress, mask_rate, keep_noise)
    held: list[int] = []
    wanted: list[int] = []
    i = j = 0
    for kept_i, kept_j, size in _kept_stretches(source[:-1], target[:-1], 1):
        shared = min(kept_i - i, kept_j - j)
        held += [noise.substituted(source[i + k], target[j + k]) for k in range(shared)]
        wanted += target[j : j + shared]
        left = [token for token in source[i + shared : kept_i] if not noise.happens(progress)]
        held += left
        wanted += [controls.delete_id] * len(left)
        opened = noise.gap(target[j + shared : kept_j])
        held += opened
        wanted += target[j + shared : j + shared + len(opened)]
        pending = kept_j - j - shared - len(opened)
        kept = target[kept_j : kept_j + size]
        held += [mask_id if noise.happens(keep_noise) else token for token in kept] if keep_noise else kept
        wanted += [_insert_id(controls, pending), *kept[1:]] if pending else kept
        i, j = kept_i + size, kept_j + size
    held[-1] = source[-1]  # the end is given, and every state must end with it
    return held, wanted


def _insert_id(controls: Controls, slots: int) -> int:
    if not controls.insert_ids:
        raise ValueError(f"{controls=} has no insert_ids, and the target needs {slots} more tokens")
    return controls.insert_ids[min(slots, len(controls.insert_ids)) - 1]
