"""Ablations: a pocket-sized model trained with one thing changed at a time, judged on the same held-out batches.

    python -m benchmarks.ablations --data-dir data --cache runs/ablations

Each run is 300 steps of 4,096 packed positions and about 1M parameters, so this says which way things go in the first
minutes of training and no more. `base` runs with three seeds: differences within its spread mean nothing. What was run
already is read from CACHE/rows.jsonl and not run again.

Judged, all of held-out text: autoregressive bits per byte, and the NELBO's at block length 16 and noise above 0.05;
nats of the edit process per weighted token; the share of wrong tokens that the edit process would mend.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import log
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks import plots, record
from recipes.tiny import tiny
from redraft.data.packing import Batch, Part
from redraft.models.three_mode import ThreeModeModel
from redraft.train.loop import TrainConfig, train
from redraft.train.loss import LossConfig, attention_for, choose
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, mixture_of, model_config, prepare

STEPS, JUDGED = 300, 24  # steps of a run, batches that judge it
EPOCHS = (1, 4, 16, 64)
SHAPE = {
    "hidden_size": 128, "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "intermediate_size": 384, "max_position_embeddings": 512,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Variant:
    """What is changed, in words, and the recipe with it."""

    group: str
    name: str
    recipe: Recipe
    characters: int | None = None  # of running text, where less than all is read


def pocket(vocabulary: int = 4096, **model: Any) -> Recipe:
    """The tiny recipe in miniature."""
    full = tiny()
    config = model_config(vocabulary, **(SHAPE | {"labels": full.model.labels} | model))  # type: ignore[arg-type]
    mixture = replace(full.mixture, row_length=256, text_rows=9, edit_rows=6, infill_rows=1, max_edit_tokens=100)
    optim = OptimConfig(warmup=30, decay_share=0.3)
    return Recipe(
        name="pocket", model=config, mixture=mixture, train=TrainConfig(steps=STEPS, optim=optim, ema=0.98),
        characters={name: min(count, 3_000_000) for name, count in full.characters.items()}, passage_tokens=124,
    )  # fmt: skip


def variants() -> list[Variant]:
    base = pocket()

    def mixed(group: str, name: str, **changes: Any) -> Variant:
        return Variant(group, name, replace(base, mixture=replace(base.mixture, **changes)))

    def lossy(group: str, name: str, **weights: float) -> Variant:
        return Variant(group, name, replace(base, train=replace(base.train, loss=LossConfig(**weights))))

    def optimised(name: str, **values: Any) -> Variant:
        optim = replace(base.train.optim, **values)
        return Variant("optimiser", name, replace(base, train=replace(base.train, optim=optim)))

    return [
        *(Variant("base", f"three modes, seed {seed}", replace(base, seed=seed)) for seed in range(3)),
        lossy("loss", "diffusion alone", next=0.0),
        lossy("loss", "next token alone", block=0.0, edit=0.0, gap=0.0),
        lossy("loss", "next token weighs as much", next=1.0),
        *(Variant("noise", f"{share:.0%} random tokens", pocket(uniform_share=share)) for share in (0.0, 0.3)),
        mixed("edits", "no edits", edit_rows=0, text_rows=15),
        mixed("edits", "edits, twice as many", edit_rows=10, text_rows=5),
        mixed("blocks", "length 16 alone", block_lengths=(16,), block_shares=(1.0,)),
        mixed("blocks", "length 64 alone", block_lengths=(64,), block_shares=(1.0,)),
        mixed("weights", "NELBO, levels above 0.05", min_level=0.05),
        mixed("weights", "flat", weight_power=0.0),
        mixed("weights", "flat, levels above 0.05", weight_power=0.0, min_level=0.05),
        Variant("self-conditioning", "self-conditioned", pocket(self_conditioning=True)),
        optimised("AdamW, rate 3e-3", muon=False, matrix_lr=3e-3),
        optimised("AdamW, rate 1e-3", muon=False, matrix_lr=1e-3, other_lr=1e-3),
        *(Variant("tokenizer", f"{size} entries", pocket(size)) for size in (2048, 8192)),
        *(repeated(base, epochs, kind) for epochs in EPOCHS for kind in ("diffusion", "next token")),
    ]


def repeated(base: Recipe, epochs: int, kind: str) -> Variant:
    """One loss alone, on as much of the stories as the run reads so many times."""
    weights = {"next": 0.0} if kind == "diffusion" else {"block": 0.0, "edit": 0.0, "gap": 0.0}
    mixture = replace(base.mixture, text={"tinystories": 1.0}, edit_rows=0, infill_rows=0, text_rows=16, labels={})
    train_config = replace(base.train, loss=LossConfig(**weights))
    tokens = STEPS * mixture.text_rows * mixture.row_length // 2
    return Variant(
        "repeated data", f"{kind}, {epochs} epochs", replace(base, mixture=mixture, train=train_config),
        characters=int(tokens / epochs * 4.0),
    )  # fmt: skip


def run(variant: Variant, data_dir: Path, cache: Path, folder: Path) -> dict[str, Any]:
    """Train and judge."""
    recipe = variant.recipe
    data = cache / f"data-{recipe.model.vocab_size}"
    tokenizer, passages, held_out = prepare(recipe, data_dir, data)
    if variant.characters is not None:
        passages = passages.first("tinystories", variant.characters // 4)
    torch.manual_seed(recipe.seed)
    model, mixture = ThreeModeModel(recipe.model), mixture_of(recipe, tokenizer, passages)
    began = time.perf_counter()
    model = train(model, mixture, recipe.train, folder)
    seconds = time.perf_counter() - began
    judge = replace(pocket(recipe.model.vocab_size), seed=99)
    text = {name: share for name, share in judge.mixture.text.items() if name in held_out.names}
    if variant.group == "repeated data":
        text = {"tinystories": 1.0}
    config = replace(judge.mixture, text=text, block_lengths=(16,), block_shares=(1.0,), min_level=0.05, labels={})
    found = judged(model, mixture_of(replace(judge, mixture=config), tokenizer, held_out), tokenizer)
    return {"group": variant.group, "name": variant.name, "train_seconds": seconds} | found


@torch.inference_mode()
def judged(model: ThreeModeModel, mixture: Any, tokenizer: Any) -> dict[str, float]:
    """Means over the same batches for every model of a tokenizer."""
    names = ("next", "bytes", "tokens", "block", "blocks", "edit", "edits", "mended", "wrong")
    sums: dict[str, float] = dict.fromkeys(names, 0.0)
    for number in range(JUDGED):
        batch = mixture.batch(number)
        nats_N, best_N, picked = _scored(model.eval(), batch)
        part_N, weight_N = batch.part_BT.flatten()[picked], batch.weight_BT.flatten()[picked]
        held_N, target_N = batch.tokens_BT.flatten()[picked], batch.targets_BT.flatten()[picked]
        first, block, edit = (part_N == part for part in (Part.NEXT, Part.BLOCK, Part.EDIT))
        wrong = edit & (held_N != target_N)
        masked = block & (held_N == model.config.mask_token_id)
        sums["next"] += float(nats_N[first].sum())
        text = [token for token in target_N[first].tolist() if token < model.config.text_size]
        sums["bytes"] += len(tokenizer.decode_bytes(text))
        sums["tokens"] += float(first.sum())
        sums["block"] += float((nats_N * weight_N)[masked].sum())
        sums["blocks"] += float((batch.part_BT == Part.BLOCK).sum())
        sums["edit"] += float((nats_N * weight_N)[edit].sum())
        sums["edits"] += float(weight_N[edit].sum())
        sums["mended"] += float((best_N == target_N)[wrong].sum())
        sums["wrong"] += float(wrong.sum())
    # Both sides of a text hold the same tokens, so bytes per clean token are bytes per token of a canvas.
    bits = 1 / (log(2) * max(sums["bytes"], 1))
    return {
        "next_bits_per_byte": sums["next"] * bits,
        "nelbo_bits_per_byte": sums["block"] / max(sums["blocks"], 1) * sums["tokens"] * bits,
        "edit_nats": sums["edit"] / max(sums["edits"], 1),
        "mended": sums["mended"] / max(sums["wrong"], 1),
    }


def _scored(model: ThreeModeModel, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    hidden = model.packed(batch.tokens_BT, batch.facts_BT, attention_for(batch), label_BT=batch.label_BT)
    picked = choose(batch).index_N
    logits_NV = model.head(hidden.flatten(0, 1)[picked])
    targets_N = batch.targets_BT.flatten()[picked]
    return torch.nn.functional.cross_entropy(logits_NV, targets_N, reduction="none"), logits_NV.argmax(-1), picked


def table(rows: Sequence[dict[str, Any]]) -> None:
    columns = ("group", "changed", "AR bits/byte", "NELBO bits/byte, 16", "edit nats", "mended")
    names = ("next_bits_per_byte", "nelbo_bits_per_byte", "edit_nats", "mended")
    record.show("One thing changed at a time", columns, [[r["group"], r["name"], *(r[n] for n in names)] for r in rows])


def plot(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Loss against epochs, and NELBO and edits of the variants."""
    with plots.figure(path, columns=2, width=10, height=4.4) as (left, right):
        for kind, name in (("diffusion", "nelbo_bits_per_byte"), ("next token", "next_bits_per_byte")):
            held = [(e, r[name]) for e in EPOCHS for r in rows if r["name"] == f"{kind}, {e} epochs"]
            if held:
                first = held[0][1]
                left.plot([e for e, _ in held], [v / first for _, v in held], marker="o", label=kind)
        left.set_xscale("log", base=2)
        left.set_xlabel("epochs of the same budget")
        left.set_ylabel("held-out loss over one epoch's")
        left.legend()
        shown = [r for r in rows if r["group"] not in ("repeated data", "tokenizer")]
        right.scatter([r["nelbo_bits_per_byte"] for r in shown], [r["mended"] for r in shown], s=14)
        for r in shown:
            right.annotate(r["name"], (r["nelbo_bits_per_byte"], r["mended"]), fontsize=6, xytext=(3, 2),
                           textcoords="offset points")  # fmt: skip
        right.set_xlabel("NELBO at block length 16, bits per byte")
        right.set_ylabel("share of mistakes mended")


def known(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("ablations", __doc__)
    options.add_argument("--data-dir", type=Path, default=Path("data"))
    options.add_argument("--cache", type=Path, default=Path("runs/ablations"))
    options.add_argument("--groups", nargs="+", help="only these")
    started = record.start("ablations", options, arguments)
    asked = started.options
    asked.cache.mkdir(parents=True, exist_ok=True)
    rows_file = asked.cache / "rows.jsonl"
    chosen = [v for v in variants() if asked.groups is None or v.group in asked.groups]
    done = {(row["group"], row["name"]) for row in known(rows_file)}
    for variant in chosen:
        if (variant.group, variant.name) in done:
            continue
        folder = asked.cache / f"{variant.group}-{variant.name}".replace(" ", "_").replace(",", "")
        row = run(variant, asked.data_dir, asked.cache, folder)
        with rows_file.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)
    rows = known(rows_file)
    table(rows)
    plot(started.image, rows)
    return started.write({"steps": STEPS, "positions_per_step": 4096, "runs": rows})


if __name__ == "__main__":
    main()
