"""RND1: raw logits with padding, and its sampler: a text of fixed length, given parts around one gap of noise."""

from typing import NamedTuple

import torch

from benchmarks.parity.dream import denoiser_of, raw
from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden, whole
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import EntropyBound, LinearGrid, Policy
from redraft.sampling.samplers import infill


def logits(golden: Golden) -> Check:
    return Check(raw(golden).denoiser.scores(whole(golden.inputs["input_ids"])), golden.expected["logits"])


def padded_logits(golden: Golden) -> Check:
    held_BL = golden.inputs["padded_key_mask"][:, 0, 0].bool()
    ours = raw(golden).denoiser.scores(whole(golden.inputs["input_ids"], held_BL))
    return Check(ours, golden.expected["padded_logits"], held_BL)


class Gap(NamedTuple):
    """What is given around the noise, and how much noise."""

    prefix: list[int]
    length: int
    suffix: list[int]


def gap_of(case: Case) -> Gap:
    """Prompt, noise, suffix, padding, and the place that is kept for the end of text, written or not."""
    args = case.args
    given = {name: case.arrays[name].flatten().tolist() for name in ("prompt", "suffix") if name in case.arrays}
    prefix, suffix = given.get("prompt", []), given.get("suffix", [])
    pad_id, eos_id, total = args.get("pad_token_id") or 0, args.get("eos_token_id"), args["seq_len"]
    last = [] if eos_id is None else [eos_id if args.get("add_eos_at_end") else pad_id]
    if not prefix and not suffix and not args.get("add_eos_at_end"):
        last = []  # a text of which nothing is given is noise to its end
    if not prefix:  # the first place has no logits in front of it, and so is never decided
        prefix = [args.get("bos_token_id") or args["mask_token_id"]]
    room = total - len(prefix) - len(suffix) - len(last)
    length = min(args.get("infill_length") or room, room)
    return Gap(prefix, length, suffix + [pad_id] * (room - length) + last)


def generated(golden: Golden, case: Case) -> list[Check]:
    gap = gap_of(case)
    denoiser = denoiser_of(golden, case)
    *_, last = infill(denoiser, [gap.prefix], [gap.suffix], decoding_of(case), gap=gap.length)
    checks = [Check(torch.tensor([last.row_tokens(0)]), case.arrays["output"])]
    if "forward_calls" in case.told:
        checks.append(Check(last.step_B, torch.tensor([case.told["forward_calls"]])))
    return checks


def decoding_of(case: Case) -> Decoding:
    args = case.args
    if not args.get("greedy", True):
        raise ValueError(f"{case.id}: only greedy sampling is deterministic, not {args}")
    bound = args.get("eb_gamma")
    policy: Policy = LinearGrid(args["num_steps"]) if bound is None else EntropyBound(bound, by="confidence")
    top_p = args.get("top_p")
    return Decoding(
        policy=policy,
        max_steps=args["num_steps"],
        logit_temperature=max(args.get("temperature", 1.0), 1e-8),
        top_k=args.get("top_k"),
        top_p=top_p if top_p != 1 else None,
    )


ARRAYS: Arrays = {"logits": logits, "padded_logits": padded_logits}
CASES: Cases = {
    "rnd1_entropy": generated,
    "rnd1_infill": generated,
    "rnd1_entropy_bounded": generated,
}
