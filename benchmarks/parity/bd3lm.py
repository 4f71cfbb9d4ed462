"""BD3-LM: the training form [noisy; clean], the sampling form, and the last block over a cache of the others."""

import torch

from benchmarks.parity.golden import Arrays, Check, Golden, whole
from redraft.core.attention import Facts, block_diffusion, sdpa_mask
from redraft.models.block_causal import BlockCausalDenoiser


def train_logits(golden: Golden) -> Check:
    noisy_BL, clean_BL = golden.inputs["xt"], golden.inputs["x0"]
    rows, length = noisy_BL.shape
    position_BT = torch.arange(length).repeat(2).expand(rows, -1)
    block_BT = position_BT // int(golden.inputs["block_length"])
    canvas_BT = (torch.arange(2 * length) < length).expand(rows, -1)
    attend = sdpa_mask(block_diffusion, Facts(torch.zeros_like(block_BT), block_BT, position_BT, canvas_BT))
    network = golden.denoiser.network
    embedded_BTD = network.embed_tokens(torch.cat([noisy_BL, clean_BL], 1))
    hidden_BTD = network.hidden(embedded_BTD, position_BT, attend)
    return Check(network.logits(hidden_BTD[:, :length]), golden.expected["train_logits"])


def sample_logits(golden: Golden) -> Check:
    return Check(in_blocks(golden).score(golden.inputs["sample_ids"])[0], golden.expected["sample_logits"])


def cached_last_block_logits(golden: Golden) -> Check:
    theirs = golden.expected["cached_last_block_logits"]
    denoiser, context = in_blocks(golden), None
    before_BL, last_BL = golden.inputs["sample_ids"].tensor_split([-theirs.shape[1]], 1)
    for block_BC in before_BL.split(denoiser.block_length, 1):
        context = denoiser.encode(block_BC, context)
    return Check(denoiser.scores(whole(last_BL), context), theirs)


def in_blocks(golden: Golden) -> BlockCausalDenoiser:
    """The denoiser of the recorded block length."""
    denoiser = golden.again(block_length=int(golden.inputs["block_length"]))
    assert isinstance(denoiser, BlockCausalDenoiser)
    return denoiser


ARRAYS: Arrays = {
    "train_logits": train_logits,
    "sample_logits": sample_logits,
    "cached_last_block_logits": cached_last_block_logits,
}
