"""Modes: speed and quality of diffusion against the autoregressive mode of the same weights on the same machine.

Settings take turns, one prompt after another, and the whole is repeated; a setting's speed is its median over the
repeats and its speed ratio the median of ratios within a repeat. Quality is judged by the same weights, exactly:
autoregressive nats per token given the prompt, next to the text's own unigram entropy, for a text that repeats itself
is cheap to predict. No text ends early, so that all settings write the same number of tokens.
"""

from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from rich.progress import Progress

from benchmarks import plots, record, texts
from benchmarks.statistics import Measured, mean, spread
from benchmarks.writing import Setting, Written, distinct_pairs, nats, unigram_entropy, write
from redraft.library import Model
from redraft.sampling.policies import Threshold

CANVASES = (32, 64, 128)
TAUS = (0.7, 0.8, 0.9, 0.95)
TEMPERATURES = (0.0, 0.7)
GEMINI = 1479 / 272  # tokens per second that Gemini Diffusion claims, over Gemini 2.0 Flash-Lite's
MARKERS = {32: "o", 64: "s", 128: "^"}
Runs = dict[Setting, list[list[Written]]]  # by setting: repeats of prompts


def settings(taus: Sequence[float]) -> list[Setting]:
    causal = [Setting(mode, heat) for mode in ("ar", "verify") for heat in TEMPERATURES]
    grid = [(heat, canvas, tau) for heat in TEMPERATURES for canvas in CANVASES for tau in taus]
    return causal + [Setting("diffusion", heat, canvas, Threshold(tau)) for heat, canvas, tau in grid]


def measure(
    model: Model, prompts: Sequence[str], chosen: Sequence[Setting], *, num_tokens: int, repeats: int, seed: int
) -> Runs:
    """Every setting on every prompt, `repeats` times in turn, after one round to warm up."""
    runs: Runs = {setting: [] for setting in chosen}
    with Progress(transient=True) as progress:
        task = progress.add_task("modes", total=(repeats + 1) * len(chosen))
        for repeat in range(-1, repeats):
            order = Random(seed + repeat).sample(chosen, len(chosen))
            for setting in order:
                some = prompts[:1] if repeat < 0 else prompts
                written = [
                    write(model, p, setting, num_tokens=num_tokens, seed=seed + 1000 * n) for n, p in enumerate(some)
                ]
                if repeat >= 0:
                    runs[setting].append(written)
                progress.advance(task)
    return runs


def summarise(model: Model, prompts: Sequence[str], runs: Runs) -> list[dict[str, Any]]:
    found = []
    for setting, repeats in runs.items():
        baseline = runs[Setting("ar", setting.temperature)]
        speeds = [_speed(written) for written in repeats]
        ratios = [ours / _speed(theirs) for ours, theirs in zip(speeds, baseline, strict=True)]
        found.append(
            _spelt(setting)
            | {"tokens_per_second": spread(speeds), "speed_ratio": spread(ratios)}
            | _quality(model, prompts, repeats[0])
        )
    return found


def _speed(written: Sequence[Written]) -> float:
    return sum(len(w.rows[0]) for w in written) / sum(w.seconds for w in written)


def _spelt(setting: Setting) -> dict[str, Any]:
    values: dict[str, Any] = {"setting": setting.name, "mode": setting.mode, "temperature": setting.temperature}
    if isinstance(setting.policy, Threshold) and setting.mode == "diffusion":
        values |= {"canvas": setting.canvas, "threshold": setting.policy.tau}
    return values


def _quality(model: Model, prompts: Sequence[str], written: Sequence[Written]) -> dict[str, Measured]:
    rows = [w.rows[0] for w in written]
    return {
        "nats_per_token": mean([nats(model, p, [row])[0] for p, row in zip(prompts, rows, strict=True)]),
        "unigram_entropy": mean([unigram_entropy(row) for row in rows]),
        "distinct_2": mean([distinct_pairs(row) for row in rows]),
        "tokens_per_forward": mean([len(w.rows[0]) / w.forwards for w in written]),
    }


def table(results: Sequence[dict[str, Any]]) -> None:
    names = ("tokens_per_forward", "nats_per_token", "unigram_entropy", "distinct_2")
    rows = [
        [r["setting"], f"{r['tokens_per_second']['median']:.0f}", f"{r['speed_ratio']['median']:.2f}"]
        + [r[name]["value"] for name in names]
        for r in results
    ]
    columns = ("setting", "tokens/s", "ratio", "tokens/forward", "nats/token", "unigram entropy", "distinct-2")
    record.show("Diffusion against the autoregressive mode, same weights", columns, rows)


