"""Kept stretches: what two sequences of ids share in one minimal edit script, by a bit-parallel Levenshtein matrix.

Knows ids. Refuses to know what the rest of a script is called and which of several minimal ones is the better to learn
from (`alignment`). rapidfuzz makes the matrix where it is installed; the plain way gives the same stretches, ties
included, so that a batch does not depend on what a machine has.
"""

from collections.abc import Sequence

try:
    from rapidfuzz.distance import Levenshtein
except ImportError:
    Levenshtein = None  # type: ignore[assignment]

Kept = list[tuple[int, int, int]]  # (source start, target start, length)


def kept_stretches(source: Sequence[int], target: Sequence[int]) -> Kept:
    """Every longest stretch that a minimal edit script from source to target keeps, in order."""
    if Levenshtein is None:
        return plain_kept_stretches(source, target)
    equal = (code for code in Levenshtein.opcodes(source, target) if code.tag == "equal")
    return [(code.src_start, code.dest_start, code.src_end - code.src_start) for code in equal]


def plain_kept_stretches(source: Sequence[int], target: Sequence[int]) -> Kept:
    """The same without rapidfuzz. A row of the matrix is two integers, a bit per source token (Hyyro, 2003)."""
    front = _shared_front(source, target)
    back = _shared_front(source[front:][::-1], target[front:][::-1])
    inner = source[front : len(source) - back], target[front : len(target) - back]
    pairs = [(front + i, front + j) for i, j in _kept_pairs(*inner)]
    found: Kept = [(0, 0, front)] if front else []
    for i, j in [*pairs, *((len(source) - back + k, len(target) - back + k) for k in range(back))]:
        if found and found[-1][0] + found[-1][2] == i and found[-1][1] + found[-1][2] == j:
            found[-1] = (*found[-1][:2], found[-1][2] + 1)
        else:
            found.append((i, j, 1))
    return found


def _shared_front(source: Sequence[int], target: Sequence[int]) -> int:
    count = 0
    for one, other in zip(source, target, strict=False):
        if one != other:
            break
        count += 1
    return count


def _kept_pairs(source: Sequence[int], target: Sequence[int]) -> list[tuple[int, int]]:
    """(source, target) indices of the kept tokens: the way back through the matrix, from its far corner."""
    if not source or not target:
        return []
    rows = _rows(source, target)
    pairs: list[tuple[int, int]] = []
    i, j = len(source), len(target)
    while i and j:
        bit = 1 << (i - 1)
        if rows[j - 1][0] & bit:
            i -= 1  # deleted
            continue
        j -= 1
        if j and rows[j - 1][1] & bit:
            continue  # inserted
        i -= 1
        if source[i] == target[j]:
            pairs.append((i, j))
    return pairs[::-1]


def _rows(source: Sequence[int], target: Sequence[int]) -> list[tuple[int, int]]:
    """For every target token the source places at which the matrix goes up by one, and those at which it goes down."""
    places: dict[int, int] = {}
    for n, token in enumerate(source):
        places[token] = places.get(token, 0) | 1 << n
    every = (1 << len(source)) - 1
    up, down = every, 0
    rows: list[tuple[int, int]] = []
    for token in target:
        same = places.get(token, 0)
        diagonal = (((same & up) + up) ^ up) | same | down
        right = down | ~(diagonal | up)
        fell = diagonal & up
        right = right << 1 | 1
        up = (fell << 1 | ~(diagonal | right)) & every
        down = right & diagonal & every
        rows.append((up, down))
    return rows
