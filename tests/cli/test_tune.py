"""tune: from prompts in a file to a record, and to what the checkpoint recommends."""

import json
import shutil
from pathlib import Path

import pytest

from redraft.library import load

TEXTS = [f"{start} jumps over the lazy dog. He has a big red ball." for start in ("The fox", "She", "He", "A dog")]


@pytest.fixture
def folder(tmp_path: Path, checkpoint: Path) -> Path:
    shutil.copytree(checkpoint, tmp_path / "model")
    (tmp_path / "prompts.txt").write_text("\n\n".join(TEXTS))
    return tmp_path / "model"


@pytest.mark.parametrize("use", ["generate", "infill", "edit"])
def test_what_is_found_is_recommended(run, folder, tmp_path, use) -> None:
    policies = ["correct:{0.5,0.9}"] if use == "edit" else ["threshold:{0.9,0.001}"]
    options = ("--model", folder, "--prompts", tmp_path / "prompts.txt", "--max-tokens", 6, "--tolerance", 1)
    before = load(folder).defaults
    code, out, err = run(
        "tune", use, *options, "--by", "text", "--policy", *policies, "--out", tmp_path / "r.json", "--write", "--json"
    )
    assert code == 0, err
    values = json.loads(out)
    assert values == {"file": str(tmp_path / "r.json")} | json.loads((tmp_path / "r.json").read_text())
    chosen = next(row for row in values["tried"] if row["name"] == values["chosen"])
    assert chosen["verdict"] == "fastest that agrees"
    assert json.loads((folder / "generation_config.json").read_text())[use] == chosen["decoding"]
    after = load(folder).defaults
    others = {"generate", "infill", "edit"} - {use}
    assert all(getattr(after, name) == getattr(before, name) for name in others)
    assert f"recommended for {use}" in err


def test_without_write_nothing_is_written_and_a_table_is_shown(run, folder, tmp_path) -> None:
    before = sorted((path.name, path.read_bytes()) for path in folder.iterdir())
    (tmp_path / "p.jsonl").write_text("".join(json.dumps({"prompt": text}) + "\n" for text in TEXTS))
    code, out, _ = run(
        "tune", "generate", "--model", folder, "--prompts", tmp_path / "p.jsonl", "--max-tokens", 4, "--tolerance", 9,
        "--policy", "threshold:0.5", "--canvas", 4, "--out", tmp_path / "r.json",
    )  # fmt: skip
    assert code == 0
    assert "nats/token above" in out
    assert "autoregressive" in out
    assert sorted((path.name, path.read_bytes()) for path in folder.iterdir()) == before


def test_where_nothing_agrees_nothing_is_recommended(run, folder, tmp_path) -> None:
    before = (folder / "generation_config.json").exists()
    code, _, err = run(
        "tune", "generate", "--model", folder, "--prompts", tmp_path / "prompts.txt", "--max-tokens", 8, "--by", "text",
        "--tolerance", 0, "--policy", "threshold:1e-9", "--canvas", 8, "--reference", "left_to_right", "--write",
        "--out", tmp_path / "r.json",
    )  # fmt: skip
    assert code == 2
    assert "none agrees within the tolerance, so nothing is recommended" in err
    assert (folder / "generation_config.json").exists() == before
    assert json.loads((tmp_path / "r.json").read_text())["chosen"] is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["write"], "unknown use 'write'"),
        (["generate", "--by", "nat"], "did you mean 'nats'?"),
        (["generate", "--policy", "treshold:0.9"], "Did you mean 'threshold'?"),
        (["generate", "--limit", "1"], "1 prompts are too few"),
    ],
)
def test_what_makes_no_sense_is_refused(run, folder, tmp_path, options, said) -> None:
    code, out, err = run("tune", *options, "--model", folder, "--prompts", tmp_path / "prompts.txt")
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize(("name", "text", "said"), [
    ("a.txt", "\n\n", "holds no prompts"), ("a.jsonl", "{}", "has no prompt"), ("a.jsonl", "{", "is not JSON lines"),
])  # fmt: skip
def test_files_without_prompts_are_refused(run, folder, tmp_path, name, text, said) -> None:
    (tmp_path / name).write_text(text)
    code, _, err = run("tune", "generate", "--model", folder, "--prompts", tmp_path / name)
    assert code == 2
    assert said in err
