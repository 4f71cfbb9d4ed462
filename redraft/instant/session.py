"""Sessions: a text edited while it is being typed or spoken. Only windows that changed are edited again.

A window's edits are remembered by what it says, so that a keystroke costs its own window alone, and the instruction's
context is encoded once. The window that did change starts warm: the edits of its last state that the keystroke left
alone are made before the first forward, and one look confirms them. A text that grows at its end is committed piece by
piece: what was committed never changes, the tail may.

Knows plans and their windows. Refuses to know how a model is loaded, who carries forwards out and who types.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from redraft.data.sentences import split_sentences
from redraft.instant.diffs import Edit, apply_edits, character_edits, minimal_edits
from redraft.instant.editor import Editor
from redraft.instant.settling import Cancelled
from redraft.instant.windows import Piece, Window
from redraft.instant.words import WORD

REMEMBERED = 4096  # windows
ENDS = ".!?\u2026\"'\u201d\u2019)"
LONGEST = 600  # characters of a tail: a speaker who never ends a sentence is committed at a word
KEPT_OPEN = 200  # characters that are left open then
SPOKEN = 3  # words at the end of a text that grows without pause: what follows them may change what they mean


class Planned(Protocol):
    """What a session needs of a plan: a text, its windows, and an editor for them."""

    @property
    def text(self) -> str: ...

    @property
    def windows(self) -> list[Window]: ...

    @property
    def editor(self) -> Editor: ...


Planner = Callable[[str], Planned]
Tokenise = Callable[[str], list[int]]
Key = tuple[tuple[tuple[int, ...], bool], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """A state of a text and its edits. `edited` windows cost forwards, `nfe` of them; the others were remembered."""

    text: str
    original: str
    edits: tuple[Edit, ...]
    edited: int
    nfe: int


@dataclass(frozen=True, slots=True)
class Task:
    """A window to be edited now: within `text`, which is the session's, or what the window says with `warm` made."""

    number: int
    said: str
    text: str
    window: Window
    warm: tuple[Edit, ...] = ()


