"""MDLM: logits at two noise levels, probabilities (SUBS) and the reverse step of two noise schedules."""

import copy
from dataclasses import replace

import torch
from torch import Tensor

from benchmarks.parity.golden import Arrays, Check, Golden, whole
from redraft.core.canvas import Status, make_canvas
from redraft.core.corruption import Absorbing
from redraft.core.schedules import Linear, LogLinear, Schedule
from redraft.models.assemble import FamilyDenoiser, assemble

IMPOSSIBLE = -1e5  # below it a reference that has no minus infinity means it


def logits(golden: Golden) -> Check:
    return Check(untimed(golden).scores(whole(golden.inputs["input_ids"])), golden.expected["logits"])


def logits_sigma_nonzero(golden: Golden) -> Check:
    ours = told(golden, golden.inputs["input_ids"], golden.inputs["sigma_nonzero"])
    return Check(ours, golden.expected["logits_sigma_nonzero"])


def told(golden: Golden, tokens_BL: Tensor, sigma_B: Tensor | None) -> Tensor:
    """Logits of a sequence in which every token sees every other, at total noise sigma."""
    network = golden.denoiser.network
    position_BL = torch.arange(tokens_BL.shape[1]).expand_as(tokens_BL)
    return network.logits(network.states(network.embed_tokens(tokens_BL), position_BL, sigma_B=sigma_B))


def untimed(golden: Golden) -> FamilyDenoiser:
    """The denoiser at sigma zero, also of a network that is told more."""
    network = copy.copy(golden.denoiser.network)
    network.facts = replace(network.facts, timed=False)
    return assemble(network, golden.checkpoint.facts)


def subs_logprobs(golden: Golden) -> Check:
    """Both conventions for "never" are written as one number."""
    ours, theirs = predicted(golden).log(), golden.expected["subs_logprobs"]
    return Check(ours.clamp_min(IMPOSSIBLE), theirs.double().clamp_min(IMPOSSIBLE))


def predicted(golden: Golden) -> Tensor:
    """p(x_0 | x_t) [B, L, V]: what the denoiser says where there is noise, what stands there where there is none."""
    tokens_BL = golden.inputs["input_ids"]
    noise = absorbing(golden)
    denoiser, noisy_BL = untimed(golden), masked(golden)
    logits_BLV = denoiser.scores(whole(tokens_BL))
    canvas = make_canvas(tokens_BL, torch.where(noisy_BL, int(Status.NOISY), int(Status.FIXED)))
    scored_BLV = denoiser.denoise(canvas)
    logits_BLV[:, : scored_BLV.shape[1]] = scored_BLV
    one_hot_BLV = torch.nn.functional.one_hot(tokens_BL, noise.vocab_size).double()
    return torch.where(noisy_BL[..., None], logits_BLV.double().softmax(-1), one_hot_BLV)


def ddpm_q_xs(golden: Golden) -> Check:
    return Check(reverse(golden, LogLinear()), golden.expected["ddpm_q_xs"], masked(golden))


def ddpm_caching_q_xs(golden: Golden) -> Check:
    return Check(reverse(golden, Linear()), golden.expected["ddpm_caching_q_xs"], masked(golden))


def reverse(golden: Golden, schedule: Schedule) -> Tensor:
    """p(x_s | x_t) of one step, times q(x_t = mask): the reference leaves it out of its normalisation."""
    t_BL = golden.inputs["ddpm_t"].double()[:, None].expand_as(golden.inputs["input_ids"])
    alpha_t, alpha_s = schedule.alpha(t_BL), schedule.alpha(t_BL - golden.inputs["ddpm_dt"].double())
    tokens_BL = golden.inputs["input_ids"]
    return absorbing(golden).posterior(tokens_BL, predicted(golden), alpha_s, alpha_t) * (1 - alpha_t)[..., None]


def absorbing(golden: Golden) -> Absorbing:
    noise = golden.denoiser.corruption
    assert isinstance(noise, Absorbing)
    return noise


def masked(golden: Golden) -> Tensor:
    """Where the recorded input is noise."""
    return golden.inputs["input_ids"] == absorbing(golden).mask_id


ARRAYS: Arrays = {
    "logits": logits,
    "logits_sigma_nonzero": logits_sigma_nonzero,
    "subs_logprobs": subs_logprobs,
    "ddpm_q_xs": ddpm_q_xs,
    "ddpm_caching_q_xs": ddpm_caching_q_xs,
}
