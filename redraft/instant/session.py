"""Sessions: a text edited while it is being typed or spoken. Only windows that changed are edited again.

A window's edits are remembered by what it says, so that a keystroke costs its own window alone, and the instruction's
context is encoded once. The window that did change starts warm: the edits of its last state that the keystroke left
alone are made before the first forward, and one look confirms them.

Knows plans and their windows. Refuses to know how a model is loaded and who types.
"""

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch

from redraft.data.sentences import split_sentences
from redraft.instant.diffs import Edit, apply_edits, minimal_edits
from redraft.instant.editor import Editor
from redraft.instant.settling import Cancelled
from redraft.instant.windows import Window
from redraft.instant.words import WORD

REMEMBERED = 4096  # windows
ENDS = ".!?\u2026\"'\u201d\u2019)"


class Planned(Protocol):
    """What a session needs of a plan: the windows of a text, and an editor for them."""

    @property
    def windows(self) -> list[Window]: ...

    @property
    def editor(self) -> Editor: ...


Planner = Callable[[str], Planned]
Key = tuple[tuple[tuple[int, ...], bool], ...]


@dataclass(frozen=True, slots=True)
class Update:
    """A state of a text and its edits. `edited` windows cost forwards, `nfe` of them; the others were remembered."""

    text: str
    original: str
    edits: tuple[Edit, ...]
    edited: int
    nfe: int


@dataclass(slots=True)
class EditSession:
    """The edits of a text as it changes. `update` from any thread; a later one cancels the one at work."""

    plan: Planner
    _editor: Editor | None = None
    _known: "OrderedDict[Key, tuple[Edit, ...]]" = field(default_factory=OrderedDict)
    _last: list[tuple[str, tuple[Edit, ...]]] = field(default_factory=list)
    _turn: int = 0
    _working: threading.Lock = field(default_factory=threading.Lock)

    def update(self, text: str) -> Update:
        """The text as it is now, edited. Raises Cancelled when another update, or `cancel`, comes before the end."""
        self._turn += 1
        turn = self._turn
        with self._working:
            if turn != self._turn:
                raise Cancelled("a later state of the text has come")
            return self._updated(text, turn)

    def cancel(self) -> None:
        """Stop whatever is at work, between two forwards."""
        self._turn += 1

    def _updated(self, text: str, turn: int) -> Update:
        plan = self.plan(text)
        editor = self._editor = plan.editor if self._editor is None else self._editor
        found = {n: self._known[_key(w)] for n, w in enumerate(plan.windows) if _key(w) in self._known}
        new = [n for n in range(len(plan.windows)) if n not in found]
        nfe = 0
        for n in new:
            found[n], forwards = self._edit(editor, text, plan.windows[n], turn)
            nfe += forwards
            self._remember(_key(plan.windows[n]), found[n])
        self._last = [(text[w.start : w.end], found[n]) for n, w in enumerate(plan.windows)]
        edits = tuple(_moved(edit, w.start) for n, w in enumerate(plan.windows) for edit in found[n])
        edits = tuple(edit for edit in edits if edit.end <= _typing(text))
        return Update(apply_edits(text, edits), text, edits, len(new), nfe)

    def _edit(self, editor: Editor, text: str, window: Window, turn: int) -> tuple[tuple[Edit, ...], int]:
        """A window's edits in offsets of its own, and the forwards that took."""
        said = text[window.start : window.end]
        warm = self._warm(said) if all(piece.free for piece in window.pieces) else ()
        warmed = apply_edits(said, warm)
        shown = window if not warm else self.plan(warmed).windows
        if isinstance(shown, list):
            if len(shown) != 1 or (shown[0].start, shown[0].end) != (0, len(warmed)):
                warm, warmed, shown = (), said, window
            else:
                shown = replace(shown[0], before=window.before, after=window.after)
        offset = 0 if warm else window.start
        with torch.inference_mode():
            *_, moment = editor.run(warmed if warm else text, [shown], stopped=lambda: turn != self._turn)
        fresh = [_moved(edit, -offset) for outcome in moment.finished for edit in outcome.edits]
        if not warm:
            return tuple(fresh), moment.nfe
        return _traced(said, apply_edits(warmed, fresh), [*warm, *fresh]), moment.nfe

    def _warm(self, said: str) -> tuple[Edit, ...]:
        """Edits of the most alike window of the last state, where what they change is still there."""
        best: tuple[int, tuple[Edit, ...]] = (0, ())
        for before, edits in self._last:
            head = _shared(before, said)
            tail = min(_shared(before[::-1], said[::-1]), min(len(before), len(said)) - head)
            if edits and head + tail > max(best[0], len(said) // 2):
                shift = len(said) - len(before)
                kept = [e for e in edits if e.end < head] + [
                    _moved(e, shift) for e in edits if e.start > len(before) - tail and e.end >= head
                ]
                best = (head + tail, tuple(kept))
        return best[1]

    def _remember(self, key: Key, edits: tuple[Edit, ...]) -> None:
        self._known[key] = edits
        while len(self._known) > REMEMBERED:
            self._known.popitem(last=False)


@dataclass(slots=True)
class LiveSession:
    """A text that grows at its end, such as a transcript: what was committed never changes, the tail may.

    A sentence is committed, as edited then, once `behind` others have begun after it.
    """

    session: EditSession
    behind: int = 1
    committed: str = ""
    _source: str = ""
    _place: int = 0  # characters of the source that are committed

    def update(self, source: str) -> str:
        """The text so far, edited. Raises ValueError where what is committed has changed."""
        if not source.startswith(self._source[: self._place]):
            raise ValueError("the text that is committed has changed; what grows at its end alone can be followed")
        tail = source[self._place :]
        last = self._done(tail)
        if last:
            self.committed += self.session.update(tail[:last]).text
            self._place += last
        self._source = source
        return self.committed + self.session.update(tail[last:]).text

    def finish(self) -> str:
        """Everything, committed."""
        self.committed += self.session.update(self._source[self._place :]).text
        self._place = len(self._source)
        return self.committed

    def _done(self, tail: str) -> int:
        spans: Sequence[tuple[int, int]] = split_sentences(tail)
        return spans[-1 - self.behind][1] if len(spans) > self.behind else 0


def _key(window: Window) -> Key:
    own = tuple((piece.tokens, piece.free) for piece in window.pieces)
    return (*own, (window.before, False), (window.after, False))


def _typing(text: str) -> int:
    """Where the word that is being typed begins, which is nobody's to correct yet; the end where none is."""
    if not text or text[-1].isspace() or text[-1] in ENDS:
        return len(text)
    word = WORD.search(text, text.rfind(" ") + 1)
    return len(text) if word is None else word.start()


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
