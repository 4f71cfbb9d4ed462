"""Train a recipe for so many minutes, unattended, and leave the results in a few small files.

    scripts/gpu_train.sh --recipe small --data .gpu_data --out results --minutes 9.3 [--last]

A call has parts, each of which may fail without the loss of those before it: measure which plan is fastest
(`gpu_probe`), train until the minutes are nearly over, evaluate and sample (`gpu_eval`). It goes on from `--state`, an
exact checkpoint on this machine's disk; else from shards in `--resume-from`; else it begins. In `--out` are at the end,
and from the first checkpoint on as far as they exist:

    shard-*.bin  metrics.jsonl  samples.txt  loss.png  report.json

The learning rate is warm, then constant, and falls to 0 only in the call with `--last`.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from recipes import recipe as find_recipe
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import load_state, save_atomically
from redraft.train.loop import train
from redraft.train.overrides import apply_overrides
from redraft.train.recipe import Recipe, mixture_of, prepare
from redraft.train.shards import Limits, read_shards, resumable, write_shards
from scripts.gpu_probe import Plan, kinds

KEPT = ("metrics.jsonl", "loss.png")  # of a run's folder, given back as they are


def main() -> None:
    began = time.perf_counter()
    args = _arguments()
    call = Call(args, began, apply_overrides(find_recipe(args.recipe), args.set))
    call.run()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="small")
    parser.add_argument("--data", type=Path, default=Path(".gpu_data"), help="what gpu_pack made")
    parser.add_argument("--out", type=Path, default=os.environ.get("OUT"), help="default: $OUT")
    parser.add_argument("--state", type=Path, default=Path("/tmp/redraft-gpu"), help="kept while the machine is")
    parser.add_argument("--resume-from", type=Path, help="shards of an earlier call (default: DATA/resume)")
    parser.add_argument("--minutes", type=float, default=9.3, help="wall clock of this call, all parts together")
    parser.add_argument("--last", action="store_true", help="let the learning rate fall to 0 by the end of this call")
    parser.add_argument("--decay", type=float, default=0.3, help="share of all steps in which it falls, with --last")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--probe-seconds", type=float, default=60.0)
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 48], help="widths of a step to try")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--reserve", type=float, default=75.0, help="seconds kept for what follows training")
    parser.add_argument("--checkpoint-seconds", type=float, default=150.0)
    parser.add_argument("--files", type=int, default=4, help="shards, at most")
    parser.add_argument("--mib", type=float, default=16.0, help="of one shard, at most")
    parser.add_argument("--total-mib", type=float, default=62.0, help="of all shards together, at most")
    parser.add_argument("--sample-tokens", type=int, default=120)
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="change a value of the recipe")
    args = parser.parse_args()
    if args.out is None:
        parser.error("name a folder with --out or in $OUT")
    args.out = Path(args.out)
    return args


@dataclass(slots=True)
class Call:
    """One call: its arguments, its clock and what it will report."""

    args: argparse.Namespace
    began: float
    recipe: Recipe
    report: dict[str, Any] = field(default_factory=dict)
    telling: Any = field(default_factory=Lock)  # checkpoints are given from another thread

    @property
    def left(self) -> float:
        """Seconds until the call should be over."""
        return 60 * float(self.args.minutes) - (time.perf_counter() - self.began)

    def run(self) -> None:
        self.args.out.mkdir(parents=True, exist_ok=True)
        self.tell(machine=_machine(self.args.device), recipe=self.recipe.name, minutes=self.args.minutes)
        plan_file = self.args.state / "plan.json"
        self.tell(start=self.find_start())
        if not plan_file.exists():
            measured = self.probe()
            plan_file.parent.mkdir(parents=True, exist_ok=True)
            plan_file.write_text(json.dumps(measured))
        measured = json.loads(plan_file.read_text())
        self.tell(plan=measured)
        self.train(measured)
        self.evaluate()
        self.tell(seconds=60 * self.args.minutes - self.left)

    def tell(self, **values: Any) -> None:
        """Print, and keep in the report on disk: a call cut short leaves what it knew."""
        with self.telling:
            self.report |= values
            for name, value in values.items():
                print(f"[{time.perf_counter() - self.began:6.1f} s] {name}: {json.dumps(value)}", flush=True)
            (self.args.out / "report.json").write_text(json.dumps(self.report, indent=1) + "\n")

    # ------------------------------------------------------------------ where it starts, and how

    @property
    def run_folder(self) -> Path:
        return Path(self.args.state) / "run"

    def find_start(self) -> str:
        """Make the state folder hold the checkpoint to go on from, and say which it is."""
        shards = self.args.resume_from or self.args.data / "resume"
        if (self.run_folder / "checkpoint.pt").exists():
            return "exact checkpoint on this machine"
        if not any(shards.glob("shard-*.bin")):
            return "nothing: a new run"
        state, notes = read_shards(shards)
        whole = resumable(state, ThreeModeModel(self.recipe.model), self.recipe.train.optim)
        save_atomically(whole, self.run_folder / "checkpoint.pt")
        (self.run_folder / "metrics.jsonl").write_text(_text(shards / "metrics.jsonl"))
        if notes.get("plan"):
            (self.args.state / "plan.json").write_text(json.dumps(notes["plan"]))
        return f"shards of step {state['step']} with {', '.join(name for name in state if name != 'step')}"

    def probe(self) -> dict[str, Any]:
        """The fastest plan and what was measured of all, from a process of its own."""
        args = self.args
        command = [sys.executable, "-m", "scripts.gpu_probe", args.recipe, "--data", str(args.data)]
        command += ["--device", args.device, "--seconds", str(args.probe_seconds), "--workers", str(args.workers)]
        command += ["--batches", *map(str, args.batches), *(f"--set={value}" for value in args.set)]
        lines: list[dict[str, Any]] = []
        for skip in range(len(kinds(args.device))):  # a kind that took the process with it is not tried again
            limit = max(60.0, 0.4 * self.left)
            lines += _lines([*command, "--skip", str(skip)], limit, Path(args.state) / "probe.jsonl")
            good = [line for line in lines if "tokens_per_s" in line]
            if good:
                tried = [line for line in lines if "plan" in line]
                return {"tried": tried, "machine": lines[0]["machine"], **best(good)}
        raise SystemExit(f"no plan works: {json.dumps(lines)}")

    # ------------------------------------------------------------------ training

    def train(self, measured: dict[str, Any]) -> None:
        tokenizer, passages, _ = prepare(self.recipe, Path(), self.args.data)
        data = mixture_of(self.recipe, tokenizer, passages)
        recipe = Plan(**measured["plan"]).of(self.recipe)
        checkpoint = self.run_folder / "checkpoint.pt"
        start = int(load_state(checkpoint)["step"]) if checkpoint.exists() else 0
        recipe, step_s = self.schedule(recipe, start, measured)
        self.tell(first_step=start, planned_steps=recipe.train.steps, seconds_per_step=step_s)
        torch.manual_seed(recipe.seed)
        records: list[dict[str, Any]] = []
        with ThreadPoolExecutor(1) as thread:
            pending: list[Future[None]] = []
            model = train(
                ThreeModeModel(recipe.model), data, recipe.train, self.run_folder, resume=True,
                progress=_printer(records, self.began),
                saved=lambda step: pending.append(thread.submit(self.give, step, measured)),
            )  # fmt: skip
            for given in pending:
                given.result()
        self.speed(records, measured["machine"])
        if self.args.device.startswith("cuda"):
            torch.cuda.empty_cache()  # for the process that evaluates
        save_checkpoint(model, self.args.state / "model", tokenizer_file=self.args.data / "tokenizer.json")

    def schedule(self, recipe: Recipe, start: int, measured: dict[str, Any]) -> tuple[Recipe, float]:
        """As many steps as fit, and the seconds of one. Only the last call knows its end; others stop by time."""
        config = recipe.train
        rows = recipe.mixture.text_rows + recipe.mixture.edit_rows + recipe.mixture.infill_rows
        step_s = config.batches * rows * recipe.mixture.row_length / measured["tokens_per_s"]
        seconds = max(self.left - self.args.reserve, 1.0)
        share = 0.95 * max(1 - measured["warm_s"] / seconds, 0.1) if self.args.last else 2.0
        fits = max(1, int(share * seconds / step_s))
        optim = replace(config.optim, decay_share=self.args.decay if self.args.last else 0.0)
        every = max(1, round(self.args.checkpoint_seconds / step_s))
        changed = replace(
            config, steps=start + fits, minutes=seconds / 60, optim=optim, checkpoint_every=every,
            log_every=max(1, round(2.0 / step_s)),
        )  # fmt: skip
        return replace(recipe, train=changed), step_s

    def give(self, step: int, measured: dict[str, Any]) -> None:
        """A checkpoint to `--out`, beside training. Copied at the end, so that old and new ones are hardly mixed."""
        state = load_state(self.run_folder / "checkpoint.pt")
        limits = Limits(files=self.args.files, mib=self.args.mib, total_mib=self.args.total_mib)
        shards = self.args.state / "shards"
        held = write_shards(state, shards, limits, {"recipe": self.recipe.name, "plan": measured})
        for file in [*shards.iterdir(), *(self.run_folder / name for name in KEPT)]:
            if file.exists():
                shutil.copyfile(file, self.args.out / file.name)
        mib = sum(file.stat().st_size for file in shards.iterdir()) / 2**20
        self.tell(shards={"step": state["step"], "hold": held, "mib": round(mib, 1)})

    def speed(self, records: list[dict[str, Any]], machine: dict[str, Any]) -> None:
        settled = sorted(record["tokens_per_s"] for record in records[2:] or records)
        if not settled:
            return
        middle = settled[len(settled) // 2]
        share = middle * machine["flops_per_token"] / machine["matmul_flops"]
        losses = {name: records[-1][name] for name in ("loss", "next", "block", "edit", "gap")}
        self.tell(
            tokens_per_s=middle, model_flops_of_measured_matmul=share, last_step=records[-1]["step"], losses=losses
        )

    # ------------------------------------------------------------------ afterwards

    def evaluate(self) -> None:
        """In a process of its own, with a limit: what it cannot do in time is said, and costs nothing else."""
        args = self.args
        for name in KEPT:
            if (self.run_folder / name).exists():
                shutil.copyfile(self.run_folder / name, args.out / name)
        command = [sys.executable, "-m", "scripts.gpu_eval", str(args.state / "model"), "--device", args.device]
        command += ["--held-out", str(args.data / "held_out.npz"), "--samples", str(args.out / "samples.txt")]
        command += ["--tokens", str(args.sample_tokens)]
        found = _lines(command, max(self.left, 20.0), Path(args.state) / "eval.jsonl")
        self.tell(held_out=found[0] if found else "failed", samples=(args.out / "samples.txt").exists())


def _lines(command: list[str], seconds: float, path: Path) -> list[dict[str, Any]]:
    """What a program printed as JSON until it ended, crashed or was stopped."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file, suppress(subprocess.TimeoutExpired):
        subprocess.run(command, stdout=file, timeout=seconds, check=False)
    return [json.loads(line) for line in path.read_text().splitlines() if line.startswith("{") and line.endswith("}")]


def best(good: list[dict[str, Any]]) -> dict[str, Any]:
    """The narrowest plan within 3 % of the fastest: more steps teach more than wider ones."""
    most = max(line["tokens_per_s"] for line in good)
    return min((line for line in good if line["tokens_per_s"] > 0.97 * most), key=lambda line: line["plan"]["batches"])


def _printer(records: list[dict[str, Any]], began: float) -> Callable[[dict[str, Any]], None]:
    last = [time.perf_counter()]

    def progress(record: dict[str, Any]) -> None:
        records.append(record)
        now = time.perf_counter()
        if now - last[0] > 10 or len(records) == 1:
            last[0] = now
            parts = " ".join(f"{name} {record[name]:.3f}" for name in ("loss", "next", "block", "edit", "gap"))
            speed = f"{record['tokens_per_s']:.0f} tokens/s"
            print(f"[{now - began:6.1f} s] step {record['step']} {parts} {speed}", flush=True)

    return progress


def _machine(device: str) -> dict[str, Any]:
    held = {"python": sys.version.split()[0], "torch": torch.__version__, "cores": os.cpu_count()}
    if device.startswith("cuda"):
        held |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
    return held


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


if __name__ == "__main__":
    main()
