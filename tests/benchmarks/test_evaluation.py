"""The benchmark of public tasks runs on a random model, in both modes, and its page shows no questions."""

import json
from pathlib import Path

from benchmarks import evaluation
from tests.evals.conftest import write_rows


def test_both_modes_are_recorded_and_the_page_shows_no_question(checkpoint: Path, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(evaluation, "open_sandbox", lambda: None)
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(5)])
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}])
    folders = ["--data-dir", str(tmp_path), "--out", str(tmp_path / "out"), "--runs", str(tmp_path / "runs")]
    asked = ["--model", str(checkpoint), "--limit", "3", "--tokens", "6", "--tasks", "gsm8k", "jfleg"]
    path = evaluation.main([*folders, *asked])
    results = json.loads(path.read_text())["results"]
    assert [(r["task"], r["mode"], r["score"]["examples"]) for r in results["runs"]] == [
        ("gsm8k", "diffusion", 3), ("gsm8k", "ar", 3), ("jfleg", "diffusion", 1)
    ]  # fmt: skip
    assert results["diffusion_minus_ar"]["gsm8k"]["examples"] == 3
    page = path.with_suffix(".html").read_text()
    assert "GSM8K" in page
    assert "What is" not in page
