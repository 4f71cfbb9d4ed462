"""A random network of open facts, with weights large enough that every difference shows."""

from typing import Any

import torch
from torch import Tensor

from redraft.models.architecture import Architecture, AttentionFacts, FeedFacts, LayerFacts, Rope, same_layers
from redraft.models.assemble import assemble
from redraft.models.bidirectional import BidirectionalDenoiser
from redraft.models.family import ModelFacts
from redraft.models.network import Network

VOCAB, MASK_ID = 64, 63


def tiny_facts(**changes: Any) -> ModelFacts:
    attention = AttentionFacts(num_heads=4, num_key_heads=2, head_dim=8, rope=Rope())
    architecture = Architecture(
        vocab_size=VOCAB,
        hidden_size=32,
        layers=same_layers(2, LayerFacts(attention=attention, feed=FeedFacts(width=48))),
        max_positions=64,
    )
    return ModelFacts(**({"architecture": architecture, "attention": "full", "mask_id": MASK_ID} | changes))


def tiny_network(facts: ModelFacts, seed: int = 0) -> Network:
    torch.manual_seed(seed)
    network = Network(facts.architecture).eval().requires_grad_(False)
    for parameter in network.parameters():
        if parameter.dim() > 1:
            parameter.normal_(std=1.3 * parameter.shape[-1] ** -0.5)
    return network


def tiny_bidirectional(cache: str = "none", refresh_every: int | None = None, **changes: Any) -> BidirectionalDenoiser:
    facts = tiny_facts(**changes)
    denoiser = assemble(tiny_network(facts), facts, cache=cache, refresh_every=refresh_every)
    assert isinstance(denoiser, BidirectionalDenoiser)
    return denoiser


def text(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(0, MASK_ID, (rows, length), generator=torch.Generator().manual_seed(seed))
