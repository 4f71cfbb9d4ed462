"""Put a trained run into the package: averaged weights, tokenizer, recommended decoding, model card.

    python -m scripts.ship runs/tiny redraft/weights/tiny --results benchmarks/results

The card states data with licences, compute and measured quality; numbers come from result files, never from here.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from recipes import recipe as find_recipe
from redraft.data.sources import SOURCES
from redraft.instant.words import FILE as WORDS
from redraft.library import Defaults
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import load_state
from redraft.train.ema import Ema
from redraft.train.metrics import read_metrics
from redraft.train.recipe import Recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--recipe", default="tiny")
    parser.add_argument("--defaults", type=Path, help="generation_config.json to ship (default: keep or built-in)")
    parser.add_argument("--words", type=Path, help="words.txt.gz to ship (default: keep)")
    parser.add_argument("--began", default="", help="a sentence on the weights that the run began from")
    parser.add_argument("--results", type=Path, default=Path("benchmarks/results"))
    args = parser.parse_args()
    recipe = find_recipe(args.recipe)
    model, step = averaged(recipe, args.run)
    defaults = _defaults(args.defaults, args.out)
    words = (args.words or args.out / WORDS).read_bytes()
    (args.out / WORDS).unlink(missing_ok=True)  # no part of what `save_checkpoint` replaces
    try:
        save_checkpoint(
            model,
            args.out,
            tokenizer_file=args.run / "data" / "tokenizer.json",
            generation=defaults.to_json(),
            card=card(recipe, step, read_metrics(args.run / "metrics.jsonl"), args.began, args.results),
        )
    finally:
        (args.out / WORDS).write_bytes(words)
    print(f"{args.out}: step {step}, {sum(f.stat().st_size for f in args.out.iterdir()) / 1e6:.1f} MB")


def averaged(recipe: Recipe, run: Path) -> tuple[ThreeModeModel, int]:
    """The model of a run's checkpoint with averaged weights, and its step."""
    state = load_state(run / "checkpoint.pt")
    model = ThreeModeModel(recipe.model)
    average = Ema(model, recipe.train.ema)
    average.load_state_dict(state["ema"])
    average.copy_to(model)
    return model.eval(), int(state["step"])


def _defaults(path: Path | None, out: Path) -> Defaults:
    held = path or out / "generation_config.json"
    return Defaults.from_json(json.loads(held.read_text())) if held.exists() else Defaults()


def card(recipe: Recipe, step: int, metrics: list[dict[str, Any]], began: str, results: Path) -> str:
    """The model card as Markdown."""
    batch = (
        recipe.train.batches
        * (recipe.mixture.text_rows + recipe.mixture.edit_rows + recipe.mixture.infill_rows)
        * (recipe.mixture.row_length)
    )
    lines = [
        f"# redraft-{recipe.name}",
        "",
        "A small diffusion language model that continues simple stories and dialogues, fills gaps, corrects"
        " English (instruction `fix`), and turns raw transcripts into text (`punctuate`)."
        " One set of weights, three modes: causal (autoregressive), canvas denoising,"
        " verification. English only; it knows little of the world and must not be used for facts or advice.",
        "",
        "## Training",
        "",
        f"Recipe `{recipe.name}` (`recipes/{recipe.name}.py`), seed {recipe.seed}: {step} steps of {batch:,} packed"
        f" positions ({step * batch / 1e6:.1f} M), on a CPU, bf16 autocast, {_hours(metrics, batch):.1f} hours of"
        f" training steps. {began}".rstrip(),
        "",
        "## Data and licences",
        "",
        "| source | licence | characters read at most | of running text | of corrections | of all edits |",
        "|---|---|---|---|---|---|",
        *(_source_row(recipe, name) for name in recipe.characters),
        "",
        "One document in a hundred, chosen by a hash, is held out and measured on. Mistakes in the corrections are made"
        " by `redraft/data/errors.py` from clean text, transcripts by `redraft/data/speech.py`;"
        " docs/data.md is the data card.",
        "",
        "## Measured",
        "",
        *_measured(results),
    ]
    return "\n".join(lines) + "\n"


def _hours(metrics: list[dict[str, Any]], batch: int) -> float:
    """Logged steps stand for the steps between them."""
    if len(metrics) < 2:
        return 0.0
    stride = (metrics[-1]["step"] - metrics[0]["step"]) / (len(metrics) - 1)
    return sum(stride * batch / record["tokens_per_s"] for record in metrics) / 3600


def _source_row(recipe: Recipe, name: str) -> str:
    source = next(s for s in SOURCES if s.name == name)
    mixture = recipe.mixture
    text, edits, pairs = (100 * shares.get(name, 0) for shares in (mixture.text, mixture.edits, mixture.pairs))
    read = f"{recipe.characters[name]:,}"
    return f"| {source.origin} (`{name}`) | {source.licence} | {read} | {text:.0f} % | {edits:.0f} % | {pairs:.0f} % |"


def _measured(results: Path) -> list[str]:
    files = sorted(results.glob("*.json")) if results.exists() else []
    if not files:
        return ["Nothing yet: run `make bench`."]
    return ["Every number with its command, seed and machine:", "", *(f"- `{file.as_posix()}`" for file in files)]


if __name__ == "__main__":
    main()
