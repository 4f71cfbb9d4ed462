"""Find out on the spot how a recipe trains fastest: attention, compiling, and how many batches side by side.

    python -m scripts.gpu_probe small --data .gpu_data --seconds 60

Trains a few steps of every plan, with the run's own loop, and prints a line of JSON for each as soon as it is measured:
a plan that fails is told and left, and if it takes the process with it the lines before it still count. The first line
is the machine: its bf16 matrix rate and how many tokens a second its workers make.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from recipes import recipe as find_recipe
from redraft.core.attention import causal_context, sdpa_mask
from redraft.data.mixture import Mixture
from redraft.data.packing import Batch
from redraft.models.three_mode import ThreeModeModel
from redraft.train.feeding import feed
from redraft.train.loop import train
from redraft.train.overrides import apply_overrides
from redraft.train.recipe import Recipe, mixture_of, prepare

WARM, MEASURED = 2, 4  # steps of a plan: the first compile and fill the pipes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How to train: names of `TrainConfig`."""

    attention: str
    compile: bool
    batches: int
    workers: int
    device: str

    def of(self, recipe: Recipe) -> Recipe:
        return replace(recipe, train=replace(recipe.train, **asdict(self)))


def kinds(device: str) -> list[tuple[str, bool]]:
    """(attention, compile), the fastest first; a later one is for when those before it fail."""
    return [("flex", True), ("mask", True), ("mask", False)] if device.startswith("cuda") else [("mask", False)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", type=Path, default=Path(".gpu_data"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=60.0, help="after which no other plan is begun")
    parser.add_argument("--workers", type=int, default=max(1, (os.cpu_count() or 2) - 2))
    parser.add_argument("--batches", type=int, nargs="+", default=[8, 16, 32, 48])
    parser.add_argument("--skip", type=int, default=0, help="kinds of plan that have failed before")
    parser.add_argument("--set", action="append", default=[], metavar="K=V")
    args = parser.parse_args()
    until = time.perf_counter() + args.seconds
    recipe = apply_overrides(find_recipe(args.recipe), args.set)
    tokenizer, passages, _ = prepare(recipe, Path(), args.data)
    data = mixture_of(recipe, tokenizer, passages)
    made = feed_rate(data, args.workers, min(4.0, args.seconds / 15))  # workers are forked: before the GPU is touched
    machine = {"feed_tokens_per_s": made}
    machine |= {"matmul_flops": matmul_rate(args.device), "flops_per_token": flops_per_token(recipe, data.batch(0))}
    _say({"machine": machine})
    for attention, compiled in kinds(args.device)[args.skip :]:
        plan = Plan(attention=attention, compile=compiled, batches=1, workers=args.workers, device=args.device)
        if _widths(recipe, data, plan, args.batches, until):
            return


def _widths(recipe: Recipe, data: Mixture, plan: Plan, widths: Sequence[int], until: float) -> bool:
    """Try wider and wider steps until they fail, are no faster, or time is over. Returns whether any worked."""
    best = 0.0
    for batches in widths:
        if best and time.perf_counter() > until:
            break
        wider = replace(plan, batches=batches)
        found = attempt(recipe, data, wider)
        _say({"plan": asdict(wider)} | found)
        speed = found.get("tokens_per_s", 0.0)
        if speed < 1.03 * best or not speed:
            break
        best = speed
    return best > 0


def attempt(recipe: Recipe, data: Mixture, plan: Plan) -> dict[str, Any]:
    """Speed, and seconds until the first measured step; or the error, whatever it is: the next plan is another one."""
    began = time.perf_counter()
    if plan.device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats()
    try:
        speeds, first = _steps(plan.of(recipe), data)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {str(error)[:600]}"}
    finally:
        torch._dynamo.reset()
        if plan.device.startswith("cuda"):
            torch.cuda.empty_cache()
    memory = torch.cuda.max_memory_allocated() / 2**30 if plan.device.startswith("cuda") else 0.0
    return {"tokens_per_s": sorted(speeds)[len(speeds) // 2], "warm_s": first - began, "peak_gib": memory}


class _Enough(Exception):
    """The plan is measured."""


def _steps(recipe: Recipe, data: Mixture) -> tuple[list[float], float]:
    """Tokens a second of every measured step, and when the first of them began."""
    ends: list[tuple[float, float]] = []

    def progress(record: dict[str, Any]) -> None:
        ends.append((time.perf_counter(), record["tokens_per_s"]))
        if len(ends) == WARM + MEASURED:
            raise _Enough

    steps = WARM + MEASURED + 1  # one more, so that the last measured one is not saved
    config = replace(recipe.train, steps=steps, log_every=1, checkpoint_every=steps, minutes=None)
    torch.manual_seed(recipe.seed)
    with tempfile.TemporaryDirectory() as folder, suppress(_Enough):
        train(ThreeModeModel(recipe.model), data, config, Path(folder), progress=progress)
    return [speed for _, speed in ends[WARM:]], ends[WARM - 1][0]


# ------------------------------------------------------------------ the machine


def feed_rate(data: Mixture, workers: int, seconds: float) -> float:
    """Tokens a second that the workers make when nobody keeps them waiting."""
    number, tokens = 4096 * workers, 0
    with feed(data, range(number), lambda batch: batch, workers=workers) as batches:
        for _ in range(2 * workers):  # all have started, and nothing is left of what they made ahead
            next(batches)
        began = time.perf_counter()
        while (taken := time.perf_counter() - began) < seconds:
            tokens += next(batches).tokens_BT.numel()
    return tokens / taken


def matmul_rate(device: str) -> float:
    """Operations a second of one large bf16 matrix product, on random numbers."""
    size, times = (8192, 20) if device.startswith("cuda") else (512, 4)
    one, other = (torch.randn(size, size, device=device, dtype=torch.bfloat16) for _ in range(2))
    for _ in range(3):
        one @ other
    _wait(device)
    began = time.perf_counter()
    for _ in range(times):
        one @ other
    _wait(device)
    return 2 * size**3 * times / (time.perf_counter() - began)


def _wait(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def flops_per_token(recipe: Recipe, batch: Batch) -> float:
    """Of forward and backward, matrix products alone: layers, the pairs that attention allows, and the scored heads."""
    model, facts = recipe.model, batch.facts_BT
    with torch.device("meta"):
        layers = sum(p.numel() for p in ThreeModeModel(model).transformer.parameters() if p.ndim == 2)
    seen = float(sdpa_mask(causal_context, facts).float().mean()) * batch.tokens_BT.shape[1]
    attention = 2 * seen * model.num_hidden_layers * model.num_attention_heads * model.head_dim
    head = float((batch.weight_BT > 0).float().mean()) * model.hidden_size * model.vocab_size
    return 3 * 2 * (layers + attention + head)


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
