"""The law of the engine, for every kind of attention; and what happens when something is in the way."""

import functools
from dataclasses import replace
from random import Random
from typing import Any

import pytest
import torch

from benchmarks import law
from benchmarks.law import Plain, differing, hold, serve, tiny_own
from benchmarks.ties import TIE, Step, parting
from benchmarks.traffic import Request, asking, draw_requests
from redraft.core.canvas import Canvas
from redraft.engine import program
from redraft.engine.engine import Busy, Engine, EngineConfig, Job
from redraft.engine.program import Decide, Encode, Next, Output, Program
from redraft.models.loading import load
from redraft.models.three_mode import ThreeModeModel
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Correct, LeftToRight, Threshold
from redraft.sampling.stops import Settled

TIGHT = EngineConfig(num_pages=26, page_size=8, max_rows=12, tick_tokens=64, chunk=24)
SLOW = Decoding(policy=LeftToRight(1))


@functools.cache
def denoiser(name: str) -> Any:
    if name == "two verbs":
        return Plain(denoiser("own"))
    return tiny_own() if name == "own" else load(law.FIXTURES / name)[0]


def asked(number: int = 0, length: int = 5, **changes: Any) -> program.Writer:
    options = {"max_tokens": 12, "block_length": 4, "seed": number} | changes
    return program.generate([3 + number] * length, options.pop("decoding", SLOW), **options)


def finished(engine: Engine, *writers: program.Writer) -> list[Job]:
    jobs = [engine.submit(writer) for writer in writers]
    engine.run()
    engine.check()
    return jobs


# ------------------------------------------------------------------ the law


@pytest.mark.parametrize("name", ["own", "llada", "sdar", "diffusion_gemma", "wedlm", "two verbs"])
def test_batched_with_strangers_equals_alone(name: str) -> None:
    requests = draw_requests(asking(denoiser(name)), 24, Random(3))
    found = hold(name, denoiser(name), requests, TIGHT, seed=3)
    assert (found["broken"], found["failed"]) == (0, 0)
    assert found["cancelled"] > 0
    assert found["equal"] + found["ties"] == found["finished"] >= 15
    if name not in ("llada", "two verbs"):
        assert found["preemptions"] > 0
        assert found["reused_tokens"] > 0


def test_guided_requests_say_what_the_guided_sampler_says_even_when_set_back() -> None:
    decoding = Decoding(policy=Threshold(0.5), guidance=1.5, null_id=7, temperature=0.7)
    requests = [
        Request("generate", {"prompt": [3 + n] * (8 + n), "decoding": decoding, "max_tokens": 24, "block_length": 8})
        for n in range(6)
    ]
    served = serve(denoiser("own"), requests, EngineConfig(num_pages=22, page_size=4, chunk=8), seed=0)
    assert served.engine.counters.preemptions > 0
    assert differing(denoiser("own"), requests, served.jobs) == []


@pytest.mark.parametrize("temperature", [0.0, 0.9])
def test_self_speculation_among_strangers_is_the_loop_alone_even_when_set_back(temperature: float) -> None:
    requests = [
        Request("speculate", {"prompt": [3, 4, 5, 6, 7 + n % 3], "max_tokens": 30, "temperature": temperature,
                              "seed": n, "draft_length": 3 + n})
        for n in range(5)
    ] + draw_requests(asking(denoiser("own")), 6, Random(0))  # fmt: skip
    config = EngineConfig(num_pages=24, page_size=4, max_rows=12, tick_tokens=64, chunk=8)
    served = serve(denoiser("own"), requests, config, seed=5)
    assert served.engine.counters.preemptions > 0
    assert sum(job.out.finish == "length" for job in served.jobs[:5]) >= 3
    assert differing(denoiser("own"), requests, served.jobs) == []


