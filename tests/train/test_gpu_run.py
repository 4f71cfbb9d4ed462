"""The unattended run, rehearsed on a processor: killed, resumed, its shards joined, no optional package in reach."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend

import redraft
from recipes import recipe
from redraft.data.mixture import Mixture
from redraft.data.passages import build_passages, load_passages
from redraft.data.tokenizer import load_tokenizer
from redraft.library import SHIPPED
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import load_state
from redraft.train.loop import train
from redraft.train.loss import LossConfig, three_mode_loss
from redraft.train.metrics import read_metrics
from redraft.train.shards import Limits, write_shards
from scripts.gpu_pack import FILES, compress, pack
from scripts.gpu_probe import Plan, flops_per_token, kinds
from scripts.gpu_train import Call, best
from tests.data.tiny import controls, corruption, passages, stories, tokenizer
from tests.train.tiny_run import MIXTURE, config, mixture, model

ROOT = Path(__file__).parents[2]
MISSING = ("rapidfuzz", "matplotlib", "rich", "huggingface_hub", "transformers", "sacrebleu", "torchao")
SMALL = (
    "model.hidden_size=32", "model.num_hidden_layers=1", "model.intermediate_size=64", "model.num_attention_heads=2",
    "model.num_key_value_heads=1", "model.head_dim=16", "mixture.row_length=128", "mixture.text_rows=1",
    "mixture.edit_rows=1",
)  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What gpu_pack makes: every source of the recipe, in miniature."""
    made, packed = tmp_path_factory.mktemp("made"), tmp_path_factory.mktemp("packed")
    tokenizer = load_tokenizer(SHIPPED / "tokenizer.json", recipe("tiny").model.text_size)
    texts = stories(6, lines=20)
    pairs = [(name, text) for name in recipe("tiny").characters for text in texts]
    shutil.copyfile(SHIPPED / "tokenizer.json", made / "tokenizer.json")
    for name in FILES[1:]:
        build_passages(pairs, tokenizer, 380).save(made / name)
    pack(made, packed)
    return packed


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """The environment of a machine that has torch, numpy, safetensors and tokenizers."""
    blocked = f"import sys\nfor name in {MISSING}: sys.modules[name] = None\n"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(blocked)
    path = os.pathsep.join([str(tmp_path / "site"), str(ROOT)])
    return os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}


def command(data: Path, folder: Path, *options: str) -> list[str]:
    places = ["--data", str(data), "--out", str(folder / "out"), "--state", str(folder / "state")]
    sizes = ["--batches", "2", "--workers", "1", "--sample-tokens", "4", "--probe-seconds", "1", "--device", "cpu"]
    settings = [f"--set={value}" for value in SMALL]
    return [sys.executable, "-m", "scripts.gpu_train", "--recipe", "tiny", *places, *sizes, *settings, *options]


def lines(process: subprocess.Popen[str]) -> Iterator[str]:
    assert process.stdout is not None
    yield from process.stdout


@pytest.mark.slow
def test_a_run_is_killed_resumed_and_joined(data: Path, tmp_path: Path, bare: dict[str, str]) -> None:
    program = command(data, tmp_path, "--minutes", "2", "--checkpoint-seconds", "0.3")
    process = subprocess.Popen(program, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=bare)
    for line in lines(process):
        if "shards:" in line:
            time.sleep(0.2)
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    killed_at = load_state(tmp_path / "state" / "run" / "checkpoint.pt")["step"]
    program = command(data, tmp_path, "--minutes", "1.0", "--reserve", "59", "--last")
    said = subprocess.run(program, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=bare, check=True).stdout
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["start"] == "exact checkpoint on this machine"
    assert report["first_step"] >= killed_at > 0
    assert report["shards"]["hold"] == ["ema", "model", "optimizer"]
    assert report["held_out"]["ar_bits_per_byte"] > 0, said
    found = {file.name for file in (tmp_path / "out").iterdir()}
    assert found == {"shard-0.bin", "metrics.jsonl", "samples.txt", "report.json"}
    join = [sys.executable, "-m", "scripts.gpu_join", str(tmp_path / "out"), "--tokenizer", str(data / FILES[0])]
    join += ["--model", str(tmp_path / "model"), *(f"--set={value}" for value in SMALL)]
    subprocess.run(join, check=True, cwd=ROOT, env=bare, stdout=subprocess.DEVNULL)
    assert redraft.load(tmp_path / "model").generate("The dog", max_tokens=4).text is not None


# ------------------------------------------------------------------ its parts


