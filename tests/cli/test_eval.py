"""eval, compare and report: from a command line to numbers and a page."""

import json
from pathlib import Path

import pytest

from tests.evals.conftest import write_rows
from tests.evals.server import serving


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_rows(tmp_path / "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(4)])
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}])
    return tmp_path


def test_without_a_task_they_are_listed(run, answer) -> None:
    code, out, _ = run("eval")
    assert code == 0
    assert "humaneval" in out
    assert {"gsm8k", "jfleg"} <= {task["name"] for task in answer("eval")["tasks"]}


def test_a_model_in_two_modes_beside_each_other(answer, run, data, checkpoint, tmp_path) -> None:
    out = tmp_path / "run"
    command = ("eval", "gsm8k,jfleg", "--data-dir", data, "--model", checkpoint, "--mode", "diffusion,ar")
    options = ("--temperature", 0, "--max-tokens", 6, "--limit", 2, "--out", out)
    code, told, _ = run(*command, *options, "--json")
    assert code == 0
    found = json.loads(told)
    assert [(r["task"], r["mode"]) for r in found["runs"]] == [
        ("gsm8k", "diffusion"), ("gsm8k", "ar"), ("jfleg", "diffusion"), ("jfleg", "ar")
    ]  # fmt: skip
    assert all(r["score"]["low"] <= r["score"]["value"] <= r["score"]["high"] for r in found["runs"])
    assert found["runs"][1]["tokens_per_forward"]["value"] == 1
    assert sorted(path.name for path in out.iterdir())[0] == "gsm8k.ar.jsonl"
    code, told, _ = run(*command, *options)
    assert code == 0
    assert "tokens/forward" in told
    compared = answer("compare", out / "gsm8k.ar.jsonl", out / "gsm8k.diffusion.jsonl")["comparisons"]
    assert compared[0]["difference"]["examples"] == 2
    assert len(answer("compare", out, out)["comparisons"]) == 4
    code, told, _ = run("compare", out, out)
    assert "difference +0.0 points" in told
    code, told, _ = run("report", out, "--out", tmp_path / "page.html")
    assert (code, told) == (0, f"4 runs: {tmp_path / 'page.html'}\n")
    assert "GSM8K" in (tmp_path / "page.html").read_text()


def test_a_server_and_then_its_answers_again(answer, data, tmp_path) -> None:
    with serving(lambda path, body: "2") as url:
        asked = answer(
            "eval", "gsm8k", "--data-dir", data, "--base-url", url, "--model", "fake", "--workers", 2, "--out",
            tmp_path / "a",
        )  # fmt: skip
    assert asked["runs"][0]["score"]["value"] == 0.25
    again = answer("eval", "gsm8k", "--data-dir", data, "--replay", tmp_path / "a", "--out", tmp_path / "b")
    assert again["runs"][0]["score"] == asked["runs"][0]["score"]


def test_a_task_that_cannot_be_asked_is_left_out_of_several(run, data, checkpoint, tmp_path) -> None:
    code, out, err = run(
        "eval", "gsm8k,jfleg,mbpp", "--data-dir", data, "--model", checkpoint, "--ask", "complete", "--limit", 1,
        "--max-tokens", 4, "--out", tmp_path / "run", "--no-sandbox",
    )  # fmt: skip
    assert code == 0
    assert "gsm8k" in out
    assert "left out: jfleg cannot be asked by 'complete'" in err
    assert "left out: mbpp needs mbpp.jsonl" in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["gsm8"], "did you mean 'gsm8k'?"),
        (["gsm8k", "--mode", "difusion"], "did you mean 'diffusion'?"),
        (["gsm8k", "--limit", "0"], "'0' must be a whole number of at least 1"),
        (["gsm8k", "--base-url", "http://x/v1"], "--base-url needs --model"),
        (["gsm8k", "--base-url", "http://x/v1", "--model", "m", "--mode", "ar"], "--mode does not apply to --base-url"),
        (["gsm8k", "--workers", "2"], "--workers is about servers"),
        (["gsm8k", "--samples", "2", "--temperature", "0"], "would be one answer over and over"),
        (["gsm8k", "--decoding", "treshold:0.9"], "Did you mean 'threshold'?"),
        (["gsm8k", "--decoding", "threshold:0.9", "--policy", "margin:1"], "both name a policy"),
        (["gsm8k", "--replay", "/nowhere"], "there is no run /nowhere"),
        (["gsm8k", "--replay", "/nowhere", "--temperature", "1"], "--temperature does not apply to --replay"),
    ],
)
def test_what_makes_no_sense_is_refused(run, data, checkpoint, tmp_path, options, said) -> None:
    model = [] if "--base-url" in options else ["--model", checkpoint]
    code, out, err = run("eval", *options, *model, "--data-dir", data, "--out", tmp_path / "run")
    assert (code, out) == (2, "")
    assert said in err


def test_what_is_no_run_is_refused(run, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    for command in ("compare", "report"):
        second = [tmp_path / "empty"] if command == "compare" else []
        code, _, err = run(command, tmp_path / "empty", *second)
        assert code == 2
        assert "there are no runs in" in err
