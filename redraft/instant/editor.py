"""The editor: windows of a text in, the edits that a model makes of them out, forward by forward.

Three ways, one loop: the edit process that a model was trained for; a share of the tokens made noise and denoised; and
only what the model doubts. Knows windows, canvases and their denoiser. Refuses to know which checkpoint it is, files
and what an instruction says.
Shapes: B rows, L canvas positions.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from redraft.core.canvas import Canvas
from redraft.core.corruption import Uniform
from redraft.core.denoiser import Denoiser
from redraft.instant.acceptance import Acceptance, Change, Row, changes
from redraft.instant.diffs import Edit, apply_edits
from redraft.instant.doubt import Doubt, entered, rewrite_doubted
from redraft.instant.locks import Span
from redraft.instant.settling import Settling, Stopped, never, settle
from redraft.instant.spelling import Speller
from redraft.instant.windows import Piece, Window, split_row
from redraft.instant.words import Words
from redraft.sampling import samplers
from redraft.sampling.decoding import Decoding
from redraft.sampling.prediction import believed
from redraft.sampling.wrappers import shape

Strength = float | Literal["auto"]
TOKENS = 2048  # on the canvases of one forward


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a window: every change found, the edits that were taken, and the forwards it took.

    Offsets are those of the whole text.
    """

    window: Window
    found: tuple[Change, ...]
    edits: tuple[Edit, ...]
    forwards: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What stands on the canvas of a window in the end, neighbours and end of text included.

    written  the probability with which each token was written; 0 where none was
    first    log probability of each of the window's old tokens before the first forward
    last     log probability of each of `tokens`, once nothing changes any more
    """

    tokens: list[int]
    written: Sequence[float]
    first: list[float] | None = None
    last: list[float] | None = None
    forwards: int = 0

    @property
    def believed(self) -> bool:
        return self.first is not None and self.last is not None


@dataclass(frozen=True, slots=True)
class Moment:
    """An edit after a forward: how many windows are finished, and those at work as their canvases hold them.

    `nfe` counts the forwards of all groups so far, and of the instruction.
    """

    text: str
    total: int
    nfe: int
    finished: tuple[Outcome, ...]
    working: tuple[tuple[Window, Settling], ...] = field(repr=False)
    decode: Callable[[list[int]], str] = field(repr=False)
    behind: int = 0  # tokens behind every window that belong to no text

    @property
    def draft(self) -> str:
        """The text with what has been found so far, and what stands on the canvases."""
        edits = [edit for outcome in self.finished for edit in outcome.edits]
        edits += [edit for window, settling in self.working for edit in self._drafted(window, settling)]
        return apply_edits(self.text, sorted(edits, key=lambda edit: (edit.start, edit.end)))

    def _drafted(self, window: Window, settling: Settling) -> list[Edit]:
        tokens = settling.tokens[: len(settling.tokens) - self.behind]
        parts = zip(window.pieces, split_row(window, tokens), strict=True)
        texts = [(piece, self.decode(tokens[part])) for piece, part in parts if piece.free]
        return [Edit(p.start, p.end, self.text[p.start : p.end], new) for p, new in texts]


@dataclass(frozen=True, kw_only=True)
class Editor:
    """How windows are edited.

    prompt      clean tokens that stand before every window, and `end`: what stands behind it
    acceptance  what a change must bring to be taken; None takes every change
    words       spellings that are words, for `acceptance`
    speller     proposes words for those that are none, once the model is done
    judge       how many nats pairs of old and new windows gain; a window's edits are taken from `gain` on
    strength    the share of tokens that becomes noise; 0 is the trained process, "auto" what the model doubts
    """

    denoiser: Denoiser
    decode: Callable[[list[int]], str]
    decoding: Decoding
    prompt: tuple[int, ...] = ()
    end: tuple[int, ...] = ()
    strength: Strength = 0.0
    doubt: Doubt = field(default_factory=Doubt)
    acceptance: Acceptance | None = None
    words: Words | None = None
    speller: Speller | None = None
    gain: float = 0.0
    judge: Callable[[list[tuple[list[int], list[int]]]], list[float]] | None = None
    device: torch.device | None = None
    contexts: dict[int, Any] = field(default_factory=dict, repr=False, compare=False)

    def run(
        self, text: str, windows: Sequence[Window], *, seed: int = 0, rows: int = 16, stopped: Stopped = never
    ) -> Iterator[Moment]:
        """A moment per forward; the last one holds the outcome of every window.

        Windows of like length share their forwards, `rows` at most. What becomes of a window does not depend on which.
        """
        order = sorted(range(len(windows)), key=lambda n: len(windows[n].row))
        finished: list[Outcome] = []
        nfe = 0
        for group in _groups(order, windows, rows):
            held = [windows[n] for n in group]
            seed_B = torch.tensor([seed + n for n in group], device=self.device)
            nfe += int(bool(self.prompt) and not self.contexts and getattr(self.denoiser, "keeps_keys", True))
            settling: list[Settling] = []
            for settling in self._settled(held, seed_B, stopped):
                done = max(row.forwards for row in settling)
                if done:
                    yield self._moment(text, windows, nfe + done, finished, zip(held, settling, strict=True))
            rows_done = [Settled(r.tokens, r.written, r.first, r.nats, r.forwards) for r in settling]
            nfe += max(row.forwards for row in rows_done)
            outcomes = self.conclude(text, held, rows_done)
            nfe += int(self.judge is not None and any(outcome.found for outcome in outcomes))
            finished += outcomes
            yield self._moment(text, windows, nfe, finished, ())

    def _moment(self, text: str, windows: Sequence[Window], nfe: int, finished: list[Outcome], working: Any) -> Moment:
        return Moment(text, len(windows), nfe, tuple(finished), tuple(working), self.decode, len(self.end))

    def _settled(self, held: Sequence[Window], seed_B: Tensor, stopped: Stopped) -> Iterator[list[Settling]]:
        denoiser = shape(self.denoiser, self.decoding)
        canvas = self._canvas(denoiser, held, seed_B)
        context = self._context(denoiser, len(held))
        if self.strength == "auto":
            return rewrite_doubted(denoiser, canvas, context, self.decoding, self.doubt, stopped)
        return settle(denoiser, canvas, context, self.decoding, stopped)

    def _canvas(self, denoiser: Denoiser, held: Sequence[Window], seed_B: Tensor) -> Canvas:
        strength = 0.0 if self.strength == "auto" else self.strength
        rows = [self._row(window) for window in held]
        free = [[*window.free, *[False] * len(self.end)] for window in held]
        canvas = next(samplers.edit(
            denoiser, rows, self.decoding, editable=free, strength=strength, seed=seed_B, context=None
        ))  # fmt: skip
        if strength and isinstance(denoiser.corruption, Uniform):
            level_B = torch.full((len(held),), strength, device=canvas.tokens_BL.device)
            return entered(canvas, level_B, self.decoding, denoiser)
        return canvas

    def _context(self, denoiser: Denoiser, rows: int) -> Any:
        """The prompt for so many rows, encoded once for as long as the editor lives."""
        if self.prompt and rows not in self.contexts:
            one = self.contexts.get(1) or self._encoded(denoiser, 1)
            if hasattr(one, "select"):
                self.contexts[1] = one
                self.contexts[rows] = one if rows == 1 else one.select([0] * rows)
            else:
                self.contexts[rows] = self._encoded(denoiser, rows)
        return self.contexts.get(rows)

    def _encoded(self, denoiser: Denoiser, rows: int) -> Any:
        return denoiser.encode(torch.tensor([self.prompt] * rows, device=self.device), None)

    # ------------------------------------------------------------------ what is taken

    def conclude(self, text: str, windows: Sequence[Window], rows: Sequence[Settled]) -> list[Outcome]:
        """The outcome of every window, given what its canvas settled on: for whoever carried the forwards out.

        One more forward, over windows that changed and only where something is asked of a change, tells what the
        model believes of the old text and of the new where `rows` do not say.
        """
        rows = self._believing(windows, rows)
        outcomes = [self._outcome(text, window, row) for window, row in zip(windows, rows, strict=True)]
        changed = [n for n, outcome in enumerate(outcomes) if outcome.edits]
        if self.judge is not None and changed:
            pairs = [(windows[n].tokens, self._own(windows[n], rows[n].tokens)) for n in changed]
            for n, gain in zip(changed, self.judge(pairs), strict=True):
                if gain < self.gain:
                    outcomes[n] = replace(outcomes[n], edits=())
        return self._spelled(text, outcomes)

    def doubts(self, text: str, window: Window) -> bool:
        """Whether a window that the model leaves as it is must be concluded all the same."""
        return self.speller is not None and bool(self.speller.doubts(text[window.start : window.end]))

    def _spelled(self, text: str, outcomes: list[Outcome]) -> list[Outcome]:
        """The outcomes, and words mended that are none and that no edit has touched."""
        if self.speller is None:
            return outcomes
        places = [self._doubtful(text, outcome) for outcome in outcomes]
        asked = [n for n, where in enumerate(places) if where]
        shown = [_applied(text, outcomes[n], places[n]) for n in asked]
        mended = list(outcomes)
        for n, (_, moved), taken in zip(asked, shown, self.speller.mend(shown), strict=True):
            back = {now: was for now, was in zip(moved, places[n], strict=True)}
            new = [(replace(e, start=back[e.start, e.end][0], end=back[e.start, e.end][1]), gain) for e, gain in taken]
            mended[n] = _with_spelling(outcomes[n], new)
        return mended

    def _doubtful(self, text: str, outcome: Outcome) -> list[tuple[int, int]]:
        """Spans of the text in free pieces of a window, at least a character from every edit that is taken."""
        assert self.speller is not None
        free = [(piece.start, piece.end) for piece in outcome.window.pieces if piece.free]
        found = [(p + a, p + b) for p, q in free for a, b in self.speller.doubts(text[p:q])]
        return [
            (a, b) for a, b in found
            if _whole(text, a, b) and not any(e.start <= b and e.end >= a for e in outcome.edits)
        ]  # fmt: skip

    def _believing(self, windows: Sequence[Window], rows: Sequence[Settled]) -> list[Settled]:
        found = list(rows)
        if self.acceptance is None:
            return found
        asked = [n for n, row in enumerate(rows) if row.tokens != self._row(windows[n]) and not row.believed]
        if asked:
            before = self._look([self._row(windows[n]) for n in asked])
            after = self._look([rows[n].tokens for n in asked])
            for n, first, last in zip(asked, before, after, strict=True):
                found[n] = replace(rows[n], first=rows[n].first or first, last=rows[n].last or last)
        return found

    def _look(self, rows: list[list[int]]) -> list[list[float]]:
        """What the model believes of every token of every row, in one forward."""
        denoiser = shape(self.denoiser, self.decoding)
        canvas = next(samplers.edit(denoiser, rows, self.decoding))
        logits_BLV = denoiser.denoise(canvas, self._context(denoiser, len(rows)))
        nats = believed(logits_BLV, canvas.tokens_BL).tolist()
        return [found[: len(row)] for found, row in zip(nats, rows, strict=True)]

    def _row(self, window: Window) -> list[int]:
        return [*window.row, *self.end]

    def _own(self, window: Window, tokens: list[int]) -> list[int]:
        return tokens[len(window.before) : len(tokens) - len(window.after) - len(self.end)]

    def _outcome(self, text: str, window: Window, row: Settled) -> Outcome:
        """What changed between locks, run of words by run of words, and what of it is taken."""
        before = self._row(window)
        if row.tokens == before:
            return Outcome(window, (), (), row.forwards)
        old = Row(before, row.first, [0.0] * len(before))
        new = Row(row.tokens, row.last, row.written)
        found: list[Change] = []
        edits: list[Edit] = []
        place = len(window.before)
        for piece, part in zip(
            window.pieces, split_row(window, row.tokens[: _stop(row.tokens, self.end)]), strict=True
        ):
            was = slice(place, place + len(piece.tokens))
            place = was.stop
            if piece.free and tuple(row.tokens[part]) != piece.tokens:
                shown = self.decode(list(piece.tokens))
                seen = changes(shown, piece.start, old.part(was), new.part(part), self.decode)
                found += seen
                edits += self._taken(text, piece, shown, seen)
        return Outcome(window, tuple(found), tuple(edits), row.forwards)

    def _taken(self, text: str, piece: Piece, shown: str, found: Sequence[Change]) -> list[Edit]:
        accept = self.acceptance
        edits = [change.edit for change in found if accept is None or accept.takes(change, self.words)]
        source = text[piece.start : piece.end]
        if shown == source or not edits:
            return edits
        # A tokenizer that tidies what it reads gives no offsets into the text: the piece is replaced as a whole.
        moved = [replace(e, start=e.start - piece.start, end=e.end - piece.start) for e in edits]
        least = min((e.confidence for e in edits if e.confidence is not None), default=None)
        return [Edit(piece.start, piece.end, source, apply_edits(shown, moved), least)]


def _whole(text: str, start: int, end: int) -> bool:
    """Whether a stretch of letters is a word: a lock may begin or end within one."""
    return not (text[max(start - 1, 0) : start] + text[end : end + 1]).strip("'\u2019").isalnum()


def _applied(text: str, outcome: Outcome, places: Sequence[Span]) -> tuple[str, list[Span]]:
    """A window's text with its edits, and where `places` of the text then stand in it."""
    first, last = outcome.window.start, outcome.window.end
    inside = [replace(e, start=e.start - first, end=e.end - first) for e in outcome.edits]
    shift = [(e.end, len(e.after) - (e.end - e.start)) for e in outcome.edits]
    moved = [sum(by for end, by in shift if end <= a) - first for a, _ in places]
    return apply_edits(text[first:last], inside), [(a + by, b + by) for (a, b), by in zip(places, moved, strict=True)]


def _with_spelling(outcome: Outcome, mended: Sequence[tuple[Edit, float]]) -> Outcome:
    """A changed word counts as a change that the model made, written and settled beyond doubt; it gained so much."""
    made = [Change(e, (e.before,), (e.after,), 1.0, 0.0, gain) for e, gain in mended]
    new = [edit for edit, _ in mended]
    kept = [c for c in outcome.found if not any(c.edit.start <= e.end and c.edit.end >= e.start for e in new)]
    edits = sorted([*outcome.edits, *new], key=lambda edit: (edit.start, edit.end))
    return replace(outcome, found=(*kept, *made), edits=tuple(edits))


def _stop(tokens: Sequence[int], end: Sequence[int]) -> int:
    return len(tokens) - len(end)


def _groups(order: Sequence[int], windows: Sequence[Window], rows: int) -> Iterator[list[int]]:
    """Windows in order, up to `rows` and TOKENS at a time."""
    group: list[int] = []
    for n in order:
        if group and (len(group) == rows or (len(group) + 1) * len(windows[n].row) > TOKENS):
            yield group
            group = []
        group.append(n)
    if group:
        yield group
