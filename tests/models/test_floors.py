"""Floors against what can be counted: parameters of a network, bytes of a quantised one, FLOPs as torch saw them."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from redraft.models import floors
from redraft.models.architecture import (
    Architecture,
    AttentionFacts,
    ExpertFacts,
    FeedFacts,
    LayerFacts,
    Rope,
    same_layers,
)
from redraft.models.floors import Matrix
from redraft.models.network import Network

ATTENTION = AttentionFacts(num_heads=4, num_key_heads=2, head_dim=16, rope=Rope())
FEED = FeedFacts(width=96)
EXPERTS = ExpertFacts(num_experts=6, num_chosen=2, width=32)
DENSE = Architecture(
    vocab_size=160,
    hidden_size=64,
    layers=same_layers(2, LayerFacts(attention=ATTENTION, feed=FEED)),
    max_positions=64,
)


def routed(**changes: object) -> Architecture:
    layer = LayerFacts(attention=ATTENTION, experts=replace(EXPERTS, **changes))  # type: ignore[arg-type]
    return replace(DENSE, layers=same_layers(2, layer))


def dense(feed: FeedFacts = FEED, **changes: object) -> Architecture:
    attention = replace(ATTENTION, **changes)  # type: ignore[arg-type]
    return replace(DENSE, layers=same_layers(2, LayerFacts(attention=attention, feed=feed)))


EVERY = {
    "dense": DENSE,
    "tied": replace(DENSE, tied=True),
    "biases": replace(dense(replace(FEED, bias=True), qkv_bias=True, out_bias=True), head_bias=True),
    "query and key norms": dense(qk_norm=True),
    "values are keys": dense(value_is_key=True),
    "post norms and scalars": replace(DENSE, post_norms=True, layer_scalar=True),
    "self-conditioning": replace(DENSE, self_conditioning=FEED),
    "experts": routed(),
    "shared expert": routed(shared_width=48, shared_gated=True, biased=True),
    "own norm": routed(own_norm=True),
    "experts beside a feed-forward layer": replace(
        DENSE, layers=same_layers(2, LayerFacts(attention=ATTENTION, feed=FEED, experts=EXPERTS))
    ),
}


@pytest.mark.parametrize("facts", EVERY.values(), ids=EVERY)
def test_parameters_are_those_of_the_network(facts: Architecture) -> None:
    with torch.device("meta"):
        network = Network(facts)
    assert floors.num_parameters(facts) == sum(p.numel() for p in network.parameters())
    held = sum(p.numel() * 2 for p in network.parameters())
    assert floors.weight_bytes(facts, "bfloat16") == held
    assert floors.weight_bytes(facts, "float32") == 2 * held


def test_active_parameters_leave_out_the_experts_not_chosen_and_the_embedding() -> None:
    facts = routed()
    idle = 2 * (6 - 2) * 3 * 32 * 64
    assert floors.num_active(facts) == floors.num_parameters(facts) - idle - 160 * 64 + 64
    assert floors.num_active(DENSE) == floors.num_parameters(DENSE) - 160 * 64 + 64
    assert floors.num_active(replace(DENSE, tied=True)) == floors.num_parameters(replace(DENSE, tied=True))


@pytest.mark.parametrize("facts", [DENSE, dense(qk_norm=True), routed(shared_width=48)])
def test_multiplications_are_those_that_torch_counts(facts: Architecture) -> None:
    network = Network(facts).requires_grad_(False)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    tokens = 8
    counter = FlopCounterMode(display=False)
    with counter, torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        place = torch.arange(tokens)[None]
        network.logits(network.hidden(network.embed_tokens(place), place))
    ours = (
        floors.layers_floor(facts, tokens, tokens, "float32").flops + floors.head_floor(facts, tokens, "float32").flops
    )
    assert counter.get_total_flops() == ours


def test_experts_touched_are_the_mean_over_all_choices() -> None:
    matrix = Matrix(1, 1, count=4, used=1)
    for tokens in (1, 2, 3):
        distinct = [len(set(choice)) for choice in product(range(4), repeat=tokens)]
        assert matrix.touched(tokens) == pytest.approx(sum(distinct) / len(distinct))
    assert Matrix(1, 1).touched(5) == 1


def test_a_forward_of_one_token_touches_the_active_matrices_once() -> None:
    found = floors.matrices(routed(shared_width=48))
    touched = floors.touched_bytes(found, 1, "bfloat16")
    assert touched == pytest.approx(2 * sum(matrix.size * matrix.used for matrix in found))


@pytest.mark.parametrize("kind", ["int8", "int4"])
@pytest.mark.parametrize("facts", [DENSE, routed(shared_width=64)], ids=["dense", "experts"])
def test_quantised_bytes_are_those_of_a_quantised_network(facts: Architecture, kind: str) -> None:
    pytest.importorskip("torchao")
    from redraft.models.quantize import quantize

    network = Network(facts).to(torch.bfloat16)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    quantize(network, kind)
    held = 0
    for parameter in network.parameters():
        inner = ("qdata", "scale", "zero_point", "scale_and_zero")
        tensors = [getattr(parameter, name) for name in inner if getattr(parameter, name, None) is not None]
        held += sum(tensor.nbytes for tensor in tensors or [parameter])
    assert floors.weight_bytes(facts, kind) == held


def test_keys_and_values_are_counted_per_layer() -> None:
    assert floors.kv_bytes(DENSE) == 2 * 2 * 2 * 16 * 2
    floor = floors.layers_floor(DENSE, 4, 10, "bfloat16")
    alone = floors.layers_floor(DENSE, 4, 4, "bfloat16")
    assert floor.bytes - alone.bytes == 6 * floors.kv_bytes(DENSE)


def test_the_floor_is_the_slower_of_reading_and_multiplying() -> None:
    floor = floors.Floor(bytes=100, flops=10)
    assert floor.seconds(10, 1000) == 10
    assert floor.seconds(1e9, 1) == 10
