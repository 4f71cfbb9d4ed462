"""The engine's thread: streams, leaving, deadlines, errors, the end."""

import asyncio
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from benchmarks.law import tiny_own
from redraft.engine import program
from redraft.engine.engine import Busy, Engine, EngineConfig
from redraft.engine.program import Output, Program, Writer
from redraft.engine.thread import EngineThread, Snapshot
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import LeftToRight

MODEL = tiny_own()
SLOW = Decoding(policy=LeftToRight(1))
Starter = Callable[..., EngineThread]


@pytest.fixture
def started() -> Iterator[Starter]:
    threads: list[EngineThread] = []

    def start(**config: Any) -> EngineThread:
        threads.append(EngineThread(Engine(MODEL, EngineConfig(**config))).start())
        return threads[-1]

    yield start
    for thread in threads:
        thread.stop(drain=False, timeout=10)
        assert not thread._thread.is_alive()


def asked(number: int = 0, max_tokens: int = 12, decoding: Decoding = SLOW) -> Writer:
    return program.generate([3 + number] * 5, decoding, max_tokens=max_tokens, block_length=4, seed=number)


def alone(writer: Writer) -> tuple[int, ...]:
    engine = Engine(MODEL)
    job = engine.submit(writer)
    engine.run()
    return tuple(job.out.tokens)


async def heard(thread: EngineThread, writer: Writer, **options: Any) -> list[Snapshot]:
    return [state async for state in thread.stream(writer, **options)]


def told(thread: EngineThread, writer: Writer, **options: Any) -> list[Snapshot]:
    return asyncio.run(asyncio.wait_for(heard(thread, writer, **options), 20))


def until(happened: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)


# ------------------------------------------------------------------ streams


def test_a_stream_grows_and_ends_with_everything(started: Starter) -> None:
    states = told(started(), asked(), drafts=True)
    texts = [state.tokens for state in states]
    assert all(later[: len(text)] == text for text, later in itertools.pairwise(texts))
    last = states[-1]
    assert (last.tokens, last.finish, last.error) == (alone(asked()), "length", None)
    assert len(last.confidences) == 12
    assert last.first_s is not None
    assert last.wait_s <= last.first_s <= last.total_s
    assert [state.finish for state in states[:-1]] == [None] * (len(states) - 1)


def test_drafts_come_only_to_those_who_ask(started: Starter) -> None:
    thread = started()
    assert all(state.draft is None for state in told(thread, asked()))
    drafts = [state.draft for state in told(thread, asked(), drafts=True) if state.draft is not None]
    assert drafts
    assert all(len(draft.tokens) == len(draft.statuses) == len(draft.confidences) == 4 for draft in drafts)


def test_many_streams_say_what_each_says_alone(started: Starter) -> None:
    thread = started()

    async def together() -> list[list[Snapshot]]:
        return await asyncio.gather(*(heard(thread, asked(number)) for number in range(8)))

    for number, states in enumerate(asyncio.run(together())):
        assert states[-1].tokens == alone(asked(number))


def test_a_request_with_nothing_to_do_ends_at_once(started: Starter) -> None:
    states = told(started(), program.edit([1, 2], SLOW, editable=[False, False]))
    assert [(state.tokens, state.finish) for state in states] == [((1, 2), "stop")]


def test_a_slow_listener_misses_drafts_and_no_text(started: Starter) -> None:
    thread = started()

    async def slowly() -> list[Snapshot]:
        states = []
        async for state in thread.stream(asked(max_tokens=24), drafts=True):
            states.append(state)
            time.sleep(0.05)  # the whole loop sleeps, so that nothing is fetched meanwhile
        return states

    states = asyncio.run(slowly())
    assert states[-1].tokens == alone(asked(max_tokens=24))
    assert len(states) < states[-1].forwards


# ------------------------------------------------------------------ leaving


def test_leaving_the_stream_cancels_the_request(started: Starter) -> None:
    thread = started()

    async def leave() -> None:
        stream = thread.stream(asked(max_tokens=200), drafts=True)
        async for _ in stream:
            break
        await stream.aclose()  # type: ignore[attr-defined]

    asyncio.run(leave())
    until(lambda: thread.engine.idle)
    assert thread.engine.counters.cancelled == 1


