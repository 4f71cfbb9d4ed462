"""Engine: many programs, one forward per tick.

A tick asks the scheduler who works, runs their spans through the network in one forward, applies one `step` per
distinct Decoding, and lets every program whose command is done say the next one. Rows leave when their own stop fires;
nobody waits for a neighbour. Synchronous and single-threaded: `thread` gives it an edge.

The law: whatever shares its ticks with it, a request's tokens are those of the plain sampler alone.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, stack
from redraft.engine.executor import Executor, executor_of
from redraft.engine.pages import PagePool
from redraft.engine.program import Decide, Encode, Next, Output, Program, Writer
from redraft.engine.scheduler import Item, Scheduler, Span, Work
from redraft.sampling.autoregressive import pick
from redraft.sampling.decoding import Decoding
from redraft.sampling.samplers import first_limit, kept, moved
from redraft.sampling.wrappers import SeenContext, Wrapper, shape


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Room and pace. `num_pages` x `page_size` tokens of keys and values, shared by everyone."""

    num_pages: int = 512
    page_size: int = 16
    max_rows: int = 16
    tick_tokens: int = 1024
    chunk: int = 256
    max_waiting: int = 1024


class Busy(Exception):
    """The queue is full; `retry_after` seconds from now it may not be."""

    def __init__(self, waiting: int, retry_after: float) -> None:
        super().__init__(f"{waiting} requests are waiting already; try again in {retry_after:.0f} s")
        self.retry_after = retry_after


@dataclass(eq=False, slots=True)
class Job:
    """A request at work: its program, the command being carried out, and what was made so far."""

    item: Item
    out: Output
    program: Program
    listener: Callable[["Job"], None]
    submitted: float
    command: Decide | Next | None = None
    canvas: Canvas | None = None
    limit_B: Tensor | None = None
    forwards: int = 0
    denoises: int = 0
    started: float | None = None  # the clock at its first forward
    first_token: float | None = None  # the clock when the first text was committed
    finished: float | None = None
    error: str | None = None

    @property
    def alive(self) -> bool:
        return self.out.finish is None


@dataclass(slots=True)
class Counters:
    """What the engine has done since it was made."""

    ticks: int = 0
    encoded_tokens: int = 0
    denoised_positions: int = 0
    committed_tokens: int = 0
    finished: int = 0
    cancelled: int = 0
    failed: int = 0
    reused_tokens: int = 0
    forward_s: float = 0.0
    step_s: float = 0.0


