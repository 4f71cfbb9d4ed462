"""The command: quick to start, helpful when mistyped, one line and exit code 2 when refused."""

import subprocess
import sys
from pathlib import Path

import pytest

from redraft.cli.main import COMMANDS


def test_asking_for_help_imports_neither_torch_nor_rich() -> None:
    code = (
        "import sys; from redraft.cli.main import main; assert main(['--help']) == 0;"
        "assert main(['generate', '--help']) == 0;"
        "sys.exit(any(name in sys.modules for name in ('torch', 'rich', 'numpy', 'tokenizers')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_every_command_has_examples_of_itself(run, name) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert 2 <= out.split("examples:")[1].count(f"redraft {name}") <= 7


def test_no_command_at_all_shows_the_overview(run) -> None:
    code, out, _ = run()
    assert code == 0
    assert all(f"\n  {name} " in out for name in COMMANDS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["generat"], "unknown command 'generat'; did you mean 'generate'?"),
        (["--verison"], "unknown option '--verison'; did you mean '--version'?"),
        (["generate", "--max-token", "5"], "did you mean '--max-tokens'?"),
        (["generate", "--mode", "difusion"], "did you mean 'diffusion'?"),
        (["edit", "x", "--strenght=0.4"], "unknown option '--strenght'; did you mean '--strength'?"),
        (["generate", "--max-tokens", "many"], "invalid int value: 'many'"),
        (["generate", "a", "b"], "unexpected argument 'b'"),
        (["generate", "--seed", "-1"], "--seed"),
        (["generate", "--seed", str(2**63)], "2**63 - 1"),
        (["edit"], "required: FILE"),
        (["convert", "a", "b", "--to", "quen3"], "did you mean 'qwen3'?"),
        (["train", "tinny"], "did you mean 'tiny'?"),
    ],
)
def test_a_mistyped_command_line_is_answered_with_the_nearest_name(run, arguments, said) -> None:
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith("redraft: error: ")
    assert said in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--policy", "treshold:0.9"], "Did you mean 'threshold'?"),
        (["--policy", "threshold:9"], "tau"),
        (["--temperature", "nan"], "temperature=nan"),
        (["--decoding", "{"], "--decoding is not JSON"),
        (["--decoding", '{"polisy": "threshold"}'], "Did you mean 'policy'?"),
        (["--decoding", "[]"], "must be a JSON object"),
        (["--label", "recipe"], "this model knows story, dialogue"),
        (["--max-tokens", "0"], "max_tokens=0"),
        (["--max-tokens", "9999"], "more than the model's 256"),
        (["--canvas", "-3"], "canvas=-3"),
        (["--steps", "0"], "max_steps"),
        (["--mode", "ar", "--policy", "threshold"], "--policy does not apply to --mode ar"),
        (["--stop", ""], "--stop must not be empty"),
        (["--trace", "/nowhere/at/all.jsonl"], "there is no folder"),
    ],
)
def test_what_cannot_be_generated_is_refused_in_one_line(run, checkpoint, options, said) -> None:
    code, out, err = run("generate", "The", "--model", checkpoint, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert err.count("\n") == 1


def test_a_prompt_longer_than_the_context_is_refused(run, checkpoint) -> None:
    code, _, err = run("generate", "fox " * 400, "--model", checkpoint)
    assert code == 2
    assert "more than the model's 256" in err


def test_a_missing_or_truncated_checkpoint_is_named(run, checkpoint, tmp_path: Path) -> None:
    assert "no checkpoint folder" in run("generate", "a", "--model", tmp_path / "gone")[2]
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in checkpoint.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    weights = (checkpoint / "model.safetensors").read_bytes()
    (broken / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    for command in (["generate", "a", "--model", broken], ["models", broken]):
        code, out, err = run(*command)
        assert (code, out) == (2, "")
        assert "model.safetensors is truncated" in err


def test_a_package_without_weights_says_so(run, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("redraft.library.SHIPPED", tmp_path / "gone")
    code, out, err = run("demo")
    assert (code, out) == (2, "")
    assert "holds no weights" in err


def test_an_interrupt_exits_130(run, monkeypatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("redraft.cli.models.run", interrupted)
    assert run("models")[0] == 130


def test_output_that_nobody_reads_any_more_ends_the_command_quietly() -> None:
    code = "import sys; from redraft.cli.main import main; sys.exit(main(['--help']))"
    reader = subprocess.Popen(["true"], stdin=subprocess.PIPE)
    reader.wait()
    done = subprocess.run([sys.executable, "-c", code], stdout=reader.stdin, stderr=subprocess.PIPE, timeout=60)
    assert (done.returncode, done.stderr) == (1, b"")
