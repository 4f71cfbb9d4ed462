"""Mixture of experts: which experts a token is sent to, and what they make of it.

Knows routing (softmax or sigmoid scores, a bias for choosing, groups, shared experts), one plain loop over the experts
that were chosen, and one product over groups of rows that does the same. Refuses to know attention and where tokens
stand.
Shapes: T tokens, D model, E experts, C chosen experts, I width of an expert.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.models.architecture import ExpertFacts, FeedFacts
from redraft.models.feed import FeedForward, activate

# Where one product over groups of rows was found to be as fast as a loop or faster; on a GPU it saves a wait as well.
GROUPED = {"cpu": (torch.float32, torch.bfloat16), "cuda": (torch.bfloat16,)}


class Route(NamedTuple):
    """The chosen experts of every token and what their outputs are multiplied by, both [T, C]."""

    index_TC: Tensor
    weight_TC: Tensor


class Router(nn.Module):
    """Scores every expert for every token and chooses."""

    def __init__(self, facts: ExpertFacts, hidden_size: int, norm_eps: float) -> None:
        super().__init__()
        self.facts, self.norm_eps = facts, norm_eps
        self.score = nn.Linear(hidden_size, facts.num_experts, bias=False)
        self.bias = nn.Parameter(torch.zeros(facts.num_experts)) if facts.biased else None
        self.scale = nn.Parameter(torch.ones(hidden_size)) if facts.own_norm else None
        self.expert_scale = nn.Parameter(torch.ones(facts.num_experts)) if facts.own_norm else None

    def forward(self, x_TD: Tensor) -> Route:
        if self.scale is not None:
            x_TD = F.rms_norm(x_TD, x_TD.shape[-1:], None, self.norm_eps) * self.scale * x_TD.shape[-1] ** -0.5
        logits_TE = F.linear(x_TD.float(), self.score.weight.float())
        route = choose(logits_TE, self.facts, self.bias)
        if self.expert_scale is not None:
            return Route(route.index_TC, route.weight_TC * self.expert_scale.float()[route.index_TC])
        return route


def choose(logits_TE: Tensor, facts: ExpertFacts, bias_E: Tensor | None = None) -> Route:
    """The experts of every token. Groups and (mostly) bias take part in choosing alone: weights are the scores."""
    scores_TE = logits_TE.sigmoid() if facts.score == "sigmoid" else logits_TE.softmax(-1)
    rank_TE = scores_TE if bias_E is None else scores_TE + bias_E.float()
    worth_TE = rank_TE if facts.bias_weighs else scores_TE
    if facts.num_groups > 1:
        rank_TE = rank_TE.masked_fill(~_in_best_groups(rank_TE, facts), -torch.inf)
    index_TC = rank_TE.topk(facts.num_chosen, -1).indices
    weight_TC = worth_TE.gather(-1, index_TC)
    if facts.normalised:
        weight_TC = weight_TC / (weight_TC.sum(-1, keepdim=True) + 1e-20)
    return Route(index_TC, weight_TC * facts.scale)


def _in_best_groups(rank_TE: Tensor, facts: ExpertFacts) -> Tensor:
    """A group is worth the sum of its two best experts."""
    grouped_TGN = rank_TE.unflatten(-1, (facts.num_groups, -1))
    worth_TG = grouped_TGN.topk(min(2, grouped_TGN.shape[-1]), -1).values.sum(-1)
    best_TG = torch.zeros_like(worth_TG, dtype=torch.bool)
    best_TG = best_TG.scatter(-1, worth_TG.topk(facts.top_groups, -1).indices, True)
    return best_TG[..., None].expand_as(grouped_TGN).flatten(-2)


class Experts(nn.Module):
    """All experts of a layer, stacked: gate and up in one matrix each, as in `FeedForward`."""

    def __init__(self, facts: ExpertFacts, hidden_size: int) -> None:
        super().__init__()
        self.activation = facts.activation
        self.gate_up = nn.Parameter(torch.empty(facts.num_experts, 2 * facts.width, hidden_size))
        self.down = nn.Parameter(torch.empty(facts.num_experts, hidden_size, facts.width))

    def forward(self, x_TD: Tensor, route: Route) -> Tensor:
        """The weighted sum of the chosen experts' outputs: every expert sees its own tokens once."""
        order_N = route.index_TC.flatten().argsort(stable=True)
        token_N = order_N // route.index_TC.shape[-1]
        counts_E = route.index_TC.flatten().bincount(minlength=self.gate_up.shape[0])
        made_ND = (self.grouped if self.groups else self.looped)(x_TD[token_N], counts_E)
        made_ND = made_ND * route.weight_TC.flatten()[order_N, None].to(made_ND.dtype)
        # Outputs go back to their (token, choice) slot and are summed in the order of choice, so that the sum of a
        # token does not depend on which other tokens share the batch.
        slots_ND = torch.empty_like(made_ND).index_copy(0, order_N, made_ND)
        return slots_ND.view(*route.index_TC.shape, -1).sum(1)

    @property
    def groups(self) -> bool:
        """Whether `grouped` takes these weights: plain ones, their rows whole numbers of 16 bytes, without gradients
        (its own are particular about strides)."""
        weight = self.gate_up
        if (
            torch.is_grad_enabled()
            or type(weight) is not nn.Parameter
            or weight.dtype not in GROUPED.get(weight.device.type, ())
        ):
            return False
        return all(side * weight.element_size() % 16 == 0 for side in (weight.shape[2], self.down.shape[2]))

    def looped(self, x_ND: Tensor, counts_E: Tensor) -> Tensor:
        """Outputs of rows sorted by expert, expert after expert. The plain path."""
        parts = x_ND.split(counts_E.tolist())
        return torch.cat([self._expert(number, part) for number, part in enumerate(parts) if len(part)])

    def grouped(self, x_ND: Tensor, counts_E: Tensor) -> Tensor:
        """The same in two products, and no wait for the counts."""
        end_E = counts_E.cumsum(0).to(torch.int32)
        gate, up = F.grouped_mm(x_ND, self.gate_up.transpose(1, 2), offs=end_E).chunk(2, -1)
        return F.grouped_mm(activate(gate, self.activation) * up, self.down.transpose(1, 2), offs=end_E)

    def _expert(self, number: int, x_ND: Tensor) -> Tensor:
        gate, up = F.linear(x_ND, self.gate_up[number]).chunk(2, -1)
        return F.linear(activate(gate, self.activation) * up, self.down[number])


