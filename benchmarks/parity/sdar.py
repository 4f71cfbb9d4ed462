"""SDAR: block-causal logits whole, padded and cached, what a dirty cache makes of them; the blocks of its sampler.

The reference stores a block by a forward of its own, so its forwards are ours, one more per block, and the prompt's.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden, whole
from redraft.models.assemble import assemble
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import LeftToRight, Policy, Threshold
from redraft.sampling.samplers import Frame, sample


def denoiser_of(golden: Golden, block_length: Any, mask_id: int | None = None) -> Any:
    """Of the blocks, and with the mask, that a folder was made with, which not every config.json states."""
    facts = golden.checkpoint.facts
    facts = facts if mask_id is None else replace(facts, mask_id=mask_id)
    return assemble(golden.denoiser.network, facts, block_length=int(block_length))


def trained(golden: Golden) -> Any:
    return denoiser_of(golden, golden.inputs["block_length"])


def logits(golden: Golden) -> Check:
    return Check(trained(golden).score(golden.inputs["input_ids"])[0], golden.expected["logits"])


def odd_logits(golden: Golden) -> Check:
    return Check(trained(golden).score(golden.inputs["odd_input_ids"])[0], golden.expected["odd_logits"])


def padded_logits(golden: Golden) -> Check:
    held_BL = golden.inputs["padded_valid"].bool()
    ours = trained(golden).score(golden.inputs["padded_input_ids"], pad_B=(~held_BL).sum(-1))[0]
    return Check(ours, golden.expected["padded_logits"], held_BL)


def full_bidirectional_logits(golden: Golden) -> list[Check]:
    """What ignoring the mask makes: one block as long as the text. Not what the model's own blocks make of it."""
    tokens_BL, theirs = golden.inputs["input_ids"], golden.expected["full_bidirectional_logits"]
    one_block = denoiser_of(golden, tokens_BL.shape[1])
    checks = [Check(one_block.score(tokens_BL)[0], theirs)]
    if tokens_BL.shape[1] > golden.inputs["block_length"]:
        checks.append(Check(trained(golden).score(tokens_BL)[0], theirs, differs=True))
    return checks


def cached_last_block_logits(golden: Golden) -> Check:
    tokens_BL, start = golden.inputs["input_ids"], int(golden.inputs["cache_prefix_len"])
    return Check(_behind(golden, tokens_BL[:, :start], tokens_BL[:, start:]), _expected(golden, "cached_last_block"))


def cached_next_block_logits(golden: Golden) -> Check:
    """The finished block is read clean before the next one looks at it."""
    return Check(_next(golden, golden.inputs["second_done_block"]), _expected(golden, "cached_next_block"))


def dirty_kv_next_block_logits(golden: Golden) -> list[Check]:
    """Reading the block while it held noise gives the dirty numbers; reading it clean must not."""
    theirs = _expected(golden, "dirty_kv_next_block")
    noisy_BL = golden.inputs["input_ids"][:, int(golden.inputs["cache_prefix_len"]) :]
    clean = Check(_next(golden, golden.inputs["second_done_block"]), theirs, differs=True)
    return [Check(_next(golden, noisy_BL), theirs), clean]


def _next(golden: Golden, block_BL: Tensor) -> Tensor:
    prefix_BS = golden.inputs["input_ids"][:, : int(golden.inputs["cache_prefix_len"])]
    return _behind(golden, torch.cat([prefix_BS, block_BL], 1), golden.inputs["second_next_block"])


def _behind(golden: Golden, clean_BS: Tensor, block_BL: Tensor) -> Tensor:
    denoiser = trained(golden)
    return denoiser.scores(whole(block_BL), denoiser.encode(clean_BS))


def _expected(golden: Golden, name: str) -> Tensor:
    return golden.expected[f"{name}_logits"]


def generated(golden: Golden, case: Case) -> list[Check]:
    """The whole canvas, prompt and the rest of the last block included, and the number of forwards."""
    args, prompt_BS = case.args, case.arrays["prompt"]
    denoiser = denoiser_of(golden, args["block_length"], args.get("mask_id"))
    frames = list(
        sample(
            denoiser,
            prompt_BS,
            decoding_of(case),
            max_tokens=args["gen_length"],
            block_length=args["block_length"],
            stop_ids=tuple(args.get("stopping_criteria_idx") or ()),
            whole_blocks=True,
        )
    )
    split = prompt_BS.shape[1] // args["block_length"] * args["block_length"]
    made_BL = torch.cat([prompt_BS[:, :split], *blocks_of(frames)], 1)
    theirs_BL = case.arrays["output"]
    rest_BL = torch.full_like(theirs_BL[:, made_BL.shape[1] :], args["mask_id"])
    checks = [Check(torch.cat([made_BL, rest_BL], 1), theirs_BL)]
    if "forward_calls" in case.told:
        spent = frames[-1].step + frames[-1].block + 1 + (split > 0)
        checks.append(Check(torch.tensor([spent]), torch.tensor([case.told["forward_calls"]])))
    return checks


def blocks_of(frames: list[Frame]) -> list[Tensor]:
    """Every block's tokens as its last frame left them."""
    return list({frame.block: frame.canvas.tokens_BL for frame in frames}.values())


def decoding_of(case: Case) -> Decoding:
    if case.args.get("temperature"):
        raise ValueError(f"{case.id}: only temperature 0 is deterministic, not {case.args}")
    num_steps = case.args["denoising_steps"]
    return Decoding(policy=policy_of(case, num_steps), max_steps=max(num_steps, case.args["block_length"]))


def policy_of(case: Case, num_steps: int) -> Policy:
    """A static share per step is a threshold that no confidence is above."""
    kind = case.args.get("remasking_strategy", "low_confidence_dynamic")
    policies: dict[str, Policy] = {
        "low_confidence_static": Threshold(1.0, num_steps),
        "low_confidence_dynamic": Threshold(case.args.get("confidence_threshold", 0.85), num_steps),
        "sequential": LeftToRight(num_steps=num_steps),
    }
    if kind not in policies:
        raise ValueError(f"{case.id}: remasking_strategy {kind!r} is not one of {', '.join(policies)}")
    return policies[kind]


ARRAYS: Arrays = {
    "logits": logits,
    "odd_logits": odd_logits,
    "padded_logits": padded_logits,
    "full_bidirectional_logits": full_bidirectional_logits,
    "cached_last_block_logits": cached_last_block_logits,
    "cached_next_block_logits": cached_next_block_logits,
    "dirty_kv_next_block_logits": dirty_kv_next_block_logits,
}
CASES: Cases = {
    "sdar_low_confidence_static": generated,
    "sdar_low_confidence_dynamic": generated,
    "sdar_sequential": generated,
    "sdar_stop": generated,
}
