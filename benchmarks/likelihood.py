"""Likelihood: the bound of block diffusion against the exact autoregressive likelihood, same weights, same tokens.

Held-out passages are cut to a multiple of the largest block, so that no block is cut short and every block length
scores the same tokens. A passage is encoded once: its logits are the autoregressive likelihood, its keys and values
the context of every block. Nats of a row are those of its tokens after a start token; no class label is given.

Shapes: B rows, L tokens of a block, S tokens of a row.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from math import log
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from benchmarks import plots, record, texts
from benchmarks.statistics import ratio, text
from redraft.core.corruption import Absorbing
from redraft.core.likelihood import MaskCount, Scorer
from redraft.library import Model
from redraft.models.context import KVContext
from redraft.sampling.prediction import forbid
from redraft.sampling.samplers import blank

BLOCK_LENGTHS = (4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Row:
    """One passage: where it is from, its size, its exact nats, and its bound at every block length."""

    source: str
    tokens: int
    num_bytes: int
    autoregressive: float
    bound: dict[int, float]


@torch.inference_mode()
def score(
    model: Model, rows: Sequence[tuple[str, list[int]]], block_lengths: Sequence[int], *, times: int, seed: int
) -> list[Row]:
    """Every row's nats. `times` stratified numbers of masks are drawn per block."""
    found: list[Row] = []
    batches = list(_batches(rows))
    for batch in track(batches, description="likelihood"):
        tokens_BS = torch.tensor([ids for _, ids in batch])
        exact_B, context = autoregressive(model, tokens_BS)
        bounds = {
            length: bound(model, tokens_BS, context, length, times, seed + len(found)) for length in block_lengths
        }
        for n, (source, ids) in enumerate(batch):
            size = len(model.tokenizer.decode_bytes(ids))
            row_bounds = {length: float(nats_B[n]) for length, nats_B in bounds.items()}
            found.append(Row(source, len(ids), size, float(exact_B[n]), row_bounds))
    return found


def autoregressive(model: Model, tokens_BS: Tensor) -> tuple[Tensor, KVContext]:
    """Exact nats [B] of every row after a start token, and the row as a context."""
    start_B1 = torch.full_like(tokens_BS[:, :1], model.eos_id)
    logits_BSV, context = model.network.score(torch.cat([start_B1, tokens_BS], 1))
    text_BVS = forbid(logits_BSV[:, :-1], model.network.controls.ids).transpose(1, 2)
    return torch.nn.functional.cross_entropy(text_BVS, tokens_BS, reduction="none").double().sum(-1), context


def bound(model: Model, tokens_BS: Tensor, context: KVContext, length: int, times: int, seed: int) -> Tensor:
    """The NELBO [B] of every row, summed over its blocks, each given the clean tokens before it."""
    seed_B = seed + torch.arange(len(tokens_BS))
    config = model.network.config
    noise, draws = Absorbing(config.mask_token_id, config.vocab_size), count()
    total_B = torch.zeros(len(tokens_BS), dtype=torch.double)
    for start in range(0, tokens_BS.shape[1], length):
        block_BL = tokens_BS[:, start : start + length]
        denoise = _Denoise(model, replace(context, length=start + 1))  # what follows the block is not looked at
        editable_BL = torch.ones_like(block_BL, dtype=torch.bool)
        total_B += MaskCount(times).sample(Scorer(denoise, block_BL, editable_BL, noise, seed_B, draws, False))
    return total_B


@dataclass(frozen=True, slots=True)
class _Denoise:
    """Noisy blocks [B, L] behind a context, to logits [B, L, V] over text."""

    model: Model
    context: KVContext

    def __call__(self, noisy_BL: Tensor) -> Tensor:
        network = self.model.network
        canvas = blank(noisy_BL.shape[1], network.corruption, torch.arange(len(noisy_BL)))
        return forbid(network.denoise(replace(canvas, tokens_BL=noisy_BL), self.context), network.controls.ids)


