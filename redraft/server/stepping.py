"""Stepping: work of the library's own, one forward at a time in the engine's thread, between two ticks.

For what the engine has no command for: looking for doubt, and rewriting. Others wait for one forward of it at most, and
share none. Knows iterators. Refuses to know what they do.
"""

import time
from collections.abc import AsyncIterator, Iterator
from typing import TypeVar

import torch

from redraft.server.errors import ApiError
from redraft.server.orders import on_engine
from redraft.server.served import Served

State = TypeVar("State")


async def stepped(served: Served, states: Iterator[State], seconds: float) -> AsyncIterator[State]:
    """What an iterator gives. Leaving the iteration ends it. Raises ApiError after so many seconds."""
    end = time.monotonic() + seconds

    def step() -> State | None:
        with torch.inference_mode():
            return next(states, None)

    while True:
        try:
            state = await on_engine(served, step)
        except ValueError as error:
            raise ApiError(str(error)) from None
        if state is None:
            return
        yield state
        if time.monotonic() > end:
            raise ApiError("the request took too long", status=504, code="deadline")
