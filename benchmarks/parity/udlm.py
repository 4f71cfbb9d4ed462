"""UDLM: logits at a sigma of each row's own."""

from benchmarks.parity.golden import Arrays, Check, Golden
from benchmarks.parity.mdlm import told


def logits(golden: Golden) -> Check:
    sigma_B = golden.inputs["timesteps"] if golden.checkpoint.facts.architecture.timed else None
    return Check(told(golden, golden.inputs["input_ids"], sigma_B), golden.expected["logits"])


ARRAYS: Arrays = {"logits": logits}