def test_leaving_while_the_request_is_still_being_submitted_cancels_it(started: Starter) -> None:
    thread, gate = started(), threading.Event()
    thread.call(lambda: gate.wait(10))

    async def leave() -> None:
        task = asyncio.ensure_future(heard(thread, asked(max_tokens=200)))
        await asyncio.sleep(0.02)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(leave())
    gate.set()
    thread.call(lambda: None).result(10)
    until(lambda: thread.engine.idle)
    assert thread.engine.counters.finished == 0


def test_a_deadline_ends_the_stream_with_what_there_is(started: Starter) -> None:
    thread = started()
    deadline = thread.engine.clock() + 0.1
    last = told(thread, asked(max_tokens=220), deadline=deadline)[-1]
    assert last.finish == "deadline"
    assert last.tokens == alone(asked(max_tokens=220))[: len(last.tokens)]


def test_a_closed_loop_costs_the_engine_nothing(started: Starter) -> None:
    thread = started()
    loop = asyncio.new_event_loop()
    stream = thread.stream(asked(max_tokens=40), drafts=True)
    loop.run_until_complete(anext(stream))
    loop.close()
    until(lambda: thread.engine.idle)
    assert told(thread, asked())[-1].finish == "length"


# ------------------------------------------------------------------ errors


def test_what_submit_refuses_the_stream_raises(started: Starter) -> None:
    thread = started(num_pages=2, page_size=4)
    with pytest.raises(ValueError, match="pages of 4 tokens"):
        told(thread, asked())


def test_a_full_queue_raises_busy(started: Starter) -> None:
    with pytest.raises(Busy):
        told(started(max_waiting=0), asked())


def test_an_error_in_a_tick_is_its_requests_alone(started: Starter) -> None:
    def failing(denoiser: Any, out: Output) -> Program:
        yield from asked(1, max_tokens=4)(denoiser, out)
        raise RuntimeError("no more")

    thread = started()

    async def both() -> list[list[Snapshot]]:
        return await asyncio.gather(heard(thread, failing), heard(thread, asked(2)))

    bad, good = (states[-1] for states in asyncio.run(both()))
    assert bad.error == "RuntimeError: no more"
    assert (good.finish, good.tokens) == ("length", alone(asked(2)))


def test_an_error_of_a_called_function_goes_to_the_caller(started: Starter) -> None:
    thread = started()
    with pytest.raises(ZeroDivisionError):
        thread.call(lambda: 1 // 0).result(10)
    assert thread.call(lambda: 7).result(10) == 7


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_waits_for_an_engine_that_died(started: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    thread = started()

    def broken() -> list[Any]:
        raise KeyError("the books")

    thread.call(lambda: monkeypatch.setattr(type(thread.engine.scheduler), "plan", lambda self: broken())).result(10)
    last = told(thread, asked())[-1]
    assert last.error == "KeyError: 'the books'"
    until(lambda: not thread._thread.is_alive())
    with pytest.raises(RuntimeError, match="stopped"):
        thread.call(lambda: None)


# ------------------------------------------------------------------ the end


def test_stopping_with_drain_finishes_what_was_asked(started: Starter) -> None:
    thread = started()
    job = thread.call(lambda: thread.engine.submit(asked(max_tokens=40))).result(10)
    thread.stop(drain=True, timeout=20)
    assert (job.out.finish, len(job.out.tokens), thread.alive) == ("length", 40, False)


def test_stopping_without_drain_cancels(started: Starter) -> None:
    thread = started()
    job = thread.call(lambda: thread.engine.submit(asked(max_tokens=200))).result(10)
    thread.stop(drain=False, timeout=20)
    assert job.out.finish == "cancelled"


def test_a_stopped_engine_takes_nothing(started: Starter) -> None:
    thread = started()
    thread.stop(timeout=10)
    with pytest.raises(RuntimeError, match="stopped"):
        told(thread, asked())