def test_drafts_that_are_kept_cost_fewer_forwards_than_tokens() -> None:
    class Sure(ThreeModeModel):
        """Says token 9 wherever it is asked."""

        def head(self, hidden: torch.Tensor) -> torch.Tensor:
            logits = super().head(hidden)
            logits[..., 9] = 1e4
            return logits

    model = Sure(tiny_own().config).eval().requires_grad_(False)
    job, *_ = finished(Engine(model), program.speculate([3, 4], max_tokens=19, draft_length=8))
    assert job.out.tokens == [9] * 19
    assert (job.forwards, job.denoises) == (1 + 2 * 2, 2)  # the prompt, then twice a draft of 8 and its judge


def test_a_neighbour_of_another_width_and_growing_neighbours_change_nothing() -> None:
    decoding = Decoding(policy=Correct(0.01), stop=Settled(), indels=True, max_steps=8, temperature=1.0)
    requests = [
        Request("edit", {"tokens": [5 + n] * (1 + 3 * n), "decoding": decoding, "editable": None, "context": ()})
        for n in range(8)
    ]
    served = serve(denoiser("own"), requests, EngineConfig(max_rows=8), seed=0)
    lengths = {len(job.out.tokens) - 1 - 3 * n for n, job in enumerate(served.jobs)}
    assert len(lengths) > 1, "lengths did change"
    assert differing(denoiser("own"), requests, served.jobs) == []


def test_an_arbitrary_difference_is_no_tie() -> None:
    options = {"prompt": [3], "decoding": SLOW, "max_tokens": 4, "block_length": 4}
    own, request = denoiser("own"), Request("generate", options)
    served = serve(own, [request], EngineConfig(), 1, watch=[0])
    steps = served.engine.watched[served.jobs[0]]
    assert parting(own, request, steps).gap < TIE
    assert not parting(own, request, steps).is_tie, "nothing was decided in two ways"
    assert not parting(own, request, [replace(step, logits_LV=1.01 * step.logits_LV) for step in steps]).is_tie
    assert not parting(own, request, [replace(step, logits_LV=_swapped(step)) for step in steps]).is_tie
    assert parting(own, request, []).gap == float("inf")


def test_two_candidates_that_change_places_within_rounding_are_a_tie() -> None:
    options = {"prompt": [3], "decoding": SLOW, "max_tokens": 1, "block_length": 4}
    even, request = Even(denoiser("own")), Request("generate", options)
    served = serve(even, [request], EngineConfig(), 1, watch=[0])
    (step,) = served.engine.watched[served.jobs[0]]
    other = step.logits_LV.clone()
    other[0, 9] += 1e-6
    found = parting(even, request, [replace(step, logits_LV=other)])
    assert found.is_tie
    assert (found.column, found.what, found.margin) == (0, "token", 0.0)


class Even(Plain):
    """Tokens 7 and 9 are equally likely everywhere."""

    def denoise(self, canvas: Canvas, context: Any | None) -> torch.Tensor:
        logits_BLV = super().denoise(canvas, context).clone()
        logits_BLV[..., [7, 9]] = 30.0
        return logits_BLV


def _swapped(step: Step) -> torch.Tensor:
    """The same logits, but the two best tokens of the first column have changed places."""
    logits_LV = step.logits_LV.clone()
    best = logits_LV[0].topk(2).indices
    logits_LV[0, best] = logits_LV[0, best.flip(0)]
    return logits_LV


# ------------------------------------------------------------------ sharing


def test_a_request_that_is_done_leaves_and_nobody_waits_for_it() -> None:
    engine = Engine(denoiser("own"))
    short, long = engine.submit(asked(0, max_tokens=4)), engine.submit(asked(1, max_tokens=40))
    while short.alive:
        engine.tick()
    assert long.alive
    engine.run()
    assert (len(short.out.tokens), len(long.out.tokens)) == (4, 40)


def test_canvases_of_many_requests_share_a_forward() -> None:
    engine = Engine(denoiser("own"))
    jobs = finished(engine, *(asked(number) for number in range(8)))
    assert engine.counters.ticks == jobs[0].forwards
    assert sum(job.forwards for job in jobs) == 8 * engine.counters.ticks


def test_a_beginning_that_was_read_is_not_read_again() -> None:
    engine = Engine(denoiser("own"), EngineConfig(page_size=4))
    first, second = (finished(engine, asked(0, length=21))[0] for _ in range(2))
    assert first.out.tokens == second.out.tokens
    assert (first.item.reused, second.item.reused) == (0, 20)
    assert engine.counters.reused_tokens == 20


