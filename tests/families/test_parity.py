"""Every family against golden vectors of its reference implementation: each array and each sampler case is a test."""

import functools
from pathlib import Path

import pytest

from benchmarks.parity.golden import Golden, Verdict, read_golden, verdicts

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
FOLDERS = sorted(path.parent for path in FIXTURES.glob("*/config.json"))


@functools.cache
def golden(folder: Path) -> Golden:
    return read_golden(folder)


@functools.cache
def judged(folder: Path) -> tuple[Verdict, ...]:
    return tuple(verdicts(golden(folder)))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_array_and_sampler_case_agrees_with_the_reference(folder: Path) -> None:
    misses = [f"{v.name}: {v.told}" for v in judged(folder) if not v.agrees]
    assert not misses, "\n".join(misses)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_nothing_recorded_in_a_folder_goes_uncompared(folder: Path) -> None:
    names = {verdict.name for verdict in judged(folder)}
    recorded = set(golden(folder).expected) | {f"{case.id} {case.name}" for case in golden(folder).cases}
    assert recorded <= names