def plot(path: Path, results: Sequence[dict[str, Any]]) -> None:
    entropies = [r["unigram_entropy"]["value"] for r in results]
    colours = {"cmap": "cool", "vmin": min(entropies), "vmax": max(entropies)}
    with plots.figure(path, columns=len(TEMPERATURES), width=9.5, height=4.2) as panels:
        for axes, temperature in zip(panels, TEMPERATURES, strict=True):
            held = [r for r in results if r["temperature"] == temperature]
            for canvas in CANVASES:
                curve = [_place(found) for found in held if found.get("canvas") == canvas]
                axes.plot(*zip(*curve, strict=True), color=plots.INK, linewidth=0.8, alpha=0.5, zorder=0)
            for found in held:
                drawn = _point(axes, found, colours)
            axes.axvline(GEMINI, color=plots.INK, linewidth=1, linestyle="--")
            axes.annotate("5.4x", (GEMINI, 1), xycoords=("data", "axes fraction"), xytext=(3, -9),
                          textcoords="offset points", fontsize=8)  # fmt: skip
            axes.set_title(f"temperature {temperature:g}")
            axes.set_xlabel("speed over autoregressive")
        panels[0].set_ylabel("autoregressive nats per token")
        for canvas, marker in MARKERS.items():
            panels[0].scatter([], [], marker=marker, color=plots.INK, label=f"canvas {canvas}")
        panels[0].legend(fontsize=8)
        panels[-1].figure.colorbar(drawn, ax=panels, label="unigram entropy in nats")


def _point(axes: Any, found: dict[str, Any], colours: dict[str, Any]) -> Any:
    place, causal = _place(found), found["mode"] != "diffusion"
    label = {"ar": "autoregressive", "verify": "verified"}.get(found["mode"], f"{found.get('threshold', 0):g}")
    axes.annotate(label, place, xytext=(5, -9 if causal else 4), textcoords="offset points", fontsize=7)
    marker = "*" if causal else MARKERS[found["canvas"]]
    entropy = [found["unigram_entropy"]["value"]]
    return axes.scatter(*place, c=entropy, marker=marker, s=110 if causal else 36, **colours)


def _place(found: dict[str, Any]) -> tuple[float, float]:
    return found["speed_ratio"]["median"], found["nats_per_token"]["value"]


def page(model: Model, prompts: Sequence[str], runs: Runs, results: Sequence[dict[str, Any]], shown: int = 4) -> str:
    """A page on which a reader can judge: some prompts, and what every setting made of them."""
    lines = [
        "# Samples",
        "",
        "What every setting of `python -m benchmarks.modes` wrote: none chosen and none left out, cut where the count",
        "of tokens ended. Speed is over the autoregressive mode at the same temperature; nats per token are the",
        "autoregressive mode's, under the same weights.",
    ]
    for n, prompt in list(enumerate(prompts))[:: max(1, len(prompts) // shown)][:shown]:
        lines += ["", f"## {prompt.splitlines()[0]}"]
        for (setting, repeats), found in zip(runs.items(), results, strict=True):
            written = repeats[0][n].rows[0]
            size = f"{found['speed_ratio']['median']:.1f}x, {nats(model, prompt, [written])[0]:.2f} nats per token"
            text = model.tokenizer.decode(written).strip()
            lines += ["", f"**{setting.name}** ({size})", "", *(f"    {line}" for line in _wrapped(text))]
    return "\n".join(lines) + "\n"


def _wrapped(text: str) -> list[str]:
    from textwrap import wrap

    return [piece for line in text.splitlines() for piece in wrap(line, 112)] or [""]


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("modes", __doc__)
    options.add_argument("--tokens", type=int, default=128, help="tokens per text")
    options.add_argument("--thresholds", type=float, nargs="+", default=TAUS)
    options.add_argument("--repeats", type=int, default=3)
    run = record.start("modes", options, arguments)
    asked = run.options
    prompts = texts.PROMPTS[: asked.limit]
    chosen = settings(asked.thresholds)
    runs = measure(run.model, prompts, chosen, num_tokens=asked.tokens, repeats=asked.repeats, seed=asked.seed)
    results = summarise(run.model, prompts, runs)
    table(results)
    plot(run.image, results)
    (asked.docs / "samples.md").write_text(page(run.model, prompts, runs, results))
    return run.write({"tokens": asked.tokens, "repeats": asked.repeats, "prompts": len(prompts), "settings": results})


if __name__ == "__main__":
    main()
