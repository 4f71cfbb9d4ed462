"""Measure and show a model after training: bits per byte of held-out text, and samples.

    python -m scripts.gpu_eval MODEL --held-out .gpu_data/held_out.npz --samples samples.txt

Prints one line of JSON: exact bits per byte of the causal mode and the bound of block diffusion, same tokens.
"""

import argparse
import json
import math
from pathlib import Path
from typing import Any

import torch

import redraft
from redraft.core.likelihood import MaskCount, estimate_nelbo
from redraft.data.passages import load_passages
from redraft.scoring import exact_nats, last_block

PROMPTS = (
    "Once upon a time there was a little girl named Lily. She",
    "The old man lived alone in a house by the sea. Every morning he",
    "In a green forest lived a clever fox who",
    "User: I want to find a restaurant for dinner.\nAssistant:",
)
WRONG = (
    "She go to school yesterday and forgetted her book.",
    "He have many freinds, but he dont know there names.",
    "I am agree with you becouse it is a good idea.",
)
BEFORE, AFTER = "One day, a small bird fell out of its nest.", "So the boy put it back, and the mother bird sang."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--held-out", type=Path, required=True)
    parser.add_argument("--samples", type=Path, required=True)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rows", type=int, default=32)
    parser.add_argument("--length", type=int, default=128, help="tokens of a row")
    parser.add_argument("--block", type=int, default=16)
    parser.add_argument("--tokens", type=int, default=120, help="of a sample")
    args = parser.parse_args()
    model = redraft.load(args.model, device=args.device)
    rows = held_rows(args.held_out, args.rows, args.length)
    print(json.dumps(bits(model, rows, args.block)), flush=True)
    args.samples.write_text(samples(model, args.tokens))


def held_rows(path: Path, count: int, length: int) -> list[list[int]]:
    """The beginnings of passages that are long enough, evenly taken from all of them."""
    passages = load_passages(path)
    long = [n for n in range(len(passages)) if len(passages[n]) > length]
    chosen = [long[n * len(long) // count] for n in range(min(count, len(long)))] if long else []
    return [passages[n][:length].tolist() for n in chosen]


@torch.inference_mode()
def bits(model: redraft.Model, rows: list[list[int]], block: int) -> dict[str, Any]:
    """Bits per byte, exact and bounded, and how many tokens they are of."""
    if not rows:
        return {"tokens": 0}
    start, network = list(model.voice.start), model.network
    tokenizer: Any = model.tokenizer
    scale = math.log(2) * sum(len(tokenizer.decode_bytes(row)) for row in rows)
    exact = float(exact_nats(network, start, rows).double().sum())
    tokens_BL = torch.tensor(rows, device=network.device)
    denoise = last_block(network, start, block)
    bound = estimate_nelbo(denoise, tokens_BL, network.corruption, MaskCount(), num_samples=2, block_length=block)
    nats, error = float(bound.mean_nats_B.sum()), float(bound.standard_error_B.square().sum().sqrt())
    return {
        "tokens": sum(map(len, rows)), "ar_bits_per_byte": exact / scale, "nelbo_bits_per_byte": nats / scale,
        "nelbo_standard_error": error / scale, "block_length": block,
    }  # fmt: skip


def samples(model: redraft.Model, tokens: int) -> str:
    """Continuations in both modes, corrections, and a filled gap."""
    parts = []
    for mode in ("ar", "diffusion"):
        for prompt in PROMPTS:
            written = model.generate(prompt, mode=mode, max_tokens=tokens, temperature=0.7, seed=1)
            parts.append(f"[{mode}] {prompt}|{written.text}")
    parts += [f"[fix] {text}\n   -> {model.edit(text).text}" for text in WRONG]
    parts.append(f"[infill] {BEFORE}|{model.infill(BEFORE, AFTER).text}|{AFTER}")
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
