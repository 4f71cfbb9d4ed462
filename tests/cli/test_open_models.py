"""The command line on checkpoints of open families."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from redraft.cli import terminal
from redraft.library import load
from tests import open_model


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("open")
    return {"llada": open_model.llada(root / "llada"), "sdar": open_model.sdar(root / "sdar")}


@pytest.mark.parametrize("name", ["llada", "sdar"])
def test_generate_says_what_the_library_says(answer, run, folders, name: str) -> None:
    short = ("The quick", "--model", folders[name], "--max-tokens", 8, "--seed", 3, "--dtype", "float32")
    values = answer("generate", *short)
    assert values["mode"] == "diffusion"
    assert values["text"] == load(folders[name]).generate("The quick", max_tokens=8, seed=3).text
    assert run("generate", *short)[0] == 0


def test_a_terminal_sees_the_canvas_of_a_foreign_model(run, folders, monkeypatch) -> None:
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=60, height=12, highlight=False)
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr(terminal, "stdout", lambda: console)
    assert run("generate", "The", "--model", folders["llada"], "--max-tokens", 8, "--cache", "dual")[0] == 0
    assert "░" in file.getvalue()


def test_chat_takes_any_family_by_name_and_a_system_message(answer, run, folders, stdin) -> None:
    stdin(b"Hello <|eot_id|>!\nAnd you?\n")
    values = answer("chat", folders["llada"], "--system", "Be brief.", "--max-tokens", 4)
    assert [turn["user"] for turn in values["turns"]] == ["Hello <|eot_id|>!", "And you?"]
    assert "two models are named" in run("chat", folders["llada"], "--model", folders["sdar"])[2]


def test_chat_with_a_model_that_cannot_talk_is_refused(run, tmp_path: Path) -> None:
    bare = open_model.open_model("dream", tmp_path, {"<|endoftext|>": 315, "<|mask|>": 318})
    code, _, err = run("chat", bare)
    assert (code, "brings no chat template" in err) == (2, True)


def test_infill_edit_and_score_work_where_the_attention_allows_them(answer, run, folders, tmp_path: Path) -> None:
    llada, sdar = ("--model", folders["llada"]), ("--model", folders["sdar"])
    assert answer("infill", "--prefix", "The fox", "--suffix", " dog.", "--gap", 4, *llada)["tokens"] <= 4
    text = tmp_path / "a.txt"
    text.write_text("The fox met Zoë.\n")
    assert "Zoë" in answer("edit", text, "--strength", 0.5, "--lock", "Zoë", *llada)["text"]
    assert answer("score", "The fox.", "--samples", 2, *llada)["autoregressive_nats"] is None
    assert "causal" not in run("score", "The fox.", "--samples", 2, *llada)[1]
    assert "Zoë" in answer("edit", text, "--lock", "Zoë", *llada)["text"]  # what it doubts is written afresh
    for arguments in (("edit", text, *sdar), ("infill", "--prefix", "a", "--gap", 9, *sdar)):
        code, out, err = run(*arguments)
        assert (code, out, err.count("\n")) == (2, "", 1), arguments


def test_options_of_loading_that_cannot_apply_are_refused(run, checkpoint, folders) -> None:
    for arguments, said in [
        (("--model", checkpoint, "--cache", "dual"), "cache='dual' does not apply"),
        (("--model", folders["sdar"], "--cache", "dual"), "block_causal"),
        (("--model", folders["llada"], "--dtype", "float8"), "unknown dtype 'float8'"),
        (("--model", folders["llada"], "--quantize", "int2"), "unknown quantisation 'int2'"),
        (("--model", folders["llada"], "--device", "tpu"), "--device tpu"),
        (("--model", folders["llada"], "--mode", "ar"), "left_to_right"),
    ]:
        code, out, err = run("generate", "a", "--max-tokens", 4, *arguments)
        assert (code, out) == (2, "")
        assert said in err


def test_weights_may_be_quantised_on_the_way(answer, folders, checkpoint) -> None:
    pytest.importorskip("torchao")
    for folder in (folders["llada"], checkpoint):
        assert answer("generate", "The", "--max-tokens", 4, "--model", folder, "--quantize", "int8")["nfe"] >= 1


def test_guidance_compares_with_the_prompt_as_noise(run, folders, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    asked = ("--model", folders["llada"], "--max-tokens", 4, "--guidance", 1.5, "--trace", trace)
    assert run("generate", "The fox", *asked)[0] == 0
    decoding = json.loads(trace.read_text().splitlines()[0])["decoding"]
    assert (decoding["guidance"], decoding["null_id"]) == (1.5, 318)
