"""Puzzles: what small models solve in an order that adapts, in orders that do not, and from left to right.

Every recipe is trained twice per seed: by diffusion, and the same network on as many puzzles by the next character. The
first is asked in several orders, always the most probable character at a place, so that only the order differs; the
second writes from left to right. Puzzles asked are of groups that were never trained on. A finished model is kept in
--runs with its answers, so that the benchmark goes on where it was interrupted.
"""

import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks import plots, record
from redraft.evals.metrics import Estimate, estimate, paired
from redraft.sampling.policies import LeftToRight, Margin, Policy, Threshold, TopK

RECIPES = ("paths", "sudoku", "zebra", "countdown")
ORDERS: dict[str, Policy] = {
    "margin": Margin(count=1),
    "confidence": TopK(count=1),
    "all above 0.9": Threshold(0.9),
    "random": TopK(count=1, by="random"),
    "left to right": LeftToRight(),
}
CAUSAL = "autoregressive"
BASELINES = ("random", "left to right", CAUSAL)  # what the margin is compared with
COLUMNS = ("puzzle", "order", "solved", "95 %", "per seed", "characters right", "forwards")


@dataclass(frozen=True, slots=True)
class Job:
    """One model to train and to ask."""

    recipe: str
    learns: str
    seed: int
    runs: Path
    settings: tuple[str, ...]
    limit: int | None

    @property
    def folder(self) -> Path:
        return self.runs / f"{self.recipe}-{self.learns}-{self.seed}"


def carry_out(job: Job) -> dict[str, Any]:
    """Train, ask and keep what came out, in one thread; read what is kept already."""
    import torch

    from recipes import recipe as find_recipe
    from redraft.data.puzzles.batches import PuzzleConfig, prepare_puzzles
    from redraft.train.overrides import apply_overrides
    from redraft.train.recipe import plain, run

    recipe = apply_overrides(find_recipe(job.recipe), [*job.settings, f"mixture.learns={job.learns}"])
    recipe = replace(recipe, seed=job.seed)
    about = json.loads(json.dumps(plain(recipe))) | {"limit": job.limit}
    kept = job.folder / "answers.json"
    if kept.is_file() and (found := json.loads(kept.read_text()))["recipe"] == about:
        return found
    torch.set_num_threads(1)
    assert isinstance(recipe.mixture, PuzzleConfig)
    resumed = (job.folder / "checkpoint.pt").exists()  # then the seconds are those since
    clock, work = time.perf_counter(), time.process_time()
    model = run(recipe, Path(), job.folder, resume=True).eval()
    seconds = {"wall": time.perf_counter() - clock, "cpu": time.process_time() - work, "resumed": resumed}
    tokenizer, _, pool = prepare_puzzles(recipe.mixture, job.folder / "data")
    answers = asked(model, recipe.mixture.puzzle, pool, tokenizer, job.learns, job.limit)
    found = {
        "recipe": about,
        "parameters": sum(p.numel() for p in model.parameters()),
        "seconds": seconds,
        "answers": answers,
    }
    kept.write_text(json.dumps(found) + "\n")
    return found


def asked(model: Any, kind: Any, pool: Any, tokenizer: Any, learns: str, limit: int | None) -> dict[str, Any]:
    """By order: which puzzles were solved, the share of characters that are right, and forwards per puzzle."""
    import torch

    from redraft.sampling.autoregressive import left_to_right
    from redraft.sampling.decoding import Decoding
    from redraft.sampling.samplers import sample

    puzzles = [pool[n] for n in range(min(limit or len(pool), len(pool)))]
    start, length = tokenizer.special("<|endoftext|>"), kind.answer_length
    prompts = torch.tensor([[start, *tokenizer.encode(puzzle.question)] for puzzle in puzzles])

    def judged(rows: list[list[int]], forwards: list[int]) -> dict[str, Any]:
        texts = [tokenizer.decode(row) for row in rows]
        pairs = list(zip(puzzles, texts, strict=True))
        same = [sum(map(str.__eq__, puzzle.answer, text)) / length for puzzle, text in pairs]
        return {
            "solved": [int(kind.solved(puzzle.question, text)) for puzzle, text in pairs],
            "characters": sum(same) / len(same),
            "forwards": sum(forwards) / len(forwards),
        }

    with torch.no_grad():
        if learns == "next":
            *_, last = left_to_right(model, prompts, None, max_tokens=length)
            return {CAUSAL: judged(last.tokens, [length] * len(puzzles))}
        found = {}
        for name, policy in ORDERS.items():
            *_, frame = sample(model, prompts, Decoding(policy=policy), max_tokens=length, block_length=length)
            found[name] = judged(frame.committed, frame.canvas.step_B.tolist())
        return found


