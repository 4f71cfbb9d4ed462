"""Bodies: what clients may ask, field by field, in OpenAI's words and a few of ours. Knows types and ranges alone.

Unknown fields are refused. A field in a body's `NEUTRAL` is known and checked, but only these values of it mean
nothing; with any other it is refused by name (`refuse`), never ignored.
"""

from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from redraft.server.errors import unsupported


def _whole(text: str) -> str:
    """JSON can spell half of a character; no text holds one."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("half of a surrogate pair is no character") from None
    return text


Text = Annotated[str, AfterValidator(_whole)]
Name = Annotated[Text, Field(max_length=256)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
Count = Annotated[int, Field(ge=1, lt=2**31)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Unit = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Strength = Unit | Literal["auto"]
Lines = Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2, max_length=2)]
Span = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=2, max_length=2)]
Lock = Annotated[Text, Field(min_length=1)]
Penalty = Annotated[float, Field(ge=-2, le=2, allow_inf_nan=False)]
StopString = Annotated[Text, Field(min_length=1, max_length=256)]
Effort = Literal["none", "minimal", "instant", "low", "medium", "high", "xhigh"]


class Body(BaseModel):
    """JSON that is what it says: no text for numbers, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True)

    NEUTRAL: ClassVar[dict[str, tuple[Any, ...]]] = {}

    def refuse(self) -> Self:
        """Raise ApiError for a field whose value would mean something that is not done here."""
        for name, neutral in self.NEUTRAL.items():
            value = getattr(self, name)
            if value is not None and value not in neutral:
                raise unsupported(name, "leave it out")
        return self


class StreamOptions(Body):
    include_usage: bool = False
    include_obfuscation: bool | None = None

    NEUTRAL = {"include_obfuscation": (False,)}


class Sampling(Body):
    """How to decode: what replaces parts of the decoding that the checkpoint recommends."""

    temperature: Annotated[float, Field(ge=0, le=2, allow_inf_nan=False)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] | None = None
    top_k: Count | None = None
    min_p: Unit | None = None
    repetition_penalty: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    logit_bias: Annotated[dict[str, Annotated[float, Field(ge=-100, le=100)]], Field(max_length=300)] | None = None
    reasoning_effort: Effort | None = None
    decoding: dict[str, Any] | None = Field(None, description="a whole decoding, as JSON")
    seed: Seed | None = None

    @field_validator("logit_bias")
    @classmethod
    def _token_ids(cls, value: dict[str, float] | None) -> dict[str, float] | None:
        for key in value or {}:
            if not (key.isascii() and key.isdecimal() and len(key) < 10):
                raise ValueError(f"{key!r} is not a token id")
        return value


class Streamed(Body):
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    diffusing: bool = Field(False, description="stream the whole text, noise and all, in every event")
    frames: bool = Field(False, description="stream the canvas too: tokens, statuses, confidences, steps")


class Generation(Sampling, Streamed):
    """What chat and text completions share."""

    model: Name
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    max_tokens: Count | None = None
    stop: StopString | Annotated[list[StopString], Field(max_length=64)] | None = None
    canvas: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="tokens denoised at once")
    mode: Literal["diffusion", "ar", "verify"] | None = None
    label: Name | None = Field(None, description="a class label the model was trained with")
    user: Name | None = Field(None, description="written to the log of requests")

    @property
    def stops(self) -> tuple[str, ...]:
        return () if self.stop is None else (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)


class TextPart(Body):
    type: Literal["text"]
    text: Text


class OtherPart(BaseModel):
    """A part of a message that is no text: known, so that it can be refused by name."""

    model_config = ConfigDict(extra="allow", strict=True)

    type: Literal["image_url", "input_audio", "file", "refusal"]


class Message(Body):
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: Text | list[TextPart | OtherPart] | None = None
    name: Name | None = None
    refusal: str | None = None
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None
    function_call: dict[str, Any] | None = None
    audio: dict[str, Any] | None = None
    annotations: list[Any] | None = None

    NEUTRAL = {
        "name": (), "tool_calls": ([],), "tool_call_id": (), "function_call": (), "audio": (), "refusal": ("",),
        "annotations": ([],),
    }  # fmt: skip

    @property
    def text(self) -> str:
        """The words of a message. Raises ApiError for what is not words."""
        self.refuse()
        if self.role in ("tool", "function"):
            raise unsupported(f"messages with role {self.role}", "there are no tools here")
        if not isinstance(self.content, list):
            return self.content or ""
        for part in self.content:
            if isinstance(part, OtherPart):
                raise unsupported(f"content of type {part.type}", "this server knows text alone")
        return "".join(part.text for part in self.content if isinstance(part, TextPart))