@dataclass(slots=True)
class Engine:
    """`submit` programs, `tick` until idle. Listeners hear of their job after every tick it took part in."""

    denoiser: Any
    config: EngineConfig = field(default_factory=EngineConfig)
    clock: Callable[[], float] = time.monotonic
    scheduler: Scheduler = field(init=False)
    executor: Executor = field(init=False)
    counters: Counters = field(init=False, default_factory=Counters)
    _jobs: dict[Item, Job] = field(init=False, default_factory=dict)
    _numbers: Any = field(init=False, default_factory=itertools.count)

    def __post_init__(self) -> None:
        config = self.config
        align = getattr(self.denoiser, "block_length", None) or 1
        page_size = -(-config.page_size // align) * align  # a page never splits a block: its keys see all of it
        pool = PagePool(config.num_pages, page_size)
        self.scheduler = Scheduler(pool, config.max_rows, config.tick_tokens, config.chunk)
        self.executor = executor_of(self.denoiser, config.num_pages * page_size, page_size)

    # ------------------------------------------------------------------ requests

    def submit(
        self,
        writer: Writer,
        listener: Callable[[Job], None] = lambda job: None,
        *,
        priority: int = 0,
        deadline: float | None = None,
        root: Any = None,
    ) -> Job:
        """Queue a request. Raises Busy when the queue is full and ValueError for what can never fit.

        `deadline` is on the engine's clock. `listener` must not block: it is called inside the tick.
        """
        waiting = len(self.scheduler.waiting)
        if waiting >= self.config.max_waiting:
            raise Busy(waiting, self._wait_estimate(waiting))
        item = Item(next(self._numbers), priority, deadline, root=root, paged=self.executor.paged)
        item.align = getattr(self.denoiser, "block_length", None) or 1
        out = Output()
        job = Job(item, out, writer(self.denoiser, out), listener, self.clock())
        self._jobs[item] = job
        try:
            self._answer(job, None)
            self._check_fits(job)
        except ValueError:
            del self._jobs[item]
            raise
        if job.alive:
            self.scheduler.submit(item)
        return job

    def cancel(self, job: Job, reason: str = "cancelled") -> None:
        """End a request now; at most its current tick was for nothing."""
        if job.alive:
            job.out.finish = reason
            self.counters.cancelled += 1
            self._end(job)

    @property
    def idle(self) -> bool:
        return not self._jobs

    @property
    def jobs(self) -> Sequence[Job]:
        return list(self._jobs.values())

    def _check_fits(self, job: Job) -> None:
        pool = self.scheduler.pool
        needed = pool.pages_for(len(job.item.text) + job.item.canvas)
        if job.item.paged and needed > pool.num_pages:
            raise ValueError(f"the request needs {needed} pages of {pool.page_size} tokens; there are {pool.num_pages}")

    def _wait_estimate(self, waiting: int) -> float:
        spent = self.counters.forward_s + self.counters.step_s
        each = spent / self.counters.finished if self.counters.finished else 1.0
        return max(1.0, waiting * each)

    # ------------------------------------------------------------------ a tick

    @torch.inference_mode()
    def tick(self) -> bool:
        """One forward for everyone whose turn it is. False when nobody had anything to do."""
        for item in self.scheduler.expired(self.clock()):
            self.cancel(self._jobs[item], "deadline")
        spans = self.scheduler.plan()
        if not spans:
            return False
        self.counters.ticks += 1
        try:
            self._work(spans)
        except Exception as error:  # a tick's failure is its requests' alone: the engine and its other requests go on
            self._fail([self._jobs[span.item] for span in spans if span.item in self._jobs], error)
        for span in spans:
            self._tell(self._jobs.get(span.item))
        return True

    def _work(self, spans: Sequence[Span]) -> None:
        began = time.perf_counter()
        hidden = self.executor.forward([(span, self._jobs[span.item].canvas) for span in spans])
        scored = self._scored(spans, hidden)
        middle = time.perf_counter()
        for span in spans:
            self._count(span)
        self._decide(scored)
        self._draw(spans, hidden)
        self.counters.forward_s += middle - began
        self.counters.step_s += time.perf_counter() - middle

    def _fail(self, jobs: Sequence[Job], error: Exception) -> None:
        for job in jobs:
            job.out.finish, job.error = "error", f"{type(error).__name__}: {error}"
            self.counters.failed += 1
            self._end(job)

    def run(self) -> None:
        """Tick until everything submitted is finished."""
        while not self.idle:
            self.tick()

    def _scored(self, spans: Sequence[Span], hidden: Sequence[Tensor]) -> list[tuple[Job, Tensor]]:
        """Jobs whose canvas was denoised, with its logits [n, V]: one head for all of them."""
        found = [(self._jobs[s.item], h) for s, h in zip(spans, hidden, strict=True) if s.work is Work.DENOISE]
        if not found:
            return []
        logits_NV = self.executor.logits(torch.cat([states for _, states in found]))
        parts = logits_NV.split([len(states) for _, states in found])
        return [(job, part) for (job, _), part in zip(found, parts, strict=True)]

    def _count(self, span: Span) -> None:
        job = self._jobs[span.item]
        job.forwards += 1
        if job.started is None:
            job.started = self.clock()
        if span.work is Work.ENCODE:
            self.counters.encoded_tokens += span.length
            job.item.held += span.length
            if not job.item.to_encode:
                self.scheduler.publish(job.item)
        else:
            self.counters.denoised_positions += span.length
            job.denoises += 1

    def _decide(self, scored: Sequence[tuple[Job, Tensor]]) -> None:
        """One step per distinct Decoding among the canvases, then the next command of those that are done."""
        groups: dict[Any, list[tuple[Job, Tensor]]] = {}
        for job, logits in scored:
            groups.setdefault(self._group_of(job), []).append((job, logits))
        for group in groups.values():
            self._step([job for job, _ in group], [logits for _, logits in group])

    def _group_of(self, job: Job) -> Any:
        """Rows with a repetition penalty stand alone: their logits depend on their own text."""
        decoding = _decoding(job)
        return (decoding, job.item.number if decoding.repetition_penalty != 1 else None)

    def _step(self, jobs: list[Job], logits: list[Tensor]) -> None:
        canvases = [_canvas(job) for job in jobs]
        canvas, logits_BLV = stack(canvases), _padded(logits)
        decoding = _decoding(jobs[0])
        context = self._seen(jobs[0]) if decoding.repetition_penalty != 1 else None
        shaped = shape(_Given(self.denoiser, logits_BLV), decoding).denoise(canvas, context)
        limits = [job.limit_B for job in jobs]
        after = moved(self.denoiser, canvas, shaped, decoding, torch.cat([lim for lim in limits if lim is not None]))
        done = after.done_B.tolist()
        for row, job in enumerate(jobs):
            job.canvas = kept(after.select([row]))
            job.item.canvas = job.canvas.length
            if done[row]:
                self._answer(job, job.canvas)

    def _seen(self, job: Job) -> SeenContext:
        tokens_1S = torch.tensor([job.item.text], dtype=torch.long)
        return SeenContext(None, tokens_1S, torch.ones_like(tokens_1S, dtype=torch.bool))

    def _draw(self, spans: Sequence[Span], hidden: Sequence[Tensor]) -> None:
        """The next tokens of rows that go left to right."""
        for span, states in zip(spans, hidden, strict=True):
            job = self._jobs.get(span.item)
            if job is None or not isinstance(job.command, Next) or span.item.to_encode or span.work is not Work.ENCODE:
                continue
            logits_BV = self.executor.logits(states[-1:])
            command = job.command
            seed_B = torch.tensor([command.seed])
            token = int(pick(self.denoiser, logits_BV, command.temperature, seed_B, command.number))
            self._answer(job, (token, float(logits_BV[0].softmax(-1)[token])))

    # ------------------------------------------------------------------ programs

    def _answer(self, job: Job, answer: Any) -> None:
        """Let a program hear how its command went and say the next; encoding is queued until something else comes."""
        job.command, job.canvas, job.item.canvas = None, None, 0
        committed = len(job.out.tokens)
        try:
            command = job.program.send(answer)
            while isinstance(command, Encode):
                job.item.text += command.tokens
                command = job.program.send(None)
            self._take_up(job, command)
        except StopIteration:
            self.counters.finished += 1
            self._end(job)
        if job.first_token is None and len(job.out.tokens) > committed:
            job.first_token = self.clock()
        self.counters.committed_tokens += len(job.out.tokens) - committed

    def _take_up(self, job: Job, command: Decide | Next) -> None:
        if isinstance(command, Next) and not self.executor.paged:
            raise ValueError("this model keeps no keys and values, so it cannot go left to right")
        job.command = command
        job.item.keeps_last = isinstance(command, Next) or self.executor.keeps_last
        if isinstance(command, Decide):
            job.canvas, job.item.canvas = command.canvas, command.canvas.length
            job.limit_B = first_limit(command.canvas)

    def _end(self, job: Job) -> None:
        job.finished = self.clock()
        self._jobs.pop(job.item, None)
        self.scheduler.drop(job.item)
        self.executor.forget(job.item)
        job.program.close()
        if job.listener is not None:
            job.listener(job)

    def _tell(self, job: Job | None) -> None:
        if job is not None:
            job.listener(job)

    def check(self) -> None:
        """Raise AssertionError unless every page is where the books say."""
        self.scheduler.check(list(self._jobs))


class _Given(Wrapper):
    """A denoiser whose logits are already known; wrappers shape them."""

    def __init__(self, denoiser: Any, logits_BLV: Tensor) -> None:
        super().__init__(denoiser)
        self.logits_BLV = logits_BLV

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self.logits_BLV


def _decoding(job: Job) -> Decoding:
    assert isinstance(job.command, Decide)
    return job.command.decoding


def _canvas(job: Job) -> Canvas:
    assert job.canvas is not None
    return job.canvas


def _padded(logits: list[Tensor]) -> Tensor:
    """[n_b, V] of every row as [B, L, V]; what is missing is nobody's to decide."""
    longest = max(len(row) for row in logits)
    if all(len(row) == longest for row in logits):
        return torch.stack(logits)
    return torch.stack([torch.nn.functional.pad(row, (0, 0, 0, longest - len(row))) for row in logits])
