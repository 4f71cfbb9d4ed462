"""The benchmark of scorers on small fabricated sets: it counts, and it can see a scorer that is wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import scorers
from redraft.evals.registry import get_task
from redraft.evals.task import Verdict
from tests.evals.conftest import write_rows


def test_every_name_is_a_task() -> None:
    for name in scorers.KNOWN:
        assert get_task(name).name == name


def test_right_answers_score_all_and_wrong_ones_nothing(tmp_path: Path) -> None:
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": f"{n}?", "answer": f"#### {n}"} for n in range(5)])
    write_rows(tmp_path / "dream_cd3_test.jsonl", [{"input": f"1,2,{n},6", "output": "1+2=3,3+3=6"} for n in [3] * 9])
    assert scorers.tally(get_task("gsm8k"), tmp_path, 3) == [scorers.Tally("gsm8k", "complete", 3, 1.0, 0.0, [])]
    [found] = scorers.tally(get_task("countdown_3"), tmp_path)
    assert (found.count, found.right, found.wrong) == (1, 1, 0)


def test_a_scorer_that_is_wrong_is_seen(tmp_path: Path) -> None:
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": "2?", "answer": "#### 2"}])
    task = replace(get_task("gsm8k"), judge=lambda *_: Verdict(0.0))
    [found] = scorers.tally(task, tmp_path)
    assert (found.right, found.missed) == (0, ["gsm8k/0"])


def test_a_task_without_solutions_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["scorers", "--data-dir", ".", "--tasks", "lbpp"])
    with pytest.raises(SystemExit):
        scorers.main()
    assert "no solutions are known of 'lbpp'" in capsys.readouterr().err
