"""Engine: many programs, one forward per tick.

A tick asks the scheduler who works, runs their spans through the network in one forward, applies one `step` per
distinct Decoding, and lets every program whose command is done say the next one. Rows leave when their own stop fires;
nobody waits for a neighbour. A guided request has a second item, whose text is the unconditional one; its step is made
when the states of both are there. Synchronous and single-threaded: `thread` gives it an edge.

The law: whatever shares its ticks with it, a request's tokens are those of the plain sampler alone. What
goes wrong with a request ends that request and no other.

Shapes: B rows, N scored columns of all of them, L canvas positions, D model, V vocabulary.
"""

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, stack
from redraft.engine.executor import Executor, executor_of
from redraft.engine.pages import PagePool
from redraft.engine.program import Decide, Draft, Encode, Next, Output, Program, Verify, Writer
from redraft.engine.scheduler import Item, Scheduler, Span, Work
from redraft.sampling.autoregressive import drafted, pick, verified
from redraft.sampling.decoding import Decoding
from redraft.sampling.prediction import believed
from redraft.sampling.samplers import first_limit, moved
from redraft.sampling.wrappers import SeenContext, Wrapper, guide, shape


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineConfig:
    """Room and pace. `num_pages` x `page_size` tokens of keys and values, shared by everyone.

    `step_scores` is how many logits a step takes at once, about: the vocabulary is wide, and what fits a cache is fast.
    """

    num_pages: int = 512
    page_size: int = 16
    max_rows: int = 16
    tick_tokens: int = 1024
    chunk: int = 256
    max_waiting: int = 1024
    step_scores: int = 2**20


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
    command: Decide | Next | Draft | Verify | None = None
    canvas: Canvas | None = None
    limit_B: Tensor | None = None
    first_encoded: int = 0  # tokens of its first Encode: what guidance calls the prompt
    states: dict[Item, Tensor] = field(default_factory=dict)  # of the open canvas, waiting for those of its partner
    forwards: int = 0
    denoises: int = 0
    started: float | None = None  # the clock at its first forward
    first_token: float | None = None  # the clock when the first text was committed
    finished: float | None = None
    error: str | None = None

    @property
    def alive(self) -> bool:
        return self.finished is None

    @property
    def open(self) -> Canvas | list[int] | None:
        """What is behind the context, to be scored: a canvas, or drafted tokens to be judged."""
        return self.command.tokens if isinstance(self.command, Verify) else self.canvas


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
    reused_tokens: int = 0  # that the prefix cache spared
    preemptions: int = 0
    forward_s: float = 0.0
    step_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Stacked:
    """The canvases of one Decoding's rows side by side, as they left their last step."""

    rows: tuple[Canvas, ...]
    together: Canvas


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
    _stacks: dict[Any, _Stacked] = field(init=False, default_factory=dict)
    _vocab: int = field(init=False, default=1)  # until the first scores tell

    def __post_init__(self) -> None:
        config = self.config
        page_size = (
            -(-config.page_size // self._align) * self._align
        )  # a page never splits a block: its keys see it all
        pool = PagePool(config.num_pages, page_size)
        self.scheduler = Scheduler(pool, config.max_rows, config.tick_tokens, config.chunk)
        self.executor = executor_of(self.denoiser, config.num_pages * page_size, page_size)

    @property
    def _align(self) -> int:
        return getattr(self.denoiser, "block_length", None) or 1

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
        item = self._item(priority, deadline, root)
        out = Output()
        job = Job(item, out, writer(self.denoiser, out), listener, self.clock())
        self._enter(job, item)
        try:
            self._answer(job, None)
        except BaseException:
            self._drop(job)
            raise
        return job

    def cancel(self, job: Job, reason: str = "cancelled") -> None:
        """End a request now; at most its current tick was for nothing."""
        if job.alive:
            job.out.finish = reason
            self.counters.cancelled += 1
            self._end(job)

    def fail(self, job: Job, error: Exception) -> None:
        """End a request that cannot go on; its listener sees the error."""
        if job.alive:
            job.out.finish, job.error = "error", f"{type(error).__name__}: {error}"
            self.counters.failed += 1
            self._end(job)

    @property
    def idle(self) -> bool:
        return not self._jobs

    @property
    def jobs(self) -> Sequence[Job]:
        return list(dict.fromkeys(self._jobs.values()))

    def check(self) -> None:
        """Raise AssertionError unless every page is where the books say."""
        self.scheduler.check(list(self._jobs))

    def _item(self, priority: int, deadline: float | None, root: Any) -> Item:
        return Item(
            next(self._numbers), priority, deadline, align=self._align, paged=self.executor.paged, root=root
        )  # fmt: skip

    def _enter(self, job: Job, item: Item) -> None:
        self._jobs[item] = job
        self.scheduler.submit(item)

    def _wait_estimate(self, waiting: int) -> float:
        """Seconds until so many requests are through, at the pace so far; a second each before any was."""
        spent = self.counters.forward_s + self.counters.step_s
        each = spent / self.counters.finished if self.counters.finished else 1.0
        return max(1.0, waiting * each)

    # ------------------------------------------------------------------ a tick

    @torch.inference_mode()
    def tick(self) -> bool:
        """One forward for everyone whose turn it is. False when nobody had anything to do."""
        for item in self.scheduler.expired(self.clock()):
            if item in self._jobs:  # its partner may have ended it
                self.cancel(self._jobs[item], "deadline")
        spans = self.scheduler.plan()
        for item in self.scheduler.displaced:
            self.executor.forget(item)
        self.counters.preemptions = self.scheduler.preemptions
        self.counters.reused_tokens = self.scheduler.reused
        if not spans:
            return False
        self.counters.ticks += 1
        jobs = dict.fromkeys(self._jobs[span.item] for span in spans)
        self._work(spans)
        for job in jobs:
            if job.alive:
                self._tell(job)
        return True

    def run(self) -> None:
        """Tick until everything submitted is finished."""
        while not self.idle:
            self.tick()

    def _work(self, spans: Sequence[Span]) -> None:
        began = time.perf_counter()
        made = self._forward(spans)
        for span, states in made:
            self._count(span, states)
        groups = self._ready(made)
        middle = time.perf_counter()
        for key, jobs in groups.items():
            for number, part in enumerate(self._parts(jobs)):
                self._decide((key, number), part)
        self._speculate([job for job in self._scored(made) if isinstance(job.command, Draft | Verify)])
        self._draw([(self._jobs[span.item], states) for span, states in made if self._wants_next(span)])
        self.counters.forward_s += middle - began
        self.counters.step_s += time.perf_counter() - middle

    def _forward(self, spans: Sequence[Span]) -> list[tuple[Span, Tensor]]:
        """States of every span. Where the forward fails, each is tried alone: who fails then fails alone."""
        try:
            states = self.executor.forward([(span, self._jobs[span.item].open) for span in spans])
        except Exception as error:
            if len(spans) > 1:
                return [pair for span in spans if span.item in self._jobs for pair in self._forward([span])]
            self.fail(self._jobs[spans[0].item], error)
            return []
        return list(zip(spans, states, strict=True))

    def _count(self, span: Span, states: Tensor) -> None:
        job = self._jobs.get(span.item)
        if job is None:  # its partner's forward failed
            return
        job.forwards += 1
        if job.started is None:
            job.started = self.clock()
        if span.work is Work.ENCODE:
            self.counters.encoded_tokens += span.length
            span.item.held += span.length
            if not span.item.to_encode:
                self.scheduler.publish(span.item)
        else:
            self.counters.denoised_positions += span.length
            job.states[span.item] = states
            span.item.canvas = 0

    # ------------------------------------------------------------------ canvases

    def _ready(self, made: Sequence[tuple[Span, Tensor]]) -> dict[Any, list[Job]]:
        """Jobs that have all states of their canvas, by what can take one step together."""
        groups: dict[Any, list[Job]] = {}
        for job in self._scored(made):
            if isinstance(job.command, Decide):
                groups.setdefault(self._group_of(job), []).append(job)
        return groups

    def _scored(self, made: Sequence[tuple[Span, Tensor]]) -> list[Job]:
        jobs = dict.fromkeys(self._jobs[span.item] for span, _ in made if span.item in self._jobs)
        return [job for job in jobs if job.states and len(job.states) == len(job.item.pair)]

    def _group_of(self, job: Job) -> Any:
        """Rows with a repetition penalty stand alone: their logits depend on their own text."""
        decoding = _decoding(job)
        return (decoding, job.item.number if decoding.penalises else None)

    def _parts(self, jobs: list[Job]) -> list[list[Job]]:
        """As many rows at a time as `step_scores` allows, at least one."""
        columns = max(len(job.states[job.item]) for job in jobs)
        rows = max(1, self.config.step_scores // (columns * self._vocab))
        return [jobs[start : start + rows] for start in range(0, len(jobs), rows)]

    def _decide(self, key: Any, jobs: list[Job]) -> None:
        """One step of canvases with one Decoding, then the next command of those that are done."""
        try:
            after = self._step(key, jobs)
        except Exception as error:
            if len(jobs) == 1:
                return self.fail(jobs[0], error)
            for job in jobs:
                self._decide(key, [job])
            return None
        for job, canvas, done in after:
            job.states = {}
            job.denoises += 1
            self._guard(job, self._answer if done else self._reopen, canvas)
        return None

    def _step(self, key: Any, jobs: list[Job]) -> list[tuple[Job, Canvas, bool]]:
        decoding = replace(_decoding(jobs[0]), guidance=0.0)
        canvas = self._together(key, jobs)
        given = _Given(self.denoiser, self._logits(jobs))
        context = self._seen(jobs[0]) if decoding.penalises else None
        shaped_BLV = shape(given, decoding).denoise(canvas, context)
        self._believe(jobs, canvas, shaped_BLV)
        limit_B = torch.cat([_limit(job) for job in jobs])
        after = moved(self.denoiser, canvas, shaped_BLV, decoding, limit_B)
        used_BL = after.present_BL * torch.arange(1, after.length + 1, device=limit_B.device)
        widths, done = used_BL.amax(-1).clamp_min(1).tolist(), after.done_B.tolist()
        rows = tuple(_row(after, number, width) for number, width in enumerate(widths))
        self._stacks[key] = _Stacked(rows, after.narrow(max(widths)))
        return list(zip(jobs, rows, done, strict=True))

    def _believe(self, jobs: list[Job], canvas: Canvas, logits_BLV: Tensor) -> None:
        """Keep what the model thinks of the tokens it was shown, for jobs that want to know."""
        if not any(_decide(job).believed for job in jobs):
            return
        length = logits_BLV.shape[1]
        nats_BL = believed(logits_BLV, canvas.tokens_BL[:, :length])
        columns = (nats_BL.tolist(), canvas.tokens_BL.tolist(), canvas.inside_BL.tolist())
        for job, nats, tokens, inside in zip(jobs, *columns, strict=True):
            nats += [0.0] * (len(tokens) - length)  # columns that were not scored are beyond doubt
            held = [n for n, there in enumerate(inside) if there]
            job.out.beliefs.see([tokens[n] for n in held], [nats[n] for n in held])

    def _together(self, key: Any, jobs: list[Job]) -> Canvas:
        """The jobs' canvases in one: as they left their last step, where that was of these very rows."""
        rows = tuple(_canvas(job) for job in jobs)
        known = self._stacks.pop(key, None)
        if known is not None and len(known.rows) == len(rows) and all(map(_same, known.rows, rows)):
            return known.together
        return stack(rows)

    def _logits(self, jobs: list[Job]) -> Tensor:
        """Scores [B, L, V] of the jobs' canvases, guided where their Decoding says so."""
        logits_BLV = self._scores([job.states[job.item] for job in jobs])
        scale = _decoding(jobs[0]).guidance
        if not scale:
            return logits_BLV
        return guide(logits_BLV, self._scores([job.states[_partner(job)] for job in jobs]), scale)

    def _scores(self, states: list[Tensor]) -> Tensor:
        """One head for all rows. What is missing at the end of a shorter one is nobody's to decide."""
        lengths = [len(states_LD) for states_LD in states]
        logits_NV = self.executor.logits(torch.cat(states))
        self._vocab = logits_NV.shape[-1]
        if len(set(lengths)) == 1:
            return logits_NV.unflatten(0, (len(states), lengths[0]))
        return torch.nn.utils.rnn.pad_sequence(list(logits_NV.split(lengths)), batch_first=True)

    def _seen(self, job: Job) -> SeenContext | None:
        """The text in front of a canvas; a class label stands there as an id behind the vocabulary, and is no text."""
        text = [token for token in job.item.text if token < self._vocab]
        if not text:
            return None
        tokens_1S = torch.tensor([text], dtype=torch.long, device=_canvas(job).tokens_BL.device)
        return SeenContext(None, tokens_1S, torch.ones_like(tokens_1S, dtype=torch.bool))

    # ------------------------------------------------------------------ next tokens

    def _wants_next(self, span: Span) -> bool:
        job = self._jobs.get(span.item)
        encoded = span.work is Work.ENCODE and not span.item.to_encode
        return encoded and job is not None and isinstance(job.command, Next)

    def _draw(self, wanting: list[tuple[Job, Tensor]]) -> None:
        """The next token of rows that go left to right."""
        if not wanting:
            return
        logits_BV = self.executor.logits(torch.cat([states[-1:] for _, states in wanting]))
        for (job, _), logits_1V in zip(wanting, logits_BV.split(1), strict=True):
            command = job.command
            assert isinstance(command, Next)
            seed_B = torch.tensor([command.seed], device=logits_1V.device)
            token = int(pick(self.denoiser, logits_1V, command.temperature, seed_B, command.number))
            self._guard(job, self._answer, (token, float(logits_1V[0].softmax(-1)[token])))

    # ------------------------------------------------------------------ drafts and their judge

    def _speculate(self, jobs: list[Job]) -> None:
        """What became of drafts and of those that were judged; one head for all of them."""
        if not jobs:
            return
        states = [job.states[job.item] for job in jobs]
        parts = self.executor.logits(torch.cat(states)).split([len(states_LD) for states_LD in states])
        for job, logits_LV in zip(jobs, parts, strict=True):
            job.states = {}
            self._guard(job, self._drafted if isinstance(job.command, Draft) else self._judged, logits_LV[None])

    def _drafted(self, job: Job, logits_BLV: Tensor) -> None:
        command = job.command
        assert isinstance(command, Draft)
        job.denoises += 1
        seed_B = torch.tensor([command.seed], device=logits_BLV.device)
        self._answer(job, drafted(self.denoiser, logits_BLV, command.temperature, seed_B, command.cycle))

    def _judged(self, job: Job, logits_BLV: Tensor) -> None:
        """The keys and values of what is kept are in their place already; those of the rest are written over."""
        command, item = job.command, job.item
        assert isinstance(command, Verify)
        seed_B = torch.tensor([command.seed], device=logits_BLV.device)
        kept, after_B = verified(
            self.denoiser, command.draft_BL, command.probs_BLV, logits_BLV, command.temperature, seed_B, command.cycle
        )
        written = command.tokens[: 1 + kept]
        item.text += written
        item.held += len(written)
        self.scheduler.publish(item)
        next_B = torch.tensor([*written[1:], int(after_B)], device=logits_BLV.device)
        sure_B = logits_BLV[0, : 1 + kept].softmax(-1).gather(-1, next_B[:, None])[:, 0]
        self._answer(job, (kept, int(after_B), sure_B.tolist()))

    # ------------------------------------------------------------------ programs

    def _guard(self, job: Job, action: Callable[[Job, Any], None], answer: Any) -> None:
        """An action on a request within a tick: an error is the request's alone."""
        try:
            action(job, answer)
        except Exception as error:
            self.fail(job, error)

    def _answer(self, job: Job, answer: Any) -> None:
        """Let a program hear how its command went and say the next; encoding is queued until something else comes."""
        job.command, job.canvas = None, None
        committed = len(job.out.tokens)
        fresh = 0
        try:
            command = job.program.send(answer)
            while isinstance(command, Encode):
                fresh += len(command.tokens)
                self._read(job, command.tokens)
                command = job.program.send(None)
            self._take_up(job, command, fresh)
        except StopIteration:
            self._count_text(job, committed)
            self.counters.finished += 1
            self._end(job)
        else:
            self._count_text(job, committed)

    def _read(self, job: Job, tokens: list[int]) -> None:
        """Tokens to be encoded behind what is; an unconditional half reads all but the prompt."""
        if not job.item.text:
            job.first_encoded = len(tokens)
        for item in job.item.pair:
            item.text += tokens

    def _take_up(self, job: Job, command: Decide | Next | Draft | Verify, fresh: int) -> None:
        job.command = command
        if isinstance(command, Next):
            self._check_next(fresh)
        elif isinstance(command, Decide) and command.decoding.guidance and job.item.partner is None:
            self._add_partner(job, command.decoding.null_id)
        for item in job.item.pair:
            item.keeps_last = isinstance(command, Next) or self.executor.keeps_last
        if isinstance(command, Decide):
            job.canvas, job.limit_B = command.canvas, first_limit(command.canvas)
        elif isinstance(command, Draft):
            job.canvas = command.canvas
        self._open(job)

    def _check_next(self, fresh: int) -> None:
        if not self.executor.paged:
            raise ValueError("this model keeps no keys and values, so it cannot go left to right")
        if not fresh:
            raise ValueError("a next token follows tokens that were just encoded, and there are none")

    def _add_partner(self, job: Job, null_id: int | None) -> None:
        """The unconditional half of a guided request: its prompt replaced token by token, or left out."""
        item = job.item
        if not item.text:
            raise ValueError("guidance needs a prompt to be turned from, and nothing was encoded yet")
        partner = self._item(item.priority, item.deadline, item.root)
        prompt = [] if null_id is None else [null_id] * job.first_encoded
        partner.text = prompt + item.text[job.first_encoded :]
        item.partner, partner.partner = partner, item
        self._enter(job, partner)

    def _reopen(self, job: Job, canvas: Canvas) -> None:
        job.canvas = canvas
        self._open(job)

    def _open(self, job: Job) -> None:
        """Have the canvas denoised, if there is one. Raises ValueError where all pages together cannot hold it."""
        length = job.open.length if isinstance(job.open, Canvas) else len(job.open or ())
        for item in job.item.pair:
            item.canvas = length
        needed, pool = self.scheduler.pages_of(job.item), self.scheduler.pool
        if needed > pool.num_pages:
            raise ValueError(f"the request needs {needed} pages of {pool.page_size} tokens; there are {pool.num_pages}")

    def _count_text(self, job: Job, before: int) -> None:
        if job.first_token is None and len(job.out.tokens) > before:
            job.first_token = self.clock()
        self.counters.committed_tokens += len(job.out.tokens) - before

    # ------------------------------------------------------------------ the end

    def _end(self, job: Job) -> None:
        job.finished = self.clock()
        self._drop(job)
        self._tell(job)

    def _drop(self, job: Job) -> None:
        """Leave nothing of a job but itself."""
        for item in job.item.pair:
            self._jobs.pop(item, None)
            self.scheduler.drop(item)
            self.executor.forget(item)
        job.states = {}
        job.program.close()
        if not self._jobs:
            self._stacks.clear()

    def _tell(self, job: Job) -> None:
        """A listener that raises hears no more, and its request ends."""
        try:
            job.listener(job)
        except Exception as error:
            job.listener = _silence
            self.fail(job, error)


class _Given(Wrapper):
    """A denoiser whose logits are already known; wrappers shape them. It gives them once and keeps them no longer."""

    def __init__(self, denoiser: Any, logits_BLV: Tensor) -> None:
        super().__init__(denoiser)
        self.logits = [logits_BLV]

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        return self.logits.pop()


def _silence(job: Job) -> None:
    """Nobody listens."""


def _decide(job: Job) -> Decide:
    assert isinstance(job.command, Decide)
    return job.command


def _decoding(job: Job) -> Decoding:
    return _decide(job).decoding


def _canvas(job: Job) -> Canvas:
    assert job.canvas is not None
    return job.canvas


def _limit(job: Job) -> Tensor:
    assert job.limit_B is not None
    return job.limit_B


def _partner(job: Job) -> Item:
    assert job.item.partner is not None
    return job.item.partner


def _same(one: Canvas, other: Canvas) -> bool:
    return one is other


def _row(canvas: Canvas, row: int, width: int) -> Canvas:
    """One row's first columns, seen where they are: nothing is copied, and no step writes in place."""
    values = [getattr(canvas, f.name) for f in fields(canvas)]
    columns: list[Any] = [None if value is None else value[row : row + 1] for value in values]
    return Canvas(*columns).narrow(width)
