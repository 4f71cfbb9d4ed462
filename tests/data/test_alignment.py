"""Edit scripts are minimal, and following them leads to the clean text from any state on the way."""

from itertools import pairwise
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from redraft.core.canvas import Controls
from redraft.data.alignment import Op, align, partly_noised

END, MASK = 50, 60
CONTROLS = Controls(delete_id=70, insert_ids=(71, 72, 73))

tokens = st.lists(st.integers(0, 4), max_size=12)
ended = tokens.map(lambda ids: [*ids, END])
rates = st.floats(0, 1)


def distance(source: list[int], target: list[int]) -> int:
    """Levenshtein distance by the plain recurrence."""
    row = list(range(len(target) + 1))
    for i, held in enumerate(source, start=1):
        above, row[0] = row[0], i
        for j, wanted in enumerate(target, start=1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (held != wanted))
    return row[-1]


def follow(canvas: list[int], targets: list[int]) -> list[int]:
    """One step of a model that says exactly the targets."""
    after: list[int] = []
    for held, wanted in zip(canvas, targets, strict=True):
        if wanted in CONTROLS.insert_ids:
            after += [MASK] * (CONTROLS.insert_ids.index(wanted) + 1) + [held]
        elif wanted != CONTROLS.delete_id:
            after.append(wanted)
    return after


@given(tokens, tokens)
def test_script_is_minimal_and_rebuilds_the_target(source: list[int], target: list[int]) -> None:
    ops = align(source, target)
    assert sum(op.kind != "keep" for op in ops) == distance(source, target)
    assert [op.source for op in ops if op.source is not None] == list(range(len(source)))
    assert [op.target for op in ops if op.target is not None] == list(range(len(target)))
    assert all(
        (op.kind == "keep") == (source[op.source] == target[op.target])
        for op in ops
        if op.source is not None and op.target is not None
    )


@given(ended, ended)
def test_every_gap_sits_before_a_kept_token(source: list[int], target: list[int]) -> None:
    ops = align(source, target)
    assert ops[-1] == Op("keep", len(source) - 1, len(target) - 1)
    for op, following in pairwise(ops):
        assert op.kind != "insert" or following.kind in ("insert", "keep")


@given(tokens, st.integers(0, 4))
def test_swapped_neighbours_are_two_substitutions(before: list[int], after: int) -> None:
    source, target = [*before, 8, 9, after], [*before, 9, 8, after]
    assert [op.kind for op in align(source, target)] == ["keep"] * len(before) + ["substitute"] * 2 + ["keep"]


@given(ended, ended, rates, rates, rates, st.randoms(use_true_random=False))
@settings(max_examples=150)
def test_following_targets_reaches_the_clean_text_from_any_state(
    source: list[int], target: list[int], progress: float, mask_rate: float, keep_noise: float, rng: Random
) -> None:
    canvas, targets = partly_noised(
        source, target, rng, CONTROLS, MASK, progress=progress, mask_rate=mask_rate, keep_noise=keep_noise
    )
    assert len(canvas) == len(targets)
    canvas = follow(canvas, targets)
    for _ in range(2 + len(target) // len(CONTROLS.insert_ids)):
        if canvas == target:
            break
        canvas = follow(*partly_noised(canvas, target, rng, CONTROLS, MASK))
    assert canvas == target


@given(ended, ended, st.randoms(use_true_random=False))
def test_two_rounds_suffice_where_no_gap_is_too_wide(source: list[int], target: list[int], rng: Random) -> None:
    wide = Controls(70, tuple(range(100, 120)))
    canvas, targets = partly_noised(source, target, rng, wide, MASK)
    opened: list[int] = []
    for held, wanted in zip(canvas, targets, strict=True):
        slots = wanted - 99 if wanted >= 100 else 0
        opened += [MASK] * slots + [held if slots else wanted] * (wanted != 70)
    assert len(opened) == len(target)
    assert all(held in (MASK, clean) for held, clean in zip(opened, target, strict=True))


@given(ended, ended, rates, st.randoms(use_true_random=False))
def test_finished_state_is_the_clean_text(source: list[int], target: list[int], mask_rate: float, rng: Random) -> None:
    state = partly_noised(source, target, rng, CONTROLS, MASK, progress=1.0, mask_rate=mask_rate)
    assert state == (target, target)


@given(ended, rates, rates, st.randoms(use_true_random=False))
def test_clean_text_stays_as_it_is(clean: list[int], progress: float, mask_rate: float, rng: Random) -> None:
    state = partly_noised(clean, clean, rng, CONTROLS, MASK, progress=progress, mask_rate=mask_rate)
    assert state == (clean, clean)


def test_pending_changes_ask_for_tokens_delete_and_insert() -> None:
    source, target = [1, 2, 3, 4, END], [1, 9, 3, 4, 5, 6, 7, 8, END]
    assert partly_noised(source, target, Random(0), CONTROLS, MASK) == ([1, 2, 3, 4, END], [1, 9, 3, 4, 73])
    assert partly_noised([1, 2, END], [1, END], Random(0), CONTROLS, MASK) == ([1, 2, END], [1, 70, END])
    assert partly_noised([2, END], [1, 2, END], Random(0), CONTROLS, MASK) == ([2, END], [71, END])


def test_open_changes_are_masks_that_want_the_clean_token() -> None:
    source, target = [1, 2, 3, END], [1, 9, 3, 5, 6, END]
    state = partly_noised(source, target, Random(0), CONTROLS, MASK, mask_rate=1.0)
    assert state == ([1, MASK, 3, MASK, MASK, END], [1, 9, 3, 5, 6, END])


def test_rates_are_the_shares_of_done_and_open_changes() -> None:
    source, target = [1] * 8000 + [END], [2] * 8000 + [END]
    canvas, _ = partly_noised(source, target, Random(0), CONTROLS, MASK, progress=0.4, mask_rate=0.5)
    for token, share in ((2, 0.4), (MASK, 0.3), (1, 0.3)):
        assert canvas.count(token) / 8000 == pytest.approx(share, abs=0.03)
    clean = [1] * 8000 + [END]
    masked = partly_noised(clean, clean, Random(1), CONTROLS, MASK, keep_noise=0.1)
    assert masked[0].count(MASK) / 8000 == pytest.approx(0.1, abs=0.02)
    assert masked[1] == clean


def test_sequences_that_end_differently_are_refused() -> None:
    with pytest.raises(ValueError, match="end-of-text"):
        partly_noised([1, 2], [1, 3], Random(0), CONTROLS, MASK)
    with pytest.raises(ValueError, match="end-of-text"):
        partly_noised([], [], Random(0), CONTROLS, MASK)


def test_gap_without_insert_ids_is_refused() -> None:
    with pytest.raises(ValueError, match="insert_ids"):
        partly_noised([END], [1, END], Random(0), Controls(70), MASK)
