"""Dream: raw logits with padding and with stale caches; Dream's own sampler and Fast-dLLM's for it.

Every sampler is one `Decoding` and one choice of cache: what the case's arguments say, nothing more.
"""

from dataclasses import replace
from typing import Any

import torch

from benchmarks.parity import llada
from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden
from redraft.models.assemble import FamilyDenoiser, assemble
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Budgeted, LeftToRight, Order, Policy, Staged, Threshold, TimeGrid
from redraft.sampling.samplers import sample

ORDERS: dict[str, Order] = {"maskgit_plus": "confidence", "topk_margin": "margin", "entropy": "entropy"}


def raw(golden: Golden) -> Golden:
    """The same checkpoint with logits as the head gives them, not moved to the position that they score."""
    facts = replace(golden.checkpoint.facts, shifted=False)
    denoiser = assemble(golden.denoiser.network, facts)
    return replace(golden, denoiser=denoiser, checkpoint=replace(golden.checkpoint, facts=facts))


def logits(golden: Golden) -> Check:
    return llada.logits(raw(golden))


def padded_logits(golden: Golden) -> Check:
    return llada.padded_logits(raw(golden))


def prefix_cache_logits(golden: Golden) -> Check:
    return llada.prefix_cache_logits(raw(golden))


def dual_cache_logits(golden: Golden) -> Check:
    return llada.dual_cache_logits(raw(golden))


def plain(golden: Golden, case: Case) -> list[Check]:
    """Dream's own sampler: everything is one block, and our forwards are theirs, one for one."""
    decoding = decoding_of(case, _grid(case, case.args["steps"]), case.args["steps"])
    return generated(golden, case, decoding, _length(case), forwards=case.told.get("forward_calls"))


def uncached(golden: Golden, case: Case) -> list[Check]:
    """Fast-dLLM without a cache. Positions it refused get steps of their own, a step each; ours end when all is done,
    so forwards are not compared."""
    args = case.args
    if args["alg"] != "confidence_threshold":
        return plain(golden, case)
    policy = Budgeted(_threshold(args), args["steps"])
    return generated(golden, case, decoding_of(case, policy, args["steps"] + _length(case)), _length(case))


def cached(golden: Golden, case: Case) -> list[Check]:
    """Fast-dLLM block by block: the forward that fills the cache decides a block's first position."""
    args = case.args
    block = args.get("block_length") or _length(case)
    num_steps = args["steps"] // (_length(case) // block)
    by_threshold = args["alg"] == "confidence_threshold"
    then: Policy = Threshold(_threshold(args)) if by_threshold else _grid(case, num_steps)
    decoding = decoding_of(case, Staged(LeftToRight(), then), max_steps=1 + block if by_threshold else num_steps)
    return generated(golden, case, decoding, block, cache="dual" if args.get("dual_cache") else "prefix")


def decoding_of(case: Case, policy: Policy, max_steps: int) -> Decoding:
    args = case.args
    if args.get("temperature") or args.get("alg_temp"):
        raise ValueError(f"{case.id}: only temperature 0 is deterministic, not {args}")
    top_p = args.get("top_p")
    return Decoding(policy=policy, max_steps=max_steps, top_p=top_p if top_p != 1 else None, top_k=args.get("top_k"))


def _grid(case: Case, num_steps: int) -> TimeGrid:
    if case.args["alg"] not in ORDERS:
        raise ValueError(f"{case.id}: alg {case.args['alg']!r} is not deterministic or not known")
    return TimeGrid(num_steps, case.args.get("eps", 1e-3), ORDERS[case.args["alg"]])


def _threshold(args: dict[str, Any]) -> float:
    return float(args.get("threshold", 0.9))


def _length(case: Case) -> int:
    """New tokens; the reference also takes the length of prompt and new tokens together."""
    if case.args.get("max_new_tokens") is not None:
        return int(case.args["max_new_tokens"])
    return int(case.args["max_length"]) - case.arrays["prompt"].shape[1]


def generated(
    golden: Golden, case: Case, decoding: Decoding, block: int, cache: str = "none", forwards: int | None = None
) -> list[Check]:
    """The new tokens of every row, and the number of forwards where it is to be compared."""
    prompt_BS = case.arrays["prompt"]
    held_BS = case.arrays.get("attention_mask", torch.ones_like(prompt_BS)).bool()
    rows = [tokens[held].tolist() for tokens, held in zip(prompt_BS, held_BS, strict=True)]
    denoiser = denoiser_of(golden, case, cache=cache)
    *_, last = sample(denoiser, rows, decoding, max_tokens=_length(case), block_length=block)
    checks = [Check(torch.tensor(last.committed), case.arrays["output"][:, prompt_BS.shape[1] :])]
    if forwards is not None:
        checks.append(Check(torch.tensor([last.step]), torch.tensor([forwards])))
    return checks


def denoiser_of(golden: Golden, case: Case, **options: Any) -> FamilyDenoiser:
    """With the mask id that the case was run with, where it says one."""
    facts = golden.checkpoint.facts
    facts = replace(facts, mask_id=case.args.get("mask_token_id", facts.mask_id))
    return assemble(golden.denoiser.network, facts, **options)


ARRAYS: Arrays = {
    "logits": logits,
    "padded_logits": padded_logits,
    "prefix_cache_logits": prefix_cache_logits,
    "dual_cache_logits": dual_cache_logits,
}
CASES: Cases = {
    "dream_entropy": plain,
    "dream_entropy_batch_leftpad": plain,
    "dream_maskgit_plus": plain,
    "dream_maskgit_plus_batch_leftpad": plain,
    "dream_topk_margin": plain,
    "dream_topk_margin_batch_leftpad": plain,
    "fastdllm_v1_dream_none": uncached,
    "fastdllm_v1_dream_prefix": cached,
    "fastdllm_v1_dream_dual": cached,
    "fastdllm_v1_dream_entropy_none": uncached,
    "fastdllm_v1_dream_entropy_prefix": cached,
    "fastdllm_v1_dream_entropy_dual": cached,
}
