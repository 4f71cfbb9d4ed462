"""The training loop: batches in, weights out, resumable to the same numbers.

Knows one model, one mixture and one folder:
    config.json  metrics.jsonl  loss.png  checkpoint.pt (weights, average, optimiser, step)
Where torchrun started several processes, each takes a batch of its own and `train.parallel` shards the model.
"""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

import torch

from redraft.data.packing import Batch
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import load_state, save_atomically
from redraft.train.ema import Ema
from redraft.train.feeding import Batches, feed, to_gpu
from redraft.train.loss import ATTENTION, PARTS, Chosen, LossConfig, choose, three_mode_loss
from redraft.train.metrics import MetricsLog, plot_losses, read_metrics
from redraft.train.optim import OptimConfig, Optimizer
from redraft.train.parallel import World, gather, join_world, scatter, scatter_optimizer

LOSSES = ("loss", *(part.name.lower() for part in PARTS))


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
    batches: int = 1  # of the mixture, side by side in a step
    workers: int = 0  # processes that make batches; 0: a thread of this one. The batches are the same
    attention: str = "auto"  # "flex", "mask", or what suits the device

    def __post_init__(self) -> None:
        for name in ("steps", "checkpoint_every", "log_every", "batches"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}={getattr(self, name)} must be at least 1")
        if self.workers < 0:
            raise ValueError(f"{self.workers=} must not be negative")
        if self.attention not in ATTENTION:
            raise ValueError(f"{self.attention=} must be one of {', '.join(ATTENTION)}")

    @property
    def waits(self) -> bool:
        """Whether every step's numbers are read at once. A GPU runs ahead of them between the steps that are logged."""
        return not self.device.startswith("cuda")


Progress = Callable[[dict[str, Any]], None]


def train(
    model: ThreeModeModel, data: Batches, config: TrainConfig, folder: Path, *, resume: bool = False,
    progress: Progress = lambda record: None, saved: Callable[[int], None] = lambda step: None,
) -> ThreeModeModel:  # fmt: skip
    """Train to `config.steps` and return the model with averaged weights.

    `progress` is told every step on a processor and the logged ones on a GPU, `saved` every checkpoint.
    Raises ValueError when `folder` holds a checkpoint and `resume` is false, so that no run is lost by accident, and
    FloatingPointError when loss or gradient stop being numbers; the last checkpoint then still holds good weights.
    """
    state = load_state(folder / "checkpoint.pt") if resumes(folder, resume) else None
    world, start, began = join_world(), int(state["step"]) if state else 0, time.perf_counter()
    numbers = _numbers(range(start, config.steps), config.batches, world)
    with feed(data, numbers, _ready(config), together=config.batches, workers=config.workers) as batches:
        run = _Run(model.to(config.device), config, folder, world)
        if state is not None:
            run.load(state)
        log = run.open_log(start)
        for step, (batch, chosen) in enumerate(batches, start):
            run.step(step, batch, chosen)
            late = config.minutes is not None and world.any(time.perf_counter() - began > 60 * config.minutes)
            last = late or step + 1 == config.steps
            saves, logs = last or (step + 1) % config.checkpoint_every == 0, last or step % config.log_every == 0
            if saves or logs or config.waits:
                record = run.record(step)
                if log is not None:
                    if logs:
                        log.write(record)
                    progress(record)
            if saves:
                run.save(step + 1)
                saved(step + 1)
            if last:
                break
        if log is not None:
            _plot(folder)
        run.ema.copy_to(model)
    return model


def _numbers(steps: range, together: int, world: World) -> Iterator[int]:
    """Which batches of the mixture this process takes, in order."""
    firsts = ((step * world.size + world.rank) * together for step in steps)
    return chain.from_iterable(range(first, first + together) for first in firsts)


class _Ready(NamedTuple):
    """A batch on its device, and what of it goes through the head."""

    batch: Batch
    chosen: Chosen


