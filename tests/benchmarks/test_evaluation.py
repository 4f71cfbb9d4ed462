"""The benchmark of public tasks runs on a random model, in both modes, and its page shows no questions."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import evaluation
from tests.evals.conftest import write_rows


@pytest.fixture
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.setattr(evaluation, "open_sandbox", lambda: None)
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(5)])
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}])
    return ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]


def recorded(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())["results"]


def test_both_modes_are_recorded_and_the_page_shows_no_question(checkpoint: Path, folders: list[str]) -> None:
    asked = ["--model", str(checkpoint), "--limit", "3", "--tokens", "6", "--tasks", "gsm8k", "jfleg", "lbpp"]
    path = evaluation.main([*folders, *asked, "--baselines", "llada"])
    results = recorded(path)
    told = [(r["task"], r["mode"], r["setting"], r["score"]["examples"]) for r in results["runs"]]
    assert told[:4] == [
        ("gsm8k", "diffusion", "", 3), ("gsm8k", "ar", "", 3), ("gsm8k", "diffusion", "llada", 3),
        ("jfleg", "diffusion", "", 1)
    ]  # fmt: skip
    assert {setting for task, _, setting, _ in told[4:]} == set(evaluation.SWEPT)
    assert [len(curve["points"]) for curve in results["sweeps"][0]["curves"]] == [len(evaluation.SWEPT)]
    assert results["diffusion_minus_ar"]["gsm8k"]["examples"] == 3
    assert "lbpp needs lbpp_python.jsonl" in results["left_out"]["lbpp"]
    page = path.with_suffix(".html").read_text()
    assert "GSM8K" in page
    assert "What is" not in page


def test_when_the_minutes_are_over_nothing_new_is_asked(checkpoint: Path, folders: list[str]) -> None:
    asked = ["--model", str(checkpoint), "--tokens", "4", "--tasks", "gsm8k", "jfleg"]
    with pytest.raises(ValueError, match="nothing was asked"):
        evaluation.main([*folders, *asked, "--minutes", "0"])
    results = recorded(evaluation.main([*folders, *asked, "--minutes", "9"]))
    assert {(r["task"], r["score"]["examples"]) for r in results["runs"]} == {("gsm8k", 5), ("jfleg", 1)}


def test_without_names_every_task_is_tried_and_what_has_no_data_is_told(checkpoint: Path, folders: list[str]) -> None:
    results = recorded(evaluation.main([*folders, "--model", str(checkpoint), "--tokens", "4", "--limit", "1"]))
    assert {r["task"] for r in results["runs"]} == {"gsm8k", "jfleg"}
    assert {"humaneval", "mbpp", "aime25"} <= set(results["left_out"])
