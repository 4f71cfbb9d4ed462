"""LLaDA: logits with and without padding."""

from benchmarks.parity.golden import Arrays, Cases, Check, Golden, whole


def logits(golden: Golden) -> Check:
    return Check(golden.denoiser.scores(whole(golden.inputs["input_ids"])), golden.expected["logits"])


def padded_logits(golden: Golden) -> Check:
    held_BL = golden.inputs["padded_attention_mask"].bool()
    ours = golden.denoiser.scores(whole(golden.inputs["padded_input_ids"], held_BL))
    return Check(ours, golden.expected["padded_logits"], held_BL)


ARRAYS: Arrays = {"logits": logits, "padded_logits": padded_logits}
CASES: Cases = {}
