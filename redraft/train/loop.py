"""The training loop: batches in, weights out, resumable to the same numbers.

Knows one model, one mixture and one folder:
    config.json  metrics.jsonl  loss.png  checkpoint.pt (weights, average, optimiser, step)
One process; `train.parallel` shards the same code path with FSDP2 where torchrun started several.
"""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from redraft.data.packing import Batch
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import load_state, save_atomically
from redraft.train.ema import Ema
from redraft.train.loss import PARTS, LossConfig, three_mode_loss
from redraft.train.metrics import MetricsLog, plot_losses, read_metrics
from redraft.train.optim import OptimConfig, Optimizer

LOSSES = ("loss", *(part.name.lower() for part in PARTS))


class Batches(Protocol):
    """Training data as a pure function of the step."""

    def batch(self, step: int) -> Batch: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """How long, how exact, how often. Times in steps unless said."""

    steps: int
    optim: OptimConfig = field(default_factory=OptimConfig)
    loss: LossConfig = field(default_factory=LossConfig)
    ema: float = 0.995
    bf16: bool = True
    compile: bool = False
    self_conditioning: float = 0.5  # share of steps with a first pass, where the model has it
    checkpoint_every: int = 100
    log_every: int = 5
    device: str = "cpu"
    minutes: float | None = None  # stop (and checkpoint) after this much wall-clock time

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"{self.steps=} must be at least 1")


Progress = Callable[[dict[str, Any]], None]


def train(
    model: ThreeModeModel, data: Batches, config: TrainConfig, folder: Path, *, resume: bool = False,
    progress: Progress = lambda record: None,
) -> ThreeModeModel:  # fmt: skip
    """Train to `config.steps` and return the model with averaged weights.

    Raises ValueError when `folder` holds a checkpoint and `resume` is false, so that no run is lost by accident.
    """
    run = _Run(model.to(config.device), config, folder)
    start = run.resume() if _has_checkpoint(folder, resume) else 0
    _save_config(config, folder)
    log = MetricsLog(folder / "metrics.jsonl", start)
    began = time.perf_counter()
    with ThreadPoolExecutor(1) as loader:
        coming = loader.submit(data.batch, start)
        for step in range(start, config.steps):
            batch = coming.result()
            coming = loader.submit(data.batch, step + 1)
            record = run.step(step, batch)
            if step % config.log_every == 0 or step + 1 == config.steps:
                log.write(record)
            progress(record)
            late = config.minutes is not None and time.perf_counter() - began > 60 * config.minutes
            if (step + 1) % config.checkpoint_every == 0 or late:
                run.save(step + 1)
            if late:
                break
    run.save(min(step + 1, config.steps) if start < config.steps else start)
    _plot(folder)
    run.ema.copy_to(model)
    return model


class _Run:
    """What a step changes: weights, average, optimiser."""

    def __init__(self, model: ThreeModeModel, config: TrainConfig, folder: Path) -> None:
        self.model, self.config, self.folder = model, config, folder
        self.optimizer, self.ema = Optimizer(model, config.optim), Ema(model, config.ema)
        if config.compile:
            model.transformer.compile()

    def step(self, step: int, batch: Batch) -> dict[str, Any]:
        began = time.perf_counter()
        config = self.config
        batch = batch.to(config.device)
        # A golden-ratio sequence instead of a coin: the same steps on every run, spread evenly.
        remember = self.model.memory_proj is not None and step * 0.6180339887 % 1 < config.self_conditioning
        with torch.autocast(config.device, torch.bfloat16, enabled=config.bf16):
            loss, parts = three_mode_loss(self.model, batch, config.loss, remember=remember)
        loss.backward()  # type: ignore[no-untyped-call]
        norm, rate = self.optimizer.step(step, config.steps)
        self.ema.update(self.model, step)
        values = {"loss": float(loss.detach())} | {name: float(value) for name, value in parts.items()}
        if values["loss"] != values["loss"]:
            raise FloatingPointError(f"the loss is NaN at step {step}")
        seconds = time.perf_counter() - began
        return {"step": step} | values | {"norm": norm, "rate": rate, "tokens_per_s": batch.tokens_BT.numel() / seconds}

    def save(self, step: int) -> None:
        state = {
            "step": step,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        save_atomically(state, self.folder / "checkpoint.pt")

    def resume(self) -> int:
        state = load_state(self.folder / "checkpoint.pt")
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        return int(state["step"])


def _has_checkpoint(folder: Path, resume: bool) -> bool:
    exists = (folder / "checkpoint.pt").exists()
    if exists and not resume:
        raise ValueError(f"{folder} already holds a run; resume it or name another folder")
    return exists


def _save_config(config: TrainConfig, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(config), indent=2) + "\n")


def _plot(folder: Path) -> None:
    records = read_metrics(folder / "metrics.jsonl")
    if records:
        plot_losses(records, folder / "loss.png", LOSSES)
