"""Decoding: how to decode, as one hashable value that survives JSON and a command line.

Knows the names and fields of policies, stops and temperatures. Refuses to know tensors beyond a step counter.
The same value is used by the samplers, a serving engine, a request body, an evaluation record and a trace.
"""

import ast
import difflib
from collections.abc import Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Literal

from torch import Tensor

from redraft.sampling.checks import check_choice, check_count, check_flag, check_id, check_number, check_positive
from redraft.sampling.policies import POLICIES, Policy, Threshold, check_policy
from redraft.sampling.stops import STOPS, AllAccepted, Stop


@dataclass(frozen=True, slots=True)
class LinearTemperature:
    """Temperature falling in a line: `start` at the first step, one increment short of `end` at the last.

    DiffusionGemma's schedule: end + (start - end) * steps left / max_steps.
    """

    start: float = 0.8
    end: float = 0.4

    def __post_init__(self) -> None:
        check_number("start", self.start, low=0)
        check_number("end", self.end, low=0)

    def __call__(self, step_B: Tensor, max_steps: int) -> Tensor:
        left_B = (max_steps - step_B).clamp_min(0).double() / max_steps
        return self.end + (self.start - self.end) * left_B


Temperature = float | LinearTemperature


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How to decode. Frozen, hashable, checked when made.

    policy              which positions to write, renoise, insert before or delete
    stop                when a canvas is finished
    temperature         of the token draw alone; 0 takes the most probable token
    max_steps           forwards per canvas; what is noisy then is written with the last prediction
    indels              may the model change the length (it must have controls)?
    logit_temperature   divides the logits first, so that confidence, entropy and self-conditioning see it too
                        (Dream, DiffusionGemma). At most one of the two temperatures is usually not its default.
    top_k, top_p, min_p filters, after logit_temperature; None is off. The rest is renormalised, so confidences rise
    repetition_penalty  divides (multiplies if negative) the logits of tokens seen elsewhere (CTRL, arXiv:1909.05858)
    presence_penalty, frequency_penalty  taken off those logits once, and once for every time; negative ones encourage
    guidance            classifier-free guidance scale s: un + (s + 1)(cond - un); 0 is off
    null_id             what replaces every prompt token for the unconditional half (LLaDA: the mask); None: no prompt
    banned_ids          tokens never to predict
    bias                (token id, what to add to its logit) pairs
    unsure_ids          tokens that may be predicted, but with confidence 0; the other confidences are renormalised
                        without them (LLaDA: end of text, which its instruction tuning makes too sure of)
    emit                what a finished canvas holds: itself, or the "best" tokens of the last prediction
                        (DiffusionGemma)
    """

    policy: Policy = field(default_factory=Threshold)
    stop: Stop = field(default_factory=AllAccepted)
    temperature: Temperature = 0.0
    max_steps: int = 64
    indels: bool = False
    logit_temperature: Temperature = 1.0
    top_k: int | None = None
    top_p: float | None = None
    min_p: float | None = None
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    guidance: float = 0.0
    null_id: int | None = None
    banned_ids: tuple[int, ...] = ()
    bias: tuple[tuple[int, float], ...] = ()
    unsure_ids: tuple[int, ...] = ()
    emit: Literal["canvas", "best"] = "canvas"

    def __post_init__(self) -> None:
        check_policy("policy", self.policy)
        if not isinstance(self.stop, Stop):
            raise ValueError(f"stop={self.stop!r} must be a stop")
        _check_temperature("temperature", self.temperature, zero=True)
        _check_temperature("logit_temperature", self.logit_temperature, zero=False)
        check_count("max_steps", self.max_steps)
        num_steps = getattr(self.policy, "num_steps", None) or 0
        if num_steps > self.max_steps:
            raise ValueError(f"{self.policy} needs {num_steps} steps, but {self.max_steps=}")
        check_flag("indels", self.indels)
        check_count("top_k", self.top_k, optional=True)
        check_positive("top_p", self.top_p, high=1, optional=True)
        check_number("min_p", self.min_p, low=0, high=1, optional=True)
        check_positive("repetition_penalty", self.repetition_penalty)
        check_number("presence_penalty", self.presence_penalty, low=-100, high=100)
        check_number("frequency_penalty", self.frequency_penalty, low=-100, high=100)
        check_number("guidance", self.guidance, low=0)
        if self.null_id is not None:
            check_id("null_id", self.null_id)
        for name in ("banned_ids", "unsure_ids", "bias"):
            if not isinstance(getattr(self, name), tuple):
                raise ValueError(f"{name}={getattr(self, name)!r} must be a tuple")
        for name in ("banned_ids", "unsure_ids"):
            for token_id in getattr(self, name):
                check_id(name, token_id)
        for pair in self.bias:
            if not isinstance(pair, tuple) or len(pair) != 2:
                raise ValueError(f"bias={pair!r} must be a pair of a token id and a number")
            check_id("bias", pair[0])
            check_number(f"bias of token {pair[0]}", pair[1], low=-3e38)
        check_choice("emit", self.emit, ("canvas", "best"))
        if self.emit == "best" and self.indels:
            raise ValueError(f"{self.emit=} writes every position anew, so the length cannot change: {self.indels=}")

    @property
    def penalises(self) -> bool:
        """Whether logits depend on what stands elsewhere in the text."""
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1, 0, 0)

    @property
    def revises(self) -> bool:
        """Whether a token that was accepted may change before its canvas is finished."""
        return self.policy.revises or self.emit == "best"

    @property
    def reads(self) -> frozenset[str]:
        """Which of the `COSTLY` summaries of a prediction somebody looks at."""
        return self.policy.reads | self.stop.reads

    @property
    def only_noisy(self) -> bool:
        """Whether what is predicted of accepted positions is nobody's business, so that it need not be computed."""
        decided = self.policy.only_noisy and self.stop.only_canvas and not self.revises and not self.indels
        return decided and not isinstance(self.temperature, LinearTemperature)

    def temperature_at(self, step_B: Tensor) -> float | Tensor:
        """The draw's temperature: the constant, or one per row [B] for rows that have spent `step_B` forwards."""
        if isinstance(self.temperature, LinearTemperature):
            return self.temperature(step_B, self.max_steps)
        return self.temperature


