"""Answers: orders carried out by the engine, moment by moment, and what they cost.

Knows the engine's snapshots and asyncio. Refuses to know bodies and the wire.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace

from redraft.core.canvas import Status
from redraft.engine.engine import Busy
from redraft.engine.thread import Draft, Snapshot
from redraft.server.errors import ApiError
from redraft.server.served import Order, Served
from redraft.server.text import Reader, painted

LOG = logging.getLogger("redraft.server")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One answer after a tick. `delta` is what it has more of than a moment ago, `text` all of it."""

    index: int
    delta: str
    text: str
    draft: Draft | None
    shown: str  # the text with its draft, noise and all
    tokens: tuple[int, ...]  # those that `text` took
    confidences: tuple[float, ...]
    finish: str | None
    snapshot: Snapshot
    seed: int


@dataclass(slots=True)
class Usage:
    """What answers cost, several of one request together. Times in seconds."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    forwards: int = 0
    denoising_steps: int = 0
    wait_s: float = 0.0
    first_s: float | None = None
    total_s: float = 0.0
    _last: dict[int, Moment] = field(default_factory=dict)

    def see(self, moment: Moment) -> None:
        """Take the latest moment of an answer into account."""
        self._last[moment.index] = moment
        last = self._last.values()
        self.completion_tokens = sum(len(each.tokens) for each in last)
        self.forwards = sum(each.snapshot.forwards for each in last)
        self.denoising_steps = sum(each.snapshot.denoises for each in last)
        self.wait_s = max(each.snapshot.wait_s for each in last)
        firsts = [each.snapshot.first_s for each in last if each.snapshot.first_s is not None]
        self.first_s = min(firsts, default=None)
        self.total_s = max(each.snapshot.total_s for each in last)


async def follow(
    served: Served, order: Order, stops: Sequence[str], *, index: int = 0, drafts: bool = False, seconds: float
) -> AsyncIterator[Moment]:
    """Moments of one answer, the last one finished. Leaving the iteration cancels it. Raises as `submitted` does."""
    reader = Reader(lambda tokens: order.fit(served.decode(tokens)), (*order.stops, *stops), strip=order.strip)
    snapshots = submitted(served, order, drafts=drafts, seconds=seconds)
    async with aclosing(snapshots) as stream:  # type: ignore[type-var]
        async for snapshot in stream:
            moment = _moment(served, order, reader, snapshot, index)
            yield moment
            if moment.finish is not None:
                return


async def submitted(served: Served, order: Order, *, drafts: bool, seconds: float) -> AsyncIterator[Snapshot]:
    """Snapshots of an order at work, the last one finished. Leaving the iteration cancels it.

    Raises ApiError when the engine has no room, fails, or takes more than `seconds`.
    """
    deadline = served.thread.engine.clock() + seconds
    try:
        async with aclosing(served.thread.stream(order.writer, drafts=drafts, deadline=deadline)) as snapshots:  # type: ignore[type-var]
            async for snapshot in snapshots:
                check(snapshot, own=order.own)
                yield snapshot
    except Busy as busy:
        raise ApiError("the server is busy", status=429, code="busy", retry_after=busy.retry_after) from None
    except ValueError as error:
        raise ApiError(str(error)) from None
    except RuntimeError:  # the engine's thread has ended
        if served.thread.alive:
            raise
        raise ApiError("the server is going down", status=503, code="draining") from None


def check(snapshot: Snapshot, *, own: bool = False) -> None:
    """Raise ApiError for a request that the engine did not finish. What broke is to blame: its own decoding, or us."""
    if snapshot.finish == "error":
        said = snapshot.error or ""
        if said.startswith("ValueError: "):
            raise ApiError(said.removeprefix("ValueError: "))
        if own:
            raise ApiError("this model cannot be decoded in this way", param="decoding")
        LOG.error("a request failed in the engine", extra={"fields": {"error": said}})
        raise ApiError("the request failed", status=500, code="engine_error")
    if snapshot.finish == "deadline":
        raise ApiError("the request took too long", status=504, code="deadline")
    if snapshot.finish == "cancelled":
        raise ApiError("the server is going down", status=503, code="draining")


def _moment(served: Served, order: Order, reader: Reader, snapshot: Snapshot, index: int) -> Moment:
    tokens, confidences = snapshot.tokens, snapshot.confidences
    delta = reader.read(tokens, snapshot.finish is not None)
    num = reader.counted(tokens)
    finish = "stop" if reader.stopped else snapshot.finish
    draft = None if finish is not None or snapshot.draft is None else _inside(order, snapshot.draft)
    return Moment(
        index=index, delta=delta, text=reader.text, draft=draft, tokens=tokens[:num], confidences=confidences[:num],
        shown=reader.text if draft is None else reader.shown(tokens, draft_text(served, draft)),
        finish=finish, snapshot=snapshot, seed=order.seed,
    )  # fmt: skip


def _inside(order: Order, draft: Draft) -> Draft:
    """A draft without what stands around the answer."""
    kept = slice(order.head, max(order.head, len(draft.tokens) - order.tail))
    return replace(draft, tokens=draft.tokens[kept], statuses=draft.statuses[kept], confidences=draft.confidences[kept])


def draft_text(served: Served, draft: Draft) -> str:
    """A canvas at work as text."""
    return painted(draft.tokens, [status == Status.NOISY for status in draft.statuses], served.decode)


async def merged(streams: Sequence[AsyncIterator[Moment]]) -> AsyncIterator[Moment]:
    """Moments of several answers as they come. Leaving the iteration leaves all of them."""
    queue: asyncio.Queue[Moment | BaseException | None] = asyncio.Queue(maxsize=1)
    tasks = [asyncio.create_task(_pump(stream, queue)) for stream in streams]
    try:
        left = len(tasks)
        while left:
            item = await queue.get()
            if isinstance(item, BaseException):
                raise item
            if item is None:
                left -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(stream: AsyncIterator[Moment], queue: "asyncio.Queue[Moment | BaseException | None]") -> None:
    try:
        async with aclosing(stream) as moments:  # type: ignore[type-var]
            async for moment in moments:
                await queue.put(moment)
        await queue.put(None)
    except Exception as error:  # it belongs to whoever reads the queue
        await queue.put(error)


def follow_all(
    served: Served, orders: Sequence[Order], stops: Sequence[str], *, drafts: bool, seconds: float
) -> AsyncIterator[Moment]:
    """`follow` for several orders at once."""
    streams = [
        follow(served, order, stops, index=index, drafts=drafts, seconds=seconds) for index, order in enumerate(orders)
    ]
    return streams[0] if len(streams) == 1 else merged(streams)


async def finished(moments: AsyncIterator[Moment], usage: Usage) -> list[Moment]:
    """The last moment of every answer, in order."""
    last: dict[int, Moment] = {}
    async with aclosing(moments) as stream:  # type: ignore[type-var]
        async for moment in stream:
            last[moment.index] = moment
            usage.see(moment)
    return [last[index] for index in sorted(last)]
