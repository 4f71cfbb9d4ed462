"""Askers: what gives answers. A loaded model, or a run that was recorded; `remote` has servers.

Knows how an example becomes a call of the library. Refuses to know whether an answer is right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from redraft.evals.records import Record, Run
from redraft.evals.task import Ask, Example, Task

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.results import Result
    from redraft.sampling.decoding import Decoding

EDITS: tuple[Ask, ...] = ("edit", "infill", "rewrite")


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer and what it cost; None where nobody says. `error` says why there is no answer."""

    text: str
    seconds: float
    tokens: int | None = None
    forwards: int | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Manner:
    """How an asker asks a task."""

    model: str
    mode: str
    ask: Ask
    decoding: Mapping[str, Any] | None
    max_tokens: int
    setting: str = ""

    def file_name(self, task: Task) -> str:
        """The file of a run, such as gsm8k.diffusion.threshold-0.9.jsonl."""
        words = [task.name, self.mode, re.sub(r"[^\w.=+]+", "-", self.setting).strip("-")]
        return ".".join([word for word in words if word] + ["jsonl"])


class Asker(Protocol):
    """What gives answers."""

    def manner(self, task: Task) -> Manner:
        """How a task is asked. Raises ValueError where it cannot be."""

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        """One answer. What goes wrong on the way to it is told by the reply."""


def choose(task: Task, asked: Ask | None, able: Mapping[Ask, str | None]) -> Ask:
    """The way to ask: the one asked for, else the first of the task's that works. `able`: why a way does not work."""
    if asked is not None and asked not in task.asks:
        raise ValueError(f"{task.name} cannot be asked by {asked!r}, only by {' or '.join(task.asks)}")
    wanted = (asked,) if asked is not None else task.asks
    for way in wanted:
        if able[way] is None:
            return way
    raise ValueError(f"{task.name}: {able[wanted[0]]}")


@dataclass(frozen=True, slots=True)
class Own:
    """A loaded model in one of its modes. What it cannot answer (a prompt that is too long) is an error of a reply.

    `editing` decodes edits instead of what the checkpoint recommends for them.
    """

    model: "Model"
    mode: str
    decoding: "Decoding"
    max_tokens: int | None = None
    canvas: int | None = None
    asked: Ask | None = None
    setting: str = ""
    editing: "Decoding | None" = None

    def manner(self, task: Task) -> Manner:
        from redraft.sampling.decoding import to_json

        way = choose(task, self.asked, self._able())
        decoding = to_json(self._decoding(way))
        if self.mode == "ar":
            decoding = {"temperature": decoding["temperature"]}  # nothing else applies
        elif self.canvas is not None:
            decoding["canvas"] = self.canvas
        most = self.max_tokens or task.max_tokens
        return Manner(self.model.name, self.mode, way, decoding, most, self.setting)

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        try:
            result = self._result(task, example, seed)
        except ValueError as error:
            return Reply("", 0.0, error=str(error))
        return Reply(result.text, result.wall_s, len(result.tokens), result.nfe)

    def _result(self, task: Task, example: Example, seed: int) -> "Result":
        way = choose(task, self.asked, self._able())
        most, decoding = self.max_tokens or task.max_tokens, self._decoding(way)
        if way == "edit":
            return self.model.edit(example.prompt, example.instruction or "fix", decoding=decoding, seed=seed)
        if way == "infill":
            return self.model.infill(example.prompt, example.suffix, gap=most, decoding=decoding, seed=seed)
        if way == "rewrite":
            text, told = example.source, example.instruction
            return self.model.rewrite(text, told, decoding=decoding, max_tokens=most, seed=seed)
        options: dict[str, Any] = {"mode": self.mode, "seed": seed, "decoding": decoding, "max_tokens": most}
        if self.canvas is not None:
            options["canvas"] = self.canvas
        if way == "chat":
            return self.model.chat([{"role": "user", "content": example.question}], **options)
        return self.model.generate(example.prompt, stop=task.stop, **options)

    def _decoding(self, way: Ask) -> "Decoding":
        """A gap is filled as the checkpoint recommends for gaps, unless another decoding was asked for."""
        defaults = self.model.defaults
        if way == "edit":
            return self.editing or defaults.edit
        return defaults.infill if way == "infill" and self.decoding == defaults.generate else self.decoding

    def _able(self) -> dict[Ask, str | None]:
        voice = self.model.voice
        able: dict[Ask, str | None] = {"complete": None, "chat": voice.cannot.get("chat")}
        if self.mode != "diffusion":
            return able | dict.fromkeys(EDITS, f"{voice.title} fills and edits in mode diffusion, not {self.mode}")
        able["edit"] = None if voice.edit_id is not None else f"{voice.title} was not trained to correct a text"
        able["infill"] = voice.cannot.get("infill")
        able["rewrite"] = _refusal(self.model)
        return able


def _refusal(model: "Model") -> str | None:
    """Why a model cannot be told to rewrite a text; None where it can."""
    from redraft.editing import check_rewrite

    try:
        check_rewrite(model)
    except ValueError as error:
        return str(error)
    return None


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answers of a run that was recorded, to be judged again."""

    run: Run
    answers: Mapping[tuple[str, int], Record]

    def manner(self, task: Task) -> Manner:
        header = self.run.header
        if header.task != task.name:
            raise ValueError(f"the recorded run is of {header.task}, not of {task.name}")
        way: Ask = header.ask  # type: ignore[assignment]
        return Manner(header.model, header.mode, way, header.decoding, header.max_tokens, header.setting)

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        record = self.answers.get((example.id, sample))
        if record is None:
            return Reply("", 0.0, error="the recorded run has no answer")
        return Reply(record.output, record.seconds, record.tokens, record.forwards, record.error)


def recorded(run: Run) -> Recorded:
    return Recorded(run, {(record.id, record.sample): record for record in run.records})
