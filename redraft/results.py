"""Results: what the library returns. Text, tokens, forwards and timings; plain values, ready for JSON."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from redraft.core.canvas import Status
from redraft.instant.diffs import Edit as Edit
from redraft.instant.diffs import character_edits, unified


@dataclass(frozen=True, slots=True)
class Piece:
    """One token of a draft as a reader sees it."""

    text: str
    status: Status
    revised: bool = False  # accepted before, and overwritten or renoised since


@dataclass(frozen=True, slots=True)
class View:
    """One moment of generation: text that stays, and the canvas at work on the next block.

    `nfe` counts forwards so far, commits included.
    """

    committed: str
    draft: tuple[Piece, ...]
    nfe: int
    seconds: float
    tokens: tuple[int, ...]

    @property
    def text(self) -> str:
        """Committed text and draft; noise shows as it is."""
        return self.committed + "".join(piece.text for piece in self.draft)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A finished generation. Times in seconds; `nfe` counts every forward, prompt and commits included."""

    text: str
    tokens: tuple[int, ...]
    nfe: int
    first_text_s: float
    wall_s: float
    seed: int
    mode: str
    model: str
    notes: tuple[str, ...] = ()

    @property
    def tokens_per_forward(self) -> float:
        return len(self.tokens) / max(self.nfe, 1)

    @property
    def tokens_per_second(self) -> float:
        return len(self.tokens) / max(self.wall_s, 1e-9)

    def to_json(self) -> dict[str, Any]:
        values = asdict(self)
        rates = {
            "tokens_per_forward": round(self.tokens_per_forward, 3),
            "tokens_per_second": round(self.tokens_per_second, 1),
        }
        return values | {"tokens": len(self.tokens)} | rates


def mark_revised(before: tuple[Piece, ...], after: tuple[Piece, ...]) -> tuple[Piece, ...]:
    """The pieces of `after`, the next draft of the same block, with those marked that were revised."""
    if len(before) != len(after):
        return after  # another block
    pairs = zip(before, after, strict=True)
    return tuple(replace(new, revised=old.revised or _overwritten(old, new)) for old, new in pairs)


def _overwritten(old: Piece, new: Piece) -> bool:
    return old.status == Status.ACCEPTED and (new.text != old.text or new.status == Status.NOISY)


def summarise(views: Sequence[View], *, seed: int, mode: str, model: str) -> Result:
    """The result of a stream from its views; of one that was interrupted, what was committed."""
    last = views[-1] if views else View("", (), 0, 0.0, ())
    shown = (v.seconds for v in views if v.committed or any(p.status == Status.ACCEPTED for p in v.draft))
    return Result(
        text=last.committed, tokens=last.tokens, nfe=last.nfe, first_text_s=next(shown, 0.0), wall_s=last.seconds,
        seed=seed, mode=mode, model=model,
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class EditView:
    """One moment of an edit: the text with what has been found so far, and how many of its windows are finished."""

    text: str
    finished: int
    total: int
    nfe: int
    seconds: float
    result: "EditResult | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditResult(Result):
    """An edited text with the minimal edits that lead to it. `forwards` is the most any paragraph needed."""

    original: str
    edits: tuple[Edit, ...]
    forwards: int

    @property
    def character_edits(self) -> tuple[Edit, ...]:
        """The same edits, as the characters that differ."""
        return tuple(fine for edit in self.edits for fine in character_edits(edit))

    def diff(self, name: str = "text") -> str:
        """Unified diff from the original to the edited text; empty when they are equal."""
        return unified(self.original, self.text, name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How surprised a model is by a text. Nats over all its tokens; bits per UTF-8 byte.

    The autoregressive figure is None for models without a causal mode.
    """

    tokens: int
    num_bytes: int
    autoregressive_nats: float | None
    nelbo_nats: float
    nelbo_standard_error: float
    block_length: int
    num_samples: int
    model: str

    def to_json(self) -> dict[str, Any]:
        per_byte = 1 / (self.num_bytes * 0.6931471805599453)
        exact = self.autoregressive_nats
        return asdict(self) | {
            "autoregressive_bits_per_byte": None if exact is None else exact * per_byte,
            "nelbo_bits_per_byte": self.nelbo_nats * per_byte,
            "nelbo_bits_per_byte_standard_error": self.nelbo_standard_error * per_byte,
        }
