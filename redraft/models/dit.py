"""DiT: the diffusion transformer of MDLM, BD3-LM, UDLM and Duo, told the noise level by adaptive layer norms.

Who attends to whom is given, as for every network. What differs from a decoder of today: layer norms without a bias,
a plain feed-forward layer with biases, and after every norm a shift, a scale and a gate made from sigma, the total
noise. Knows weights. Refuses to know masks, noise and special ids.
Shapes: B rows, L tokens, D model, C condition, V vocabulary.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.core.schedules import LogLinear
from redraft.models.architecture import Architecture, LayerFacts, check_size
from redraft.models.feed import activate
from redraft.models.rope import Rotary
from redraft.models.transformer import Attend, Attention, KeysAndValues, Sliding, Turn

FREQUENCIES = 256  # numbers that sigma is spelled out in, cosines first
PERIOD = 10_000.0
SCHEDULE = LogLinear()  # every published checkpoint was trained on it

Change = Tensor | float  # a shift, scale or gate [B, 1, D], or none


@dataclass(frozen=True, slots=True, kw_only=True)
class DiTFacts(Architecture):
    """A DiT.

    condition_size  width of what sigma becomes; None: no layer is told anything
    timed           it is told sigma; else always zero, which its layers still turn into shifts, scales and gates
    """

    condition_size: int | None
    timed: bool = False

    def __post_init__(self) -> None:
        # The base class by name: a dataclass with slots is made anew, and super() would mean the first.
        Architecture.__post_init__(self)
        if self.condition_size is not None:
            check_size("condition_size", self.condition_size)
        if self.timed and self.condition_size is None:
            raise ValueError("a network without a condition cannot be told the noise level")
        if any(layer.feed is None or layer.feed.gated or layer.experts is not None for layer in self.layers):
            raise ValueError("a DiT's layers have a feed-forward part without a gate, and no experts")

    @property
    def num_conditioning(self) -> int:
        """Of what makes a condition of sigma, and of what makes six changes per layer, and two at the end, of it."""
        if self.condition_size is None:
            return 0
        size = self.condition_size
        return (FREQUENCIES + 1 + size + 1) * size + (6 * len(self.layers) + 2) * (size + 1) * self.hidden_size


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 in float32, times a weight; no bias."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return (F.layer_norm(x.float(), self.weight.shape, None, None, self.eps) * self.weight.float()).to(x.dtype)


class Modulation(nn.Module):
    """The condition as so many changes [B, 1, D] of hidden states."""

    def __init__(self, condition_size: int, number: int, hidden_size: int) -> None:
        super().__init__()
        self.number = number
        self.project = nn.Linear(condition_size, number * hidden_size)

    def forward(self, condition_BC: Tensor) -> tuple[Tensor, ...]:
        return self.project(condition_BC)[:, None].chunk(self.number, -1)


class NoiseLevel(nn.Module):
    """The condition [B, C] that sigma [B] is for the layers: sinusoids, then two linear maps."""

    def __init__(self, condition_size: int) -> None:
        super().__init__()
        self.inner = nn.Linear(FREQUENCIES, condition_size)
        self.outer = nn.Linear(condition_size, condition_size)

    def forward(self, sigma_B: Tensor) -> Tensor:
        half = FREQUENCIES // 2
        frequency = torch.exp(-math.log(PERIOD) * torch.arange(half, device=sigma_B.device).float() / half)
        angle = sigma_B.float()[:, None] * frequency
        waves = torch.cat([angle.cos(), angle.sin()], -1).to(self.inner.weight.dtype)
        return F.silu(self.outer(F.silu(self.inner(waves))))


class Feed(nn.Module):
    """Up, an activation, down."""

    def __init__(self, layer: LayerFacts, hidden_size: int) -> None:
        super().__init__()
        assert layer.feed is not None
        self.activation = layer.feed.activation
        self.up = nn.Linear(hidden_size, layer.feed.width, bias=layer.feed.bias)
        self.down = nn.Linear(layer.feed.width, hidden_size, bias=layer.feed.bias)

    def forward(self, x_BLD: Tensor) -> Tensor:
        return self.down(activate(self.up(x_BLD), self.activation))


class Block(nn.Module):
    """Attention and a feed-forward layer, each with a shift, a scale and a gate of its own."""

    def __init__(self, facts: DiTFacts, number: int) -> None:
        super().__init__()
        layer, size = facts.layers[number], facts.hidden_size
        self.attention_norm = LayerNorm(size, facts.norm_eps)
        self.attention = Attention(layer.attention, facts, number)
        self.feed_norm = LayerNorm(size, facts.norm_eps)
        self.feed = Feed(layer, size)
        self.modulation = None if facts.condition_size is None else Modulation(facts.condition_size, 6, size)

    def forward(
        self, x_BLD: Tensor, turn: Turn, attend: Attend, memory: KeysAndValues | None, condition_BC: Tensor | None
    ) -> Tensor:
        changes: tuple[Change, ...] = (0.0, 0.0, 1.0, 0.0, 0.0, 1.0)
        if self.modulation is not None and condition_BC is not None:
            changes = self.modulation(condition_BC)
        shift, scale, gate, feed_shift, feed_scale, feed_gate = changes
        inner_BLD = _moved(self.attention_norm(x_BLD), shift, scale)
        x_BLD = x_BLD + gate * self.attention(inner_BLD, turn, attend, memory)
        return x_BLD + feed_gate * self.feed(_moved(self.feed_norm(x_BLD), feed_shift, feed_scale))


class DiT(nn.Module):
    """The network of a DiT checkpoint: a `Body`, and `states` for whoever knows sigma."""

    def __init__(self, facts: DiTFacts) -> None:
        super().__init__()
        size, condition = facts.hidden_size, facts.condition_size
        attention = facts.layers[0].attention
        self.facts = facts
        self.embed = nn.Embedding(facts.vocab_size, size)
        self.level = None if condition is None else NoiseLevel(condition)
        self.rotary = Rotary(attention.rope, attention.head_dim)
        self.layers = nn.ModuleList(Block(facts, number) for number in range(len(facts.layers)))
        self.norm = LayerNorm(size, facts.norm_eps)
        self.modulation = None if condition is None else Modulation(condition, 2, size)
        self.head = nn.Linear(size, facts.vocab_size, bias=facts.head_bias)

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    @property
    def max_positions(self) -> int:
        return self.facts.max_positions

    @property
    def vocab_size(self) -> int:
        return self.facts.vocab_size

    def embed_tokens(self, tokens_BL: Tensor) -> Tensor:
        return self.embed(tokens_BL)

    def hidden(
        self,
        x_BLD: Tensor,
        position_BL: Tensor,
        attend: Attend | Sliding = None,
        memory: KeysAndValues | None = None,
        *,
        canvas: bool = False,
        time_B: Tensor | None = None,
    ) -> Tensor:
        """Hidden states at noise level `time_B`, of which a network that is not timed makes nothing."""
        del canvas  # clean and noisy tokens are treated alike
        told = self.facts.timed and time_B is not None
        return self.states(
            x_BLD, position_BL, attend, memory, sigma_of(time_B) if told and time_B is not None else None
        )

    def states(
        self,
        x_BLD: Tensor,
        position_BL: Tensor,
        attend: Attend | Sliding = None,
        memory: KeysAndValues | None = None,
        sigma_B: Tensor | None = None,
    ) -> Tensor:
        """Hidden states at total noise `sigma_B`, zero by default, whatever the facts say of time."""
        attend = attend.full if isinstance(attend, Sliding) else attend
        sigma_B = x_BLD.new_zeros(x_BLD.shape[0]) if sigma_B is None else sigma_B
        condition_BC = None if self.level is None else self.level(sigma_B)
        turn = self.rotary(position_BL)
        for layer in self.layers:
            x_BLD = layer(x_BLD, turn, attend, memory, condition_BC)
        shift, scale = (0.0, 0.0) if self.modulation is None else self.modulation(condition_BC)
        return _moved(self.norm(x_BLD), shift, scale)

    def logits(self, hidden_BLD: Tensor) -> Tensor:
        return self.head(hidden_BLD).float()


def sigma_of(time_B: Tensor) -> Tensor:
    """The total noise at a level in [0, 1]: -log alpha."""
    return -SCHEDULE.alpha(time_B).log()


def _moved(x: Tensor, shift: Change, scale: Change) -> Tensor:
    return x * (1 + scale) + shift
