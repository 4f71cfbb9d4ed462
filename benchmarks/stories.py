"""Stories: what the model writes for fifty fixed prompts, by diffusion and left to right, as pages to read.

    python -m benchmarks.stories --train runs/tiny/data/train.npz

Every prompt is continued with three seeds by the recommended decoding and by the autoregressive mode at the same
temperature. Nothing is chosen and nothing left out. Beside the texts stands what can be counted: how much a text
repeats itself, how many different pairs and triples of words there are, how many of its words are words, and the
longest run of tokens that stands so in the training texts.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import track

from benchmarks import record, texts
from benchmarks.statistics import mean
from benchmarks.writing import Setting, nats, write
from redraft.data.passages import load_passages
from redraft.library import Model

NAMES = ("Lily", "Tom", "Mia", "Ben", "Sara", "Max", "Anna", "Tim")
OPENINGS = (
    "Once upon a time, there was a {} named {}.", "One day, a {} named {} went to the park.",
    "{1} was a little {0} who lived near the forest.", "There once was a {} called {} who wanted to fly.",
    "It was raining, and the {} {} could not play outside.",
)  # fmt: skip
BEINGS = ("little girl", "boy", "rabbit", "fox", "bear", "cat", "duck")
ASKED = (("ball", "park"), ("boat", "rain"), ("cake", "friend"), ("dog", "tree"), ("kite", "wind"), ("bird", "nest"))
RUNS = (6, 8, 10, 12, 16, 20, 24, 32, 48, 64)  # tokens


def prompts() -> list[str]:
    """Fifty: openings of stories, requests with words, and what the other benchmarks ask."""
    opened = [way.format(being, NAMES[(n + m) % len(NAMES)]) for n, way in enumerate(OPENINGS)
              for m, being in enumerate(BEINGS)]  # fmt: skip
    asked = [f"User: Write a story with the words {a} and {b}.\nAssistant:" for a, b in ASKED]
    return [*opened, *asked, *texts.PROMPTS][:50]


@dataclass(frozen=True, slots=True)
class Text:
    """A continuation, and what the model's causal mode thinks of it."""

    prompt: str
    tokens: list[int]
    text: str
    nats: float


def told(model: Model, asked: Sequence[str], setting: Setting, *, num_tokens: int, seeds: int) -> list[Text]:
    found = []
    for n, prompt in enumerate(track(asked, setting.name)):
        rows = write(model, prompt, setting, num_tokens=num_tokens, rows=seeds, seed=100 * n).rows
        judged = nats(model, prompt, rows)
        found += [Text(prompt, row, model.tokenizer.decode(row), n) for row, n in zip(rows, judged, strict=True)]
    return found


# ------------------------------------------------------------------ what can be counted


def words_of(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+(?:'[A-Za-z]+)?", text.lower())


def repeats(words: Sequence[str], size: int = 4) -> float:
    """The share of stretches of so many words that were said before."""
    found = Counter(tuple(words[n : n + size]) for n in range(len(words) - size + 1))
    return 1 - len(found) / sum(found.values()) if found else 0.0


def distinct(all_words: Sequence[Sequence[str]], size: int) -> float:
    """Different stretches over all, in all texts together."""
    found = Counter(tuple(words[n : n + size]) for words in all_words for n in range(len(words) - size + 1))
    return len(found) / max(sum(found.values()), 1)


def hashes(tokens: NDArray[np.uint16], size: int) -> NDArray[np.uint64]:
    """A number for every stretch of `size` tokens; equal stretches have equal numbers."""
    total = np.zeros(len(tokens) - size + 1, np.uint64)
    for n in range(size):
        total = total * np.uint64(1_000_003) + tokens[n : n + len(total)].astype(np.uint64) + np.uint64(1)
    return total


def longest_runs(rows: Sequence[Sequence[int]], training: NDArray[np.uint16]) -> list[int]:
    """For every row, the most of RUNS so many of its tokens stand in a row in the training texts; 0 where none do."""
    found = [0] * len(rows)
    for size in RUNS:
        left = [n for n, row in enumerate(rows) if len(row) >= size and (size == RUNS[0] or found[n])]
        if not left:
            break
        known = np.unique(hashes(training, size))
        for n in left:
            asked = hashes(np.array(rows[n], np.uint16), size)
            if (known[np.searchsorted(known, asked).clip(max=len(known) - 1)] == asked).any():
                found[n] = size
    return found


def counted(model: Model, held: Sequence[Text], training: NDArray[np.uint16] | None) -> dict[str, Any]:
    """Everything that is counted, over all texts of a mode."""
    all_words = [words_of(each.text) for each in held]
    spelt = [word for words in all_words for word in words]
    found = {
        "texts": len(held),
        "nats_per_token": mean([each.nats for each in held]),
        "self_repetition_4": mean([repeats(words) for words in all_words]),
        "distinct_2": distinct(all_words, 2),
        "distinct_3": distinct(all_words, 3),
    }
    if model.words is not None:
        found["dictionary_words"] = mean([float(word in model.words) for word in spelt])
    if training is not None:
        runs = longest_runs([each.tokens for each in held], training)
        found["longest_training_run"] = {"median": float(np.median(runs)), "most": max(runs)}
    return found


# ------------------------------------------------------------------ pages


def page(held: Sequence[Text], found: dict[str, Any], title: str) -> str:
    lines = [f"# {title}", "", "Fifty prompts, three seeds each; `python -m benchmarks.stories` wrote this page.", ""]
    lines += [f"- {name.replace('_', ' ')}: {_said(value)}" for name, value in found.items()]
    for prompt in dict.fromkeys(each.prompt for each in held):
        lines += ["", f"## {prompt.splitlines()[0]}"]
        for each in held:
            if each.prompt == prompt:
                lines += ["", *(f"> {line}" for line in (each.text.strip().splitlines() or [""]))]
    return "\n".join(lines) + "\n"


def _said(value: Any) -> str:
    if isinstance(value, dict) and "value" in value:
        return f"{value['value']:.3f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {number:g}" for name, number in value.items())
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("stories", __doc__)
    options.add_argument("--tokens", type=int, default=120, help="tokens per text")
    options.add_argument("--train", type=Path, help="passages that the model was trained on")
    run = record.start("stories", options, arguments)
    asked, model = run.options, run.model
    advice = model.defaults.generate
    canvas = model.defaults.block_length or 32
    settings = {
        "diffusion": Setting("diffusion", advice.temperature, canvas, advice.policy),
        "autoregressive": Setting("ar", advice.temperature),
    }
    training = None if asked.train is None else load_passages(asked.train).tokens
    results = {}
    for name, setting in settings.items():
        with torch.inference_mode():
            held = told(model, prompts()[: asked.limit], setting, num_tokens=asked.tokens, seeds=3)
        results[name] = {"setting": setting.name} | counted(model, held, training)
        title = f"Stories, {name} ({setting.name})"
        (asked.docs / f"stories-{name}.md").write_text(page(held, results[name], title))
    columns = ("mode", *(name for name in results["diffusion"] if name not in ("setting", "texts")))
    rows = [[name, *(_said(found[column]) for column in columns[1:])] for name, found in results.items()]
    record.show("Stories", columns, rows)
    return run.write({"tokens": asked.tokens} | results)


if __name__ == "__main__":
    main()
