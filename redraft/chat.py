"""Chat: how a conversation becomes the tokens of a prompt. Knows templates and what people type; no model.

A template is Jinja, run in a sandbox with the helpers that published templates expect. Who speaks cannot take control:
a special token that somebody merely typed is cut in two before the template sees it, and encoded as characters.
"""

import datetime
import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

Message = Mapping[str, Any]
GUARDS = range(0xE000, 0xF900)  # characters without a meaning; one that nobody used marks where a spelling is cut


class Tokens(Protocol):
    """What a tokenizer does for a template."""

    def encode_marked(self, text: str) -> list[int]: ...

    def unmarked(self, text: str, *, all_added: bool) -> list[str]: ...

    def decode(self, ids: Sequence[int]) -> str: ...


@dataclass(frozen=True, slots=True)
class Chat:
    """A way to write conversations.

    names  special tokens that the template asks for by role, such as bos_token
    start  tokens in front of what the template writes
    stops  strings that end an answer
    label  the class label of conversations, for models that have one
    """

    template: str
    tokenizer: Tokens
    names: Mapping[str, str] = field(default_factory=dict)
    start: tuple[int, ...] = ()
    stops: tuple[str, ...] = ()
    label: str | None = None

    def render(self, messages: Sequence[Message], *, answer: bool = True) -> str:
        """The conversation as text; with `answer`, up to where the model's answer begins.

        Raises ValueError for messages that are none, and with the template's own words where it refuses them.
        """
        check_messages(messages)
        return _render(self.template, messages, self.names, answer)

    def encode(self, messages: Sequence[Message]) -> list[int]:
        """The conversation as tokens, up to the answer."""
        check_messages(messages)
        guard = _unused(json.dumps([self.template, *messages], ensure_ascii=False, default=str))
        guarded = [self._guarded(message, guard, message["role"] != "assistant") for message in messages]
        pieces = _render(self.template, guarded, self.names, True).split(guard)
        return [*self.start, *(token for piece in pieces for token in self.tokenizer.encode_marked(piece))]

    def turn_ends(self) -> tuple[int, ...]:
        """The special token that the template writes behind an answer, where it writes one."""
        mark = "Wort"
        told: list[Message] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": mark}]
        try:
            behind = _render(self.template, told, self.names, False).rpartition(mark)[2]
        except ValueError:
            return ()
        ids = self.tokenizer.encode_marked(behind)
        return tuple(token for token in ids[:1] if not self.tokenizer.decode([token]))

    def _guarded(self, value: Any, guard: str, all_added: bool) -> Any:
        """A message with the guard inside every spelling of a special token.

        An answer of the model keeps tokens that are not special: templates look for the marks of its thoughts.
        """
        if isinstance(value, str):
            return guard.join(self.tokenizer.unmarked(value, all_added=all_added))
        if isinstance(value, Mapping):
            return {name: self._guarded(item, guard, all_added) for name, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._guarded(item, guard, all_added) for item in value]
        return value


def check_messages(messages: Sequence[Message]) -> None:
    """Raise ValueError unless there are messages, each with a role and a content."""
    if not messages:
        raise ValueError("a conversation needs at least one message")
    for message in messages:
        if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
            raise ValueError(f"{message!r} is no message: it needs a role and a content")


def check_template(template: str) -> None:
    """Raise ValueError, with the line, for a template that is no Jinja."""
    _compiled(template)


def _render(template: str, messages: Sequence[Message], names: Mapping[str, str], answer: bool) -> str:
    import jinja2

    told = [dict(message) for message in messages]
    known = {"tools": None, "documents": None, **names}
    try:
        return _compiled(template).render(messages=told, add_generation_prompt=answer, **known)
    except (jinja2.TemplateError, TypeError) as error:
        raise ValueError(f"the chat template refuses these messages: {error}") from None


@functools.lru_cache(maxsize=16)
def _compiled(template: str) -> Any:
    import jinja2

    try:
        return _environment().from_string(template)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"the chat template is no Jinja, line {error.lineno}: {error.message}") from None


def _environment() -> Any:
    """A sandbox with what published templates use: loop controls, `{% generation %}`, tojson and two functions."""
    from jinja2.ext import Extension
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """`{% generation %}` marks what a model is trained to say; to read a template it says nothing."""

        tags = {"generation"}  # noqa: RUF012

        def parse(self, parser: Any) -> Any:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, "jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _tojson
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda form: datetime.datetime.now().strftime(form)
    return environment


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Any = None, separators: Any = None, sort_keys: bool = False
) -> str:
    """Plain JSON: Jinja's own filter escapes for HTML."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    import jinja2

    raise jinja2.TemplateError(message)


def _unused(text: str) -> str:
    """A character that a text does not hold."""
    return next(chr(code) for code in GUARDS if chr(code) not in text)
