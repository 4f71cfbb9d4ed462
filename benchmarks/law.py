"""Law: whatever shares its ticks with it, a request's tokens are those of the plain sampler alone.

Random requests of every kind arrive at random at an engine with few pages, some are cancelled, and the books are
checked after every tick. Then each is carried out alone. Where a token differs, the same requests are served once more
with a watch on that one, to find the step at which the two part, and whether it is a tie (`ties`) or the law is broken.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from benchmarks import record
from benchmarks.ties import TIE, Step, parting
from benchmarks.traffic import Request, asking, draw_requests
from redraft.engine.engine import Engine, EngineConfig, Job
from redraft.models.config import ModelConfig
from redraft.models.loading import load
from redraft.models.three_mode import ThreeModeModel
from redraft.sampling.wrappers import Wrapper

FIXTURES = record.ROOT / "tests" / "fixtures" / "parity"
FOLDERS = ("llada", "sdar", "diffusion_gemma", "wedlm")
ROOMS = (
    EngineConfig(num_pages=28, page_size=8, max_rows=12, tick_tokens=64, chunk=24),
    EngineConfig(num_pages=64, page_size=8, max_rows=16, tick_tokens=256, chunk=32),
    EngineConfig(num_pages=26, page_size=8, max_rows=6, tick_tokens=32, chunk=8),
)


class Plain(Wrapper):
    """A denoiser of which an engine knows the two verbs alone."""

    packs = False

    def __getattr__(self, name: str) -> Any:
        if name == "next_logits":
            raise AttributeError(name)
        return super().__getattr__(name)


@dataclass(slots=True)
class WatchedEngine(Engine):
    """Keeps every step of the jobs it is told to watch."""

    watched: dict[Job, list[Step]] = field(default_factory=dict)

    def _logits(self, jobs: list[Job]) -> Tensor:
        logits_BLV = Engine._logits(self, jobs)
        for row, job in enumerate(jobs):
            if job in self.watched and job.canvas is not None:
                self.watched[job].append(Step(list(job.item.text), job.canvas, logits_BLV[row].clone()))
        return logits_BLV


@dataclass(frozen=True, slots=True)
class Served:
    """What an engine made of some requests, in their order, and how often it set one back."""

    engine: WatchedEngine
    jobs: list[Job]


def serve(
    denoiser: Any, requests: Sequence[Request], config: EngineConfig, seed: int, watch: Sequence[int] = ()
) -> Served:
    """Random arrivals and cancels, the same ones for a seed. Raises AssertionError where the books are wrong."""
    rng = Random(seed)
    engine = WatchedEngine(denoiser, config)
    jobs: list[Job] = []
    while len(jobs) < len(requests) or not engine.idle:
        while len(jobs) < len(requests) and rng.random() < 0.6:
            request = requests[len(jobs)]
            job = engine.submit(request.writer(), priority=request.priority)
            if len(jobs) in watch:
                engine.watched[job] = []
            jobs.append(job)
        engine.tick()
        if rng.random() < 0.05 and engine.jobs:
            engine.cancel(rng.choice(engine.jobs))
        engine.check()
    pool = engine.scheduler.pool
    pool.forget()
    assert pool.available == pool.num_pages, "a page leaked"
    return Served(engine, jobs)


def differing(denoiser: Any, requests: Sequence[Request], jobs: Sequence[Job]) -> list[int]:
    """The numbers of finished requests whose tokens are not those of the plain sampler alone."""
    return [
        number
        for number, (request, job) in enumerate(zip(requests, jobs, strict=True))
        if job.out.finish != "cancelled" and (job.error is not None or request.alone(denoiser) != job.out.tokens)
    ]


def hold(name: str, denoiser: Any, requests: Sequence[Request], config: EngineConfig, seed: int) -> dict[str, Any]:
    """Whether the law holds of these requests, and how far each difference was from a tie."""
    with torch.inference_mode():
        served = serve(denoiser, requests, config, seed)
        wrong = differing(denoiser, requests, served.jobs)
        partings = []
        if wrong:
            again = serve(denoiser, requests, config, seed, wrong)
            partings = [parting(denoiser, requests[n], again.engine.watched[again.jobs[n]]) for n in wrong]
    counters = served.engine.counters
    return {
        "kind": name,
        "requests": len(requests),
        "cancelled": counters.cancelled,
        "finished": counters.finished,
        "failed": counters.failed,
        "equal": counters.finished + counters.failed - len(wrong),
        "ties": sum(found.is_tie for found in partings),
        "broken": sum(not found.is_tie for found in partings),
        "partings": [
            {"seed": seed, "request": n, "name": requests[n].name, **asdict(found)}
            for n, found in zip(wrong, partings, strict=True)
        ],
        "ticks": counters.ticks,
        "preemptions": counters.preemptions,
        "reused_tokens": counters.reused_tokens,
    }


def tiny_own(seed: int = 0) -> ThreeModeModel:
    """A random three-mode model whose weights are large enough that every difference shows."""
    torch.manual_seed(seed)
    sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8}
    ids = {"eos_token_id": 56, "mask_token_id": 57, "delete_token_id": 58, "insert_token_ids": (59, 60)}
    config = ModelConfig(
        vocab_size=64, hidden_size=32, intermediate_size=48, max_position_embeddings=320, initializer_range=0.3,
        text_size=56, self_conditioning=True, **sizes, **ids,
    )  # fmt: skip
    model = ThreeModeModel(config)
    assert model.memory_proj is not None
    torch.nn.init.normal_(model.memory_proj.weight, std=0.3)
    torch.nn.init.normal_(model.canvas_marker)
    return model.eval().requires_grad_(False)


def denoisers() -> dict[str, Any]:
    """One random denoiser of every kind of attention, and one of which only the two verbs are known."""
    own = tiny_own()
    found = {name: load(FIXTURES / name)[0] for name in FOLDERS}
    return {"own": own, **found, "two verbs": Plain(own)}


TOTALS = ("requests", "cancelled", "finished", "failed", "equal", "ties", "broken", "ticks", "preemptions")


def summed(rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One row of several of a kind."""
    total = {name: sum(row[name] for row in rows) for name in (*TOTALS, "reused_tokens")}
    return {"kind": rows[0]["kind"], **total, "partings": [found for row in rows for found in row["partings"]]}


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("law", __doc__)
    options.add_argument("--requests", type=int, default=2000, help="over all kinds together")
    options.add_argument("--group", type=int, default=40, help="requests that share an engine")
    run = record.start("law", options, arguments)
    torch.set_num_threads(1)
    chosen = denoisers() | {"shipped": run.model.network}
    each = max(1, run.options.requests // (len(chosen) * run.options.group))
    rounds = [(name, number) for number in range(each) for name in chosen]
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in chosen}
    for place, (name, number) in enumerate(track(rounds, description="law", transient=True)):
        seed = run.options.seed + 7919 * place
        size = min(run.options.group, run.options.limit or run.options.group)
        requests = draw_requests(asking(chosen[name]), size, Random(seed))
        rows[name].append(hold(name, chosen[name], requests, ROOMS[number % len(ROOMS)], seed))
    table = [summed(found) for found in rows.values()]
    shown = ("kind", *TOTALS)
    record.show("Batched with strangers equals alone", shown, [[row[name] for name in shown] for row in table])
    everyone = summed([row | {"kind": "all"} for row in table])
    written = run.write({"kinds": table, "all": everyone, "tie": TIE})
    assert everyone["broken"] + everyone["failed"] == 0, everyone["partings"]
    return written


if __name__ == "__main__":
    main()
