"""EngineThread: the engine in a thread of its own, with an edge for asyncio.

Everything that touches the engine runs in its thread: submissions and cancellations are left in a mailbox that is
emptied before every tick. A listener on the other side sees the latest state of its request: a slow one misses
drafts, never committed tokens, and costs the engine nothing.
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeVar

from redraft.engine.engine import Engine, Job
from redraft.engine.program import Decide, Writer, draft_of

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Draft:
    """The canvas at work: tokens, their `Status`, the confidence each was written with, and its number of steps."""

    tokens: tuple[int, ...]
    statuses: tuple[int, ...]
    confidences: tuple[float, ...]
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One request after a tick.

    tokens       committed so far, with the model's probability of each at the step that wrote it
    draft        the canvas at work, where the listener wants to see it
    forwards     that this request took part in; `denoises` of them over a canvas
    finish       None while it runs; then stop, length, cancelled, deadline or error
    wait_s       until its first forward; `first_s` until its first committed text, `total_s` until now or its end
    reused       tokens of its text that the prefix cache held already
    first, last  of an edit: log probabilities of the tokens it began with and, where the last forward changed none,
                 of `tokens`
    """

    tokens: tuple[int, ...]
    confidences: tuple[float, ...]
    draft: Draft | None
    forwards: int
    denoises: int
    finish: str | None
    error: str | None
    wait_s: float
    first_s: float | None
    total_s: float
    reused: int = 0
    first: tuple[float, ...] | None = None
    last: tuple[float, ...] | None = None


class EngineThread:
    """`start`, then `stream` from any event loop or `call` from any thread; `stop` finishes or cancels what runs."""

    def __init__(self, engine: Engine, name: str = "engine") -> None:
        self.engine = engine
        self._mail: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._wake = threading.Event()
        self._door = threading.Lock()  # nothing is left in the mailbox once the thread has read it for the last time
        self._stopping = self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> "EngineThread":
        self._thread.start()
        return self

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._stopping

    def stop(self, *, drain: bool = True, timeout: float | None = None) -> None:
        """End the thread; with `drain` when everything submitted is finished, else cancelling it."""
        self._stopping = True
        if not drain:
            self._post(self._cancel_all)
        self._wake.set()
        self._thread.join(timeout)

    def call(self, function: Callable[[], Answer]) -> "Future[Answer]":
        """Run a function in the engine's thread, between two ticks. Raises RuntimeError once it is told to stop."""
        future: Future[Answer] = Future()
        if not self.alive or not self._post(lambda: _fulfil(future, function)):
            raise RuntimeError("the engine has stopped")
        return future

    async def stream(self, writer: Writer, *, drafts: bool = False, **options: Any) -> AsyncIterator[Snapshot]:
        """Snapshots of a request as it comes into being, the last one finished; `options` are `Engine.submit`'s.

        Leaving the iteration cancels the request. Raises what `Engine.submit` raises.
        """
        mailbox = _Mailbox(asyncio.get_running_loop())

        def listen(job: Job) -> None:
            if drafts or not job.alive or len(job.out.tokens) > mailbox.seen:
                mailbox.put(snapshot(job, self.engine.clock(), drafts))

        job = await self._submitted(self.call(lambda: self.engine.submit(writer, listen, **options)))
        try:
            if not job.alive:
                yield snapshot(job, self.engine.clock(), drafts)
                return
            while True:
                state = await mailbox.get()
                yield state
                if state.finish is not None:
                    return
        finally:
            if job.alive:
                self._post(lambda: self.engine.cancel(job))

    async def _submitted(self, future: "Future[Job]") -> Job:
        """The job, once the engine has it; cancelled there when nobody waits for it here any more."""
        try:
            return await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            future.add_done_callback(self._abandon)
            raise

    def _abandon(self, future: "Future[Job]") -> None:
        if not future.cancelled() and future.exception() is None:
            self._post(lambda: self.engine.cancel(future.result()))

    # ------------------------------------------------------------------ the thread

    def _post(self, action: Callable[[], None]) -> bool:
        """Leave something to do in the mailbox; False where nobody will read it."""
        with self._door:
            if self._closed:
                return False
            self._mail.put(action)
        self._wake.set()
        return True

    def _run(self) -> None:
        try:
            self._loop()
        except Exception as error:  # nobody may wait for an engine that is gone
            self._stopping = True
            with self._door:
                self._closed = True
            self._read_mail()
            for job in self.engine.jobs:
                self.engine.fail(job, error)
            raise

    def _loop(self) -> None:
        while not self._is_over():
            self._wake.clear()
            self._read_mail()
            if not self.engine.idle:
                self.engine.tick()
            elif not self._stopping:
                self._wake.wait()

    def _is_over(self) -> bool:
        with self._door:
            self._closed = self._stopping and self.engine.idle and self._mail.empty()
        return self._closed

    def _read_mail(self) -> None:
        while True:
            try:
                action = self._mail.get_nowait()
            except queue.Empty:
                return
            action()

    def _cancel_all(self) -> None:
        for job in self.engine.jobs:
            self.engine.cancel(job)


class _Mailbox:
    """Room for one snapshot between two threads: a newer one takes the place of an older one that nobody fetched."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop, self.seen = loop, 0
        self._latest: Snapshot | None = None
        self._ready = asyncio.Event()

    def put(self, state: Snapshot) -> None:
        """From the engine's thread."""
        self.seen = len(state.tokens)
        self._latest = state
        try:
            self.loop.call_soon_threadsafe(self._ready.set)
        except RuntimeError:  # the loop is closed: nobody listens any more
            return

    async def get(self) -> Snapshot:
        await self._ready.wait()
        self._ready.clear()
        assert self._latest is not None
        return self._latest


def snapshot(job: Job, now: float, drafts: bool) -> Snapshot:
    """What a listener may see of a job."""
    end = now if job.finished is None else job.finished
    return Snapshot(
        tokens=tuple(job.out.tokens),
        confidences=tuple(job.out.confidences),
        draft=_draft(job) if drafts else None,
        forwards=job.forwards,
        denoises=job.denoises,
        finish=job.out.finish,
        error=job.error,
        wait_s=(job.started or end) - job.submitted,
        first_s=None if job.first_token is None else job.first_token - job.submitted,
        total_s=end - job.submitted,
        reused=job.item.reused or 0,
        **_beliefs(job),
    )


def _beliefs(job: Job) -> dict[str, tuple[float, ...] | None]:
    held = job.out.beliefs
    if job.alive or held.first is None or held.last is None:
        return {}
    return {"first": tuple(held.first), "last": tuple(held.last) if held.seen == job.out.tokens else None}


def _draft(job: Job) -> Draft | None:
    if job.canvas is None or not isinstance(job.command, Decide):
        return None
    tokens, statuses, confidences = draft_of(job.canvas, job.command.known)
    return Draft(tuple(tokens), tuple(statuses), tuple(confidences), int(job.canvas.step_B))


def _fulfil(future: "Future[Answer]", function: Callable[[], Answer]) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function())
    except BaseException as error:  # it belongs to whoever asked, not to the engine's thread
        future.set_exception(error)
