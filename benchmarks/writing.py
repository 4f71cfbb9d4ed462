"""Writing: text by every mode, timed, and what the same weights think of it.

Every setting writes the same number of tokens: end of text is impossible in all modes. Times are of the samplers
alone, from the encoding of the prompt to the last token; nothing is detokenised meanwhile.

Shapes: B rows, L positions, V vocabulary.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import log
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.denoiser import Noise
from redraft.library import Model
from redraft.models.three_mode import ThreeModeModel
from redraft.sampling import samplers
from redraft.sampling.autoregressive import Continuation, left_to_right, speculate
from redraft.sampling.decoding import Decoding, policy_spec
from redraft.sampling.policies import Policy, Threshold
from redraft.sampling.prediction import forbid


@dataclass(frozen=True, slots=True)
class Setting:
    """How to write: a mode, its temperature, and for diffusion the canvas and the policy."""

    mode: str
    temperature: float
    canvas: int = 64
    policy: Policy = field(default_factory=Threshold)

    @property
    def name(self) -> str:
        if self.mode != "diffusion":
            return f"{self.mode}, temperature {self.temperature:g}"
        policy = policy_spec(self.policy)
        if isinstance(self.policy, Threshold):
            policy = f"threshold {self.policy.tau:g}"
        return f"canvas {self.canvas}, {policy}, temperature {self.temperature:g}"


@dataclass(frozen=True, slots=True)
class Written:
    """What one prompt led to: tokens of every row, forwards of the slowest, seconds for all."""

    rows: list[list[int]]
    forwards: int
    seconds: float


class Endless:
    """The network with end of text impossible, in both modes."""

    def __init__(self, network: ThreeModeModel) -> None:
        self.network = network

    @property
    def corruption(self) -> Noise:
        return self.network.corruption

    @property
    def controls(self) -> Controls:
        return self.network.controls

    def encode(self, tokens_BL: Tensor, context: Any | None = None, pad_B: Tensor | None = None) -> Any:
        return self.network.encode(tokens_BL, context, pad_B)

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self._without_end(self.network.denoise(canvas, context))

    def denoise_at(self, canvas: Canvas, context: Any | None, at_BL: Tensor) -> Tensor:
        return self._without_end(self.network.denoise_at(canvas, context, at_BL))

    def score(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Any]:
        logits_BLV, context = self.network.score(tokens_BL, context)
        return self._without_end(logits_BLV), context

    def next_logits(self, tokens_BL: Tensor, context: Any | None) -> tuple[Tensor, Any]:
        logits_BV, context = self.network.next_logits(tokens_BL, context)
        return self._without_end(logits_BV), context

    def _without_end(self, logits: Tensor) -> Tensor:
        logits[..., self.network.config.eos_token_id] = -torch.inf  # the head made this tensor just now
        return logits


@torch.inference_mode()
def write(model: Model, prompt: str, setting: Setting, *, num_tokens: int, rows: int = 1, seed: int = 0) -> Written:
    """Continue a prompt `rows` times, all at once, by exactly `num_tokens` tokens."""
    network = Endless(model.network)
    prompt_BL = torch.tensor([prompt_ids(model, prompt)] * rows)
    began = time.perf_counter()
    if setting.mode == "diffusion":
        frame = _diffuse(network, prompt_BL, setting, num_tokens, seed)
        tokens, forwards = frame.committed, frame.step + frame.block + 1  # prompt and finished blocks are encoded
    else:
        text = _causal(network, prompt_BL, setting, num_tokens, seed)
        tokens, forwards = text.tokens, text.num_encodes + text.num_denoises
    return Written(tokens, forwards, time.perf_counter() - began)


def _diffuse(network: Endless, prompt_BL: Tensor, setting: Setting, num_tokens: int, seed: int) -> samplers.Frame:
    decoding = Decoding(policy=setting.policy, temperature=setting.temperature, max_steps=max(64, setting.canvas))
    *_, frame = samplers.sample(
        network, prompt_BL, decoding, max_tokens=num_tokens, block_length=setting.canvas, seed=seed
    )
    return frame


def _causal(network: Endless, prompt_BL: Tensor, setting: Setting, num_tokens: int, seed: int) -> Continuation:
    shared: dict[str, Any] = {"max_tokens": num_tokens, "temperature": setting.temperature, "seed": seed}
    if setting.mode == "ar":
        *_, text = left_to_right(network, prompt_BL, None, **shared)
    else:
        *_, text = speculate(network, prompt_BL, None, draft_length=min(setting.canvas, 8), **shared)
    return text


def prompt_ids(model: Model, prompt: str) -> list[int]:
    return [model.eos_id, *model.tokenizer.encode(prompt)]


@torch.inference_mode()
def nats(model: Model, prompt: str, rows: Sequence[list[int]]) -> list[float]:
    """Autoregressive nats per token of every row, all of one length, given the prompt."""
    ids = prompt_ids(model, prompt)
    tokens_BL = torch.tensor([ids + row for row in rows])
    logits_BLV, _ = model.network.score(tokens_BL[:, :-1])
    text_BLV = forbid(logits_BLV[:, len(ids) - 1 :], model.network.controls.ids)
    nats_BL = torch.nn.functional.cross_entropy(text_BLV.transpose(1, 2), tokens_BL[:, len(ids) :], reduction="none")
    return nats_BL.mean(-1).tolist()


def unigram_entropy(row: Sequence[int]) -> float:
    """Nats of a text's own distribution of tokens: low where it repeats itself. At most the log of its length."""
    counts = Counter(row).values()
    return sum(n * log(len(row) / n) for n in counts) / len(row)


def distinct_pairs(row: Sequence[int]) -> float:
    """Distinct-2: the share of different ones among a text's pairs of neighbours."""
    pairs = list(pairwise(row))
    return len(set(pairs)) / max(len(pairs), 1)
