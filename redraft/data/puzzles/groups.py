"""Groups: a name for a puzzle that stays the same when its parts are renamed and reordered.

Colour refinement (Weisfeiler and Leman, 1968): things related alike get one colour. Puzzles that are each other in
disguise get one name; others may share one by chance, which a split of data may do.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Words = NDArray[np.uint64]


def mixed(values: Words) -> Words:
    """The finaliser of SplitMix64 (Steele, Lea and Flood, 2014): every bit in changes every bit out."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def refined(colours: Sequence[int], relations: Sequence[NDArray[np.bool_]], rounds: int = 4) -> str:
    """The name of things with these colours, related to one another by these [n, n] matrices (row to column)."""
    held = mixed(np.asarray(colours, np.uint64) + np.uint64(1))
    matrices = [matrix.astype(np.uint64) for matrix in relations]
    for _ in range(rounds):
        fresh = held * np.uint64(3)
        for number, matrix in enumerate(matrices, 1):
            fresh = mixed(fresh + matrix @ mixed(held + np.uint64(number << 8)))
        held = fresh
    return f"{int(mixed(held).sum(dtype=np.uint64)):016x}"
