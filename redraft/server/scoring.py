"""Scoring: how surprised a model is by a text, one forward at a time between the engine's ticks.

Knows that a network has verbs. Refuses to know likelihoods: those are the model's own `score`.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import torch

from redraft.library import Model
from redraft.results import Score
from redraft.server.answers import Usage
from redraft.server.errors import ApiError
from redraft.server.served import Served

VERBS = ("encode", "denoise", "score")


class BetweenTicks:
    """A network whose forwards run in the engine's thread, each when a tick is over. Everything else is its own."""

    def __init__(self, served: Served) -> None:
        self.served, self.gone, self.forwards = served, threading.Event(), 0

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.served.model.network, name)
        return self._later(found) if name in VERBS else found

    def _later(self, verb: Callable[..., Any]) -> Callable[..., Any]:
        @torch.inference_mode()
        def run(*args: Any, **options: Any) -> Any:
            return verb(*args, **options)

        def call(*args: Any, **options: Any) -> Any:
            if self.gone.is_set():
                raise asyncio.CancelledError
            self.forwards += 1
            return self.served.thread.call(lambda: run(*args, **options)).result()

        return call


async def score(served: Served, text: str, usage: Usage, *, block_length: int | None, samples: int, seed: int) -> Score:
    """`Model.score`, the same numbers. Raises ApiError."""
    network, model = BetweenTicks(served), served.model
    twin = Model(network, model.tokenizer, model.defaults, model.voice, served.name)  # type: ignore[arg-type]
    try:
        found = await asyncio.to_thread(twin.score, text, block_length=block_length, num_samples=samples, seed=seed)
        usage.prompt_tokens, usage.forwards = found.tokens, network.forwards
        return found
    except ValueError as error:
        raise ApiError(str(error), param="input") from None
    finally:
        network.gone.set()
