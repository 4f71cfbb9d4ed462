"""Served: a model under a name, with an engine at work on it. Turns text requests into the engine's programs.

Knows prompts, decodings and what fits. Refuses to know HTTP and the shapes of bodies.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

from redraft.engine import program
from redraft.engine.engine import Engine, EngineConfig
from redraft.engine.thread import EngineThread
from redraft.library import Model
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import TopK
from redraft.server.errors import ApiError, unsupported
from redraft.voice import Voice

# The share of a canvas's length that may be spent in steps. None: as the checkpoint recommends.
EFFORTS: Mapping[str, float | None] = {
    "none": 1 / 8, "minimal": 1 / 8, "instant": 1 / 8, "low": 1 / 4, "medium": None, "high": 1.0, "xhigh": 1.0,
}  # fmt: skip
MAX_STEPS = 4096
DRAFT_LENGTH = 8  # tokens that mode verify drafts at once, at most
NOT_LEFT_TO_RIGHT = (
    "top_k", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty", "guidance", "banned_ids",
    "bias", "logit_temperature",
)  # fmt: skip
LONGEST_TOKEN = 128  # characters; only runs of white space come near


@dataclass(frozen=True, slots=True)
class Prompt:
    """What an answer follows: tokens, the strings that end it, and whether white space in front of it is dropped."""

    tokens: list[int]
    stops: tuple[str, ...] = ()
    strip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One answer that is wanted: a program for the engine, and how what it commits becomes text.

    head, tail  tokens on the canvas around the answer
    fit         what is done to the text in the end
    own         the request brought its own decoding: where that breaks, the request is to blame
    """

    writer: program.Writer
    seed: int
    stops: tuple[str, ...] = ()
    strip: bool = False
    head: int = 0
    tail: int = 0
    own: bool = False
    fit: Callable[[str], str] = str