class JsonSchema(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    # "schema" is a method of pydantic's models.
    held: dict[str, Any] | None = Field(None, alias="schema")
    strict: bool | None = None


class ResponseFormat(Body):
    type: Literal["text", "json_object", "json_schema"]
    json_schema: JsonSchema | None = None


class Function(Body):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Body):
    type: Literal["function"]
    function: Function


class ChatBody(Generation):
    """POST /v1/chat/completions."""

    messages: Annotated[list[Message], Field(min_length=1, max_length=2048)]
    max_completion_tokens: Count | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    functions: list[Function] | None = None
    function_call: str | dict[str, Any] | None = None
    modalities: list[str] | None = None
    audio: dict[str, Any] | None = None
    prediction: dict[str, Any] | None = None
    store: bool | None = None
    metadata: dict[str, str] | None = None
    service_tier: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    web_search_options: dict[str, Any] | None = None
    reasoning_summary: bool | None = None
    reasoning_summary_wait: bool | None = None
    realtime: bool | None = None
    nextEdit: bool | None = Field(None, description="Continue says with it how it will route; here the path says it")

    NEUTRAL = {
        "top_logprobs": (0,),
        "response_format": (ResponseFormat(type="text"),), "tools": ([],), "tool_choice": ("none", "auto"),
        "parallel_tool_calls": (True, False), "functions": ([],), "function_call": ("none", "auto"),
        "modalities": (["text"],), "audio": (), "prediction": (), "store": (False,), "metadata": ({},),
        "service_tier": ("auto", "default"), "verbosity": ("medium",), "web_search_options": (),
        "reasoning_summary": (False,), "reasoning_summary_wait": (False,), "realtime": (False,),
    }  # fmt: skip


class TextBody(Generation):
    """POST /v1/completions, and /v1/fim/completions with a suffix."""

    prompt: Text | Annotated[list[Text] | list[int] | list[list[int]], Field(min_length=1, max_length=100_000)] = ""
    suffix: Text | None = None
    gap: Annotated[int, Field(ge=1, le=4096)] | None = Field(None, description="noise a fill starts from, in tokens")
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    best_of: Annotated[int, Field(ge=1, le=20)] | None = None
    environment: str | None = None

    NEUTRAL = {
        "echo": (False,), "best_of": (1,), "logprobs": (0,),
        "environment": (),
    }  # fmt: skip


class EditsBody(Sampling):
    """POST /v1/edits: a text, corrected or rewritten in place."""

    model: Name
    input: Annotated[Text, Field(min_length=1)]
    instruction: Annotated[Text, Field(min_length=1, max_length=1000)] = "fix"
    locks: Annotated[list[Lock], Field(max_length=256)] = Field(
        default_factory=list, description="strings that stay as they are, byte for byte, wherever they occur"
    )
    lock_patterns: Annotated[list[Lock], Field(max_length=64)] = Field(
        default_factory=list, description="regular expressions; what they match stays"
    )
    lock_lines: Annotated[list[Lines], Field(max_length=256)] = Field(
        default_factory=list, description="[first, last] lines that stay, counted from 1"
    )
    lock_spans: Annotated[list[Span], Field(max_length=4096)] = Field(
        default_factory=list, description="[start, end] characters that stay"
    )
    spans: Annotated[list[Span], Field(max_length=4096)] | None = Field(
        None, description="[start, end] characters that alone may change"
    )
    strength: Strength | None = Field(
        None,
        description='0 corrects; above, that share of the tokens is written afresh; "auto": what the model doubts. '
        'Unsaid: 0 where the model was trained for it, else "auto"',
    )
    rewrite: bool = Field(False, description="tell a conversational model; the answer begins as a copy of the text")
    drafts: bool = Field(False, description="tell of the text while it changes, too")
    diff: bool = Field(False, description="answer with a unified diff, too")
    stream: bool | None = None
    user: Name | None = None


class ScoreBody(Body):
    """POST /v1/score: nats of a text."""

    model: Name
    input: Annotated[Text, Field(min_length=1)]
    block_length: Annotated[int, Field(ge=1, le=4096)] | None = None
    samples: Annotated[int, Field(ge=2, le=256)] = 16
    seed: Seed = 0
    user: Name | None = None