# ------------------------------------------------------------------ what came out


def summarise(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """One recipe's models, all seeds: an estimate for every order, and what the margin gains over the others."""
    by_order: dict[str, list[dict[str, Any]]] = {}
    for model in found:
        for order, answers in model["answers"].items():
            by_order.setdefault(order, []).append(answers)
    scores = {order: _mean_per_puzzle(each) for order, each in by_order.items()}
    return {
        "orders": {order: _told(scores[order], each) for order, each in by_order.items()},
        "margin_minus": {order: asdict(paired(scores[order], scores["margin"])) for order in BASELINES},
        "parameters": found[0]["parameters"],
        "seconds": [model["seconds"] for model in found],
        "recipe": found[0]["recipe"],
    }


def _mean_per_puzzle(seeds: Sequence[dict[str, Any]]) -> list[float]:
    return [sum(solved) / len(solved) for solved in zip(*(answers["solved"] for answers in seeds), strict=True)]


def _told(scores: Sequence[float], seeds: Sequence[dict[str, Any]]) -> dict[str, Any]:
    per_seed: list[Estimate] = [estimate([float(score) for score in answers["solved"]]) for answers in seeds]
    return {
        "solved": asdict(estimate(scores)),
        "per_seed": [asdict(found) for found in per_seed],
        "characters": sum(answers["characters"] for answers in seeds) / len(seeds),
        "forwards": sum(answers["forwards"] for answers in seeds) / len(seeds),
    }


def rows(results: dict[str, Any]) -> Iterator[list[Any]]:
    for name, found in results.items():
        for order, told in found["orders"].items():
            solved = told["solved"]
            yield [
                name, order, f"{100 * solved['value']:.1f}", f"{100 * solved['low']:.1f}-{100 * solved['high']:.1f}",
                ", ".join(f"{100 * seed['value']:.1f}" for seed in told["per_seed"]),
                f"{100 * told['characters']:.1f}", f"{told['forwards']:.1f}",
            ]  # fmt: skip


def plot(path: Path, results: dict[str, Any]) -> None:
    with plots.figure(path, columns=len(results), width=2.6 * len(results) + 1.2, height=2.8) as panels:
        for axes, (name, found) in zip(panels, results.items(), strict=True):
            for place, (order, told) in enumerate(found["orders"].items()):
                colour = plots.COLOURS[2 if order == CAUSAL else 1 if order in BASELINES else 0]
                solved = {side: 100 * told["solved"][side] for side in ("value", "low", "high")}
                reach = [[solved["value"] - solved["low"]], [solved["high"] - solved["value"]]]
                axes.errorbar(solved["value"], place, xerr=reach, fmt="o", color=colour, capsize=3)
                seeds = [100 * seed["value"] for seed in told["per_seed"]]
                axes.plot(seeds, [place + 0.22] * len(seeds), "|", color=colour, alpha=0.7)
            axes.set_yticks(range(len(found["orders"])), list(found["orders"]) if axes is panels[0] else [])
            axes.invert_yaxis()
            axes.set(title=name, xlim=(-3, 103), xlabel="solved, %")


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("puzzles", __doc__)
    options.add_argument("--recipes", nargs="+", default=RECIPES, help="which recipes")
    options.add_argument("--seeds", type=int, default=2, help="models of each kind")
    options.add_argument("--processes", type=int, default=2, help="models trained at once, one thread each")
    options.add_argument("--set", action="append", default=[], metavar="K=V", help="change a value of every recipe")
    options.add_argument("--runs", type=Path, default=record.ROOT / "runs" / "puzzles", help="folder of the models")
    run = record.start("puzzles", options, arguments, loads=False)
    asked_for = run.options
    jobs = [
        Job(name, learns, asked_for.seed + seed, asked_for.runs, tuple(asked_for.set), asked_for.limit)
        for seed in range(asked_for.seeds)
        for name in asked_for.recipes
        for learns in ("diffusion", "next")
    ]
    with ProcessPoolExecutor(asked_for.processes, mp_context=get_context("spawn")) as pool:
        done = list(track(pool.map(carry_out, jobs), description="puzzles", total=len(jobs)))
    results = {
        name: summarise([found for job, found in zip(jobs, done, strict=True) if job.recipe == name])
        for name in asked_for.recipes
    }
    record.show("Puzzles solved, by order", COLUMNS, list(rows(results)))
    plot(run.image, results)
    return run.write({"seeds": asked_for.seeds, "puzzles": results})


if __name__ == "__main__":
    main()
