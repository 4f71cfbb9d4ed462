"""LLaDA: logits with padding and with stale caches; LLaDA's own sampler, Fast-dLLM's and its factor variants.

Every sampler is one `Decoding` and one choice of cache: what the case's arguments say, nothing more.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden, whole
from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import FamilyDenoiser, assemble
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Factor, Policy, Threshold, TopK
from redraft.sampling.samplers import sample


def logits(golden: Golden) -> Check:
    return Check(golden.denoiser.scores(whole(golden.inputs["input_ids"])), golden.expected["logits"])


def padded_logits(golden: Golden) -> Check:
    held_BL = golden.inputs["padded_attention_mask"].bool()
    ours = golden.denoiser.scores(whole(golden.inputs["padded_input_ids"], held_BL))
    return Check(ours, golden.expected["padded_logits"], held_BL)


def prefix_cache_logits(golden: Golden) -> Check:
    return Check(stale(golden, "prefix"), golden.expected["prefix_cache_logits"])


def dual_cache_logits(golden: Golden) -> Check:
    return Check(stale(golden, "dual"), golden.expected["dual_cache_logits"])


def stale(golden: Golden, cache: str) -> Tensor:
    """The second text's logits behind a cache that the first one filled."""
    start, end = int(golden.inputs["cache_block_start"]), int(golden.inputs["cache_block_end"])
    first, second = golden.inputs["cache_ids_first"], golden.inputs["cache_ids_second"]
    denoiser = golden.again(cache=cache)
    context = denoiser.encode(first[:, :start])
    denoiser.scores(_block(first[:, start:], end - start, step=0), context)
    return denoiser.scores(_block(second[:, start:], end - start, step=1), context)


def _block(tokens_BL: Tensor, length: int, step: int) -> Canvas:
    """A block with everything behind it AHEAD, after `step` forwards."""
    ahead_L = torch.arange(tokens_BL.shape[1]) >= length
    status_BL = torch.where(ahead_L, int(Status.AHEAD), int(Status.NOISY)).expand_as(tokens_BL)
    canvas = make_canvas(tokens_BL, status_BL)
    return replace(canvas, step_B=canvas.step_B + step)


def plain(golden: Golden, case: Case) -> list[Check]:
    return generated(golden, case)


def counted(golden: Golden, case: Case) -> list[Check]:
    """Fast-dLLM stops when a block is complete, so without a cache our forwards are its, one for one."""
    return generated(golden, case, forwards=case.told.get("forward_calls"))


def prefix(golden: Golden, case: Case) -> list[Check]:
    return generated(golden, case, cache="prefix")


def dual(golden: Golden, case: Case) -> list[Check]:
    return generated(golden, case, cache="dual")


def generated(golden: Golden, case: Case, cache: str = "none", forwards: int | None = None) -> list[Check]:
    """The new tokens of every row, and the number of forwards where it is to be compared."""
    prompt_BS = case.arrays["prompt"]
    held_BS = case.arrays.get("attention_mask", torch.ones_like(prompt_BS)).bool()
    rows = [tokens[held].tolist() for tokens, held in zip(prompt_BS, held_BS, strict=True)]
    length, block = (_either(case.args, *names) for names in (LENGTH, BLOCK))
    frames = sample(
        denoiser_of(golden, case, cache), rows, decoding_of(golden, case), max_tokens=length, block_length=block
    )
    *_, last = frames
    checks = [Check(torch.tensor(last.committed), case.arrays["output"][:, prompt_BS.shape[1] :])]
    if forwards is not None:
        checks.append(Check(torch.tensor([last.step]), torch.tensor([forwards])))
    return checks


LENGTH = ("gen_length", "max_new_tokens")
BLOCK = ("block_length", "block_size")


def denoiser_of(golden: Golden, case: Case, cache: str) -> FamilyDenoiser:
    """With the mask id that the case was run with, which not every config.json states."""
    facts = golden.checkpoint.facts
    facts = replace(facts, mask_id=case.args.get("mask_id", facts.mask_id))
    return assemble(golden.denoiser.network, facts, cache=cache)


def decoding_of(golden: Golden, case: Case) -> Decoding:
    args = case.args
    if args.get("remasking", "low_confidence") != "low_confidence" or args.get("temperature"):
        raise ValueError(f"{case.id}: only greedy low_confidence is deterministic, not {args}")
    policy = policy_of(case)
    guidance = float(args.get("cfg_scale") or 0)
    return Decoding(
        policy=policy,
        max_steps=getattr(policy, "num_steps", None) or _either(args, *BLOCK),
        guidance=guidance,
        null_id=args.get("mask_id", golden.checkpoint.facts.mask_id) if guidance else None,
        banned_ids=tuple(_ids(args, "logits_eos_inf", "eos_id")),
        unsure_ids=tuple(_ids(args, "confidence_eos_eot_inf", "eos_id", "eot_id")),
    )


def policy_of(case: Case) -> Policy:
    """Threshold or factor where the case has one, else as many steps per block as `steps` leaves it."""
    args = case.args
    if args.get("factor") is not None:
        return Factor(args["factor"], last_rank=case.name.startswith("fastdllm_v1"))
    if args.get("threshold") is not None:
        return Threshold(args["threshold"])
    return TopK(num_steps=args["steps"] // (_either(args, *LENGTH) // _either(args, *BLOCK)))


def _ids(args: dict[str, Any], flag: str, *names: str) -> Iterator[int]:
    if args.get(flag):
        yield from (args[name] for name in names)


def _either(args: dict[str, Any], *names: str) -> int:
    return next(int(args[name]) for name in names if args.get(name) is not None)


ARRAYS: Arrays = {
    "logits": logits,
    "padded_logits": padded_logits,
    "prefix_cache_logits": prefix_cache_logits,
    "dual_cache_logits": dual_cache_logits,
}
CASES: Cases = {
    "llada_generate": plain,
    "llada_generate_cfg": plain,
    "llada_generate_batch_leftpad": plain,
    "llada_generate_logits_eos_inf": plain,
    "llada_generate_confidence_eos_eot_inf": plain,
    "fastdllm_v1_none": counted,
    "fastdllm_v1_prefix": prefix,
    "fastdllm_v1_dual": dual,
    "fastdllm_v1_factor_none": counted,
    "fastdllm_v1_factor_prefix": prefix,
    "fastdllm_v1_factor_dual": dual,
    "dllm_fastdllm_factor_none": counted,
    "dllm_fastdllm_factor_prefix": prefix,
    "dllm_fastdllm_factor_dual": dual,
}
