"""Feeding: the batches of a run, made ahead of its steps, here or by processes beside this one.

Knows that a batch is a pure function of its number. So any number of workers gives the same batches in the same order,
and nothing of a worker needs to be saved. Workers are forked, which shares the corpus; they never touch a GPU, and what
they send goes through a pipe as numpy arrays, because shared memory is scarce in containers.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import fields
from itertools import cycle, islice
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any, Protocol, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from redraft.core.attention import Facts
from redraft.data.packing import Batch

ReadyT = TypeVar("ReadyT")
Worker = tuple[Connection, BaseProcess]
Sent = dict[str, NDArray[Any]]
_NAMES = tuple(f.name for f in fields(Batch) if f.name != "facts_BT")


class Batches(Protocol):
    """Training data as a pure function of the step."""

    def batch(self, step: int) -> Batch: ...


@contextmanager
def feed(
    data: Batches, numbers: Iterable[int], prepare: Callable[[Batch], ReadyT], *, together: int = 1, workers: int = 0
) -> Iterator[Iterator[ReadyT]]:
    """What `prepare` makes of the batches of these numbers, `together` side by side, the next one while one is used.

    Workers start at once, so that they can be started before a GPU is, and end with the `with` block.
    """
    with _made(data, numbers, workers) as source, ThreadPoolExecutor(1) as thread:
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


# ------------------------------------------------------------------ workers


@contextmanager
def _made(data: Batches, numbers: Iterable[int], workers: int) -> Iterator[Iterator[Batch]]:
    """The batches, in order; the worker of each is the next in turn, so that nothing needs to be put in order."""
    if not workers:
        yield map(data.batch, numbers)
        return
    numbers = list(numbers)
    started = [_start(data, numbers[turn::workers]) for turn in range(workers)]
    try:
        yield _received(zip(numbers, cycle(started), strict=False))
    finally:
        for _, process in started:
            process.terminate()
        for _, process in started:
            process.join()


def _start(data: Batches, numbers: list[int]) -> Worker:
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(data, numbers, receiver, sender), daemon=True)
    process.start()
    sender.close()  # or a worker that died would never be noticed
    return receiver, process


def _work(data: Batches, numbers: list[int], receiver: Connection, sender: Connection) -> None:
    """One thread a worker: there are as many workers as there are cores to use."""
    receiver.close()  # or, with nobody left to read, sending would wait for ever
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the run decides when it is over
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    for number in numbers:
        try:
            sent: Sent | Exception = _narrow(data.batch(number))
        except Exception as error:  # raised again where it is waited for
            sent = error
        try:
            sender.send(sent)
        except BrokenPipeError:  # the run was killed
            return


def _received(turns: Iterable[tuple[int, Worker]]) -> Iterator[Batch]:
    for number, (receiver, process) in turns:
        try:
            sent = receiver.recv()
        except EOFError:
            process.join()
            raise RuntimeError(f"the worker that makes batch {number} ended with {process.exitcode=}") from None
        if isinstance(sent, Exception):
            raise sent
        yield _widen(sent)


def _narrow(batch: Batch) -> Sent:
    """Ids, positions and the like fit 32 bits, and half the bytes take half the time."""
    named = {name: getattr(batch, name) for name in _NAMES} | batch.facts_BT._asdict()
    arrays = {name: value.numpy() for name, value in named.items()}
    return {name: held.astype(np.int32) if held.dtype == np.int64 else held for name, held in arrays.items()}


def _widen(sent: Sent) -> Batch:
    tensors = {name: torch.from_numpy(held) for name, held in sent.items()}
    wide = {name: held.long() if held.dtype == torch.int32 else held for name, held in tensors.items()}
    return Batch(**{name: wide[name] for name in _NAMES}, facts_BT=Facts(*(wide[name] for name in Facts._fields)))


def side_by_side(batches: Sequence[Batch]) -> Batch:
    """The rows of all batches as one."""
    if len(batches) == 1:
        return batches[0]
    joined = {name: torch.cat([getattr(batch, name) for batch in batches]) for name in _NAMES}
    return Batch(**joined, facts_BT=Facts(*map(torch.cat, zip(*(batch.facts_BT for batch in batches), strict=True))))


def to_gpu(batch: Batch, device: str) -> Batch:
    """The batch on a GPU, in its turn: a copy that waited would wait for all the work that stands before it."""
    held = {name: getattr(batch, name).pin_memory().to(device, non_blocking=True) for name in _NAMES}
    facts = (fact.pin_memory().to(device, non_blocking=True) for fact in batch.facts_BT)
    return Batch(**held, facts_BT=Facts(*facts))
