"""The gated feed-forward layer (SwiGLU, arXiv:2002.05202) and its activations. Shapes: B rows, L tokens, D model."""

import torch.nn.functional as F
from torch import Tensor, nn

from redraft.models.architecture import Activation, FeedFacts


class FeedForward(nn.Module):
    """Gate and up in one matrix, [gate; up]."""

    def __init__(self, facts: FeedFacts, hidden_size: int) -> None:
        super().__init__()
        assert facts.gated
        self.activation = facts.activation
        self.gate_up = nn.Linear(hidden_size, 2 * facts.width, bias=facts.bias)
        self.down = nn.Linear(facts.width, hidden_size, bias=facts.bias)

    def forward(self, x_BLD: Tensor) -> Tensor:
        gate, up = self.gate_up(x_BLD).chunk(2, -1)
        return self.down(activate(gate, self.activation) * up)


def activate(x: Tensor, activation: Activation) -> Tensor:
    if activation == "silu":
        return F.silu(x)
    return F.gelu(x, approximate="tanh" if activation == "gelu_tanh" else "none")