def to_json(decoding: Decoding) -> dict[str, Any]:
    """A dictionary of plain JSON values; `from_json` makes an equal Decoding of it."""
    return {name: _to_plain(item) for name, item in _to_fields(decoding).items()}


def from_json(values: dict[str, Any]) -> Decoding:
    """The Decoding that `to_json` wrote, or that a person did: missing fields take their defaults.

    A policy or stop may also be a spec such as "threshold:0.9". Unknown names and fields raise ValueError.
    """
    values = {name: _from_plain(value) for name, value in values.items()}
    for name, parse in (("policy", parse_policy), ("stop", parse_stop)):
        if isinstance(values.get(name), str):
            values[name] = parse(values[name])
    return _build(Decoding, values)


def parse_policy(spec: str) -> Policy:
    """The policy a spec names: "threshold:0.9", "top_k:num_steps=8", "revising:(threshold:0.9),tau=0.95".

    name[:argument,...], an argument being a value or field=value, a value a number, true, false, none, a word, or a
    spec in parentheses.
    """
    policy = _parse(spec)
    if not isinstance(policy, Policy):
        raise ValueError(f"{spec!r} does not name a policy. {_options(_names(POLICIES))}")
    return policy


def parse_stop(spec: str) -> Stop:
    """The stop a spec names: "settled", "stable_and_confident:0.01", "all_accepted|settled"."""
    stops = [_parse(part) for part in _split(spec, "|")]
    for stop in stops:
        if not isinstance(stop, Stop):
            raise ValueError(f"{spec!r} does not name a stop. {_options(_names(STOPS))}")
    first, *rest = stops
    for stop in rest:
        first = first | stop
    return first


def policy_spec(policy: Policy) -> str:
    """The shortest spec of a policy; `parse_policy` makes an equal policy of it."""
    arguments = ",".join(f"{name}={_value_spec(value)}" for name, value in _changed(policy))
    return f"{_name(type(policy))}:{arguments}" if arguments else _name(type(policy))