def _ready(config: TrainConfig) -> Callable[[Batch], _Ready]:
    def on_processor(batch: Batch) -> _Ready:
        return _Ready(batch.to(config.device), choose(batch).to(config.device))

    def on_gpu(batch: Batch) -> _Ready:
        chosen = Chosen(*(value.pin_memory() for value in choose(batch, shares=16)))
        return _Ready(to_gpu(batch, config.device), chosen.to(config.device))

    return on_gpu if config.device.startswith("cuda") else on_processor


class _Run:
    """What a step changes: weights, average, optimiser; and its numbers until they are read."""

    def __init__(self, model: ThreeModeModel, config: TrainConfig, folder: Path, world: World) -> None:
        self.model, self.config, self.folder, self.world = model, config, folder, world
        world.shard(model)
        self.optimizer, self.ema = Optimizer(model, config.optim), Ema(model, config.ema)
        if config.compile:
            _compile(model, config, world)
        self.tokens, self.clock = 0, time.perf_counter()

    def step(self, step: int, batch: Batch, chosen: Chosen) -> None:
        """One update. Nothing here waits for a GPU."""
        config = self.config
        # A golden-ratio sequence instead of a coin: the same steps on every run, spread evenly.
        remember = self.model.memory_proj is not None and step * 0.6180339887 % 1 < config.self_conditioning
        with torch.autocast(torch.device(config.device).type, torch.bfloat16, enabled=config.bf16):
            loss, parts = three_mode_loss(
                self.model, batch, config.loss, remember=remember, attention=config.attention, chosen=chosen,
                mean=self.world.mean, compiled=config.compile,
            )  # fmt: skip
        loss.backward()  # type: ignore[no-untyped-call]
        self.norm, self.rate = self.optimizer.step(step, config.steps)
        self.ema.update(self.model, step)
        self.numbers = {"loss": loss.detach(), **parts}
        self.tokens += batch.tokens_BT.numel() * self.world.size

    def record(self, step: int) -> dict[str, Any]:
        """The numbers of the last step, and the speed since the record before. Raises where one is not a number."""
        numbers = self.world.mean(torch.stack(list(self.numbers.values()))).tolist()
        values, norm = dict(zip(self.numbers, numbers, strict=True)), float(self.norm)
        if not math.isfinite(values["loss"] + norm):
            raise FloatingPointError(f"step {step} has loss {values['loss']} and gradient norm {norm}")
        now = time.perf_counter()
        speed = self.tokens / (now - self.clock)
        self.tokens, self.clock = 0, now
        return {"step": step} | values | {"norm": norm, "rate": self.rate, "tokens_per_s": speed}

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

    def load(self, state: dict[str, Any]) -> None:
        live = dict(self.model.named_parameters())
        shapes = {name: list(value.shape) for name, value in state["model"].items()}
        if shapes != {name: list(p.shape) for name, p in live.items()}:
            path = self.folder / "checkpoint.pt"
            raise ValueError(f"{path} holds another model than the one to train; resume it with its own recipe")
        self.model.load_state_dict(scatter(state["model"], live))
        self.ema.load_state_dict(scatter(state["ema"], live))
        self.optimizer.load_state_dict(scatter_optimizer(state["optimizer"], self.optimizer))


def _compile(model: ThreeModeModel, config: TrainConfig, world: World) -> None:
    """The whole transformer on a processor; elsewhere one layer, whose code all share: a tenth of the time to wait."""
    if config.waits and world.mesh is None:
        model.transformer.compile()
        return
    for layer in model.transformer.layers:
        layer.compile(dynamic=False)


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
    """The losses as a picture. A machine that lacks matplotlib keeps the numbers, to be drawn on another one."""
    records = read_metrics(folder / "metrics.jsonl")
    if records and find_spec("matplotlib") is not None:
        plot_losses(records, folder / "loss.png", LOSSES)