def test_packing_changes_no_array(data: Path, tmp_path: Path) -> None:
    source = tmp_path / "plain.npz"
    passages = load_passages(data / "train.npz")
    passages.save(source)
    compress(source, tmp_path / "packed.npz")
    again = load_passages(tmp_path / "packed.npz")
    for name in ("tokens", "offsets", "source"):
        assert np.array_equal(getattr(again, name), getattr(passages, name))
        assert getattr(again, name).dtype == getattr(passages, name).dtype
    assert again.names == passages.names
    assert (tmp_path / "packed.npz").stat().st_size < 0.5 * source.stat().st_size


def measured(batches: int, speed: float) -> dict[str, object]:
    plan = {"attention": "mask", "compile": False, "batches": batches, "workers": 1, "device": "cpu"}
    return {"plan": plan, "tokens_per_s": speed, "warm_s": 10.0}


def test_the_narrowest_plan_near_the_fastest_is_taken() -> None:
    tried = [measured(8, 500.0), measured(16, 985.0), measured(32, 1000.0), measured(48, 400.0)]
    assert best(tried)["plan"]["batches"] == 16


def call(tmp_path: Path, **changes: object) -> Call:
    values = {"minutes": 10.0, "last": False, "reserve": 100.0, "decay": 0.3, "checkpoint_seconds": 100.0}
    args = Namespace(**(values | changes), out=tmp_path, state=tmp_path / "state", data=tmp_path, resume_from=None)
    return Call(args, time.perf_counter(), recipe("tiny"))


def test_only_the_last_call_plans_to_end_and_to_cool_down(tmp_path: Path) -> None:
    """500 s, and 7,680 tokens a second in batches of 7,680."""
    one = replace(recipe("tiny"), train=replace(recipe("tiny").train, batches=1))
    running, _ = call(tmp_path).schedule(one, 200, measured(1, 7680.0))
    assert running.train.steps > 200 + 500  # time stops it, not the number of steps
    assert running.train.optim.decay_share == 0
    assert running.train.minutes == pytest.approx(500 / 60, rel=0.01)
    ending, step_s = call(tmp_path, last=True).schedule(one, 200, measured(1, 7680.0))
    assert step_s == pytest.approx(1)
    assert 200 + 440 < ending.train.steps < 200 + 490
    assert ending.train.optim.decay_share == 0.3
    assert ending.train.checkpoint_every == 100


def test_a_call_on_a_fresh_machine_starts_from_shards(tmp_path: Path) -> None:
    train(model(), mixture(), config(2), tmp_path / "run")
    state = load_state(tmp_path / "run" / "checkpoint.pt")
    write_shards(state, tmp_path / "resume", Limits(), {"plan": measured(4, 1.0)})
    shutil.copyfile(tmp_path / "run" / "metrics.jsonl", tmp_path / "resume" / "metrics.jsonl")
    made = call(tmp_path)
    assert made.find_start() == "shards of step 2 with ema, model, optimizer"
    assert load_state(made.run_folder / "checkpoint.pt")["step"] == 2
    assert [record["step"] for record in read_metrics(made.run_folder / "metrics.jsonl")] == [0, 1]
    assert json.loads((tmp_path / "state" / "plan.json").read_text())["plan"]["batches"] == 4
    assert made.find_start() == "exact checkpoint on this machine"


def test_operations_of_a_token_are_six_for_every_weight_and_little_more() -> None:
    made = recipe("tiny")
    with torch.device("meta"):
        weights = sum(p.numel() for p in ThreeModeModel(made.model).transformer.parameters())
    found = flops_per_token(made, mixture().batch(0))
    assert 6 * weights < found < 6 * (weights + made.model.vocab_size * made.model.hidden_size) * 1.2


def test_a_plan_is_a_training_configuration() -> None:
    plan = Plan(attention="flex", compile=True, batches=3, workers=2, device="cuda")
    changed = plan.of(recipe("tiny")).train
    assert (changed.attention, changed.batches, changed.workers, changed.device) == ("flex", 3, 2, "cuda")
    assert kinds("cuda:0")[0] == ("flex", True)
    assert kinds("cpu") == [("mask", False)]


def test_one_compiled_layer_serves_all_layers_and_every_block_mask() -> None:
    """What makes compiling bearable on a GPU: neither another layer nor another batch compiles anything anew."""
    made, plain = model().requires_grad_(False), model().requires_grad_(False)
    wide = replace(MIXTURE, row_length=128)
    data = Mixture(wide, passages(), tokenizer(), corruption(), controls())
    counter = CompileCounterWithBackend("eager")
    for layer in made.transformer.layers:
        layer.compile(backend=counter, dynamic=False)
    for step in range(3):
        batch = data.batch(step)
        flex, _ = three_mode_loss(made, batch, LossConfig(), attention="flex")
        mask, _ = three_mode_loss(plain, batch, LossConfig(), attention="mask")
        assert float(flex) == pytest.approx(float(mask), rel=1e-5)
    assert len(made.transformer.layers) == 2
    assert counter.frame_count == 1
    torch._dynamo.reset()
