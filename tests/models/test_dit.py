"""The DiT: what the noise level does to it, and what it is without one."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from redraft.models.architecture import AttentionFacts, FeedFacts, LayerFacts, Rope, same_layers
from redraft.models.dit import DiT, DiTFacts, sigma_of
from redraft.models.floors import num_parameters

SIZE = 16
ATTENTION = AttentionFacts(num_heads=2, num_key_heads=2, head_dim=8, rope=Rope())


def facts(**changes: Any) -> DiTFacts:
    layer = LayerFacts(attention=ATTENTION, feed=FeedFacts(width=24, activation="gelu_tanh", bias=True, gated=False))
    fixed: dict[str, Any] = {"vocab_size": 11, "hidden_size": SIZE, "layers": same_layers(2, layer), "head_bias": True}
    return DiTFacts(**fixed | {"max_positions": 32, "condition_size": 6} | changes)


def network(seed: int = 0, **changes: Any) -> DiT:
    """Random enough that every part shows in the logits."""
    torch.manual_seed(seed)
    made = DiT(facts(**changes))
    for parameter in made.parameters():
        nn.init.normal_(parameter, std=0.3)
    return made.eval().requires_grad_(False)


def run(made: DiT, tokens_BL: Tensor, time_B: Tensor | None = None) -> Tensor:
    position_BL = torch.arange(tokens_BL.shape[1]).expand_as(tokens_BL)
    return made.logits(made.hidden(made.embed_tokens(tokens_BL), position_BL, time_B=time_B))


def told(made: DiT, tokens_BL: Tensor, sigma_B: Tensor | None) -> Tensor:
    position_BL = torch.arange(tokens_BL.shape[1]).expand_as(tokens_BL)
    return made.logits(made.states(made.embed_tokens(tokens_BL), position_BL, sigma_B=sigma_B))


TOKENS = torch.tensor([[3, 1, 4, 1, 5], [9, 2, 6, 5, 3]])


def test_clean_text_has_no_noise_in_all_and_pure_noise_a_thousandth_of_text() -> None:
    sigma = sigma_of(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    torch.testing.assert_close(torch.exp(-sigma), torch.tensor([1.0, 0.5005, 0.001], dtype=torch.float64))


def test_a_timed_network_is_told_the_total_noise_of_each_row() -> None:
    made = network(timed=True)
    time_B = torch.tensor([0.2, 0.9])
    both = run(made, TOKENS, time_B)
    torch.testing.assert_close(both, told(made, TOKENS, sigma_of(time_B)))
    for row in range(2):
        torch.testing.assert_close(both[row : row + 1], run(made, TOKENS[row : row + 1], time_B[row : row + 1]))
    assert (both - run(made, TOKENS, time_B.flip(0))).abs().max() > 1e-2


def test_a_network_that_is_not_timed_is_told_zero() -> None:
    made = network()
    assert torch.equal(run(made, TOKENS, torch.tensor([0.2, 0.9])), told(made, TOKENS, torch.zeros(2)))
    assert torch.equal(run(made, TOKENS), told(made, TOKENS, None))


def test_without_a_condition_it_is_the_network_whose_layers_are_told_to_change_nothing() -> None:
    plain, conditioned = network(condition_size=None), network(seed=1)
    conditioned.load_state_dict(plain.state_dict(), strict=False)
    for module in [*conditioned.layers, conditioned]:
        nn.init.zeros_(module.modulation.project.weight)
        nn.init.zeros_(module.modulation.project.bias)
    for layer in conditioned.layers:
        _, _, gate, _, _, feed_gate = layer.modulation.project.bias.chunk(6)
        gate.fill_(1)
        feed_gate.fill_(1)
    torch.testing.assert_close(run(plain, TOKENS), run(conditioned, TOKENS))


def test_closed_gates_let_embeddings_through() -> None:
    made = network()
    for layer in made.layers:
        nn.init.zeros_(layer.modulation.project.weight)
        nn.init.zeros_(layer.modulation.project.bias)
    alone = run(made, TOKENS[:, :1])
    assert torch.equal(run(made, TOKENS)[:, :1], alone)


def test_hidden_states_keep_the_weights_type_and_logits_are_float32() -> None:
    made = network(timed=True).to(torch.bfloat16)
    position_BL = torch.arange(5).expand_as(TOKENS)
    hidden_BLD = made.hidden(made.embed_tokens(TOKENS), position_BL, time_B=torch.tensor([0.5, 0.5]).double())
    assert hidden_BLD.dtype == torch.bfloat16
    assert made.logits(hidden_BLD).dtype == torch.float32


@pytest.mark.parametrize("condition_size", [None, 6])
def test_its_parameters_can_be_counted_from_its_facts(condition_size: int | None) -> None:
    made = network(condition_size=condition_size)
    assert num_parameters(made.facts) == sum(parameter.numel() for parameter in made.parameters())


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"condition_size": 0}, "condition_size=0 must be"),
        ({"condition_size": None, "timed": True}, "cannot be told the noise level"),
        ({"hidden_size": -1}, "hidden_size=-1"),
        ({"layers": same_layers(1, LayerFacts(attention=ATTENTION, feed=FeedFacts(width=8)))}, "without a gate"),
    ],
)
def test_facts_that_make_no_network_are_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        facts(**changes)
