"""Feeding: the batches of a run, made ahead of its steps, here or by processes beside this one.

Knows that a batch is a pure function of its number. So any number of workers gives the same batches in the same order,
and nothing of a worker needs to be saved. Workers are forked, which shares the corpus; they never touch a GPU, and what
they send goes through a pipe as numpy arrays, because shared memory is scarce in containers.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from itertools import islice
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from redraft.core.attention import Facts
from redraft.data.packing import Batch

ReadyT = TypeVar("ReadyT")
AHEAD = 4  # batches that a worker may be ahead
_NAMES = tuple(f.name for f in fields(Batch) if f.name != "facts_BT")


class Batches(Protocol):
    """Training data as a pure function of the step."""

    def batch(self, step: int) -> Batch: ...


@contextmanager
def feed(
    data: Batches, numbers: Iterable[int], prepare: Callable[[Batch], ReadyT], *, together: int = 1, workers: int = 0
) -> Iterator[Iterator[ReadyT]]:
    """What `prepare` makes of the batches of these numbers, `together` side by side, the next one while one is used.

    Workers start at once, so that they can be started before a GPU is.
    """
    source = _made(data, numbers, workers)
    with ThreadPoolExecutor(1) as thread:
        yield _ahead(thread, source, prepare, together)


def _ahead(
    thread: ThreadPoolExecutor, source: Iterator[Batch], prepare: Callable[[Batch], ReadyT], together: int
) -> Iterator[ReadyT]:
    def following() -> ReadyT | None:
        group = list(islice(source, together))
        return prepare(side_by_side(group)) if group else None

    coming = thread.submit(following)
    while (ready := coming.result()) is not None:
        coming = thread.submit(following)
        yield ready


def _made(data: Batches, numbers: Iterable[int], workers: int) -> Iterator[Batch]:
    if not workers:
        return map(data.batch, numbers)
    loader = DataLoader(
        _Sent(data), sampler=numbers, batch_size=None, num_workers=workers, prefetch_factor=AHEAD,
        multiprocessing_context="fork", worker_init_fn=_alone,
        generator=torch.Generator(),  # or it would draw from the generator that the model is made with
    )  # fmt: skip
    return map(_received, iter(loader))


class _Sent(Dataset[dict[str, NDArray[Any]]]):
    """Batches as arrays that are small and go through a pipe."""

    def __init__(self, data: Batches) -> None:
        self.data = data

    def __getitem__(self, number: int) -> dict[str, NDArray[Any]]:
        batch = self.data.batch(number)
        named = {name: getattr(batch, name) for name in _NAMES} | batch.facts_BT._asdict()
        return {name: _narrow(value.numpy()) for name, value in named.items()}


def _narrow(values: NDArray[Any]) -> NDArray[Any]:
    """Ids, positions and the like fit 32 bits."""
    return values.astype(np.int32) if values.dtype == np.int64 else values


def _received(sent: dict[str, NDArray[Any]]) -> Batch:
    wide = {name: _wide(torch.from_numpy(value)) for name, value in sent.items()}
    return Batch(**{name: wide[name] for name in _NAMES}, facts_BT=Facts(*(wide[name] for name in Facts._fields)))


def _wide(value: Tensor) -> Tensor:
    return value.long() if value.dtype == torch.int32 else value


def _alone(worker: int) -> None:
    """One thread a worker: there are as many workers as there are cores to use."""
    del worker
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def side_by_side(batches: Sequence[Batch]) -> Batch:
    """The rows of all batches as one."""
    if len(batches) == 1:
        return batches[0]
    joined = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in _NAMES}
    return Batch(**joined, facts_BT=Facts(*map(torch.cat, zip(*(batch.facts_BT for batch in batches), strict=True))))


def pinned(batch: Batch) -> Batch:
    """The batch in memory that a GPU can copy from while the processor goes on."""
    held = {name: getattr(batch, name).pin_memory() for name in _NAMES}
    return Batch(**held, facts_BT=Facts(*(fact.pin_memory() for fact in batch.facts_BT)))
