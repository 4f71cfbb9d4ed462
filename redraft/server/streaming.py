"""Streaming: moments of answers as events, and as one body at the end. The same for chat and for text completions.

By default an event holds committed text alone, to be appended. `diffusing` sends the whole text with its noise, to
replace what was there; `frames` adds the canvas itself, and what it took so far.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from redraft.server.answers import Moment, Usage, finished
from redraft.server.bodies import Generation, StreamOptions
from redraft.server.replies import (
    Envelope,
    Json,
    chat_choice,
    chat_delta,
    chat_logprobs,
    frame,
    progress,
    text_choice,
    text_logprobs,
    usage_json,
)
from redraft.server.served import Served
from redraft.server.sse import event


class Shape(Protocol):
    """How an answer looks on the wire."""

    def opening(self, index: int) -> Json | None:
        """What comes before any text."""
        ...

    def delta(self, moment: Moment, text: str | None, logprobs: Json | None) -> Json:
        """More text, or (None) the end."""
        ...

    def choice(self, moment: Moment, logprobs: Json | None) -> Json: ...

    def logprobs(self, served: Served, moment: Moment, skip: int = 0) -> Json: ...


class ChatShape:
    """A message of an assistant."""

    def opening(self, index: int) -> Json | None:
        return chat_delta(index, {"role": "assistant", "content": ""})

    def delta(self, moment: Moment, text: str | None, logprobs: Json | None) -> Json:
        if text is None:
            return chat_delta(moment.index, {}, moment.finish)
        return chat_delta(moment.index, {"content": text}, None, logprobs)

    def choice(self, moment: Moment, logprobs: Json | None) -> Json:
        return chat_choice(moment, logprobs)

    def logprobs(self, served: Served, moment: Moment, skip: int = 0) -> Json:
        return chat_logprobs(served, moment, skip)


class TextShape:
    """Text alone."""

    def opening(self, index: int) -> Json | None:
        return None

    def delta(self, moment: Moment, text: str | None, logprobs: Json | None) -> Json:
        values = text_choice(moment, text or "", logprobs)
        return values if text is None else values | {"finish_reason": None}

    def choice(self, moment: Moment, logprobs: Json | None) -> Json:
        return text_choice(moment, moment.text, logprobs)

    def logprobs(self, served: Served, moment: Moment, skip: int = 0) -> Json:
        return text_logprobs(served, moment, skip)


@dataclass(frozen=True, slots=True, kw_only=True)
class Telling:
    """How moments are told: in which shape, under which heading, with or without probabilities, drafts and frames."""

    served: Served
    shape: Shape
    envelope: Envelope
    usage: Usage
    logprobs: bool
    diffusing: bool = False
    frames: bool = False
    options: StreamOptions | None = None

    async def body(self, moments: AsyncIterator[Moment]) -> Json:
        """All answers, finished."""
        last = await finished(moments, self.usage)
        choices = [self.shape.choice(moment, self._logprobs(moment, 0)) for moment in last]
        return self.envelope.body(choices, usage_json(self.usage))

    async def events(self, moments: AsyncIterator[Moment]) -> AsyncIterator[bytes]:
        told: dict[int, int] = {}
        async with aclosing(moments) as stream:  # type: ignore[type-var]
            async for moment in stream:
                self.usage.see(moment)
                for choice, more in self._told(moment, told):
                    yield event(self.envelope.chunk([choice], **more))
        if self.options is not None and self.options.include_usage:
            yield event(self.envelope.chunk([], usage_json(self.usage)))

    def _told(self, moment: Moment, told: dict[int, int]) -> list[tuple[Json, dict[str, Any]]]:
        """The choices that say a moment, each with what goes beside it; `told` counts the tokens said before."""
        found: list[tuple[Json, dict[str, Any]]] = []
        opening = self.shape.opening(moment.index) if moment.index not in told else None
        if opening is not None:
            found.append((opening, {}))
        before = told.setdefault(moment.index, 0)
        text = moment.shown if self.diffusing else moment.delta
        at_work = frame(self.served, moment.draft) if self.frames else None
        if text or at_work is not None:
            beside = {"progress": progress(moment, before)} if self.frames else {}
            beside |= {} if at_work is None else {"frame": at_work}
            found.append((self.shape.delta(moment, text, self._logprobs(moment, before)), beside))
        told[moment.index] = len(moment.tokens)
        if moment.finish is not None:
            found.append((self.shape.delta(moment, None, None), {}))
        return found

    def _logprobs(self, moment: Moment, skip: int) -> Json | None:
        return self.shape.logprobs(self.served, moment, skip) if self.logprobs else None


def telling(served: Served, body: Generation, shape: Shape, kind: str, usage: Usage, *, logprobs: bool) -> Telling:
    """How a request wants to be told."""
    return Telling(
        served=served, shape=shape, envelope=Envelope(kind, served.name), usage=usage, logprobs=logprobs,
        diffusing=body.diffusing, frames=body.frames, options=body.stream_options,
    )  # fmt: skip