@dataclass(frozen=True, slots=True)
class Served:
    """A model, its name and its engine."""

    name: str
    model: Model
    thread: EngineThread

    @property
    def voice(self) -> Voice:
        return self.model.voice

    @property
    def vocab_size(self) -> int:
        return int(self.model.tokenizer.vocab_size)

    def decode(self, tokens: Sequence[int]) -> str:
        return self.model.tokenizer.decode(tokens)

    # ------------------------------------------------------------------ prompts

    def text_prompt(self, text: str | Sequence[int], label: str | None = None) -> Prompt:
        """A text to be continued; token ids are taken as they are."""
        if isinstance(text, str):
            self.check_length(text)
        else:
            self.check_ids("prompt", text)
        return Prompt([*self._label(label), *self.model.prompt_ids(text)])

    def chat_prompt(self, messages: Sequence[Mapping[str, Any]], label: str | None = None) -> Prompt:
        """A conversation up to the answer it owes."""
        chat = self.voice.chat
        self.check_length("".join(str(message["content"]) for message in messages))
        try:
            tokens = self.model.chat_ids(messages)
        except ValueError as error:
            raise ApiError(str(error), param="messages") from None
        assert chat is not None, "chat_ids refuses models that have none"
        label = label or chat.label
        return Prompt([*self._label(label), *tokens], chat.stops, strip=bool(chat.stops))

    def _label(self, label: str | None) -> list[int]:
        if label is None:
            return []
        labels = self.voice.labels
        if label not in labels:
            raise ApiError(f"this model has no label {label!r}; it has {', '.join(labels) or 'none'}", param="label")
        return [self.model.network.label_token(labels.index(label))]

    def check_length(self, text: str) -> None:
        """Raise ApiError for a text that cannot fit, before the work of cutting it into tokens."""
        if len(text) > LONGEST_TOKEN * self.voice.room:
            raise ApiError(
                f"a prompt of {len(text)} characters is too long for {self.voice.room} tokens",
                param="prompt", code="context_length_exceeded",
            )  # fmt: skip

    def check_ids(self, name: str, ids: Sequence[int]) -> None:
        """Raise ApiError for what is no token of this model."""
        for token in ids:
            if not 0 <= token < self.vocab_size:
                raise ApiError(f"there is no token {token}; this model has {self.vocab_size}", param=name)

    # ------------------------------------------------------------------ decodings

    def decoding(
        self, given: Mapping[str, Any] | None, changes: Mapping[str, Any], effort: str | None, recommended: Decoding
    ) -> Decoding:
        """What a request asks for, on top of what the checkpoint recommends. Raises ApiError naming the field."""
        if given is not None and effort is not None:
            raise ApiError("give one of decoding and reasoning_effort", param="reasoning_effort")
        try:
            base = recommended if given is None else from_json(dict(given))
        except (ValueError, TypeError, RecursionError) as error:
            raise ApiError(f"decoding: {error}", param="decoding") from None
        try:
            base = base if effort is None else in_steps(base, EFFORTS[effort], self.model.defaults.block_length or 32)
            decoding = replace(base, **changes)
        except ValueError as error:
            raise ApiError(str(error), param=next(iter(changes), None)) from None
        self._check_decoding(decoding)
        return decoding

    def _check_decoding(self, decoding: Decoding) -> None:
        self.check_ids("decoding", [*decoding.banned_ids, *decoding.unsure_ids])
        self.check_ids("logit_bias", [token for token, _ in decoding.bias])
        self.check_ids("decoding", [] if decoding.null_id is None else [decoding.null_id])
        if decoding.max_steps > MAX_STEPS:
            raise ApiError(f"max_steps={decoding.max_steps} is more than {MAX_STEPS}", param="decoding")
        facts = getattr(self.model.network, "facts", None)
        if facts is not None and facts.max_steps not in (None, decoding.max_steps):
            raise unsupported("decoding.max_steps", f"this model counts {facts.max_steps} steps of its own")

    # ------------------------------------------------------------------ orders

    def generate(
        self, prompt: Prompt, decoding: Decoding, *, max_tokens: int, canvas: int | None, seed: int, mode: str | None,
        own: bool = False,
    ) -> Order:  # fmt: skip
        """The continuation of a prompt. Raises ApiError for what this model cannot do."""
        self.check_room(len(prompt.tokens), max_tokens)
        mode = mode or self.voice.modes[0]
        if mode not in self.voice.modes:
            raise ApiError(f"this model has the modes {', '.join(self.voice.modes)}, not {mode}", param="mode")
        make = self._diffuse if mode == "diffusion" else partial(self._left_to_right, mode)
        try:
            writer = make(prompt.tokens, decoding, max_tokens, canvas, seed)
        except ValueError as error:
            raise ApiError(str(error), param="decoding") from None
        return Order(writer=writer, seed=seed, stops=prompt.stops, strip=prompt.strip, own=own)

    def _left_to_right(
        self, mode: str, prompt: list[int], decoding: Decoding, max_tokens: int, canvas: int | None, seed: int
    ) -> program.Writer:
        if not isinstance(decoding.temperature, int | float):
            raise ValueError(f"mode {mode} needs a constant temperature")
        plain = Decoding()
        shaped = [name for name in NOT_LEFT_TO_RIGHT if getattr(decoding, name) != getattr(plain, name)]
        if shaped:
            raise ValueError(f"mode {mode} has a temperature and nothing else: {', '.join(shaped)} must be left out")
        shared: dict[str, Any] = {
            "max_tokens": max_tokens, "temperature": decoding.temperature, "seed": seed,
            "stop_ids": self.voice.stop_ids,
        }  # fmt: skip
        if mode == "ar":
            return program.autoregress(prompt, **shared)
        length = canvas or self.model.defaults.block_length or max_tokens
        return program.speculate(prompt, draft_length=min(length, DRAFT_LENGTH), **shared)

    def _diffuse(
        self, prompt: list[int], decoding: Decoding, max_tokens: int, canvas: int | None, seed: int
    ) -> program.Writer:
        if decoding.guidance and prompt and prompt[0] >= self.vocab_size:
            raise unsupported("decoding.guidance", "not together with a label")
        return program.generate(
            prompt, decoding, max_tokens=max_tokens, seed=seed, stop_ids=self.voice.stop_ids,
            block_length=canvas or self.model.defaults.block_length or max_tokens,
            whole_blocks=self.voice.whole_blocks,
        )  # fmt: skip

    def room_for(self, prompt: Prompt, most: int) -> int:
        """Tokens an answer may have behind a prompt, at most so many."""
        whole = getattr(self.model.network, "block_length", None) or 1
        return max(1, min(most, self.voice.room // whole * whole - len(prompt.tokens)))

    def check_room(self, num_prompt: int, max_tokens: int) -> None:
        """Raise ApiError unless the prompt and the answer, up to the end of its block, fit into the model."""
        whole = getattr(self.model.network, "block_length", None) or 1
        needed = -(-(num_prompt + max_tokens) // whole) * whole
        if needed > self.voice.room:
            raise ApiError(
                f"the prompt and max_tokens={max_tokens} come to {needed} tokens, more than the model's "
                f"{self.voice.room}",
                param="max_tokens", code="context_length_exceeded",
            )  # fmt: skip


def serve(model: Model, name: str | None = None, config: EngineConfig | None = None) -> Served:
    """A model behind an engine of its own. Its thread is not started yet."""
    config = EngineConfig() if config is None else config
    engine = Engine(model.network, config)
    return Served(name or model.name, model, EngineThread(engine, name=f"engine {name or model.name}"))


def in_steps(decoding: Decoding, share: float | None, length: int) -> Decoding:
    """The decoding with that share of a canvas's length for its steps."""
    if share is None:
        return decoding
    steps = max(1, round(share * length))
    if steps >= length:
        return replace(decoding, policy=TopK(num_steps=length), max_steps=max(length, decoding.max_steps))
    policy: Any = decoding.policy
    if "num_steps" in {field.name for field in fields(policy)}:
        policy = replace(policy, num_steps=steps)
    return replace(decoding, policy=policy, max_steps=steps)
