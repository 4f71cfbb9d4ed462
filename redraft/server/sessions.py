"""Sessions: a text edited while it comes into being, its windows carried out by the engine among everybody's requests.

Knows what is remembered of a text and what the engine makes of a window. Refuses to know sockets and messages.
"""

import asyncio
import time
from dataclasses import dataclass, field, replace

from redraft.editing import Plan
from redraft.instant.diffs import Edit
from redraft.instant.editor import Editor as Windows
from redraft.instant.session import SPOKEN, Growth, Memory, Planner, Task
from redraft.sampling.decoding import Decoding
from redraft.server.answers import Usage
from redraft.server.errors import ApiError
from redraft.server.filling import AT_ONCE, Editor
from redraft.server.served import Served

LONG = 4000  # characters: a text from which on finding its windows would keep others waiting


@dataclass(frozen=True, slots=True)
class Followed:
    """A state of a text as edited. The first `committed` characters of `text` never change. Times in seconds."""

    text: str
    edits: tuple[Edit, ...]
    committed: int
    windows: int
    forwards: int
    seconds: float


@dataclass(slots=True)
class Session:
    """A text that is being written. `update` may be cancelled at any time: what was finished by then is remembered."""

    served: Served
    plan: Planner
    memory: Memory
    decoding: Decoding
    seed: int
    seconds: float
    usage: Usage
    own: bool = False
    growth: Growth | None = None
    _editor: Windows | None = None  # keeps the instruction's context
    _free: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def update(self, text: str, *, whole: bool = False) -> Followed:
        """The text as it is now, edited. Raises ApiError for one that cannot follow the one before."""
        began, growth = time.monotonic(), self.growth
        try:
            tail = text if growth is None else growth.tail(text)
            plan = await self._planned(tail)
        except ValueError as error:
            raise ApiError(str(error), param="text") from None
        tasks = self.memory.tasks(plan)
        forwards = await self._carried_out(plan, tasks)
        open_words = 0 if whole else 1 if growth is None else SPOKEN
        found = self.memory.update(plan, len(tasks), forwards, open_words=open_words)
        seconds = time.monotonic() - began
        self.usage.total_s += seconds
        if growth is None:
            return Followed(found.text, found.edits, 0, len(tasks), forwards, seconds)
        edits = growth.edits + tuple(_behind(edit, len(growth.source)) for edit in found.edits)
        shown = growth.grow(found, finish=whole)
        return Followed(shown, edits, len(growth.committed), len(tasks), forwards, seconds)

    async def _planned(self, text: str) -> Plan:
        made = await asyncio.to_thread(self.plan, text) if len(text) > LONG else self.plan(text)
        assert isinstance(made, Plan)
        if self._editor is None:
            self._editor = made.decoded_by(self.decoding).editor
        return replace(made, editor=self._editor)

    async def _carried_out(self, plan: Plan, tasks: list[Task]) -> int:
        """All of the tasks, side by side; the forwards they took."""
        at_work = [asyncio.create_task(self._carry_out(plan, task)) for task in tasks]
        try:
            return sum(await asyncio.gather(*at_work))
        finally:
            for each in at_work:
                each.cancel()
            await asyncio.gather(*at_work, return_exceptions=True)

    async def _carry_out(self, plan: Plan, task: Task) -> int:
        usage = Usage()
        alone = replace(plan, text=task.text, windows=[task.window])
        editor = Editor(self.served, task.text, alone, self.seed, self.seconds, usage, self.own, _free=self._free)
        try:
            async for state in editor.states(drafts=False):
                self.memory.take(plan, task, state.edits)
        finally:
            self.usage.prompt_tokens += len(plan.prompt) + len(task.window.tokens)
            for name in ("completion_tokens", "forwards", "denoising_steps"):
                setattr(self.usage, name, getattr(self.usage, name) + getattr(usage, name))
        return usage.forwards


def _behind(edit: Edit, by: int) -> Edit:
    return replace(edit, start=edit.start + by, end=edit.end + by)
