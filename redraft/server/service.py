"""Service: what every route has in common: the models, the limits, the metrics, the record of a request.

Refuses to know bodies and the wire.
"""

import secrets
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from starlette.requests import HTTPConnection

from redraft.server.answers import Usage
from redraft.server.errors import ApiError
from redraft.server.metrics import Metrics
from redraft.server.served import Served


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one request, and one key, may ask for. None: no limit but the model's.

    default_tokens       length of an answer at most, where the request does not say
    answer_tokens        length of an answer at most, whatever it says
    choices              answers to one request, over all its prompts
    edit_characters      text to edit or to score in one request
    seconds              until a request is given up
    requests_per_minute  of one key, or of all who come without one
    concurrent           requests of one key at once
    """

    body_bytes: int = 4 * 2**20
    default_tokens: int = 512
    answer_tokens: int = 32768
    choices: int = 16
    edit_characters: int = 200_000
    seconds: float = 600.0
    requests_per_minute: int | None = None
    concurrent: int | None = 256


@dataclass(slots=True)
class Record:
    """What is written to the log when a request is over: who, what and how long, never the words."""

    id: str = field(default_factory=lambda: f"req-{uuid.uuid4().hex}")
    began: float = field(default_factory=time.monotonic)
    method: str = ""
    route: str = ""
    key: str = ""
    user: str | None = None
    model: str | None = None
    usage: Usage | None = None
    spend: Callable[[], None] = lambda: None  # what costs the key another request; raises ApiError where it has none


@dataclass(frozen=True, slots=True)
class Service:
    """The models by name, and what all requests share."""

    served: Mapping[str, Served]
    limits: Limits = field(default_factory=Limits)
    metrics: Metrics = field(default_factory=Metrics)

    def find(self, request: HTTPConnection, name: str) -> Served:
        """A model by its name. Raises ApiError where there is none."""
        if name not in self.served:
            known = ", ".join(sorted(self.served))
            raise ApiError(
                f"there is no model {name[:64]!r} here; there is {known}", status=404, param="model",
                code="model_not_found",
            )  # fmt: skip
        record_of(request).model = name
        return self.served[name]

    def usage(self, request: HTTPConnection, prompt_tokens: int) -> Usage:
        """The usage of a request, to be filled as it goes; the log and the metrics read it at the end."""
        usage = Usage(prompt_tokens=prompt_tokens)
        record_of(request).usage = usage
        return usage


def record_of(request: HTTPConnection) -> Record:
    record = request.scope["redraft"]
    assert isinstance(record, Record)
    return record


def seed_of(given: int | None) -> int:
    """The seed that was asked for, or one of our own."""
    return secrets.randbits(62) if given is None else given
