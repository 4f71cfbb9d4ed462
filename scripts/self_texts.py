"""Texts that a model writes itself, for its denoiser to learn from: sequence-level distillation (arXiv:1606.07947).

    python -m scripts.self_texts runs/tiny/model --passages runs/tiny/data/train.npz --out data/own_texts.jsonl.gz

The autoregressive mode continues openings of the texts that it was trained on, at a low temperature. What it writes has
less entropy than what people write, so a canvas of it can be sure of more tokens at once (dParallel, arXiv:2509.26488,
and Seed Diffusion, arXiv:2508.02193, distil their models on texts of their own for the same reason). Texts that repeat
themselves or do not end are left out.
"""

import argparse
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.progress import Progress

import redraft
from redraft.data.passages import Passages, load_passages
from redraft.library import Model
from redraft.sampling.autoregressive import left_to_right

MOST = 240  # tokens of a text, its opening included
SHORTEST, LONGEST = 3, 24  # tokens of an opening


def openings(passages: Passages, sources: Sequence[str], rng: np.random.Generator) -> Iterator[tuple[str, list[int]]]:
    """Source and first tokens of passages, drawn at random for ever."""
    held = [(name, passages.of(name)) for name in sources]
    while True:
        name, found = held[int(rng.integers(len(held)))]
        tokens = passages[int(found[rng.integers(len(found))])].tolist()
        yield name, tokens[: int(rng.integers(SHORTEST, LONGEST + 1))]


@torch.inference_mode()
def continued(model: Model, openings: list[list[int]], temperature: float, seed: int) -> list[list[int]]:
    """Every opening, all of one length, with what the autoregressive mode writes behind it up to end of text."""
    prompt_BL = torch.tensor([[model.eos_id, *tokens] for tokens in openings])
    most = MOST - prompt_BL.shape[1]
    *_, text = left_to_right(
        model.network, prompt_BL, None, max_tokens=most, temperature=temperature, seed=seed, stop_ids=(model.eos_id,)
    )  # fmt: skip
    return [[*start, *row] for start, row in zip(openings, text.tokens, strict=True)]


def repeats(tokens: Sequence[int], size: int = 4) -> float:
    """The share of a text's stretches of `size` tokens that it has said before."""
    counts = Counter(zip(*(tokens[n:] for n in range(size)), strict=False))
    return 1 - len(counts) / max(sum(counts.values()), 1)


def keeps(tokens: Sequence[int], eos_id: int, most: float) -> bool:
    """Whether a text ended, is more than a line, and repeats no more than that share of itself."""
    return tokens[-1] == eos_id and len(tokens) > 24 and repeats(tokens) <= most


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--passages", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sources", nargs="+", default=["tinystories", "fables", "dialogues"])
    parser.add_argument("--tokens", type=int, default=3_000_000)
    parser.add_argument("--rows", type=int, default=96)
    parser.add_argument("--temperature", type=float, default=0.5)
    parser.add_argument("--most-repeated", type=float, default=0.06)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    model = redraft.load(args.model)
    passages = load_passages(args.passages)
    drawn = openings(passages, args.sources, np.random.default_rng(args.seed))
    written = kept = tokens = 0
    with gzip.open(args.out, "wt") as file, Progress() as progress:
        task = progress.add_task("writing", total=args.tokens)
        while tokens < args.tokens:
            batch = [next(drawn) for _ in range(args.rows)]
            shortest = min(len(start) for _, start in batch)
            rows = continued(model, [start[:shortest] for _, start in batch], args.temperature, args.seed + written)
            written += len(rows)
            for (source, _), row in zip(batch, rows, strict=True):
                if keeps(row, model.eos_id, args.most_repeated):
                    kept, tokens = kept + 1, tokens + len(row)
                    text = model.tokenizer.decode(row[:-1]).strip()
                    file.write(json.dumps({"text": text, "opening": source}) + "\n")
            progress.update(task, completed=tokens, description=f"kept {kept} of {written}")
    print(f"{args.out}: {kept} of {written} texts, {tokens} tokens")


if __name__ == "__main__":
    main()