def test_requests_of_another_root_share_no_keys() -> None:
    engine = Engine(denoiser("own"), EngineConfig(page_size=4))
    finished(engine, asked(0, length=21))
    job = engine.submit(asked(0, length=21), root="another")
    engine.run()
    assert job.item.reused == 0


def test_a_long_prompt_delays_no_canvas() -> None:
    engine = Engine(denoiser("own"), EngineConfig(chunk=8))
    at_work = engine.submit(asked(0, block_length=12))
    engine.tick()
    engine.submit(asked(1, length=80))
    for _ in range(5):
        before = at_work.denoises
        engine.tick()
        assert at_work.denoises == before + 1


# ------------------------------------------------------------------ what is in the way


def test_a_queue_that_is_full_says_when_to_come_back() -> None:
    engine = Engine(denoiser("own"), EngineConfig(max_rows=1, max_waiting=2))
    for number in range(2):
        engine.submit(asked(number))
    with pytest.raises(Busy, match="2 requests are waiting") as busy:
        engine.submit(asked(2))
    assert busy.value.retry_after >= 1
    engine.counters.finished, engine.counters.forward_s, engine.counters.step_s = 4, 10.0, 2.0
    with pytest.raises(Busy) as busy:
        engine.submit(asked(2))
    assert busy.value.retry_after == pytest.approx(2 * 12 / 4)


def test_what_can_never_fit_is_refused_and_leaves_nothing() -> None:
    engine = Engine(denoiser("own"), EngineConfig(num_pages=4, page_size=4))
    with pytest.raises(ValueError, match="needs 6 pages of 4 tokens; there are 4"):
        engine.submit(asked(0, length=20))
    assert engine.idle
    assert not engine.scheduler.waiting


def test_a_text_that_outgrows_all_pages_ends_with_an_error_and_what_it_has() -> None:
    engine = Engine(denoiser("own"), EngineConfig(num_pages=4, page_size=4))
    big, small = finished(engine, asked(0, max_tokens=40), asked(1, max_tokens=4))
    assert (big.out.finish, small.out.finish) == ("error", "length")
    assert big.error is not None
    assert "needs 5 pages" in big.error
    assert len(big.out.tokens) == 8
    assert engine.scheduler.pool.in_use == 0


def test_a_program_that_fails_ends_alone() -> None:
    def failing(denoiser: Any, out: Output) -> Program:
        yield from asked(1, max_tokens=4)(denoiser, out)
        raise RuntimeError("no more")

    def strangely(denoiser: Any, out: Output) -> Program:
        canvas: Canvas = yield Decide(a_canvas(), SLOW)
        yield Decide(canvas, Decoding(indels=True, policy=Correct()), known=0)

    engine = Engine(denoiser("llada"))
    good, bad, odd = finished(engine, asked(0), failing, strangely)
    assert (good.out.finish, good.error) == ("length", None)
    assert bad.error == "RuntimeError: no more"
    assert odd.error is not None
    assert engine.counters.failed == 2


def a_canvas() -> Canvas:
    commands = program.infill([], [], SLOW, gap=4)(denoiser("llada"), Output())
    command = next(commands)
    assert isinstance(command, Decide)
    return command.canvas


def test_a_span_that_the_network_refuses_ends_alone() -> None:
    engine = Engine(denoiser("own"))
    bad = engine.submit(asked(0, length=400, max_tokens=4))
    good = engine.submit(asked(1))
    engine.run()
    assert bad.error is not None
    assert "320" in bad.error
    assert good.out.tokens == finished(Engine(denoiser("own")), asked(1))[0].out.tokens


def test_a_listener_that_raises_loses_its_request_and_no_other() -> None:
    def raising(job: Job) -> None:
        raise RuntimeError("nobody there")

    engine = Engine(denoiser("own"))
    bad, good = engine.submit(asked(0), raising), engine.submit(asked(1))
    engine.run()
    assert (bad.out.finish, bad.error) == ("error", "RuntimeError: nobody there")
    assert good.out.finish == "length"


