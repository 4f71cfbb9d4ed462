"""Experts: routing by enumeration, and the sorted loop and the grouped product against one token at a time."""

from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.models.architecture import ExpertFacts
from redraft.models.feed import activate
from redraft.models.moe import GROUPED, Experts, MixtureOfExperts, Route, choose

HIDDEN = 16
ROUTINGS: dict[str, dict[str, Any]] = {
    "softmax": {},
    "softmax, not renormalised": {"normalised": False},
    "sigmoid": {"score": "sigmoid"},
    "sigmoid, scaled": {"score": "sigmoid", "scale": 2.5},
    "biased": {"score": "sigmoid", "biased": True},
    "biased in weight too": {"normalised": False, "biased": True, "bias_weighs": True},
    "groups": {"score": "sigmoid", "num_groups": 4, "top_groups": 2, "biased": True},
    "groups of one": {"num_groups": 8, "top_groups": 3},
    "one group of many": {"num_groups": 2, "top_groups": 1},
}
EVERY = pytest.mark.parametrize("options", ROUTINGS.values(), ids=ROUTINGS)


def facts_of(**options: Any) -> ExpertFacts:
    return ExpertFacts(**({"num_experts": 8, "num_chosen": 3, "width": 8} | options))


def normal(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def chosen_by_hand(logits: list[float], facts: ExpertFacts, bias: list[float]) -> dict[int, float]:
    """One token's experts and their weights, from the definition."""
    row_E = torch.tensor(logits, dtype=torch.float64)
    scores = (row_E.sigmoid() if facts.score == "sigmoid" else row_E.softmax(-1)).tolist()
    ranks = [score + extra for score, extra in zip(scores, bias, strict=True)]
    size = facts.num_experts // facts.num_groups
    groups = [list(range(start, start + size)) for start in range(0, facts.num_experts, size)]
    groups.sort(key=lambda group: sum(sorted((ranks[e] for e in group), reverse=True)[:2]), reverse=True)
    allowed = [expert for group in groups[: facts.top_groups] for expert in group]
    best = sorted(allowed, key=lambda expert: ranks[expert], reverse=True)[: facts.num_chosen]
    worth = {expert: (ranks if facts.bias_weighs else scores)[expert] for expert in best}
    total = sum(worth.values()) if facts.normalised else 1.0
    return {expert: value / total * facts.scale for expert, value in worth.items()}


@EVERY
def test_every_token_is_sent_where_the_definition_says(options: dict[str, Any]) -> None:
    facts = facts_of(**options)
    logits_TE = 2 * normal(60, 8)
    bias_E = 0.4 * normal(8, seed=1) if facts.biased else torch.zeros(8)
    route = choose(logits_TE, facts, bias_E if facts.biased else None)
    for token, row in enumerate(logits_TE.tolist()):
        wanted = chosen_by_hand(row, facts, bias_E.tolist())
        found = dict(zip(route.index_TC[token].tolist(), route.weight_TC[token].tolist(), strict=True))
        assert found == pytest.approx(wanted, abs=1e-5)


def test_the_bias_changes_who_is_chosen_and_the_groups_who_may_be() -> None:
    """Else the enumeration above would prove little."""
    logits_TE, bias_E = 2 * normal(60, 8), 0.4 * normal(8, seed=1)
    plain = choose(logits_TE, facts_of(score="sigmoid")).index_TC.sort(-1).values
    biased = choose(logits_TE, facts_of(score="sigmoid", biased=True), bias_E).index_TC.sort(-1).values
    grouped = choose(logits_TE, facts_of(score="sigmoid", num_groups=4, top_groups=2)).index_TC.sort(-1).values
    assert not torch.equal(plain, biased)
    assert not torch.equal(plain, grouped)


def random_experts(dtype: torch.dtype = torch.float32, **options: Any) -> Experts:
    experts = Experts(facts_of(**options), HIDDEN).requires_grad_(False).to(dtype)
    for number, parameter in enumerate(experts.parameters()):
        parameter.copy_(0.4 * normal(*parameter.shape, seed=number))
    return experts


def random_route(tokens: int, seed: int = 5) -> Route:
    index_TC = normal(tokens, 8, seed=seed).topk(3).indices
    return Route(index_TC, normal(tokens, 3, seed=seed + 1))


def one_by_one(experts: Experts, x_TD: Tensor, route: Route) -> Tensor:
    """Every token alone, every expert by its two matrices."""
    rows = []
    for x_D, index_C, weight_C in zip(x_TD, route.index_TC, route.weight_TC, strict=True):
        made = torch.zeros(HIDDEN)
        for expert, weight in zip(index_C.tolist(), weight_C, strict=True):
            gate, up = (experts.gate_up[expert] @ x_D).chunk(2)
            made += weight * (experts.down[expert] @ (activate(gate, experts.activation) * up))
        rows.append(made)
    return torch.stack(rows)


@pytest.mark.parametrize("tokens", [1, 2, 40])
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh", "gelu"])
@pytest.mark.parametrize("grads", [False, True], ids=["grouped", "looped"])
def test_the_sum_over_experts_is_that_of_one_token_at_a_time(tokens: int, activation: str, grads: bool) -> None:
    experts, x_TD, route = random_experts(activation=activation), normal(tokens, HIDDEN, seed=9), random_route(tokens)
    with torch.set_grad_enabled(grads):
        assert experts.groups is not grads
        torch.testing.assert_close(experts(x_TD, route), one_by_one(experts, x_TD, route), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", GROUPED["cpu"], ids=str)
@pytest.mark.parametrize("counts", [[3, 0, 0, 5, 1, 0, 0, 7], [0, 0, 0, 0, 0, 0, 0, 1], [1] * 8])
def test_the_grouped_product_is_the_loop(dtype: torch.dtype, counts: list[int]) -> None:
    experts, x_ND = random_experts(dtype), normal(sum(counts), HIDDEN).to(dtype)
    pair = (run(x_ND, torch.tensor(counts)) for run in (experts.looped, experts.grouped))
    tolerance = 1e-6 if dtype is torch.float32 else 2e-2
    torch.testing.assert_close(*pair, atol=tolerance, rtol=tolerance)


@torch.no_grad()
def test_weights_that_do_not_fit_the_grouped_product_go_through_the_loop() -> None:
    assert random_experts().groups
    assert not random_experts(torch.float64).groups
    assert not random_experts(width=6).groups
    assert not random_experts(torch.bfloat16, width=12).groups
    route, x_TD = random_route(7), normal(7, HIDDEN)
    odd = random_experts(width=6)
    torch.testing.assert_close(odd(x_TD, route), one_by_one(odd, x_TD, route), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("grads", [False, True], ids=["grouped", "looped"])
def test_a_token_does_not_depend_on_its_neighbours(grads: bool) -> None:
    experts, x_TD, route = random_experts(), normal(40, HIDDEN), random_route(40)
    with torch.set_grad_enabled(grads):
        together = experts(x_TD, route)
        for token in (0, 17, 39):
            alone = experts(x_TD[token, None], Route(route.index_TC[token, None], route.weight_TC[token, None]))
            torch.testing.assert_close(together[token], alone[0], atol=1e-6, rtol=1e-6)


def random_mixture(**options: Any) -> MixtureOfExperts:
    mixture = MixtureOfExperts(facts_of(**options), HIDDEN, 1e-6).requires_grad_(False)
    for number, parameter in enumerate(mixture.parameters()):
        parameter.copy_(0.4 * normal(*parameter.shape, seed=number))
    return mixture


def test_a_shared_expert_is_added_and_its_gate_is_the_tokens_own() -> None:
    x_BLD = normal(2, 5, HIDDEN)
    mixture = random_mixture(shared_width=12, shared_gated=True)
    assert mixture.shared is not None
    assert mixture.shared_gate is not None
    shared_BLD, gate_BL1 = mixture.shared(x_BLD), torch.sigmoid(x_BLD @ mixture.shared_gate.weight.T)
    whole_BLD = mixture(x_BLD)
    mixture.shared = None
    torch.testing.assert_close(whole_BLD - mixture(x_BLD), gate_BL1 * shared_BLD, atol=1e-5, rtol=1e-5)


def test_a_router_with_a_norm_of_its_own_looks_at_what_it_is_given() -> None:
    mixture, x_BLD, routed_by_BLD = random_mixture(own_norm=True), normal(1, 6, HIDDEN), normal(1, 6, HIDDEN, seed=3)
    router = mixture.router
    assert router.scale is not None
    assert router.expert_scale is not None
    row_D = routed_by_BLD[0, 2]
    seen_D = row_D / (row_D.square().mean() + 1e-6).sqrt() * router.scale / HIDDEN**0.5
    wanted = chosen_by_hand((router.score.weight @ seen_D).tolist(), mixture.router.facts, [0.0] * 8)
    route = router(routed_by_BLD[0])
    for expert, weight in zip(route.index_TC[2].tolist(), route.weight_TC[2].tolist(), strict=True):
        assert weight == pytest.approx(wanted[expert] * float(router.expert_scale[expert]), abs=1e-5)
    wanted_TD = one_by_one(mixture.experts, x_BLD[0], route)
    torch.testing.assert_close(mixture(x_BLD, routed_by_BLD)[0], wanted_TD, atol=1e-5, rtol=1e-5)


def test_routing_is_done_in_single_precision() -> None:
    mixture = random_mixture().to(torch.bfloat16)
    assert mixture.router(normal(4, HIDDEN).bfloat16()).weight_TC.dtype == torch.float32


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"num_chosen": 9}, "num_chosen=9 experts cannot be chosen"),
        ({"num_groups": 3}, "multiple of self.num_groups=3"),
        ({"num_groups": 2, "top_groups": 3}, "at most self.num_groups=2"),
        ({"num_groups": 4, "top_groups": 1}, "num_chosen=3 experts cannot be chosen"),
        ({"score": "linear"}, "'linear' must be softmax or sigmoid"),
    ],
)
def test_mixtures_that_cannot_be_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        facts_of(**options)
