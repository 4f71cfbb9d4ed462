"""Metrics: what happened, as Prometheus reads it. Knows counters and histograms; refuses to know who asked and what."""

import bisect
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields

from redraft.server.answers import Usage
from redraft.server.served import Served

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
Labels = tuple[tuple[str, str], ...]
Values = dict[Labels, float]


@dataclass(slots=True)
class Histogram:
    """Counts by bucket; the last one has no bound."""

    bounds: tuple[float, ...] = SECONDS
    counts: list[int] = field(default_factory=lambda: [0] * (len(SECONDS) + 1))
    total: float = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect.bisect_left(self.bounds, value)] += 1
        self.total += value


@dataclass(slots=True)
class Metrics:
    """Everything a server counts. All in the event loop's thread."""

    requests: dict[Labels, int] = field(default_factory=lambda: defaultdict(int))
    tokens: dict[Labels, int] = field(default_factory=lambda: defaultdict(int))
    phases: dict[Labels, Histogram] = field(default_factory=lambda: defaultdict(Histogram))
    in_flight: int = 0

    def answered(self, route: str, status: int, seconds: float) -> None:
        self.requests[(("route", route), ("status", str(status)))] += 1
        self.phases[(("phase", "http"), ("route", route))].add(seconds)

    def used(self, model: str, usage: Usage) -> None:
        """What the answers of one request cost."""
        counts = {
            "prompt": usage.prompt_tokens, "completion": usage.completion_tokens, "forward": usage.forwards,
            "denoise": usage.denoising_steps,
        }  # fmt: skip
        for kind, count in counts.items():
            self.tokens[(("kind", kind), ("model", model))] += count
        for phase, seconds in (("wait", usage.wait_s), ("first_text", usage.first_s), ("total", usage.total_s)):
            if seconds is not None:
                self.phases[(("phase", phase), ("model", model))].add(seconds)

    def text(self, served: Sequence[Served]) -> str:
        """All of it in Prometheus's text format."""
        return "\n".join([*self._own(), *_engines(served)]) + "\n"

    def _own(self) -> Iterator[str]:
        yield from _family("redraft_requests_total", "counter", "requests answered", self.requests)
        yield from _family("redraft_tokens_total", "counter", "tokens and forwards of finished requests", self.tokens)
        yield from _family("redraft_requests_in_flight", "gauge", "requests at work", {(): self.in_flight})
        yield from _head("redraft_seconds", "histogram", "seconds spent, by phase")
        for labels, histogram in self.phases.items():
            yield from _histogram("redraft_seconds", labels, histogram)


def _engines(served: Sequence[Served]) -> Iterator[str]:
    """What every engine says of itself. Read from outside its thread: numbers, a tick old at most."""
    engines = {each.name: each.thread.engine for each in served}
    for counter in fields(type(next(iter(engines.values())).counters)) if engines else ():
        values: Values = {
            (("model", name),): getattr(engine.counters, counter.name) for name, engine in engines.items()
        }
        yield from _family(f"redraft_engine_{counter.name}_total", "counter", "since the engine was made", values)
    for state in ("running", "waiting"):
        held: Values = {(("model", name),): len(getattr(engine.scheduler, state)) for name, engine in engines.items()}
        yield from _family(f"redraft_engine_{state}", "gauge", f"requests {state}", held)
    pages: Values = {(("model", name),): engine.scheduler.pool.available for name, engine in engines.items()}
    yield from _family("redraft_engine_free_pages", "gauge", "pages that may be taken", pages)


def _family(name: str, kind: str, about: str, values: Mapping[Labels, float]) -> Iterator[str]:
    yield from _head(name, kind, about)
    for labels, value in values.items():
        yield f"{name}{_braced(labels)} {value}"


def _head(name: str, kind: str, about: str) -> Iterable[str]:
    return (f"# HELP {name} {about}", f"# TYPE {name} {kind}")


def _histogram(name: str, labels: Labels, histogram: Histogram) -> Iterator[str]:
    held = 0
    for bound, count in zip((*histogram.bounds, "+Inf"), histogram.counts, strict=True):
        held += count
        yield f"{name}_bucket{_braced((*labels, ('le', str(bound))))} {held}"
    yield f"{name}_sum{_braced(labels)} {histogram.total}"
    yield f"{name}_count{_braced(labels)} {held}"


def _braced(labels: Labels) -> str:
    if not labels:
        return ""
    told = (f'{name}="{_escaped(value)}"' for name, value in labels)
    return "{" + ",".join(told) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