_CLASSES: dict[str, type] = {}


def _name(kind: type) -> str:
    """LeftToRight -> left_to_right."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in kind.__name__).lstrip("_")


def _names(kinds: Sequence[type]) -> list[str]:
    return [_name(kind) for kind in kinds]


_CLASSES.update((_name(kind), kind) for kind in (*POLICIES, *STOPS, LinearTemperature))


def _find(name: str) -> type:
    name = name.strip().lower().replace("-", "_")
    if name not in _CLASSES:
        raise ValueError(f"unknown name {name!r}. {_suggest(name, list(_CLASSES))}")
    return _CLASSES[name]


def _build(kind: type, values: dict[str, Any]) -> Any:
    """An instance of a dataclass, unknown or missing fields being errors that name them."""
    known = [f.name for f in fields(kind)]
    for name in values:
        if name not in known:
            raise ValueError(f"{kind.__name__} has no field {name!r}. {_suggest(name, known)}")
    needed = [f.name for f in fields(kind) if f.default is MISSING and f.default_factory is MISSING]
    missing = [name for name in needed if name not in values]
    if missing:
        raise ValueError(f"{kind.__name__} needs {', '.join(missing)}")
    try:
        return kind(**values)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from error


def _suggest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else _options(known)


def _options(known: list[str]) -> str:
    return f"Choose from {', '.join(known)}." if known else "It takes none."


def _to_fields(value: Any) -> dict[str, Any]:
    return {f.name: getattr(value, f.name) for f in fields(value)}


def _changed(value: Any) -> list[tuple[str, Any]]:
    """The fields that are not at their defaults."""
    return [(f.name, getattr(value, f.name)) for f in fields(value) if getattr(value, f.name) != f.default]


def _to_plain(value: Any) -> Any:
    if type(value) in _CLASSES.values():
        return {"name": _name(type(value))} | {name: _to_plain(item) for name, item in _to_fields(value).items()}
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} has no JSON form; only the policies and stops of this package do")
    return value


def _from_plain(value: Any) -> Any:
    if isinstance(value, dict):
        values = {name: _from_plain(item) for name, item in value.items() if name != "name"}
        return _build(_find(str(value.get("name"))), values)
    if isinstance(value, list | tuple):
        return tuple(_from_plain(item) for item in value)
    return value


def _parse(spec: str) -> Any:
    name, _, rest = spec.strip().partition(":")
    kind = _find(name)
    known = [f.name for f in fields(kind)]
    values: dict[str, Any] = {}
    for place, argument in enumerate(_split(rest, ",") if rest else []):
        key, equals, value = argument.partition("=")
        if argument.strip().startswith("(") or not equals:
            if place >= len(known):
                raise ValueError(f"{spec!r} has too many arguments; {name} takes {_options(known)}")
            key, value = known[place], argument
        if key.strip() in values:
            raise ValueError(f"{spec!r} gives {key.strip()!r} twice")
        values[key.strip()] = _parse_value(value.strip())
    return _build(kind, values)


def _parse_value(text: str) -> Any:
    words = {"none": None, "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return _parse(text[1:-1]) if text.startswith("(") and text.endswith(")") else text


def _value_spec(value: Any) -> str:
    if isinstance(value, Policy):
        return f"({policy_spec(value)})"
    return value if isinstance(value, str) else repr(value).lower()


def _split(text: str, separator: str) -> list[str]:
    """Split at separators outside parentheses."""
    parts, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == separator and depth == 0:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:
        raise ValueError(f"{text!r} has unbalanced parentheses")
    return parts


def _check_temperature(name: str, value: Any, *, zero: bool) -> None:
    if isinstance(value, LinearTemperature):
        lowest = value.start  # the end is never quite reached, so it may be 0
    else:
        check_number(name, value, low=0)
        lowest = value
    if not zero and not lowest > 0:
        raise ValueError(f"{name}={value!r} must be above 0")
