"""Adaptive: does easy text take fewer forwards than hard text, and clean text fewer than faulty text?

One canvas of 64 tokens is written behind predictable prompts (lists, refrains), behind text that was in the context
before, and behind the openings of stories and dialogues. Then paragraphs are corrected, clean and with more and more
errors. Forwards are those of the denoiser until the canvas is finished, with the policies the checkpoint recommends.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from rich.progress import track

from benchmarks import plots, record, texts
from benchmarks.correction import correct
from benchmarks.statistics import mean, spread
from benchmarks.writing import Setting, write
from redraft.data.errors import ErrorModel, make_errors
from redraft.library import Model

CANVAS = 64
RATES = (0.05, 0.12, 0.25)
Counts = dict[str, list[int]]


def written(model: Model, passages: Sequence[texts.Pair], limit: int) -> Counts:
    """Forwards for one canvas, by kind of prompt."""
    prompts = {
        "predictable": texts.PREDICTABLE[:limit],
        "seen before": [_repeated(pair.text) for pair in passages[:limit]],
        "open": texts.PROMPTS[:limit],
    }
    setting = Setting("diffusion", 0.0, CANVAS, model.defaults.generate.policy)
    return {
        kind: [_forwards(model, prompt, setting) for prompt in track(held, description=f"writing, {kind}")]
        for kind, held in prompts.items()
    }


def _forwards(model: Model, prompt: str, setting: Setting) -> int:
    return write(model, prompt, setting, num_tokens=CANVAS).forwards - 1  # the prompt's encoding is one


def _repeated(passage: str) -> str:
    """A passage and its beginning again, so that what comes next has been read already."""
    words = passage[:800].split()
    return f"{' '.join(words)}\n{' '.join(words[: max(4, len(words) // 8)])}"


def edited(model: Model, passages: Sequence[texts.Pair], limit: int, seed: int) -> Counts:
    """Forwards per paragraph, by how many errors there are per word."""
    paragraphs = [_paragraph(pair.text) for pair in passages[:limit]]
    rng = Random(seed)
    kinds = {"clean": paragraphs} | {
        f"{rate:.0%} errors": [make_errors(text, rng, replace(ErrorModel(), rate=rate)) for text in paragraphs]
        for rate in RATES
    }
    return {
        kind: [found.forwards for found in correct(model, held, description=f"editing, {kind}")]
        for kind, held in kinds.items()
    }


def _paragraph(passage: str) -> str:
    """The first sentences of a passage, about as many as one window of an edit holds."""
    return texts.opening(passage, 260)


def summarise(counts: Counts) -> dict[str, Any]:
    return {kind: {"mean": mean(held), "spread": spread(held), "forwards": held} for kind, held in counts.items()}


def table(title: str, results: dict[str, Any]) -> None:
    names = ("min", "quarter", "median", "three_quarters", "max")
    rows = [
        [kind, len(held["forwards"]), held["mean"]["value"], *(f"{held['spread'][name]:.0f}" for name in names)]
        for kind, held in results.items()
    ]
    record.show(title, ("text", "examples", "mean", "least", "quarter", "median", "three quarters", "most"), rows)


def plot(path: Path, panels: dict[str, dict[str, Any]]) -> None:
    with plots.figure(path, columns=len(panels), width=9.0, height=3.6) as drawn:
        for axes, (title, results) in zip(drawn, panels.items(), strict=True):
            values = [held["forwards"] for held in results.values()]
            ink = {"color": plots.INK}
            lines = {"boxprops": ink, "whiskerprops": ink, "capprops": ink, "medianprops": ink | {"linewidth": 2.5}}
            axes.boxplot(values, orientation="horizontal", showfliers=False, **lines)
            for place, held in enumerate(values, start=1):
                shifts = [place + 0.24 * (k % 5 - 2) / 2 for k in range(len(held))]
                axes.plot(held, shifts, linestyle="", marker="o", markersize=3, alpha=0.6)
            axes.set_yticks(range(1, len(values) + 1), list(results))
            axes.invert_yaxis()
            axes.set_xlim(left=0)
            axes.set_xlabel(title)


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("adaptive", __doc__)
    record.add_held_out(options)
    run = record.start("adaptive", options, arguments)
    asked = run.options
    stories = texts.held_out(asked.held_out, ("tinystories", "fables"))
    limit = asked.limit or 100
    writing = summarise(written(run.model, stories, min(limit, len(texts.PROMPTS))))
    editing = summarise(edited(run.model, stories, limit, asked.seed))
    panels = {f"forwards per {CANVAS} tokens": writing, "forwards per paragraph corrected": editing}
    for title, results in panels.items():
        table(title, results)
    plot(run.image, panels)
    return run.write({"writing": writing, "editing": editing})


if __name__ == "__main__":
    main()
