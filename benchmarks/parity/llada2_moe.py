"""LLaDA2: block-causal logits whole and cached, routing, the samplers of 2.0 and 2.1, and single decisions of theirs.

Both samplers run without a cache, so their forwards are ours, one for one, wherever they do not end early.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch

from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden, Tensors, read_arrays
from benchmarks.parity.llada_moe import chosen_experts
from benchmarks.parity.sdar import (
    cached_last_block_logits,
    denoiser_of,
    full_bidirectional_logits,
    logits,
    odd_logits,
    trained,
)
from redraft.core.canvas import Action, Canvas, Status, make_canvas
from redraft.core.corruption import Absorbing
from redraft.core.rng import Stream, uniform
from redraft.sampling.blocks import until_stop
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Policy, Revising, Threshold
from redraft.sampling.prediction import predict
from redraft.sampling.samplers import sample
from redraft.sampling.step import step
from redraft.sampling.stops import AllSteps, Settled


def router_topk_idx(golden: Golden) -> Check:
    return chosen_experts(golden, trained(golden).score)


def decided_once(golden: Golden, case: Case) -> list[Check]:
    """LLaDA2.0: ends with the block in which the text does, or within it."""
    num_steps = min(case.args["steps"], case.args["gen_length"] // case.args.get("minimal_topk", 1))
    decoding = Decoding(policy=Threshold(case.args["threshold"], num_steps), max_steps=num_steps)
    return generated(golden, case, decoding, stops=True)


def revised(golden: Golden, case: Case) -> list[Check]:
    """LLaDA2.1: a block ends when nothing is noisy and nothing is revised any more."""
    args = case.args
    inner = Threshold(args["threshold"], count=args.get("num_to_transfer", 1))
    decoding = Decoding(
        policy=Revising(inner, args["editing_threshold"]),
        stop=Settled(args["max_post_steps"]),
        max_steps=args["block_length"] + args["max_post_steps"] + 1,
    )
    return generated(golden, case, decoding, stops=args.get("eos_early_stop", False))


def generated(golden: Golden, case: Case, decoding: Decoding, *, stops: bool) -> list[Check]:
    """The new tokens up to the end of the text, and the forwards where theirs end no block early."""
    args = case.args
    if args.get("temperature"):
        raise ValueError(f"{case.id}: only temperature 0 is deterministic, not {args}")
    *_, last = sample(
        denoiser_of(golden, args["block_length"], args.get("mask_id")),
        case.arrays["prompt"],
        decoding,
        max_tokens=args["gen_length"],
        block_length=args["block_length"],
        stop_ids=(args["eos_id"],) if stops else (),
        whole_blocks=True,
    )
    ours = [until_stop(tokens, (args["eos_id"],)) for tokens in last.committed]
    checks = [Check(torch.tensor(ours), case.arrays["output"])]
    if not args.get("eos_early_stop") and "forward_calls" in case.told:
        checks.append(Check(torch.tensor([last.step]), torch.tensor([case.told["forward_calls"]])))
    return checks


def others(golden: Golden) -> Iterator[tuple[str, list[Check]]]:
    """Single steps on recorded logits, each through our prediction, policy and step."""
    listing = golden.folder / "scheduler_steps.json"
    if not listing.is_file():
        return
    arrays = read_arrays(golden.folder / "scheduler_steps.npz")
    for entry in json.loads(listing.read_text()):
        own = {n.removeprefix(f"{entry['id']}_"): a for n, a in arrays.items() if n.startswith(f"{entry['id']}_")}
        yield f"{entry['id']} scheduler_step", decided(entry, own)


def decided(entry: dict[str, Any], arrays: Tensors) -> list[Check]:
    """What was predicted, which noisy and which written positions took it, and what came of it."""
    mask_id, logits_BLV = entry["mask_token_id"], arrays["logits"]
    canvas = _before(entry, arrays)
    u_BL = uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.TOKEN)
    prediction = predict(logits_BLV, 0.0, u_BL, current_BL=canvas.tokens_BL)
    policy = _policy(entry)
    write_BL = (policy(prediction, canvas) == Action.WRITE) & canvas.editable_BL
    decoding = Decoding(
        policy=policy, stop=AllSteps(), max_steps=entry["step_index"] + entry["num_inference_steps"] + 1
    )
    after = step(canvas, logits_BLV, Absorbing(mask_id, logits_BLV.shape[-1]), decoding)
    return [
        Check(prediction.tokens_BL, arrays["sampled_tokens"]),
        Check(prediction.confidence_BL, arrays["sampled_probs"]),
        Check(write_BL & canvas.noisy_BL, arrays["transfer_index"]),
        Check(write_BL & ~canvas.noisy_BL, arrays["editing_transfer_index"]),
        Check(after.tokens_BL, arrays["prev_sample"]),
    ]


def _before(entry: dict[str, Any], arrays: Tensors) -> Canvas:
    tokens_BL = arrays["sample"]
    status_BL = torch.where(tokens_BL == entry["mask_token_id"], int(Status.NOISY), int(Status.ACCEPTED))
    status_BL = torch.where(arrays["prompt_mask"], int(Status.FIXED), status_BL)
    canvas = make_canvas(tokens_BL, status_BL)
    return replace(canvas, step_B=canvas.step_B + entry["step_index"])


def _policy(entry: dict[str, Any]) -> Policy:
    inner = Threshold(entry["threshold"], entry["num_inference_steps"])
    tau = entry.get("editing_threshold")
    return Revising(inner, tau) if tau else inner


ARRAYS: Arrays = {
    "logits": logits,
    "odd_logits": odd_logits,
    "cached_last_block_logits": cached_last_block_logits,
    "full_bidirectional_logits": full_bidirectional_logits,
    "router_topk_idx": router_topk_idx,
}
CASES: Cases = {
    "llada2_generate": decided_once,
    "llada2_generate_eos": decided_once,
    "llada21_generate_t2t": revised,
}
