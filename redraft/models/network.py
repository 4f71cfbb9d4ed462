"""Network: token ids in, logits out. An embedding, the transformer, and a head.

Knows weights. Refuses to know who attends to whom (masks are given), noise, shifts and special ids: the denoisers do.
Shapes: B rows, L tokens, D model, V vocabulary.
"""

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.models.architecture import Architecture, FeedFacts
from redraft.models.feed import FeedForward
from redraft.models.transformer import Attend, Memory, Norm, Sliding, Transformer


class Body(Protocol):
    """What a denoiser needs of a network; `Network` and `DiT` are two."""

    @property
    def device(self) -> torch.device: ...

    @property
    def max_positions(self) -> int: ...

    @property
    def vocab_size(self) -> int: ...

    def embed_tokens(self, tokens_BL: Tensor) -> Tensor:
        """Embeddings [B, L, D]."""
        ...

    def hidden(
        self,
        x_BLD: Tensor,
        position_BL: Tensor,
        attend: Attend | Sliding = None,
        memory: Memory = None,
        *,
        canvas: bool | Tensor = False,
        time_B: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, L, D], ready for `logits`. `time_B` is the noise level, for networks that are told it."""
        ...

    def logits(self, hidden_BLD: Tensor) -> Tensor:
        """float32 scores over the vocabulary."""
        ...


class SelfConditioning(nn.Module):
    """Adds the mean embedding of the last prediction to a canvas, through a gated layer (DiffusionGemma)."""

    def __init__(self, facts: FeedFacts, whole: Architecture) -> None:
        super().__init__()
        self.eps = whole.norm_eps
        self.norm = Norm(whole.hidden_size, whole.norm_eps)
        self.feed = FeedForward(facts, whole.hidden_size)

    def forward(self, x_BLD: Tensor, memory_BLD: Tensor) -> Tensor:
        x_BLD = x_BLD + self.feed(self.norm(memory_BLD))
        return F.rms_norm(x_BLD, x_BLD.shape[-1:], None, self.eps)


class Network(nn.Module):
    """One decoder-only transformer with its embedding and head."""

    def __init__(self, facts: Architecture) -> None:
        super().__init__()
        self.facts = facts
        self.embed = nn.Embedding(facts.vocab_size, facts.hidden_size)
        self.transformer = Transformer(facts)
        self.head = None if facts.tied else nn.Linear(facts.hidden_size, facts.vocab_size, bias=facts.head_bias)
        conditioning = facts.self_conditioning
        self.conditioning = SelfConditioning(conditioning, facts) if conditioning else None

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
        return self._scaled(self.embed(tokens_BL))

    def embed_mean(self, probs_BLV: Tensor) -> Tensor:
        """The mean embedding [B, L, D] of tokens with the given probabilities."""
        return self._scaled(probs_BLV.to(self.dtype) @ self.embed.weight)

    def _scaled(self, embedded_BLD: Tensor) -> Tensor:
        if self.facts.embed_scale == 1:
            return embedded_BLD
        # Gemma rounds the scale to the weights' type, and so must everybody who wants its numbers.
        return embedded_BLD * torch.tensor(self.facts.embed_scale).to(embedded_BLD)

    def hidden(
        self,
        x_BLD: Tensor,
        position_BL: Tensor,
        attend: Attend | Sliding = None,
        memory: Memory = None,
        *,
        canvas: bool | Tensor = False,
        time_B: Tensor | None = None,
    ) -> Tensor:
        del time_B  # a transformer is not told how noisy its input is
        return self.transformer(x_BLD, position_BL, attend, memory, canvas)

    def logits(self, hidden_BLD: Tensor) -> Tensor:
        facts = self.facts
        # Flat: of columns sliced out of a longer text, a linear layer would copy the matrix of the whole vocabulary.
        hidden_ND = hidden_BLD.flatten(0, -2)
        scores = F.linear(hidden_ND, self.embed.weight) if self.head is None else self.head(hidden_ND)
        scores = scores.unflatten(0, hidden_BLD.shape[:-1])
        scores = scores.float() if facts.logit_scale == 1 else scores.float() * facts.logit_scale
        return scores if facts.softcap is None else torch.tanh(scores / facts.softcap) * facts.softcap
