"""Self-correction: can a model mend wrong tokens that it finds accepted on a canvas, and does that help its drafts?

Held-out text: 64 tokens of context, then a canvas of 64 accepted tokens, a tenth of them replaced by wrong ones, either
random text tokens or plausible ones (drawn from the model's own marginals where they were masked, the true token
excluded). The canvas is decoded until it settles. Then drafts from prompts, with and without revising.

Shapes: B rows, L canvas positions, V vocabulary.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from rich.progress import track
from torch import Tensor

from benchmarks import plots, record, texts
from benchmarks.statistics import mean, ratio, text
from benchmarks.writing import Setting, nats, unigram_entropy, write
from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.rng import Stream, uniform
from redraft.library import Model
from redraft.sampling import samplers
from redraft.sampling.decoding import Decoding, policy_spec
from redraft.sampling.policies import Policy, Revising, Threshold
from redraft.sampling.prediction import draw
from redraft.sampling.stops import Settled
from redraft.sampling.wrappers import shape

CONTEXT = CANVAS = 64
NUM_WRONG = CANVAS // 10
TAUS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
KINDS = ("random", "plausible")
DRAFT_POLICIES: tuple[Policy, ...] = (
    Threshold(0.9), Threshold(0.7),
    *(Revising(Threshold(inner), tau) for inner in (0.9, 0.7) for tau in (0.7, 0.9)),
)  # fmt: skip


def places(rows: int, seed: int) -> Tensor:
    """Which tenth of every canvas is wrong, bool [B, L]."""
    seed_B = seed + torch.arange(rows)
    u_BL = uniform(seed_B, torch.zeros_like(seed_B), CANVAS, Stream.CORRUPT)
    return u_BL.argsort(-1).argsort(-1) < NUM_WRONG


def wrong_tokens(model: Model, true_BL: Tensor, wrong_BL: Tensor, context: Any, kind: str, seed: int) -> Tensor:
    """The canvas with other text tokens where `wrong_BL`."""
    seed_B = seed + torch.arange(len(true_BL))
    u_BL = uniform(seed_B, torch.zeros_like(seed_B), CANVAS, Stream.NOISE)
    text_size = model.network.config.text_size
    if kind == "random":
        other_BL = (u_BL * (text_size - 1)).long()
        other_BL = other_BL + (other_BL >= true_BL)  # uniform over all text tokens but the true one
    else:
        masked_BL = torch.where(wrong_BL, model.network.config.mask_token_id, true_BL)
        status_BL = torch.where(wrong_BL, int(Status.NOISY), int(Status.ACCEPTED))
        logits_BLV = model.network.denoise(make_canvas(masked_BL, status_BL), context)
        logits_BLV = logits_BLV.scatter(-1, true_BL[..., None], -torch.inf)
        logits_BLV[..., text_size:] = -torch.inf
        other_BL = draw(logits_BLV.softmax(-1), u_BL)
    return torch.where(wrong_BL, other_BL, true_BL)


def settle(model: Model, tokens_BL: Tensor, context: Any, policy: Policy) -> Canvas:
    """The accepted canvas after up to 8 steps."""
    decoding = Decoding(policy=policy, stop=Settled(), max_steps=8)
    canvas = make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.ACCEPTED)))
    *_, canvas = samplers.denoise(shape(model.network, decoding), canvas, context, decoding)
    return canvas


def count(true_BL: Tensor, before_BL: Tensor, after: Canvas) -> dict[str, list[float]]:
    """Per row: wrong tokens mended exactly, wrong ones made otherwise wrong, right ones broken; steps."""
    wrong_BL, now_BL = before_BL != true_BL, after.tokens_BL
    counts = {
        "mended": wrong_BL & (now_BL == true_BL),
        "changed_otherwise": wrong_BL & (now_BL != true_BL) & (now_BL != before_BL),
        "broken": ~wrong_BL & (now_BL != true_BL),
        "wrong": wrong_BL,
    }
    return {name: hit_BL.sum(-1).double().tolist() for name, hit_BL in counts.items()} | {
        "steps": after.step_B.double().tolist()
    }


@torch.inference_mode()
def mend(model: Model, rows: Sequence[list[int]], *, seed: int, batch: int = 32) -> list[dict[str, Any]]:
    """Every kind of wrong token under no revising and under every threshold."""
    policies: list[tuple[float | None, Policy]] = [(None, Threshold(0.9))]
    policies += [(tau, Revising(Threshold(0.9), tau)) for tau in TAUS]
    held: dict[tuple[str, float | None], dict[str, list[float]]] = {}
    for start in track(range(0, len(rows), batch), description="mending"):
        tokens_BS = torch.tensor(rows[start : start + batch])
        first_B1 = torch.full_like(tokens_BS[:, :1], model.eos_id)
        context = model.network.encode(torch.cat([first_B1, tokens_BS[:, :CONTEXT]], 1))
        true_BL = tokens_BS[:, CONTEXT : CONTEXT + CANVAS]
        wrong_BL = places(len(true_BL), seed + start)
        for kind in KINDS:
            before_BL = wrong_tokens(model, true_BL, wrong_BL, context, kind, seed + start)
            for tau, policy in policies:
                found = count(true_BL, before_BL, settle(model, before_BL, context, policy))
                into = held.setdefault((kind, tau), {name: [] for name in found})
                for name, values in found.items():
                    into[name] += values
    return [{"wrong_tokens": kind, "tau": tau} | _shares(found) for (kind, tau), found in held.items()]


def _shares(found: dict[str, list[float]]) -> dict[str, Any]:
    right = [CANVAS - n for n in found["wrong"]]
    return {
        "mended": ratio(found["mended"], found["wrong"]),
        "changed_otherwise": ratio(found["changed_otherwise"], found["wrong"]),
        "right_tokens_broken": ratio(found["broken"], right),
        "right_tokens_broken_per_mended": sum(found["broken"]) / max(sum(found["mended"]), 1.0),
        "steps": mean(found["steps"]),
    }


def drafts(model: Model, prompts: Sequence[str], *, rows: int, seed: int) -> list[dict[str, Any]]:
    """Texts from prompts with and without revising, as the autoregressive mode sees them."""
    found = []
    for policy in track(DRAFT_POLICIES, description="drafts"):
        setting = Setting("diffusion", 0.7, CANVAS, policy)
        written = [write(model, p, setting, num_tokens=2 * CANVAS, rows=rows, seed=seed + 1000 * n)
                   for n, p in enumerate(prompts)]  # fmt: skip
        surprise = [n for p, w in zip(prompts, written, strict=True) for n in nats(model, p, w.rows)]
        found.append({
            "policy": policy_spec(policy),
            "nats_per_token": mean(surprise),
            "unigram_entropy": mean([unigram_entropy(row) for w in written for row in w.rows]),
            "forwards": mean([w.forwards for w in written]),
        })  # fmt: skip
    return found


def table(mended: Sequence[dict[str, Any]], written: Sequence[dict[str, Any]]) -> None:
    names = ("mended", "changed_otherwise", "right_tokens_broken")
    rows = [
        [f"{r['wrong_tokens']}, {'no revising' if r['tau'] is None else r['tau']}", *(text(r[name]) for name in names),
         r["right_tokens_broken_per_mended"], r["steps"]["value"]]
        for r in mended
    ]  # fmt: skip
    columns = (
        "wrong tokens, threshold",
        "mended",
        "changed otherwise",
        "right ones broken",
        "broken/mended",
        "steps",
    )
    record.show(f"A tenth of {CANVAS} accepted tokens wrong", columns, rows)
    draft_rows = [[r["policy"], text(r["nats_per_token"]), text(r["unigram_entropy"]), r["forwards"]["value"]]
                  for r in written]  # fmt: skip
    record.show("Drafts at temperature 0.7", ("policy", "nats/token", "unigram entropy", "forwards"), draft_rows)


def plot(path: Path, mended: Sequence[dict[str, Any]]) -> None:
    with plots.figure(path) as (axes,):
        for kind in KINDS:
            held = [r for r in mended if r["wrong_tokens"] == kind and r["tau"] is not None]
            x = [100 * r["right_tokens_broken"]["value"] for r in held]
            y = [100 * r["mended"]["value"] for r in held]
            axes.plot(x, y, marker="o", label=f"{kind} wrong tokens")
            for place, found in zip(zip(x, y, strict=True), held, strict=True):
                axes.annotate(f"{found['tau']:g}", place, xytext=(4, 4), textcoords="offset points", fontsize=7)
        axes.set_xlabel("right tokens broken (%)")
        axes.set_ylabel("wrong tokens mended (%)")
        axes.legend()


def main(arguments: Sequence[str] | None = None) -> Path:
    options = record.parser("self_correction", __doc__)
    record.add_held_out(options)
    options.add_argument("--rows", type=int, default=4, help="texts per prompt")
    run = record.start("self_correction", options, arguments)
    asked = run.options
    passages = texts.spread_over(texts.held_out(asked.held_out, texts.GROUPS), asked.limit)
    rows = [ids[: CONTEXT + CANVAS] for _, ids in texts.token_rows(passages, run.model.tokenizer, CONTEXT + CANVAS)]
    mended = mend(run.model, rows, seed=asked.seed)
    written = drafts(run.model, texts.PROMPTS[: asked.limit], rows=asked.rows, seed=asked.seed)
    table(mended, written)
    plot(run.image, mended)
    return run.write({"canvases": len(rows), "wrong_per_canvas": NUM_WRONG, "mending": mended, "drafts": written})


if __name__ == "__main__":
    main()
