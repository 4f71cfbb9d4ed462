"""Replies: what clients get back, in OpenAI's shapes. Knows finished and unfinished answers, no engine.

Where a shape is ours it is said: `usage` tells steps and times, `frame` a canvas at work, `seed` how to get the same.
"""

import math
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from redraft.core.canvas import Status
from redraft.engine.thread import Draft
from redraft.server.answers import Moment, Usage
from redraft.server.served import Served

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Envelope:
    """What all events of one answer, or its only body, have in common."""

    kind: str  # chat.completion or text_completion
    model: str
    id: str = field(default_factory=lambda: f"cmpl-{uuid.uuid4().hex}")
    created: int = field(default_factory=lambda: int(time.time()))

    def body(self, choices: Sequence[Json], usage: Json | None, **more: Any) -> Json:
        return self._with(self.kind, choices, usage, more)

    def chunk(self, choices: Sequence[Json], usage: Json | None = None, **more: Any) -> Json:
        kind = "chat.completion.chunk" if self.kind == "chat.completion" else self.kind
        return self._with(kind, choices, usage, more)

    def _with(self, kind: str, choices: Sequence[Json], usage: Json | None, more: Mapping[str, Any]) -> Json:
        values: Json = {"id": self.id, "object": kind, "created": self.created, "model": self.model}
        return values | {"choices": list(choices)} | ({} if usage is None else {"usage": usage}) | dict(more)


def usage_json(usage: Usage) -> Json:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "denoising_steps": usage.denoising_steps,
        "forwards": usage.forwards,
        "tokens_per_forward": round(usage.completion_tokens / max(usage.forwards, 1), 3),
        "wait_s": round(usage.wait_s, 6),
        "first_text_s": None if usage.first_s is None else round(usage.first_s, 6),
        "total_s": round(usage.total_s, 6),
    }


# ---------------------------------------------------------------------- chat


def chat_choice(moment: Moment, logprobs: Json | None) -> Json:
    message = {"role": "assistant", "content": moment.text, "refusal": None}
    return {
        "index": moment.index, "message": message, "finish_reason": moment.finish, "logprobs": logprobs,
        "seed": moment.seed,
    }  # fmt: skip


def chat_delta(index: int, delta: Json, finish: str | None = None, logprobs: Json | None = None) -> Json:
    return {"index": index, "delta": delta, "finish_reason": finish, "logprobs": logprobs}


def chat_logprobs(served: Served, moment: Moment, skip: int = 0) -> Json:
    """Of every committed token: the model's probability of it at the step that wrote it."""
    told = []
    for token, confidence in list(zip(moment.tokens, moment.confidences, strict=True))[skip:]:
        text = served.decode([token])
        told.append({"token": text, "logprob": log(confidence), "bytes": list(text.encode()), "top_logprobs": []})
    return {"content": told, "refusal": None}


# ---------------------------------------------------------------------- text


def text_choice(moment: Moment, text: str, logprobs: Json | None = None) -> Json:
    return {
        "index": moment.index, "text": text, "finish_reason": moment.finish, "logprobs": logprobs,
        "seed": moment.seed,
    }  # fmt: skip


def text_logprobs(served: Served, moment: Moment, skip: int = 0) -> Json:
    """The same in the shape of text completions."""
    pairs = list(zip(moment.tokens, moment.confidences, strict=True))[skip:]
    return {
        "tokens": [served.decode([token]) for token, _ in pairs],
        "token_logprobs": [log(confidence) for _, confidence in pairs],
        "top_logprobs": None,
        "text_offset": [len(served.decode(moment.tokens[: skip + n])) for n in range(len(pairs))],
    }


def log(confidence: float) -> float:
    """Natural logarithm; what was never predicted (0) is OpenAI's "not in the list"."""
    return math.log(confidence) if confidence > 0 else -9999.0


# ---------------------------------------------------------------------- frames


def frame(served: Served, draft: Draft | None) -> Json | None:
    """A canvas at work: every token with its status and the confidence it was written with."""
    if draft is None:
        return None
    rows = zip(draft.tokens, draft.statuses, draft.confidences, strict=True)
    tokens = [
        {"id": token, "text": served.decode([token]), "status": Status(status).name.lower(), "confidence": round(c, 6)}
        for token, status, c in rows
    ]
    return {"step": draft.step, "tokens": tokens}


def progress(moment: Moment, before: int) -> Json:
    """How far an answer is: forwards, seconds, and the ids of the tokens committed since there were `before`."""
    snapshot = moment.snapshot
    return {
        "forwards": snapshot.forwards, "seconds": round(snapshot.total_s, 6), "tokens": list(moment.tokens[before:]),
    }  # fmt: skip
