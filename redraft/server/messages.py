"""Messages: what is said in an edit session, both ways. Knows types and ranges alone, and how a wrong one is named."""

import json
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter, ValidationError

from redraft.server.bodies import Body, Lock, Name, Sampling, Strength, Text
from redraft.server.errors import ApiError, validation_error

Number = Annotated[int, Field(ge=0, lt=2**53)]
KINDS = ("start", "text", "change", "finish", "cancel")


class Start(Sampling):
    """How the text that follows is edited. Said again, it begins afresh."""

    type: Literal["start"]
    model: Name
    instruction: Annotated[Text, Field(min_length=1, max_length=1000)] = "fix"
    locks: Annotated[list[Lock], Field(max_length=256)] = Field(default_factory=list)
    lock_patterns: Annotated[list[Lock], Field(max_length=64)] = Field(default_factory=list)
    strength: Strength | None = None
    live: bool = Field(False, description="the text grows at its end, and what was committed never changes")
    behind: Annotated[int, Field(ge=1, le=64)] = Field(1, description="sentences that stay open at the end, when live")
    user: Name | None = None


class State(Body):
    """The whole text as it is now."""

    type: Literal["text"]
    text: Text
    id: Number | None = None


class Change(Body):
    """Characters start:end of the text as it was become `text`."""

    type: Literal["change"]
    start: Number
    end: Number
    text: Text
    id: Number | None = None


class Finish(Body):
    """The text is whole: its last word is edited too and, when live, everything is committed."""

    type: Literal["finish"]
    id: Number | None = None


class Cancel(Body):
    """Whatever is at work is given up."""

    type: Literal["cancel"]


Said = Start | State | Change | Finish | Cancel
_SAID: TypeAdapter[Said] = TypeAdapter(Annotated[Said, Field(discriminator="type")])


def parse(text: str | None, most: int) -> Said:
    """A message. Raises ApiError, naming the field, for what is none."""
    if text is None:
        raise ApiError("messages are JSON in text frames, not in binary ones", code="invalid_type")
    if len(text) > most or len(text.encode("utf-8", "surrogatepass")) > most:
        raise ApiError(f"the message is longer than {most} bytes", code="too_long")
    try:
        return _SAID.validate_json(text)
    except ValidationError as error:
        problems = error.errors()
    if problems[0]["type"] == "json_invalid":
        raise ApiError("the message is not JSON", code="invalid_json")
    if not problems[0]["loc"]:
        raise ApiError(f"a message is an object whose type is one of {', '.join(KINDS)}", param="type")
    raise validation_error(problems)


def written(values: dict[str, Any]) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))
