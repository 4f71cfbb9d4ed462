"""Assemble: a network and its facts become the denoiser of its contract of attention."""

from typing import Any

from redraft.models.base import FamilyDenoiser
from redraft.models.block_causal import BlockCausalDenoiser
from redraft.models.causal import CausalModel
from redraft.models.causal_context import CausalContextDenoiser
from redraft.models.family import ModelFacts
from redraft.models.refreshed import bidirectional
from redraft.models.reordered import ReorderedDenoiser

__all__ = ["FamilyDenoiser", "assemble"]

CONTRACTS: dict[str, Any] = {
    "full": bidirectional,
    "block_causal": BlockCausalDenoiser,
    "reordered": ReorderedDenoiser,
    "causal_context": CausalContextDenoiser,
    "causal": CausalModel,
}


def assemble(network: Any, facts: ModelFacts, **options: Any) -> FamilyDenoiser:
    """The denoiser of a network. `options` are its contract's; one that it does not have is an error."""
    try:
        denoiser: FamilyDenoiser = CONTRACTS[facts.attention](network, facts, **options)
    except TypeError as error:
        raise ValueError(f"models with {facts.attention} attention: {error}") from None
    return denoiser
