"""The training loop: batches in, weights out, resumable to the same numbers.

Knows one model, one mixture and one folder:
    config.json  metrics.jsonl  loss.png  checkpoint.pt (weights, average, optimiser, step)
Where torchrun started several processes, each takes a batch of its own and `train.parallel` shards the model.
"""

import json
import math
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
from redraft.train.parallel import World, gather, join_world, scatter, scatter_optimizer

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
        for name in ("steps", "checkpoint_every", "log_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")


Progress = Callable[[dict[str, Any]], None]


def train(
    model: ThreeModeModel, data: Batches, config: TrainConfig, folder: Path, *, resume: bool = False,
    progress: Progress = lambda record: None,
) -> ThreeModeModel:  # fmt: skip
    """Train to `config.steps` and return the model with averaged weights.

    Raises ValueError when `folder` holds a checkpoint and `resume` is false, so that no run is lost by accident, and
    FloatingPointError when loss or gradient stop being numbers; the last checkpoint then still holds good weights.
    """
    resuming = resumes(folder, resume)
    run = _Run(model.to(config.device), config, folder, join_world())
    start = run.resume() if resuming else 0
    log = run.open_log(start)
    world, began = run.world, time.perf_counter()
    with ThreadPoolExecutor(1) as loader:
        coming = loader.submit(data.batch, start * world.size + world.rank)
        for step in range(start, config.steps):
            batch = coming.result()
            coming = loader.submit(data.batch, (step + 1) * world.size + world.rank)
            record = run.step(step, batch)
            if log is not None:
                if step % config.log_every == 0 or step + 1 == config.steps:
                    log.write(record)
                progress(record)
            late = config.minutes is not None and world.any(time.perf_counter() - began > 60 * config.minutes)
            if (step + 1) % config.checkpoint_every == 0 or late or step + 1 == config.steps:
                run.save(step + 1)
            if late:
                break
    if log is not None:
        _plot(folder)
    run.ema.copy_to(model)
    return model


class _Run:
    """What a step changes: weights, average, optimiser."""

    def __init__(self, model: ThreeModeModel, config: TrainConfig, folder: Path, world: World) -> None:
        self.model, self.config, self.folder, self.world = model, config, folder, world
        world.shard(model)
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
            loss, parts = three_mode_loss(self.model, batch, config.loss, remember=remember, mean=self.world.mean)
        loss.backward()  # type: ignore[no-untyped-call]
        norm, rate = self.optimizer.step(step, config.steps)
        self.ema.update(self.model, step)
        numbers = self.world.mean(torch.stack([loss.detach(), *parts.values()])).tolist()
        values = dict(zip(("loss", *parts), numbers, strict=True))
        if not math.isfinite(values["loss"] + norm):
            raise FloatingPointError(f"step {step} has loss {values['loss']} and gradient norm {norm}")
        speed = batch.tokens_BT.numel() * self.world.size / (time.perf_counter() - began)
        return {"step": step} | values | {"norm": norm, "rate": rate, "tokens_per_s": speed}

    def open_log(self, start: int) -> MetricsLog | None:
        """The metrics from `start` on, and the configuration beside them. Only the first process writes."""
        if self.world.rank > 0:
            return None
        _save_config(self.config, self.folder)
        return MetricsLog(self.folder / "metrics.jsonl", start)

    def save(self, step: int) -> None:
        state = {
            "step": step,
            "model": self.model.state_dict(),
            "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        state = gather(state)
        if self.world.rank == 0:
            save_atomically(state, self.folder / "checkpoint.pt")

    def resume(self) -> int:
        path = self.folder / "checkpoint.pt"
        state = load_state(path)
        live = dict(self.model.named_parameters())
        shapes = {name: list(value.shape) for name, value in state["model"].items()}
        if shapes != {name: list(p.shape) for name, p in live.items()}:
            raise ValueError(f"{path} holds another model than the one to train; resume it with its own recipe")
        self.model.load_state_dict(scatter(state["model"], live))
        self.ema.load_state_dict(scatter(state["ema"], live))
        self.optimizer.load_state_dict(scatter_optimizer(state["optimizer"], self.optimizer))
        return int(state["step"])


def resumes(folder: Path, resume: bool) -> bool:
    """Whether a run in `folder` goes on from a checkpoint. ValueError where one is there and must not be touched."""
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
