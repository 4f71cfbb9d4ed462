"""Redraft's own model: one set of weights that encodes, denoises and verifies.

encode   causal over clean tokens, writes keys and values; its head predicts the next token, so the
         same weights are an autoregressive model with an exact likelihood.
denoise  bidirectional over a canvas that attends to the encoded context; aligned logits.
verify   a drafted block scored by one causal pass (`score`), for `sampling.verify`.

Conditioning rides in the context: a class label or an external embedding is one context position.
Knows weights and attention, no sampling. Shapes: B rows, L positions, T packed tokens, D model, V vocabulary.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from redraft.core.attention import Facts
from redraft.core.canvas import Canvas, Controls, Status
from redraft.core.corruption import Absorbing
from redraft.models.config import ModelConfig
from redraft.models.context import KVContext, Reading, Writing, check_encode, check_length, check_room
from redraft.models.lean import Lean, Product, product
from redraft.models.spans import Packed, Span, encode_mask
from redraft.models.transformer import Attend, Memory, Transformer


class ThreeModeModel(nn.Module):
    """A Qwen3 decoder plus a canvas marker, label and embedding conditioning, and self-conditioning."""

    banned_V: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        width = config.hidden_size
        self.embed = nn.Embedding(config.vocab_size, width)
        self.transformer = Transformer(config.architecture)
        self.canvas_marker = nn.Parameter(torch.zeros(width))
        # No label is no position: guidance dropout leaves it out, and so does an unconditional pass.
        self.label_embed = nn.Embedding(config.num_labels, width) if config.num_labels else None
        self.condition_proj = nn.Linear(config.condition_size, width) if config.condition_size else None
        self.memory_proj = nn.Linear(width, width, bias=False) if config.self_conditioning else None
        banned = torch.zeros(config.vocab_size)
        banned[list(config.never_text)] = -torch.inf
        self.register_buffer("banned_V", banned, persistent=False)
        # What a canvas starts from. Training mixes random tokens in (`uniform_share`), so that the model learns to
        # doubt what it reads; a sampler has no reason to mislead it.
        self.corruption = Absorbing(config.mask_token_id, config.vocab_size)
        self._lean: Lean | None = None
        self._scores: Product | None = None
        self.apply(self._initialise)
        if self.memory_proj is not None:
            nn.init.zeros_(self.memory_proj.weight)

    def _initialise(self, module: nn.Module) -> None:
        if isinstance(module, (nn.Linear, nn.Embedding)):
            nn.init.normal_(module.weight, std=self.config.initializer_range)

    # ------------------------------------------------------------------ facts

    @property
    def controls(self) -> Controls:
        return self.config.controls

    @property
    def self_conditioned(self) -> bool:
        """Whether samplers should feed predictions back through `remember`."""
        return self.memory_proj is not None

    @property
    def device(self) -> torch.device:
        return self.embed.weight.device

    @property
    def dtype(self) -> torch.dtype:
        return self.embed.weight.dtype

    # ------------------------------------------------------------------ the layers

    def make_lean(self) -> None:
        """From now on run the layers the fast way. The weights are not to change after this: some are copied."""
        self._lean = Lean(self.transformer, self.config.max_position_embeddings)
        self._scores = product(self.embed.weight.detach())

    def make_plain(self) -> None:
        """Run the layers as they are again: whoever changes the weights must say so."""
        self._lean = self._scores = None

    def _layers(self, x_BLD: Tensor, position_BL: Tensor, attend: Attend, memory: Memory) -> Tensor:
        run = self.transformer if self._lean is None else self._lean
        return cast(Tensor, run(x_BLD, position_BL, attend, memory))

    # ------------------------------------------------------------------ the head

    def head(self, hidden: Tensor) -> Tensor:
        """Logits over the vocabulary; what can never be text scores -inf."""
        scores = F.linear(hidden, self.embed.weight) if self._scores is None else self._scores(hidden)
        return scores.float() + self.banned_V

    # ------------------------------------------------------------------ encode

    def encode(self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None) -> KVContext:
        """Read clean tokens [B, L] behind a context. `pad_B` counts left padding; only in a first call."""
        return self._encode(self.embed(tokens_BL), context, pad_B)[1]

    def score(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """`encode` with next-token logits: logits_BLV[:, i] scores the token after tokens_BL[:, i]."""
        hidden_BLD, after = self._encode(self.embed(tokens_BL), context, pad_B)
        return self.head(hidden_BLD), after

    def next_logits(self, tokens_BL: Tensor, context: KVContext | None = None) -> tuple[Tensor, KVContext]:
        """`score` for the last position alone, [B, V]: one autoregressive step."""
        hidden_BLD, after = self._encode(self.embed(tokens_BL), context, None)
        return self.head(hidden_BLD[:, -1]), after

    def condition(
        self,
        *,
        label_B: Tensor | None = None,
        embedding_BE: Tensor | None = None,
        context: KVContext | None = None,
    ) -> KVContext:
        """Put a class label and/or an external embedding into the context, one position each.

        Raises ValueError when the model was not built for it.
        """
        parts = []
        if label_B is not None:
            if self.label_embed is None:
                raise ValueError("this model has no class labels (num_labels=0)")
            parts.append(self.label_embed(label_B))
        if embedding_BE is not None:
            if self.condition_proj is None:
                raise ValueError("this model takes no embedding (condition_size=0)")
            parts.append(self.condition_proj(embedding_BE.to(self.dtype)))
        if not parts:
            raise ValueError("condition() needs a label or an embedding")
        return self._encode(torch.stack(parts, 1), context, None)[1]

    def _encode(
        self, embedded_BLD: Tensor, context: KVContext | None, pad_B: Tensor | None
    ) -> tuple[Tensor, KVContext]:
        rows, length, _ = embedded_BLD.shape
        check_encode(context, embedded_BLD, pad_B, self.config.max_position_embeddings)
        writing = Writing(context, length, pad_B)
        position_BL = self._positions(writing.start, length, rows, writing.pad_B)
        attend = self._causal(writing.start, length, writing.pad_B)
        hidden_BLD = self._layers(embedded_BLD, position_BL, attend, writing)
        return hidden_BLD, writing.finish()

    def _causal(self, start: int, length: int, pad_B: Tensor | None) -> Attend:
        if pad_B is None and length == 1:
            return None
        if pad_B is None and start == 0:
            return "causal"
        key_S = torch.arange(start + length, device=self.device)
        seen = key_S[None, :] <= key_S[start:, None]
        if pad_B is None:
            return seen
        own = key_S[None, :] == key_S[start:, None]  # padding sees itself, so that no row is empty
        return (seen & (key_S >= pad_B[:, None, None]) | own)[:, None]

    # ------------------------------------------------------------------ denoise

    def denoise(self, canvas: Canvas, context: KVContext | None = None) -> Tensor:
        """Aligned logits [B, L, V] for every canvas position. Writes nothing."""
        return self.head(self.hidden(canvas, context))

    def denoise_at(self, canvas: Canvas, context: KVContext | None, at_BL: Tensor) -> Tensor:
        """`denoise` for the positions where at_BL is true alone: [N, V], in order."""
        return self.head(self.hidden(canvas, context)[at_BL])

    def hidden(self, canvas: Canvas, context: KVContext | None = None) -> Tensor:
        """Hidden states [B, L, D] behind `denoise`, for callers that score few positions."""
        start = 0 if context is None else context.length
        pad_B = None if context is None else context.pad_B
        check_room(context, len(canvas), canvas.length, self.config.max_position_embeddings)
        embedded = self._embed_canvas(canvas)
        position_BL = self._positions(start, canvas.length, len(canvas), pad_B)
        memory = None if context is None else Reading(context, canvas.length)
        return self._layers(embedded, position_BL, _visible(canvas, start, pad_B), memory)

    def _embed_canvas(self, canvas: Canvas) -> Tensor:
        embedded = self.embed(canvas.tokens_BL) + self.canvas_marker
        if self.memory_proj is not None and canvas.memory_BLD is not None:
            embedded = embedded + self.memory_proj(canvas.memory_BLD.to(embedded.dtype))
        return embedded

    def remember(self, logits_BLV: Tensor) -> Tensor:
        """Self-conditioning (arXiv:2208.04202): the mean embedding of the prediction, [B, L, D]."""
        return logits_BLV.softmax(-1).to(self.dtype) @ self.embed.weight

    # ------------------------------------------------------------------ spans of many requests in one row

    packs = True
    keeps_keys = True
    needs_last = False

    def span_of(self, tokens_L: Tensor, start: int, canvas: Canvas | None, before: list[int]) -> Span:
        """The span of clean tokens behind `start` kept ones, or of a canvas of one row, all of it present."""
        check_length(start + len(tokens_L), self.config.max_position_embeddings)
        position_L = torch.arange(start, start + len(tokens_L), device=self.device)
        if canvas is None:
            attend = encode_mask(start, len(tokens_L), self.device)
            return Span(self._embed_text(tokens_L), position_L, attend, canvas=False)
        return Span(self._embed_canvas(canvas)[0], position_L, None, canvas=True)

    def label_token(self, label: int) -> int:
        """What stands for a class label among the clean tokens of a span: an id behind the vocabulary."""
        return self.config.vocab_size + label

    def _embed_text(self, tokens_L: Tensor) -> Tensor:
        if self.label_embed is None:
            return self.embed(tokens_L)
        label_L = tokens_L - self.config.vocab_size
        text_LD = self.embed(tokens_L.clamp_max(self.config.vocab_size - 1))
        return torch.where((label_L >= 0)[:, None], self.label_embed(label_L.clamp_min(0)), text_LD)

    def run(self, spans: list[Span], memory: Packed) -> Tensor:
        """States [T, D] of packed spans, in one pass."""
        embedded_1TD = torch.cat([span.embedded_LD for span in spans])[None]
        position_1T = torch.cat([span.position_L for span in spans])[None]
        return self._layers(embedded_1TD, position_1T, None, memory)[0]

    def scored(self, states_LD: Tensor, canvas: Canvas, last_1D: Tensor | None) -> Tensor:
        """All of them: a fixed token may ask for an insertion before it."""
        return states_LD

    def text_logits(self, states: Tensor) -> Tensor:
        """Scores [n, V] of states."""
        return self.head(states)

    # ------------------------------------------------------------------ training

    def packed(
        self,
        tokens_BT: Tensor,
        facts_BT: Facts,
        attend: Attend,
        *,
        label_BT: Tensor | None = None,
        memory_BTD: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [B, T, D] of packed rows in which clean and canvas tokens stand side by side.

        Where label_BT >= 0 a class label stands in place of the token.
        """
        embedded = self.embed(tokens_BT)
        if self.label_embed is not None and label_BT is not None:
            labels = self.label_embed(label_BT.clamp_min(0))
            embedded = torch.where(label_BT[..., None] >= 0, labels, embedded)
        embedded = embedded + facts_BT.canvas[..., None] * self.canvas_marker
        if self.memory_proj is not None and memory_BTD is not None:
            embedded = embedded + self.memory_proj(memory_BTD)
        return cast(Tensor, self.transformer(embedded, facts_BT.position, attend))

    # ------------------------------------------------------------------ helpers

    def _positions(self, start: int, length: int, rows: int, pad_B: Tensor | None) -> Tensor:
        position_L = torch.arange(start, start + length, device=self.device)
        if pad_B is None:
            return position_L.expand(rows, length)
        return (position_L - pad_B[:, None]).clamp_min(0)


def _visible(canvas: Canvas, start: int, pad_B: Tensor | None) -> Tensor | None:
    """Mask [B, 1, 1 or L, S + L] that hides padding and EMPTY slack; None where nothing is hidden."""
    present_BL = canvas.status_BL != Status.EMPTY
    if pad_B is None and present_BL.device.type == "cpu" and bool(present_BL.all()):
        return None
    key_S = torch.arange(start, device=present_BL.device)
    context_BS = (key_S >= (0 if pad_B is None else pad_B[:, None])).expand(len(canvas), start)
    seen = torch.cat([context_BS, present_BL], 1)[:, None, None]
    own = torch.eye(canvas.length, dtype=torch.bool, device=present_BL.device)
    own = F.pad(own, (start, 0))
    return seen | own
