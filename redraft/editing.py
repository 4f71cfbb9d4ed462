"""Editing: what a model is going to do to a text, decided before any forward. Gaps to fill, and edits to make.

Knows a model's voice, what it recommends and `instant`. Refuses to know who carries a plan out: the library does, and
so does a server in forwards that it shares with strangers.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from redraft.instant.acceptance import Acceptance
from redraft.instant.diffs import Edit, apply_edits, minimal_edits
from redraft.instant.doubt import Doubt
from redraft.instant.editor import Editor, Moment, Outcome, Strength
from redraft.instant.locks import Locks, Span, checked_spans, locks_of, outside
from redraft.instant.presets import PRESETS, worded
from redraft.instant.rewriting import rewrite
from redraft.instant.session import Memory, Planner
from redraft.instant.settling import Stopped, never
from redraft.instant.spelling import Speller
from redraft.instant.windows import Tokenise, Window, windows
from redraft.results import EditView
from redraft.sampling.decoding import Decoding

if TYPE_CHECKING:
    from redraft.library import Model

TYPED = 24  # tokens edited together while somebody types
WINDOW = 96  # tokens edited together; measured: fewer cost precision, more bring nothing
OVERLAP = 32  # tokens on both sides that a window is shown, where the model was not trained on windows as they are
REWRITE_BLOCK = 32  # tokens rewritten at once by models that have no blocks of their own


@dataclass(frozen=True, slots=True)
class Gap:
    """A gap in a text: tokens far in front of it, which are context, near it and behind it, which it is filled with.

    `fit` gives a middle exactly the white space that joins it to both sides.
    """

    far: list[int]
    near: list[int]
    after: list[int]
    fit: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Plan:
    """An edit before any forward: windows in order, and the editor that knows the prompt, the decoding and the rest."""

    text: str
    windows: list[Window]
    editor: Editor
    strength: Strength
    notes: tuple[str, ...]

    @property
    def prompt(self) -> tuple[int, ...]:
        return self.editor.prompt

    @property
    def end(self) -> tuple[int, ...]:
        return self.editor.end

    @property
    def decoding(self) -> Decoding:
        return self.editor.decoding

    def decoded_by(self, decoding: Decoding) -> "Plan":
        """The same plan with another decoding."""
        return replace(self, editor=replace(self.editor, decoding=decoding, contexts={}))


def plan_edit(
    model: "Model",
    text: str,
    instruction: str = "fix",
    *,
    locks: Sequence[str] | Locks = (),
    spans: Sequence[Span] | None = None,
    strength: Strength | None = None,
    decoding: Decoding | None = None,
    accept: Acceptance | bool = True,
    doubt: Doubt | None = None,
    window: int | None = None,
    overlap: int | None = None,
    tokenise: Tokenise | None = None,
) -> Plan:
    """What an edit in place is going to do. Raises ValueError for what this kind of model cannot.

    `tokenise` is the model's own, for those who remember what it said.
    """
    strength = chosen_strength(model, strength)
    voice, trained = model.voice, strength == 0.0
    decoding = decoding or model.defaults.edit
    if not trained:
        decoding = replace(model.defaults.generate, temperature=decoding.temperature)
    locked = locks_of(locks).find(text)
    if spans is not None:
        locked += outside(checked_spans(text, spans), len(text))
    check_instruction(model, instruction)
    prompt = edit_prompt(model, instruction)
    room = voice.room - len(prompt) - len(voice.end)
    overlap = (0 if trained else min(OVERLAP, room // 8)) if overlap is None else overlap
    longest = min(max(window or 0, WINDOW), room - 2 * overlap)
    window = window or longest
    model.check_room(len(prompt) + len(voice.end), window + 2 * overlap)
    parts = windows(text, locked, tokenise or model.tokenizer.encode, window, overlap, longest)
    editor = Editor(
        denoiser=model.denoiser(decoding), decode=model.tokenizer.decode, decoding=decoding,
        prompt=tuple(prompt), end=voice.end, strength=strength, doubt=doubt or Doubt(),
        acceptance=chosen_acceptance(model, accept, trained), words=model.words,
        speller=chosen_speller(model, instruction) if accept and trained else None,
        gain=model.defaults.edit_gain or 0.0, device=model.network.device,
        judge=model.gains if trained and model.defaults.edit_gain is not None else None,
    )  # fmt: skip
    return Plan(text, parts, editor, strength, edit_notes(model, instruction))


def chosen_strength(model: "Model", strength: Strength | None) -> Strength:
    """What is asked for or, unasked, the trained process where there is one and else what the model doubts."""
    model.voice.check("edit")
    if strength is None:
        return 0.0 if model.voice.edit_id is not None else "auto"
    if strength != "auto" and not 0 <= strength <= 1:
        raise ValueError(f'{strength=} must be in [0, 1], or "auto"')
    if strength == 0 and model.voice.edit_id is None:
        raise ValueError(
            f"{model.voice.title} was not trained to correct a text; a strength above 0 renoises and rewrites that "
            'share of it, and "auto" what the model doubts'
        )
    return strength


def chosen_acceptance(model: "Model", accept: Acceptance | bool, trained: bool) -> Acceptance | None:
    if isinstance(accept, Acceptance):
        return accept
    return model.defaults.edit_accept if accept and trained else None


def chosen_speller(model: "Model", instruction: str) -> Speller | None:
    """Where a checkpoint brings words, a causal mode to judge them and a recommendation, and is told to correct."""
    spelling = model.defaults.edit_spelling
    if spelling is None or model.words is None or "ar" not in model.voice.modes or not corrects(instruction):
        return None
    return Speller(model.words, model.tokenizer.encode, model.gains, spelling)


def corrects(instruction: str) -> bool:
    """Whether an instruction asks for mistakes to be mended."""
    return instruction.strip().lower().startswith(("fix", "correct", "proofread"))


def edit_prompt(model: "Model", instruction: str) -> list[int]:
    voice = model.voice
    if voice.edit_id is None:
        return list(voice.start)
    return [*voice.start, voice.edit_id, *model.tokenizer.encode(f"{instruction.strip()}\n")]


def check_instruction(model: "Model", instruction: str) -> None:
    """Raise ValueError for letters that no instruction has which the model was trained for: it could only guess."""
    known = model.defaults.instructions
    if model.voice.edit_id is None or not known:
        return
    foreign = scripts(instruction) - scripts(" ".join(known))
    if foreign:
        raise ValueError(
            f"the instruction {instruction!r} has {', '.join(sorted(foreign))} letters; "
            f"{model.name} was trained for {', '.join(known)}"
        )


def scripts(text: str) -> set[str]:
    """What kinds of letters a text has, by the first word of their names: LATIN, CYRILLIC, CJK."""
    return {unicodedata.name(letter, "unnamed").partition(" ")[0] for letter in text if letter.isalpha()}


def edit_notes(model: "Model", instruction: str) -> tuple[str, ...]:
    if model.voice.edit_id is None and instruction != "fix":
        way = "; `rewrite` reads one" if model.voice.chat is not None else ""
        return (f"{instruction!r} was not read: {model.name} takes no instructions for an edit in place{way}",)
    known = model.defaults.instructions
    if not known or any(instruction.lower().startswith(word) for word in known):
        return ()
    return (f"{model.name} was trained for {', '.join(known)}; {instruction!r} may do nothing useful",)


def carry_out(plan: Plan, *, seed: int, rows: int, stopped: Stopped = never) -> Iterator[Moment]:
    """A moment per forward, the last one finished; at least one."""
    moment = None
    for moment in plan.editor.run(plan.text, plan.windows, seed=seed, rows=rows, stopped=stopped):
        yield moment
    if moment is None:
        yield Moment(plan.text, 0, 0, (), (), plan.editor.decode)


def view_of(moment: Moment, seconds: float) -> EditView:
    return EditView(
        text=moment.draft, finished=len(moment.finished), total=moment.total, nfe=moment.nfe, seconds=seconds
    )


def edited(text: str, outcomes: Sequence[Outcome]) -> tuple[str, tuple[Edit, ...]]:
    """The text with every edit taken, and the edits in order."""
    edits = tuple(sorted((edit for o in outcomes for edit in o.edits), key=lambda edit: (edit.start, edit.end)))
    return apply_edits(text, edits), edits


# ------------------------------------------------------------------ sessions


def plan_session(model: "Model", instruction: str, options: Mapping[str, Any]) -> tuple[Planner, Memory]:
    """Plans of a text that is being written, and the memory that goes with them. Raises ValueError as `plan_edit` does.

    Options are `plan_edit`'s. A lock counts from when the text has something of it; tokens of a stretch of text are
    found once.
    """
    tokenise = lru_cache(maxsize=8192)(model.tokenizer.encode)
    locks = locks_of(options.get("locks", ()))
    locks.check()

    def plan(text: str) -> Plan:
        held = {**options, "locks": locks.held(text), "tokenise": tokenise}
        return plan_edit(model, text, instruction, **{"window": TYPED, **held})

    plan("")
    return plan, Memory(tokenise)


# ------------------------------------------------------------------ rewriting


def rewrite_text(
    model: "Model",
    text: str,
    instruction: str,
    *,
    locks: Sequence[str] | Locks = (),
    tau: float = 0.05,
    max_tokens: int | None = None,
    decoding: Decoding | None = None,
    seed: int = 0,
    stopped: Stopped = never,
) -> Iterator[tuple[str, int]]:
    """The text after every forward, and forwards so far. White space around the text is never shown to the model."""
    check_rewrite(model)
    locked, body = locks_of(locks).find(text), text.strip()
    if not body:
        yield text, 0
        return
    preset = PRESETS.get(instruction)
    told = instruction if preset is None else worded(preset, model.defaults.instructions)
    prompt, source = model.chat_ids([{"role": "user", "content": f"{told}\n\n{body}"}]), model.tokenizer.encode(body)
    decoding, most = decoding or model.defaults.generate, max_tokens or len(source) + max(32, len(source) // 2)
    model.check_room(len(prompt), most)
    steps = rewrite(
        model.denoiser(decoding), prompt, source, decoding, block_length=model.defaults.block_length or REWRITE_BLOCK,
        max_tokens=most, stop_ids=model.voice.stop_ids, tau=tau, seed=seed, stopped=stopped,
    )  # fmt: skip
    for written in steps:
        answer = model.tokenizer.decode([i for i in written.committed if i not in model.voice.stop_ids])
        yield _unlocked(text, text.replace(body, answer.strip(), 1), locked), written.nfe


def check_rewrite(model: "Model") -> None:
    """Raise ValueError, saying why, for a model that cannot be told what to do with a text."""
    voice = model.voice
    if "diffusion" not in voice.modes:
        raise ValueError(f"{voice.title} writes left to right and has no canvas that could begin as a copy")
    if voice.edit_id is not None:
        raise ValueError(f"{model.name} was trained to edit in place; it cannot be told to rewrite a text")
    model.voice.check("chat")


def _unlocked(text: str, answer: str, locked: Sequence[Span]) -> str:
    """The answer, but for edits that touch a lock: what a lock holds stays where and as it is."""
    return apply_edits(
        text, [edit for edit in minimal_edits(text, answer) if not _touches(edit.start, edit.end, locked)]
    )


def _touches(start: int, end: int, locked: Sequence[Span]) -> bool:
    return any((start < last and end > first) if start < end else first < start < last for first, last in locked)
