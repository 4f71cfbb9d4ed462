"""LLaDA-MoE: logits with padding, the experts that were chosen, and LLaDA's own sampler."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.parity import llada
from benchmarks.parity.golden import Arrays, Cases, Check, Golden, whole
from redraft.models.moe import Route, Router


def router_topk_idx(golden: Golden) -> Check:
    return chosen_experts(golden, lambda tokens_BL: golden.denoiser.scores(whole(tokens_BL)))


def chosen_experts(golden: Golden, forward: Callable[[Tensor], object]) -> Check:
    """The experts that a forward sends every token to, in every mixture layer, in ascending order."""
    chosen: list[Tensor] = []

    def record(module: nn.Module, inputs: tuple[Tensor, ...], route: Route) -> None:
        chosen.append(route.index_TC.sort(-1).values)

    routers = [module for module in golden.denoiser.network.modules() if isinstance(module, Router)]
    hooks = [router.register_forward_hook(record) for router in routers]
    tokens_BL = golden.inputs["input_ids"]
    forward(tokens_BL)
    for hook in hooks:
        hook.remove()
    theirs = golden.expected["router_topk_idx"]
    return Check(_stack(chosen, tokens_BL).to(theirs.dtype), theirs)


def _stack(chosen: list[Tensor], tokens_BL: Tensor) -> Tensor:
    return torch.stack([index_TC.unflatten(0, tokens_BL.shape) for index_TC in chosen])


ARRAYS: Arrays = {**llada.ARRAYS, "router_topk_idx": router_topk_idx}
CASES: Cases = llada.CASES