class MixtureOfExperts(nn.Module):
    """Router, experts, and the shared expert where there is one: [B, L, D] -> [B, L, D]."""

    def __init__(self, facts: ExpertFacts, hidden_size: int, norm_eps: float) -> None:
        super().__init__()
        self.router = Router(facts, hidden_size, norm_eps)
        self.experts = Experts(facts, hidden_size)
        shared = FeedFacts(width=facts.shared_width, activation=facts.activation) if facts.shared_width else None
        self.shared = FeedForward(shared, hidden_size) if shared else None
        self.shared_gate = nn.Linear(hidden_size, 1, bias=False) if facts.shared_gated else None

    def forward(self, x_BLD: Tensor, routed_by_BLD: Tensor | None = None) -> Tensor:
        """`routed_by_BLD` is what the router looks at, where that is not what the experts get (Gemma 4)."""
        x_TD = x_BLD.flatten(0, 1)
        route = self.router(x_TD if routed_by_BLD is None else routed_by_BLD.flatten(0, 1))
        made_BLD = self.experts(x_TD, route).view_as(x_BLD)
        if self.shared is None:
            return made_BLD
        shared_BLD = self.shared(x_BLD)
        return made_BLD + (shared_BLD if self.shared_gate is None else self.shared_gate(x_BLD).sigmoid() * shared_BLD)