@dataclass(slots=True)
class Memory:
    """What the windows of a text have become so far. `tasks`, then `take` for each that was carried out, then `update`.

    A task that was not carried out leaves nothing behind, and neither does an `update` that never came.
    """

    tokenise: Tokenise
    _known: "OrderedDict[Key, tuple[Edit, ...]]" = field(default_factory=OrderedDict)
    _last: list[tuple[str, tuple[Edit, ...]]] = field(default_factory=list)

    def tasks(self, plan: Planned) -> list[Task]:
        """The windows of a plan that are not remembered."""
        new = [n for n, window in enumerate(plan.windows) if _key(window) not in self._known]
        return [self._task(plan, n) for n in new]

    def take(self, plan: Planned, task: Task, edits: Iterable[Edit]) -> None:
        """Remember what became of a window: edits in offsets of the task's text."""
        start = 0 if task.warm else task.window.start
        fresh = [_moved(edit, -start) for edit in edits]
        if task.warm:
            after = apply_edits(apply_edits(task.said, task.warm), fresh)
            fresh = list(_traced(task.said, after, [*task.warm, *fresh]))
        self._known[_key(plan.windows[task.number])] = tuple(fresh)
        while len(self._known) > max(REMEMBERED, 2 * len(plan.windows)):
            self._known.popitem(last=False)

    def update(self, plan: Planned, edited: int, nfe: int, *, open_words: int = 1) -> Update:
        """The text with what all its windows have become.

        The last word, while it is being typed, is nobody's to correct yet, nor are the last `open_words`.
        """
        found = [(window, self._known[_key(window)]) for window in plan.windows]
        for window, _ in found:
            self._known.move_to_end(_key(window))
        self._last = [(plan.text[window.start : window.end], edits) for window, edits in found]
        open_from = _typing(plan.text, open_words)
        moved = (_moved(edit, window.start) for window, edits in found for edit in edits)
        edits = tuple(edit for edit in moved if edit.end <= open_from)
        return Update(apply_edits(plan.text, edits), plan.text, edits, edited, nfe)

    def _task(self, plan: Planned, number: int) -> Task:
        window = plan.windows[number]
        said = plan.text[window.start : window.end]
        warm = self._warm(said) if all(piece.free for piece in window.pieces) else ()
        if not warm:
            return Task(number, said, plan.text, window)
        warmed = apply_edits(said, warm)
        piece = Piece(0, len(warmed), tuple(self.tokenise(warmed)), free=True)
        return Task(number, said, warmed, replace(window, pieces=(piece,)), warm)

    def _warm(self, said: str) -> tuple[Edit, ...]:
        """Edits of the most alike window of the last state, where what they change is still there."""
        best: tuple[int, tuple[Edit, ...]] = (0, ())
        for before, edits in self._last:
            head = _shared(before, said) if edits else 0
            if not edits or len(before) <= best[0]:
                continue
            tail = min(_shared(before[::-1], said[::-1]), min(len(before), len(said)) - head)
            if head + tail > max(best[0], len(said) // 2):
                shift = len(said) - len(before)
                kept = [e for e in edits if e.end < head] + [
                    _moved(e, shift) for e in edits if e.start > len(before) - tail and e.end >= head
                ]
                best = (head + tail, tuple(kept))
        return best[1]


@dataclass(slots=True)
class EditSession:
    """The edits of a text as it changes. `update` from any thread; a later one cancels the one at work."""

    plan: Planner
    memory: Memory
    _editor: Editor | None = None
    _turn: int = 0
    _working: threading.Lock = field(default_factory=threading.Lock)

    def update(self, text: str, *, open_words: int = 1) -> Update:
        """The text as it is now, edited. Raises Cancelled when another update, or `cancel`, comes before the end.

        The last `open_words` are left alone while they are being typed.
        """
        self._turn += 1
        turn = self._turn
        with self._working:
            if turn != self._turn:
                raise Cancelled("a later state of the text has come")
            return self._updated(text, turn, open_words)

    def cancel(self) -> None:
        """Stop whatever is at work, between two forwards."""
        self._turn += 1

    def _updated(self, text: str, turn: int, open_words: int) -> Update:
        plan = self.plan(text)
        editor = self._editor = plan.editor if self._editor is None else self._editor
        tasks, nfe = self.memory.tasks(plan), 0
        for task in tasks:
            with torch.inference_mode():
                *_, moment = editor.run(task.text, [task.window], stopped=lambda: turn != self._turn)
            nfe += moment.nfe
            self.memory.take(plan, task, [edit for outcome in moment.finished for edit in outcome.edits])
        return self.memory.update(plan, len(tasks), nfe, open_words=open_words)


@dataclass(slots=True)
class Growth:
    """How much of a text that grows at its end is committed, and as what.

    A sentence is committed, as edited, once `behind` others have begun after it in the edited text; where sentences
    never end, at a word. `edits` are those of what is committed, in offsets of the source.
    """

    behind: int = 1
    committed: str = ""
    source: str = ""  # what became `committed`
    edits: tuple[Edit, ...] = ()

    def tail(self, source: str) -> str:
        """What may still change. Raises ValueError where what is committed has changed."""
        if not source.startswith(self.source):
            raise ValueError("the text that is committed has changed; what grows at its end alone can be followed")
        return source[len(self.source) :]

    def grow(self, tail: Update, *, finish: bool = False) -> str:
        """The whole text as edited; what of the tail has come to rest is committed from now on."""
        shown = self.committed + tail.text
        cut = (len(tail.text), len(tail.original)) if finish else self._cut(tail)
        self._commit(tail, *cut)
        return shown

    def _cut(self, tail: Update) -> tuple[int, int]:
        """Characters of the tail, edited and as it was, that are committed now."""
        spans: Sequence[tuple[int, int]] = split_sentences(tail.text)
        if len(spans) > self.behind:
            return _split(tail, spans[-1 - self.behind][1])
        if len(tail.text) > LONGEST:
            space = tail.text.rfind(" ", 0, len(tail.text) - KEPT_OPEN)
            return _split(tail, space) if space > 0 else (0, 0)
        return 0, 0

    def _commit(self, tail: Update, after: int, before: int) -> None:
        made = _characters(tail) if after < len(tail.text) else tail.edits
        shift = 0
        for edit in made:
            shift += len(edit.after) - len(edit.before)
            if edit.end <= before and edit.end + shift <= after:
                self.edits += (_moved(edit, len(self.source)),)
        self.committed += tail.text[:after]
        self.source += tail.original[:before]


@dataclass(slots=True)
class LiveSession:
    """A text that grows at its end, such as a transcript: what was committed never changes, the tail may."""

    session: EditSession
    behind: int = 1
    growth: Growth = field(init=False)
    _tail: str = field(init=False, default="")

    def __post_init__(self) -> None:
        self.growth = Growth(self.behind)

    @property
    def committed(self) -> str:
        return self.growth.committed

    def update(self, source: str) -> str:
        """The text so far, edited. Raises ValueError where what is committed has changed."""
        self._tail = self.growth.tail(source)
        shown = self.growth.grow(self.session.update(self._tail, open_words=SPOKEN))
        self._tail = self.growth.tail(source)
        return shown

    def finish(self) -> str:
        """Everything, committed."""
        shown = self.growth.grow(self.session.update(self._tail, open_words=0), finish=True)
        self._tail = ""
        return shown


def _key(window: Window) -> Key:
    own = tuple((piece.tokens, piece.free) for piece in window.pieces)
    return (*own, (window.before, False), (window.after, False))


def _typing(text: str, words: int) -> int:
    """Where the last so many words begin, the one being typed among them; the end of the text where none is open."""
    if not text or not words or text[-1] in ENDS:
        return len(text)
    still = words - text[-1].isspace()
    starts = [word.start() for word in WORD.finditer(text, max(0, len(text) - 40 * words))]
    return starts[-min(still, len(starts))] if still and starts else len(text)


def _moved(edit: Edit, by: int) -> Edit:
    return replace(edit, start=edit.start + by, end=edit.end + by)


def _shared(one: str, other: str) -> int:
    """How many characters both begin with."""
    for n, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return n
    return min(len(one), len(other))


def _traced(before: str, after: str, causes: Sequence[Edit]) -> tuple[Edit, ...]:
    """The edits between two texts, each with the confidence of the edit that wrote the same."""
    sure = {edit.after: edit.confidence for edit in causes}
    least = min((edit.confidence for edit in causes if edit.confidence is not None), default=None)
    return tuple(replace(edit, confidence=sure.get(edit.after, least)) for edit in minimal_edits(before, after))


def _characters(update: Update) -> list[Edit]:
    return [part for edit in update.edits for part in character_edits(edit)]


def _split(update: Update, place: int) -> tuple[int, int]:
    """A place in an edited text, and the same in what it was; moved to the end of a change of characters it cuts."""
    shift = 0  # of the edited text against the old one
    for edit in _characters(update):
        start, end = edit.start + shift, edit.start + shift + len(edit.after)
        if place < start or (place == start and edit.after):
            break
        if place <= end:
            return end, edit.end
        shift += len(edit.after) - len(edit.before)
    return place, place - shift
