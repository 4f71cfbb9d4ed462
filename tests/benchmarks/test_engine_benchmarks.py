"""The benchmarks of the engine run and count what they promise."""

import json
from pathlib import Path

import pytest

from benchmarks import law, serving, soak, soaks
from redraft.engine.thread import Snapshot


def test_the_law_is_counted_over_every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = law.tiny_own()
    monkeypatch.setattr(law, "denoisers", lambda: {"own": own, "two verbs": law.Plain(own)})
    written = law.main(["--requests", "12", "--group", "4", "--out", str(tmp_path)])
    results = json.loads(written.read_text())["results"]
    assert [row["kind"] for row in results["kinds"]] == ["own", "two verbs", "shipped"]
    assert (results["all"]["requests"], results["all"]["broken"]) == (12, 0)
    assert results["all"]["finished"] + results["all"]["cancelled"] == 12


def test_a_soak_ends_with_nothing_left(tmp_path: Path) -> None:
    written = soak.main(["--seconds", "0.5", "--clients", "3", "--out", str(tmp_path)])
    assert json.loads(written.read_text())["results"]["ticks"] > 0


@pytest.mark.parametrize(("percent", "value"), [(50, 2.0), (99, 4.0), (100, 4.0), (25, 1.0)])
def test_a_percentile_is_one_of_the_values(percent: float, value: float) -> None:
    assert serving.percentile([4.0, 1.0, 3.0, 2.0], percent) == value


def test_a_level_counts_the_tokens_of_all_clients() -> None:
    answer = Snapshot(
        tokens=(1, 2, 3), confidences=(1.0,) * 3, draft=None, forwards=3, denoises=2, finish="length", error=None,
        wait_s=0.0, first_s=0.5, total_s=1.0,
    )  # fmt: skip
    found = serving.Level(2, 2.0, 1.0, [answer, answer]).summary()
    assert (found["tokens_per_s"], found["tokens_per_cpu_s"], found["first_p50_s"]) == (3.0, 6.0, 0.5)


def test_soaks_carry_out_every_part_and_name_those_that_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[list[str]] = []

    def falls(arguments: list[str]) -> None:
        asked.append(list(arguments))
        raise AssertionError("a page leaked")

    parts = [soaks.Part("falls", falls, ("--full",), ("--few",)), soaks.Part("holds", asked.append, (), (), False)]
    monkeypatch.setattr(soaks, "PARTS", parts)
    assert soaks.main(["--short", "--out", str(tmp_path)]) == 1
    assert asked == [["--few", "--out", str(tmp_path)], []]
    assert "failed: falls" in capsys.readouterr().err
