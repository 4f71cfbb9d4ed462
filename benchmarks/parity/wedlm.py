"""WeDLM: logits of a reordered text, in both orders, with and without a cache; what plain causal attention makes of it.

The reference moves observed tokens to the front; ours stay where they are, so its order is put back before comparing.
"""

from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden
from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import assemble
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Policy, Threshold, TopK
from redraft.sampling.samplers import sample


def reordered_logits(golden: Golden) -> Check:
    return Check(_in_their_order(golden, _logical(golden)), golden.expected["reordered_logits"])


def logits_logical_order(golden: Golden) -> Check:
    return Check(_logical(golden), golden.expected["logits_logical_order"])


def plain_causal_logits(golden: Golden) -> list[Check]:
    """What forgetting the order makes: noise read like text. Not what the model makes of it."""
    theirs = golden.expected["plain_causal_logits"]
    checks = [Check(golden.denoiser.score(golden.inputs["input_ids"])[0], theirs)]
    if not torch.equal(golden.inputs["reordered_input_ids"], golden.inputs["input_ids"]):
        checks.append(Check(_logical(golden), theirs, differs=True))
    return checks


def cached_mask_logits(golden: Golden) -> Check:
    """Their cache holds observed tokens of anywhere, ours the text up to the first noise; the noise scores the same."""
    order_1L = golden.inputs["reordered_position_ids"][:1, int(golden.inputs["cache_prefix_len"]) :]
    tokens_BL = golden.inputs["input_ids"][:1]
    canvas = _canvas(golden, tokens_BL)
    start = min(int(canvas.noisy_BL.long().argmax()), int(order_1L.min()))
    context = golden.denoiser.encode(tokens_BL[:, :start]) if start else None
    behind = make_canvas(canvas.tokens_BL[:, start:], canvas.status_BL[:, start:])
    ours_BLV = golden.denoiser.scores(behind, context)
    return Check(ours_BLV[:, order_1L[0] - start], golden.expected["cached_mask_logits"])


def _logical(golden: Golden) -> Tensor:
    return golden.denoiser.scores(_canvas(golden, golden.inputs["input_ids"]))


def _canvas(golden: Golden, tokens_BL: Tensor) -> Canvas:
    """A text and its noise. Here alone a mask is known by its id: the folder records nothing else."""
    mask_id = golden.checkpoint.facts.mask_id
    assert mask_id is not None
    noisy_BL = tokens_BL == mask_id
    return make_canvas(tokens_BL, torch.where(noisy_BL, int(Status.NOISY), int(Status.FIXED)))


def _in_their_order(golden: Golden, logits_BLV: Tensor) -> Tensor:
    order_BL1 = golden.inputs["reordered_position_ids"][..., None]
    return logits_BLV.gather(1, order_BL1.expand_as(logits_BLV))


def generated(golden: Golden, case: Case) -> list[Check]:
    """Prompt and new tokens, and the number of forwards, row by row as the reference counts them."""
    args, prompt_BS = case.args, case.arrays["prompt"]
    facts = golden.checkpoint.facts
    facts = replace(facts, mask_id=args.get("mask_token_id", facts.mask_id))
    denoiser = assemble(golden.denoiser.network, facts)
    decoding = Decoding(
        policy=policy_of(args.get("confidence_threshold", 0.0)),
        max_steps=args["block_size"],
        logit_temperature=float(args.get("temperature", 1.0)),
    )
    texts, spent = [], 0
    for row in prompt_BS.tolist():
        *_, last = sample(denoiser, [row], decoding, max_tokens=args["max_new_tokens"], block_length=args["block_size"])
        texts.append(row + last.committed[0])
        spent += last.step
    checks = [Check(torch.tensor(texts), case.arrays["output"])]
    if "forward_calls" in case.told:
        checks.append(Check(torch.tensor([spent]), torch.tensor([case.told["forward_calls"]])))
    return checks


def policy_of(threshold: float) -> Policy:
    """A threshold of 0 is none: the best position alone, at every step."""
    return Threshold(threshold) if threshold > 0 else TopK(count=1)


ARRAYS: Arrays = {
    "reordered_logits": reordered_logits,
    "logits_logical_order": logits_logical_order,
    "plain_causal_logits": plain_causal_logits,
    "cached_mask_logits": cached_mask_logits,
}
CASES: Cases = {"wedlm_generate": generated}
