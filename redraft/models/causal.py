"""Causal: an autoregressive model, which reads text left to right and writes it one token at a time.

A baseline, and what diffusion models are converted from. Nothing looks ahead, so keys and values are exact however the
text is cut into pieces; layers with a window see the `window` last tokens, themselves included. There is no canvas.
Shapes: B rows, L positions, V vocabulary.
"""

from typing import NoReturn

from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.models.causal_context import CausalContextDenoiser
from redraft.models.context import KVContext


class CausalModel(CausalContextDenoiser):
    """What `redraft.sampling.autoregressive` asks of a model, over the same contexts that a canvas would attend to."""

    def next_logits(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """Scores [B, V] of what follows the last token; the context with all of them in it."""
        hidden_BLD, after = self.read(tokens_BL, context, pad_B)
        return self.text_logits(hidden_BLD[:, -1]), after

    def score(
        self, tokens_BL: Tensor, context: KVContext | None = None, pad_B: Tensor | None = None
    ) -> tuple[Tensor, KVContext]:
        """Scores [B, L, V] of what follows every token, in one pass."""
        hidden_BLD, after = self.read(tokens_BL, context, pad_B)
        return self.text_logits(hidden_BLD), after

    def scores(self, canvas: Canvas, context: KVContext | None = None, columns: int | None = None) -> NoReturn:
        raise ValueError("an autoregressive model has no canvas; `left_to_right` is how it writes")

    def denoise(self, canvas: Canvas, context: KVContext | None = None) -> NoReturn:
        self.scores(canvas, context)
