"""Filling: gaps and edits as orders for the engine. Knows what a model plans; refuses to know bodies and the wire.

An edit is one request to the engine per window, so that windows share forwards with each other and with strangers.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial

from redraft.editing import Plan, edited, rewrite_text
from redraft.engine import program
from redraft.engine.thread import Draft, Snapshot
from redraft.instant.diffs import Edit, apply_edits, minimal_edits
from redraft.instant.editor import Moment, Outcome, Settled
from redraft.instant.locks import Locks
from redraft.instant.windows import Window
from redraft.sampling.blocks import until_stop
from redraft.sampling.decoding import Decoding
from redraft.server.answers import Usage, draft_text, submitted
from redraft.server.bodies import TextBody
from redraft.server.errors import ApiError
from redraft.server.orders import check_choices, on_engine, wrapped
from redraft.server.served import Order, Served
from redraft.server.service import Limits, seed_of
from redraft.server.stepping import stepped

GAP = 24  # tokens of noise that a gap starts from; where a model can, it opens more or closes some
AT_ONCE = 16  # windows of one request in the engine: the others wait, and leave room for strangers


def gap_orders(served: Served, body: TextBody, decoding: Decoding, limits: Limits) -> tuple[list[Order], int]:
    """`n` ways to fill the gap between a prompt and a suffix, and how many tokens those two are."""
    assert isinstance(body.prompt, str)
    assert body.suffix is not None
    each, seed = body.n or 1, seed_of(body.seed)
    check_choices(each, limits)
    most = min(body.max_tokens or limits.default_tokens, limits.answer_tokens)
    gap = body.gap or min(GAP, most)
    orders = [
        gap_order(
            served, body.prompt, body.suffix, decoding, gap=gap, most=most, seed=wrapped(seed + number),
            own=body.decoding is not None,
        )
        for number in range(each)
    ]  # fmt: skip
    return [order for order, _ in orders], orders[0][1]


def gap_order(
    served: Served, prefix: str, suffix: str, decoding: Decoding, *, gap: int, most: int, seed: int, own: bool
) -> tuple[Order, int]:
    """The text between two others, and how many tokens those are. `most` tokens of it are shown at most."""
    served.check_length(prefix + suffix)
    try:
        hole = served.model.gap(prefix, suffix)
        num_around = len(hole.far) + len(hole.near) + len(hole.after)
        served.check_room(num_around, gap)
        inner = program.infill(hole.near, hole.after, decoding, gap=gap, seed=seed, context=tuple(hole.far))
    except ValueError as error:
        raise ApiError(str(error)) from None
    ends = served.voice.stop_ids
    writer = inside(inner, len(hole.near), len(hole.after), ends, most)
    return Order(writer=writer, seed=seed, own=own, head=len(hole.near), tail=len(hole.after), fit=hole.fit), num_around


def inside(writer: program.Writer, head: int, tail: int, ends: tuple[int, ...], most: int) -> program.Writer:
    """A program that fills a gap, committing what is in the gap alone: up to an end of text, `most` tokens."""

    def program_of(denoiser: object, out: program.Output) -> program.Program:
        yield from writer(denoiser, out)
        middle = out.tokens[head : len(out.tokens) - tail]
        kept = [token for token in until_stop(middle, ends) if token not in ends]
        out.finish = "stop" if len(kept) <= most else "length"
        out.tokens, out.confidences = kept[:most], out.confidences[head : head + len(kept[:most])]

    return program_of


@dataclass(frozen=True, slots=True)
class Edited:
    """A text as far as it is edited."""

    text: str
    edits: tuple[Edit, ...]
    finished: bool


@dataclass(slots=True)
class Editor:
    """One text being edited: what its windows have become so far."""

    served: Served
    text: str
    plan: Plan
    seed: int
    seconds: float
    usage: Usage
    own: bool = False
    _drafts: dict[int, Edit] = field(default_factory=dict)  # window number -> what stands there now
    _outcomes: dict[int, Outcome] = field(default_factory=dict)  # of finished windows
    _snapshots: dict[int, Snapshot] = field(default_factory=dict)
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def notes(self) -> tuple[str, ...]:
        return self.plan.notes

    async def states(self, *, drafts: bool) -> AsyncIterator[Edited]:
        """The text whenever it has changed, the last time finished. Leaving the iteration cancels what is left."""
        shared = self._stepped() if self.plan.strength == "auto" else self._shared(drafts)
        async with aclosing(shared) as states:  # type: ignore[type-var]
            async for state in states:
                if drafts or state.finished:
                    yield state

    async def _stepped(self) -> AsyncIterator[Edited]:
        """Looking for doubt: forwards of its own, for the engine has no command for it."""
        moment = None
        async with aclosing(stepped(self.served, self._moments(), self.seconds)) as moments:  # type: ignore[type-var]
            async for moment in moments:
                self.usage.forwards = self.usage.denoising_steps = moment.nfe
                yield Edited(moment.draft, (), finished=False)
        finished = () if moment is None else moment.finished
        self.usage.completion_tokens = sum(len(outcome.window.tokens) for outcome in finished)
        yield Edited(*edited(self.text, finished), finished=True)

    def _moments(self) -> Iterator[Moment]:
        began = time.monotonic()
        for moment in self.plan.editor.run(self.text, self.plan.windows, seed=self.seed, rows=AT_ONCE):
            self.usage.total_s = time.monotonic() - began
            yield moment

    async def _shared(self, drafts: bool) -> AsyncIterator[Edited]:
        """Every window an order of its own."""
        changed = asyncio.Event()
        tasks = [
            asyncio.create_task(self._edit(number, window, drafts, changed))
            for number, window in enumerate(self.plan.windows)
        ]
        done = asyncio.gather(*tasks)
        done.add_done_callback(lambda _: changed.set())
        try:
            while not done.done():
                await changed.wait()
                changed.clear()
                if drafts and not done.done():
                    yield self._now(finished=False)
            done.result()
            yield self._now(finished=True)
        finally:
            done.cancel()
            await asyncio.gather(done, *tasks, return_exceptions=True)

    async def _edit(self, number: int, window: Window, drafts: bool, changed: asyncio.Event) -> None:
        async with self._free:
            snapshots = submitted(self.served, self._order(number, window), drafts=drafts, seconds=self.seconds)
            async with aclosing(snapshots) as stream:  # type: ignore[type-var]
                async for snapshot in stream:
                    self._snapshots[number] = snapshot
                    if snapshot.finish is not None:
                        self._outcomes[number] = await self._result(window, snapshot)
                    elif snapshot.draft is not None:
                        self._drafts[number] = self._drafted(window, snapshot.draft)
                    changed.set()

    def _order(self, number: int, window: Window) -> Order:
        end = self.plan.end
        seed = wrapped(self.seed + number)  # as `Model.edit` numbers windows
        writer = program.edit(
            [*window.row, *end], self.plan.decoding, editable=[*window.free, *([False] * len(end))],
            strength=float(self.plan.strength), seed=seed, context=tuple(self.plan.prompt),
        )  # fmt: skip
        return Order(writer=writer, seed=seed, own=self.own)

    async def _result(self, window: Window, snapshot: Snapshot) -> Outcome:
        first, last = (None if nats is None else list(nats) for nats in (snapshot.first, snapshot.last))
        row = Settled(list(snapshot.tokens), snapshot.confidences, first, last, snapshot.denoises)
        unchanged = list(snapshot.tokens) == [*window.row, *self.plan.end]
        doubts = self.plan.editor.doubts(self.text, window)
        if unchanged and not doubts:
            return Outcome(window, (), (), row.forwards)
        conclude = partial(self.plan.editor.conclude, self.text, [window], [row])
        if row.believed and self.plan.editor.judge is None and not doubts:  # no forward is needed any more
            found: list[Outcome] = conclude()
        else:
            found = await on_engine(self.served, conclude)
        return found[0]

    def _drafted(self, window: Window, draft: Draft) -> Edit:
        kept = slice(len(window.before), len(draft.tokens) - len(self.plan.end) - len(window.after))
        inner = replace(draft, tokens=draft.tokens[kept], statuses=draft.statuses[kept])
        return Edit(window.start, window.end, self.text[window.start : window.end], draft_text(self.served, inner))

    def _now(self, *, finished: bool) -> Edited:
        self._count()
        text, edits = edited(self.text, list(self._outcomes.values()))
        if finished:
            return Edited(text, edits, finished)
        drafts = [edit for number, edit in self._drafts.items() if number not in self._outcomes]
        return Edited(apply_edits(self.text, sorted([*edits, *drafts], key=lambda e: (e.start, e.end))), (), finished)

    def _count(self) -> None:
        held = self._snapshots.values()
        finished: Mapping[str, int] = {
            "completion_tokens": sum(len(each.tokens) for each in held),
            "forwards": sum(each.forwards for each in held),
            "denoising_steps": sum(each.denoises for each in held),
        }
        for name, value in finished.items():
            setattr(self.usage, name, value)
        self.usage.wait_s = max((each.wait_s for each in held), default=0.0)
        self.usage.first_s = min((each.first_s for each in held if each.first_s is not None), default=None)
        self.usage.total_s = max((each.total_s for each in held), default=0.0)


@dataclass(slots=True)
class Rewriter:
    """One text rewritten as a conversational model is told, from the text itself."""

    served: Served
    text: str
    instruction: str
    locks: Locks
    decoding: Decoding
    seed: int
    seconds: float
    usage: Usage
    notes: tuple[str, ...] = ()

    async def states(self, *, drafts: bool) -> AsyncIterator[Edited]:
        """The text after every forward where drafts are wanted, the last time finished."""
        began, text = time.monotonic(), self.text
        steps = rewrite_text(
            self.served.model, self.text, self.instruction, locks=self.locks, decoding=self.decoding, seed=self.seed
        )
        async with aclosing(stepped(self.served, steps, self.seconds)) as states:  # type: ignore[type-var]
            async for text, forwards in states:
                self.usage.forwards = self.usage.denoising_steps = forwards
                if drafts:
                    yield Edited(text, (), finished=False)
        self.usage.completion_tokens = len(self.served.model.tokenizer.encode(text))
        self.usage.total_s = time.monotonic() - began
        yield Edited(text, minimal_edits(self.text, text), finished=True)
