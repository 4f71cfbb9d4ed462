"""sweep: from a command line to curves, a record and a plot, and on from where it stopped."""

import json
from pathlib import Path

import pytest

from tests.evals.conftest import write_rows


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(3)])
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}])
    return tmp_path


def test_a_grid_beside_its_baselines(run, data, checkpoint, tmp_path) -> None:
    out = tmp_path / "sweep"
    command = (
        "sweep", "gsm8k", "--data-dir", data, "--model", checkpoint, "--policy", "threshold:{0.9,0.01}",
        "top_k:count=2", "--canvas", "4,8", "--baseline", "ar,llada", "--temperature", 0, "--max-tokens", 8,
        "--limit", 2, "--out", out,
    )  # fmt: skip
    code, told, _ = run(*command, "--json")
    assert code == 0
    values = json.loads(told)
    assert values == {"file": str(out / "gsm8k.sweep.json")} | json.loads((out / "gsm8k.sweep.json").read_text())
    assert [curve["name"] for curve in values["curves"]] == [
        "threshold, canvas 4", "top_k:count, canvas 4", "threshold, canvas 8", "top_k:count, canvas 8"
    ]  # fmt: skip
    assert [point["label"] for point in values["singles"]] == ["ar", "diffusion llada"]
    rates = [point["tokens_per_forward"]["value"] for point in values["curves"][2]["points"]]
    assert rates == sorted(rates)
    assert rates[-1] > 1.5
    assert (out / "gsm8k.sweep.svg").stat().st_size > 1000
    assert (out / "gsm8k.sweep.png").exists()
    lines = (out / "gsm8k.diffusion.threshold-0.9-canvas-4.jsonl").read_text()
    code, told, _ = run(*command)
    assert code == 0
    assert "threshold, canvas 8: AUP" in told
    assert (out / "gsm8k.diffusion.threshold-0.9-canvas-4.jsonl").read_text() == lines  # nothing was asked again
    code, told, _ = run("report", out, "--out", tmp_path / "page.html")
    assert (code, told) == (0, f"8 runs: {tmp_path / 'page.html'}\n")


def test_an_edit_is_swept_by_its_own_policies(answer, data, checkpoint, tmp_path) -> None:
    values = answer(
        "sweep", "jfleg", "--data-dir", data, "--model", checkpoint, "--policy", "correct:{0.01,0.99}", "--out",
        tmp_path / "sweep",
    )  # fmt: skip
    assert [len(curve["points"]) for curve in values["curves"]] == [2]
    texts = [(tmp_path / "sweep" / f"jfleg.diffusion.correct-{tau}.jsonl").read_text() for tau in ("0.01", "0.99")]
    assert '"tau": 0.01' in texts[0]
    assert '"output": "He go home."' in texts[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "treshold:{0.9}"], "Did you mean 'threshold'?"),
        (["--policy", "threshold:{0.9"], "braces that do not close"),
        (["--policy", "threshold:0.9", "--canvas", "0"], "'0' must be a whole number"),
        (["--policy", "threshold:0.9", "--baseline", "lada"], "no baseline 'lada'"),
        ([], "--policy"),
    ],
)
def test_what_makes_no_sense_is_refused(run, data, checkpoint, tmp_path, options, said) -> None:
    code, out, err = run("sweep", "gsm8k", *options, "--model", checkpoint, "--data-dir", data, "--out", tmp_path / "o")
    assert (code, out) == (2, "")
    assert said in err