def test_guidance_without_a_prompt_is_refused_as_the_sampler_does() -> None:
    with pytest.raises(ValueError, match="guidance needs a prompt"):
        Engine(denoiser("own")).submit(asked(0, length=0, decoding=Decoding(guidance=1.0)))


def test_a_model_without_keys_does_not_go_left_to_right() -> None:
    with pytest.raises(ValueError, match="cannot go left to right"):
        Engine(denoiser("llada")).submit(program.autoregress([1], max_tokens=2))


def test_a_next_token_behind_nothing_new_is_an_error_and_no_endless_wait() -> None:
    def twice(denoiser: Any, out: Output) -> Program:
        yield Encode([1, 2])
        yield Next(0.0, 0, 0)
        yield Next(0.0, 0, 1)

    (job,) = finished(Engine(denoiser("own")), twice)
    assert job.error is not None
    assert "just encoded" in job.error


# ------------------------------------------------------------------ the end


def test_cancelling_gives_everything_back_at_once() -> None:
    engine = Engine(denoiser("sdar"))
    heard: list[str | None] = []
    writer = program.generate([1] * 40, SLOW, max_tokens=30, block_length=4)
    job = engine.submit(writer, lambda job: heard.append(job.out.finish))
    for _ in range(3):
        engine.tick()
    engine.cancel(job)
    engine.cancel(job)
    assert (heard[-1], engine.idle, engine.counters.cancelled) == ("cancelled", True, 1)
    assert engine.scheduler.pool.in_use == 0
    assert not engine.tick()


def test_a_deadline_ends_a_request_whether_it_runs_or_waits() -> None:
    now = [0.0]
    engine = Engine(denoiser("own"), EngineConfig(max_rows=1), clock=lambda: now[0])
    running, waiting = engine.submit(asked(0), deadline=5.0), engine.submit(asked(1), deadline=5.0)
    guided = engine.submit(asked(2, decoding=Decoding(guidance=1.0)), deadline=5.0)
    patient = engine.submit(asked(3))
    engine.tick()
    now[0] = 5.0
    engine.run()
    assert [job.out.finish for job in (running, waiting, guided, patient)] == ["deadline"] * 3 + ["length"]
    assert (running.started, waiting.started, running.finished) == (0.0, None, 5.0)


def test_a_denoiser_of_two_verbs_keeps_no_context_of_who_is_gone() -> None:
    engine = Engine(denoiser("two verbs"))
    job = engine.submit(asked(0))
    engine.tick()
    engine.scheduler.set_back(job.item)
    engine.executor.forget(job.item)
    engine.run()
    assert job.out.tokens == finished(Engine(denoiser("own")), asked(0))[0].out.tokens
    assert not engine.executor._contexts  # type: ignore[attr-defined]


def test_nothing_of_a_finished_request_stays_behind() -> None:
    engine = Engine(denoiser("own"))
    (job,) = finished(engine, asked(0, decoding=Decoding(guidance=1.0)))
    assert not engine._jobs
    assert not engine._stacks
    assert not engine.executor._last  # type: ignore[attr-defined]
    assert job.states == {}
    engine.scheduler.pool.forget()
    assert engine.scheduler.pool.available == engine.scheduler.pool.num_pages


def test_times_are_those_of_the_engines_clock() -> None:
    ticks = iter(range(1000))
    engine = Engine(denoiser("own"), clock=lambda: float(next(ticks)))
    (job,) = finished(engine, asked(0))
    assert job.started is not None
    assert job.first_token is not None
    assert job.finished is not None
    assert job.submitted < job.started < job.first_token <= job.finished


def test_confidences_are_the_plain_samplers() -> None:
    (job,) = finished(Engine(denoiser("own")), asked(0, max_tokens=4))
    out = Output()
    steps = asked(0, max_tokens=4)(denoiser("own"), out)
    assert isinstance(next(steps), Encode)
    assert len(job.out.confidences) == 4
    assert all(0 < value <= 1 for value in job.out.confidences)
    assert torch.tensor(job.out.confidences).isfinite().all()
