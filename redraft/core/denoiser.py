"""The contract between models and samplers: two verbs on one set of weights.

    encode   reads clean tokens and returns the context that later canvases attend to.
             Prefilling a prompt and committing a finished block are this same call.
    denoise  reads a canvas and a context, writes nothing, and scores every canvas position.

Knows no model and no policy. Shapes: B rows, L canvas positions, V vocabulary, D model width.
"""

from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from redraft.core.canvas import Canvas, Controls


class Noise(Protocol):
    """What fresh noise looks like, given uniforms in [0, 1). Corruptions implement it."""

    def noise(self, u_BL: Tensor) -> Tensor:
        """Token ids [B, L] of pure noise."""
        ...


@runtime_checkable
class Denoiser(Protocol):
    """A network that maps a noisy canvas and a context to logits over clean tokens.

    Logits are aligned: logits_BLV[b, i] scores canvas position i. A family trained with a next-token
    shift undoes it here, so no sampler ever asks. Tokens that can never be text (the mask, padding)
    score -inf. Controls, where the model has them, score like any token. Columns behind the last one that a
    policy may change in any row need not be scored: the logits may be narrower than the canvas.

    `pad_B` [B] counts tokens of padding on the left of each row; they are in nobody's text. Padding belongs to a
    first call, without a context.
    """

    @property
    def corruption(self) -> Noise: ...

    @property
    def controls(self) -> Controls | None: ...

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> Any: ...

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor: ...


@runtime_checkable
class Blocked(Protocol):
    """What samplers read off a denoiser about its blocks. Both attributes may be missing: None and False then.

    block_length  it commits whole blocks of this many tokens, counted from the start of the text (block-causal
                  models); None: any length
    looks_ahead   it wants the noise behind the canvas too, up to the end of the text, as AHEAD (bidirectional models)
    """

    @property
    def block_length(self) -> int | None: ...

    @property
    def looks_ahead(self) -> bool: ...


@runtime_checkable
class SelfConditioned(Protocol):
    """A denoiser that, where `self_conditioned` is true, wants its last prediction back in `Canvas.memory_BLD`."""

    @property
    def self_conditioned(self) -> bool: ...

    def remember(self, logits_BLV: Tensor) -> Tensor:
        """The embedding [B, L, D] of a prediction, fed back at the next step."""
        ...
