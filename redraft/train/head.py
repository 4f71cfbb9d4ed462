"""The head's loss without its logits: cross-entropy and both gradients, a few rows at a time.

Logits of all positions, their exponentials and their gradient are most of the memory traffic of a small model's step.
Here a stretch of rows is scored, its loss and gradient are taken while it is still in the cache, and the logits are
gone. Knows hidden states, a matrix and targets. Shapes: N positions, D model, V vocabulary, n positions of a stretch.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import Tensor

ROWS = {"cpu": 512, "cuda": 8192}  # positions of a stretch
Rows = Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, Tensor]]


def head_loss(
    hidden_ND: Tensor,
    weight_VD: Tensor,
    banned_V: Tensor,
    targets_N: Tensor,
    scale_N: Tensor,
    *,
    compiled: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sum of scale_N * nats_N, and nats_N without gradient: -log softmax(hidden @ weight.T + banned)[targets].

    Multiplies in the data type of autocast where that is on. The first value is differentiable once, with respect to
    hidden_ND and weight_VD.
    """
    device = hidden_ND.device.type
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else weight_VD.dtype
    rows = compiled_rows() if compiled else nats_and_gradient
    total, nats_N = _HeadLoss.apply(hidden_ND, weight_VD, banned_V, targets_N, scale_N, dtype, rows)
    return total, nats_N


def nats_and_gradient(logits_nV: Tensor, banned_V: Tensor, targets_n: Tensor, scale_n: Tensor) -> tuple[Tensor, Tensor]:
    """Nats of the targets, and the gradient of scale * nats with respect to the logits, in the logits' data type."""
    scores_nV = logits_nV.float() + banned_V
    lse_n = scores_nV.logsumexp(-1)
    nats_n = lse_n - scores_nV.gather(1, targets_n[:, None])[:, 0]
    here_nV = torch.arange(scores_nV.shape[1], device=scores_nV.device) == targets_n[:, None]
    gradient_nV = ((scores_nV - lse_n[:, None]).exp() - here_nV.float()) * scale_n[:, None]
    return nats_n, gradient_nV.to(logits_nV.dtype)


@cache
def compiled_rows() -> Rows:
    """`nats_and_gradient` in one pass over the logits."""
    return torch.compile(nats_and_gradient, dynamic=True)  # type: ignore[no-any-return]


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, hidden_ND: Tensor, weight_VD: Tensor, banned_V: Tensor, targets_N: Tensor, scale_N: Tensor,
        dtype: torch.dtype, rows: Rows,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        narrow_ND, narrow_VD = hidden_ND.to(dtype), weight_VD.to(dtype)
        nats_N = torch.empty(len(targets_N), device=hidden_ND.device)
        grad_ND, grad_VD = torch.empty_like(narrow_ND), torch.zeros_like(weight_VD, dtype=torch.float32)
        size = ROWS.get(hidden_ND.device.type, ROWS["cuda"])
        with torch.autocast(hidden_ND.device.type, enabled=False):
            for start in range(0, len(targets_N), size):
                part = slice(start, start + size)
                logits_nV = narrow_ND[part] @ narrow_VD.T
                nats_N[part], gradient_nV = rows(logits_nV, banned_V, targets_N[part], scale_N[part])
                grad_ND[part] = gradient_nV @ narrow_VD
                grad_VD += gradient_nV.T @ narrow_ND[part]
        ctx.save_for_backward(grad_ND.to(hidden_ND.dtype), grad_VD.to(weight_VD.dtype))
        ctx.mark_non_differentiable(nats_N)
        return (nats_N * scale_N).sum(), nats_N

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        grad_ND, grad_VD = ctx.saved_tensors
        return grad_ND * grads[0], grad_VD * grads[0], None, None, None, None, None