def _batches(rows: Sequence[tuple[str, list[int]]], most: int = 4096) -> Iterator[list[tuple[str, list[int]]]]:
    """Rows of one length, together up to `most` tokens."""
    for length in sorted({len(ids) for _, ids in rows}):
        same = [row for row in rows if len(row[1]) == length]
        size = max(1, most // length)
        yield from (same[n : n + size] for n in range(0, len(same), size))


def summarise(rows: Sequence[Row], block_lengths: Sequence[int]) -> dict[str, Any]:
    """Bits per byte and the ratio of the bound to the exact likelihood, over all rows and by kind of text."""
    kinds = {texts.GROUPS[row.source] for row in rows}
    chosen = {kind: [row for row in rows if texts.GROUPS[row.source] == kind] for kind in sorted(kinds)}
    return {kind: _summary(held, block_lengths) for kind, held in ({"all": list(rows)} | chosen).items()}


def _summary(rows: Sequence[Row], block_lengths: Sequence[int]) -> dict[str, Any]:
    exact = [row.autoregressive for row in rows]
    bits = [row.num_bytes * log(2) for row in rows]
    blocks = {
        str(length): {
            "bits_per_byte": ratio([row.bound[length] for row in rows], bits),
            "ratio": ratio([row.bound[length] for row in rows], exact),
        }
        for length in block_lengths
    }
    size = {"tokens": sum(row.tokens for row in rows), "bytes": sum(row.num_bytes for row in rows)}
    nats = ratio(exact, [row.tokens for row in rows])
    return size | {
        "autoregressive_nats_per_token": nats, "autoregressive_bits_per_byte": ratio(exact, bits), "blocks": blocks
    }  # fmt: skip


def table(results: dict[str, Any], block_lengths: Sequence[int]) -> None:
    rows = [
        [kind, held["tokens"], text(held["autoregressive_bits_per_byte"])]
        + [text(held["blocks"][str(length)]["ratio"]) for length in block_lengths]
        for kind, held in results.items()
    ]
    columns = ["held-out text", "tokens", "AR bits/byte", *(f"block {length}" for length in block_lengths)]
    record.show("Bound of block diffusion over exact autoregressive nats", columns, rows)


def plot(path: Path, results: dict[str, Any], block_lengths: Sequence[int]) -> None:
    with plots.figure(path) as (axes,):
        for kind, held in results.items():
            found = [held["blocks"][str(length)]["ratio"] for length in block_lengths]
            strong = {"linewidth": 2.5, "marker": "o"} if kind == "all" else {"linewidth": 1.2, "alpha": 0.8}
            values, errors = [r["value"] for r in found], [r["standard_error"] for r in found]
            axes.errorbar(block_lengths, values, errors, label=kind, capsize=2, **strong)
        axes.axhline(1, color=plots.INK, linewidth=1, linestyle="--")
        axes.set_xscale("log", base=2)
        axes.set_xticks(block_lengths, [str(length) for length in block_lengths])
        axes.set_xlabel("block length in tokens")
        axes.set_ylabel("NELBO / autoregressive nats")
        axes.legend()


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("likelihood", __doc__)
    record.add_held_out(options)
    options.add_argument("--times", type=int, default=4, help="numbers of masks drawn per block")
    run = record.start("likelihood", options, arguments)
    chosen = texts.spread_over(texts.held_out(run.options.held_out, texts.GROUPS), run.options.limit)
    rows = texts.token_rows(chosen, run.model.tokenizer, max(BLOCK_LENGTHS))
    if not rows:
        raise ValueError(f"{run.options.held_out}: no passage of {max(BLOCK_LENGTHS)} tokens")
    scored = score(run.model, rows, BLOCK_LENGTHS, times=run.options.times, seed=run.options.seed)
    results = summarise(scored, BLOCK_LENGTHS)
    table(results, BLOCK_LENGTHS)
    plot(run.image, results, BLOCK_LENGTHS)
    return run.write({"times": run.options.times} | results)


if __name__ == "__main__":
    main()
