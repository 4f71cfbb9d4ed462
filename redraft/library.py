"""The library: load a model, then generate, stream, chat, infill, edit and score text.

Knows text, and how a prompt becomes a context and a canvas. The decisions are `sampling`'s, the weights
`models`'s, and how a kind of model is spoken to its `Voice`'s. Every method is one consumption of one generator, so
that streaming and not streaming agree.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from redraft.chat import Chat
from redraft.core.canvas import Canvas, Status
from redraft.data.tokenizer import TextTokenizer, load_tokenizer
from redraft.defaults import Defaults, family_defaults, read_defaults
from redraft.editing import Gap, Plan, carry_out, edited, plan_edit, plan_session, rewrite_text, view_of
from redraft.instant.diffs import minimal_edits
from redraft.instant.editor import Moment
from redraft.instant.session import EditSession
from redraft.instant.settling import Stopped, never
from redraft.instant.words import Words, load_words
from redraft.models.assemble import assemble
from redraft.models.base import FamilyDenoiser
from redraft.models.checkpoint import MODEL_TYPE, load_checkpoint
from redraft.models.folders import find_folder
from redraft.models.headers import read_json
from redraft.models.loading import inspect
from redraft.models.loading import load as load_family
from redraft.models.three_mode import ThreeModeModel
from redraft.results import EditResult, EditView, Piece, Result, Score, View, mark_revised, summarise
from redraft.sampling import samplers
from redraft.sampling.autoregressive import Continuation, left_to_right, speculate
from redraft.sampling.blocks import until_stop
from redraft.sampling.decoding import Decoding
from redraft.sampling.wrappers import GuidedContext, shape
from redraft.scoring import exact_nats, nelbo
from redraft.text import OpenTokenizer, load_open_tokenizer
from redraft.voice import Voice, family_voice, own_voice

__all__ = ["Defaults", "Model", "find", "load"]

MODES = ("diffusion", "ar", "verify")
NEAR = 48  # tokens in front of a gap that stand on its canvas; those before them are context
SHIPPED = Path(__file__).parent / "weights" / "tiny"
Messages = Sequence[Mapping[str, Any]]


def load(
    path: str | Path | None = None,
    *,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    cache: str | None = None,
    quantize: str | None = None,
    tokenizer: str | Path | None = None,
) -> "Model":
    """The shipped model, or a checkpoint of Redraft's or of any family: a folder, or a Hugging Face hub name.

    dtype      None: float32 for Redraft's own models, what is stored for others
    cache      "none", "prefix" or "dual", for bidirectional families: approximate, and faster
    quantize   "int8" or "int4" weights
    tokenizer  a folder or hub name to take the tokenizer from, for checkpoints that bring none

    Raises ValueError, naming the file and the reason, when there is no such model or it is damaged.
    """
    folder = find(path)
    name = folder.name if path is None else str(path)
    if read_json(folder / "config.json").get("model_type") != MODEL_TYPE:
        options = {} if cache is None else {"cache": cache}
        words = folder if tokenizer is None else find_folder(tokenizer)
        return _load_family(folder, words, name, dtype=dtype, device=device, quantize=quantize, **options)
    for option, value in (("cache", cache), ("tokenizer", tokenizer)):
        if value is not None:
            raise ValueError(f"{option}={value!r} does not apply: the model of {folder} has its own, and it is exact")
    return _load_own(folder, name, dtype or torch.float32, device, quantize)


def _load_own(folder: Path, name: str, dtype: torch.dtype, device: str, quantize: str | None) -> "Model":
    network = load_checkpoint(folder, dtype=dtype, device=device)
    if quantize is not None:
        from redraft.models.quantize import quantize as quantized

        quantized(network, quantize)
    elif device == "cpu":
        network.make_lean()
    tokenizer = load_tokenizer(folder / "tokenizer.json", network.config.text_size)
    voice = own_voice(network.config, tokenizer)
    return Model(network, tokenizer, read_defaults(folder), voice, name=name, words=load_words(folder))


def _load_family(folder: Path, words: Path, name: str, **options: Any) -> "Model":
    """Weights last: whatever is wrong with the small files is told before they are read."""
    checkpoint = inspect(folder)
    family, facts = checkpoint.family, checkpoint.facts
    known = (facts.mask_id, facts.pad_id, *facts.stop_ids, *(() if facts.controls is None else facts.controls.ids))
    hidden = [i for i in known if i is not None]
    tokenizer = load_open_tokenizer(words, facts.architecture.vocab_size, hidden)
    room = facts.architecture.max_positions
    voice = family_voice(family, facts, tokenizer, [folder, words], room)
    defaults = read_defaults(folder, family_defaults(family, facts))
    network, _ = load_family(folder, **options)
    return Model(network, tokenizer, defaults, voice, name=name)


def find(path: str | Path | None = None) -> Path:
    """The checkpoint folder that `load` reads: the shipped one, that folder, or a copy from the hub."""
    if path is None:
        if not SHIPPED.exists():
            raise ValueError("this installation of redraft holds no weights; name a checkpoint folder or a hub model")
        return SHIPPED
    return find_folder(path)


class Model:
    """A denoiser with its tokenizer: text in, text out."""

    def __init__(
        self,
        network: ThreeModeModel | FamilyDenoiser,
        tokenizer: TextTokenizer | OpenTokenizer,
        defaults: Defaults,
        voice: Voice,
        name: str,
        words: Words | None = None,
    ) -> None:
        self.network: Any = network
        self.words = words
        self.tokenizer, self.defaults, self.voice, self.name = tokenizer, defaults, voice, name

    @property
    def eos_id(self) -> int:
        """The first of the tokens that end a text."""
        return self.voice.stop_ids[0]

    # ------------------------------------------------------------------ generate

    def generate(self, prompt: str | Sequence[int] = "", **options: Any) -> Result:
        """Continue a prompt; options as for `stream`. Returns the new text alone."""
        mode, seed = options.get("mode") or self.voice.modes[0], options.get("seed", 0)
        return summarise(list(self.stream(prompt, **options)), seed=seed, mode=mode, model=self.name)

    @torch.inference_mode()
    def stream(
        self,
        prompt: str | Sequence[int] = "",
        *,
        max_tokens: int = 128,
        canvas: int | None = None,
        decoding: Decoding | None = None,
        temperature: float | None = None,
        seed: int = 0,
        mode: str | None = None,
        label: str | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[View]:
        """Views of a text coming into being, one per forward; the last one is the finished text.

        prompt       text, in which no special token is read; or token ids, taken as they are
        canvas       tokens denoised at once (default: what the checkpoint recommends)
        temperature  replaces the decoding's
        mode         "diffusion" (the default where a model has it), "ar" (one token per forward) or "verify" (drafts
                     verified: the ar text, exactly)
        label        a class label the model was trained with, such as "story"
        stop         strings that end the text; they are not part of it

        The text ends before the first of the model's own end tokens, too; what stands behind it is never shown.
        """
        began = time.perf_counter()
        decoding = decoding or self.defaults.generate
        if temperature is not None:
            decoding = replace(decoding, temperature=temperature)
        length = canvas if canvas is not None else self.defaults.block_length or max_tokens
        mode = mode or self.voice.modes[0]
        ids = self.prompt_ids(prompt)
        self._check(len(ids) + (label is not None), max_tokens, length, mode)
        if mode == "diffusion":
            frames = self._diffuse(ids, label, decoding, max_tokens, length, seed)
        else:
            frames = self._causal(ids, label, decoding, max_tokens, seed, mode, length)
        draft: tuple[Piece, ...] = ()
        for committed, block, nfe in frames:
            draft = mark_revised(draft, block)
            yield self._view(committed, draft, nfe, time.perf_counter() - began, stop)
            if stop and any(s in self.tokenizer.decode(committed) for s in stop):
                return

    def prompt_ids(self, prompt: str | Sequence[int]) -> list[int]:
        """The tokens of a prompt, what stands in front of every text included."""
        return [*self.voice.start, *self.tokenizer.encode(prompt)] if isinstance(prompt, str) else list(prompt)

    def _diffuse(
        self, prompt: list[int], label: str | None, decoding: Decoding, max_tokens: int, length: int, seed: int
    ) -> Iterator[tuple[list[int], tuple[Piece, ...], int]]:
        denoiser = self.denoiser(decoding)
        labelled = None if label is None else self._labelled(prompt, label, decoding)
        frames = samplers.sample(
            denoiser, [prompt] if labelled is None else None, decoding, max_tokens=max_tokens, block_length=length,
            seed=seed, stop_ids=self.voice.stop_ids, context=labelled, rows=1, whole_blocks=self.voice.whole_blocks,
        )  # fmt: skip
        for frame in frames:
            finished = bool(frame.canvas.done_B.all())
            text = frame.committed[0]
            draft = () if finished else self._pieces(frame.canvas, frame.known[0], max_tokens - len(text))
            yield text, draft, frame.step + self._encodes(len(prompt), frame.block)

    def _encodes(self, prompt_length: int, block: int) -> int:
        """Forwards over clean tokens so far: the prompt if it fills a block, and the blocks committed."""
        if not getattr(self.network, "keeps_keys", True):
            return 0
        return block + (prompt_length >= (getattr(self.network, "block_length", None) or 1))

    def denoiser(self, decoding: Decoding) -> Any:
        """The network, told how many steps a canvas takes where it wants to know."""
        facts = getattr(self.network, "facts", None)
        if facts is None or facts.max_steps is None or facts.max_steps == decoding.max_steps:
            return self.network
        return assemble(self.network.network, facts, max_steps=decoding.max_steps)

    def _causal(
        self,
        prompt: list[int],
        label: str | None,
        decoding: Decoding,
        max_tokens: int,
        seed: int,
        mode: str,
        length: int,
    ) -> Iterator[tuple[list[int], tuple[Piece, ...], int]]:
        if not isinstance(decoding.temperature, int | float):
            raise ValueError(f"mode {mode!r} needs a constant temperature, not {decoding.temperature}")
        if not prompt:
            raise ValueError(f"{self.name} continues a text, and this one is empty")
        context = self._label_context(label)
        last = torch.tensor([prompt], device=self.network.device)
        shared: dict[str, Any] = {
            "max_tokens": max_tokens, "temperature": decoding.temperature, "seed": seed,
            "stop_ids": self.voice.stop_ids,
        }  # fmt: skip
        texts: Iterator[Continuation]
        if mode == "ar":
            texts = left_to_right(self.network, last, context, **shared)
        else:
            texts = speculate(self.network, last, context, draft_length=min(length, 8), **shared)
        for text in texts:
            yield text.tokens[0], (), text.num_encodes + text.num_denoises

    def _labelled(self, prompt: list[int], label: str, decoding: Decoding) -> Any:
        """The context of a prompt under a label; guidance compares it with the prompt alone."""
        tokens = torch.tensor([prompt], device=self.network.device)
        labelled = self._label_context(label)
        if decoding.guidance:
            return GuidedContext(self.network.encode(tokens, labelled), self.network.encode(tokens))
        return shape(self.network, decoding).encode(tokens, labelled)

    def _label_context(self, label: str | None) -> Any:
        if label is None:
            return None
        labels = self.voice.labels
        if label not in labels:
            raise ValueError(f"unknown label {label!r}; this model knows {', '.join(labels) or 'none'}")
        return self.network.condition(label_B=torch.tensor([labels.index(label)], device=self.network.device))

    def _view(
        self, committed: list[int], draft: tuple[Piece, ...], nfe: int, seconds: float, stop: Sequence[str]
    ) -> View:
        text = self.tokenizer.decode(committed)
        cut = min((place for s in stop if (place := text.find(s)) >= 0), default=len(text))
        ends = self.voice.stop_ids
        kept = [i for i in committed if i not in ends] if cut == len(text) else self.tokenizer.encode(text[:cut])
        return View(text[:cut], draft, nfe, seconds, tuple(kept))

    def _pieces(self, draft: Canvas, known: int, most: int) -> tuple[Piece, ...]:
        """What of a canvas is a draft: not the end of the prompt, nor noise of later blocks, nor what is too much."""
        columns = range(known, min(draft.length, known + most))
        held = zip(draft.tokens_BL[0].tolist(), draft.status_BL[0].tolist(), strict=True)
        pieces = [(token, Status(status)) for token, status in held]
        hidden = (Status.EMPTY, Status.AHEAD)
        return tuple(Piece(self._show(*pieces[n]), pieces[n][1]) for n in columns if pieces[n][1] not in hidden)

    def _show(self, token: int, status: Status) -> str:
        shown = self.tokenizer.decode([token])
        return "░" if status == Status.NOISY and not shown else shown

    def _check(self, prompt_length: int, max_tokens: int, length: int, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; choose from {', '.join(MODES)}")
        if mode not in self.voice.modes:
            raise ValueError(_mode_refused(mode, self.voice))
        for name, value in (("max_tokens", max_tokens), ("canvas", length)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        self.check_room(prompt_length, max_tokens)

    def check_room(self, prompt_length: int, max_tokens: int) -> None:
        """Raise ValueError where so many tokens do not fit the model."""
        asked, room = self._rounded(prompt_length + max_tokens), self.voice.room
        if asked > room:
            raise ValueError(
                f"the prompt and max_tokens={max_tokens} come to {asked} tokens, more than the model's {room}"
            )

    def _rounded(self, tokens: int) -> int:
        """Tokens up to the end of the block in which they end."""
        whole = getattr(self.network, "block_length", None) or 1
        return -(-tokens // whole) * whole

    # ------------------------------------------------------------------ chat

    def chat(self, messages: Messages, **options: Any) -> Result:
        """The answer to a conversation: messages with a role and a content. Options as for `stream`."""
        mode, seed = options.get("mode") or self.voice.modes[0], options.get("seed", 0)
        return summarise(list(self.stream_chat(messages, **options)), seed=seed, mode=mode, model=self.name)

    def stream_chat(self, messages: Messages, **options: Any) -> Iterator[View]:
        """Views of an answer coming into being. What a message spells never becomes a special token."""
        chat = self._chat()
        options["stop"] = (*options.get("stop", ()), *chat.stops)
        if chat.label is not None:
            options.setdefault("label", chat.label)
        return self.stream(self.chat_ids(messages), **options)

    def chat_ids(self, messages: Messages) -> list[int]:
        """The tokens of a conversation, up to where the answer begins."""
        return self._chat().encode(messages)

    def render_chat(self, messages: Messages) -> str:
        """The conversation as its template writes it, up to where the answer begins."""
        return self._chat().render(messages)

    def fitting(self, messages: Messages, max_tokens: int) -> list[Mapping[str, Any]]:
        """The newest messages that leave room for an answer: the oldest turns go first, a system message stays."""
        chat, kept = self._chat(), list(messages)
        first = 1 if kept and kept[0].get("role") == "system" else 0
        while len(kept) > first + 1 and self._rounded(len(chat.encode(kept)) + max_tokens) > self.voice.room:
            del kept[first : first + 2]
        return kept

    def _chat(self) -> Chat:
        self.voice.check("chat")
        assert self.voice.chat is not None
        return self.voice.chat

    # ------------------------------------------------------------------ infill

    @torch.inference_mode()
    def infill(
        self, prefix: str, suffix: str, *, gap: int = 24, decoding: Decoding | None = None, seed: int = 0
    ) -> Result:
        """The text that fits between `prefix` and `suffix`: prefix + result.text + suffix is whole.

        `gap` is the noise it starts from, in tokens; with `decoding.indels` the text may come out shorter or longer.
        """
        began = time.perf_counter()
        decoding = decoding or self.defaults.infill
        if gap < 1:
            raise ValueError(f"{gap=} must be at least 1")
        hole = self.gap(prefix, suffix)
        far, near, after = hole.far, hole.near, hole.after
        self._check(len(far) + len(near) + len(after), gap, 1, "diffusion")
        denoiser = self.denoiser(decoding)
        context = self._encoded(denoiser, decoding, [far])
        steps = samplers.infill(denoiser, [near], [after], decoding, gap=gap, seed=seed, context=context)
        canvas, forwards, first = _drained(steps)
        whole = canvas.row_tokens(0)
        tokens = until_stop(whole[len(near) : len(whole) - len(after)], self.voice.stop_ids)
        tokens = [token for token in tokens if token not in self.voice.stop_ids]
        return Result(
            text=hole.fit(self.tokenizer.decode(tokens)), tokens=tuple(tokens),
            nfe=forwards + self._encodes(len(far), 0), first_text_s=first, wall_s=time.perf_counter() - began,
            seed=seed, mode="infill", model=self.name,
        )  # fmt: skip

    def gap(self, prefix: str, suffix: str) -> Gap:
        """A gap between two texts as `infill` fills it. Raises ValueError where this kind of model cannot."""
        self.voice.check("infill")
        if not self.voice.spaces:
            far, near = self._split(self.prompt_ids(prefix))
            return Gap(far, near, self.tokenizer.encode(suffix), str)
        head, tail = prefix.rstrip(" "), suffix.lstrip(" ")
        far, near = self._split(self.prompt_ids(head))
        after = self.tokenizer.encode(_spaced(tail))
        return Gap(far, near, after, lambda middle: _fitted(middle, prefix, head, suffix, tail))

    def _split(self, before: list[int]) -> tuple[list[int], list[int]]:
        """What stands before a gap as context and what of it stands on the canvas: whole blocks are context."""
        whole = getattr(self.network, "block_length", None)
        start = len(self.voice.start)
        cut = max(start, len(before) - NEAR) if whole is None else len(before) // whole * whole
        return before[:cut], before[cut:]

    def _encoded(self, denoiser: Any, decoding: Decoding, rows: list[list[int]]) -> Any:
        """The context of rows of one length, as the decoding's wrappers want it; None where there is nothing."""
        if not rows[0]:
            return None
        return shape(denoiser, decoding).encode(torch.tensor(rows, device=self.network.device), None)

    # ------------------------------------------------------------------ edit

    def edit(self, text: str, instruction: str = "fix", **options: Any) -> EditResult:
        """Edit a text in place; options as for `stream_edit`. What is locked survives bit for bit."""
        *_, view = self.stream_edit(text, instruction, **options)
        assert view.result is not None
        return view.result

    @torch.inference_mode()
    def stream_edit(
        self,
        text: str,
        instruction: str = "fix",
        *,
        seed: int = 0,
        rows: int = 16,
        stopped: Stopped = never,
        **options: Any,
    ) -> Iterator[EditView]:
        """Views of a text being edited, one per forward; the last one holds the result.

        locks     strings, or `Locks`: patterns, lines and spans too
        spans     (start, end) characters that alone may change
        strength  0: the trained process, which keeps, replaces, deletes or opens slots. Above 0: that share of the
                  tokens is renoised and written afresh. "auto": what the model doubts is. None: 0 where the model was
                  trained for it, else "auto"
        accept    whether changes are taken as the checkpoint recommends, any change, or as an `Acceptance` says
        doubt     for "auto": what counts as surprising
        window    the most tokens edited together, each window in sight of `overlap` tokens of its neighbours
        rows      how many windows share a forward, at most
        stopped   asked between forwards; once it says True, `Cancelled` is raised
        """
        began, first = time.perf_counter(), 0.0
        plan = self.plan_edit(text, instruction, **options)
        for moment in carry_out(plan, seed=seed, rows=rows, stopped=stopped):
            now = time.perf_counter() - began
            first = first or now
            if len(moment.finished) < moment.total:
                yield view_of(moment, now)
        result = self._edited(plan, moment, seed, first, began)
        yield replace(view_of(moment, result.wall_s), result=result)

    def _edited(self, plan: Plan, moment: Moment, seed: int, first: float, began: float) -> EditResult:
        text, edits = edited(plan.text, moment.finished)
        tokens = tuple(self.tokenizer.encode(text))
        return EditResult(
            text=text, tokens=tokens, nfe=moment.nfe, first_text_s=first, wall_s=time.perf_counter() - began, seed=seed,
            mode="edit", model=self.name, original=plan.text, edits=edits,
            forwards=max((outcome.forwards for outcome in moment.finished), default=0), notes=plan.notes,
        )  # fmt: skip

    def plan_edit(self, text: str, instruction: str = "fix", **options: Any) -> Plan:
        """What `edit` is going to do. Raises ValueError for what this kind of model cannot."""
        return plan_edit(self, text, instruction, **options)

    @torch.inference_mode()
    def rewrite(self, text: str, instruction: str, *, seed: int = 0, **options: Any) -> EditResult:
        """Rewrite a text as a conversation tells the model to, from the text itself: what stays costs little.

        Options: locks, tau (tokens the model believes less than this are written anew), max_tokens, decoding, stopped.
        """
        began, first = time.perf_counter(), 0.0
        states = []
        for state in rewrite_text(self, text, instruction, seed=seed, **options):
            first = first or time.perf_counter() - began
            states.append(state)
        answer, nfe = states[-1]
        return EditResult(
            text=answer, tokens=tuple(self.tokenizer.encode(answer)), nfe=nfe, first_text_s=first,
            wall_s=time.perf_counter() - began, seed=seed, mode="rewrite", model=self.name, original=text,
            edits=minimal_edits(text, answer), forwards=nfe,
        )  # fmt: skip

    def session(self, instruction: str = "fix", **options: Any) -> EditSession:
        """A text edited while it is typed: `update` takes every new state of it. Options as for `stream_edit`.

        Windows are of a sentence or two, so that a keystroke costs little; a whole text at once is corrected better.
        """
        return EditSession(*plan_session(self, instruction, options))

    @torch.inference_mode()
    def gains(self, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
        """Nats by which the causal mode finds the second row of tokens of each pair likelier than the first."""
        nats = self._nats([old for old, _ in pairs] + [new for _, new in pairs])
        return (nats[: len(pairs)] - nats[len(pairs) :]).tolist()

    # ------------------------------------------------------------------ score

    @torch.inference_mode()
    def score(self, text: str, *, block_length: int | None = None, num_samples: int = 16, seed: int = 0) -> Score:
        """Nats of a text: exact by the causal mode where there is one, and the NELBO of diffusion with its error.

        The end of the text is not scored. Raises ValueError for empty text.
        """
        self.voice.check("score")
        ids = self.tokenizer.encode(text)
        if not ids:
            raise ValueError("there is nothing to score in an empty text")
        self._check(len(self.voice.start) + len(ids), 1, 1, "diffusion")
        length = self._score_length(block_length)
        estimate = nelbo(
            self.network, self.voice.start, ids, block_length=length, num_samples=num_samples, seed=seed
        )  # fmt: skip
        return Score(
            tokens=len(ids), num_bytes=len(text.encode()),
            autoregressive_nats=float(self._nats([ids])[0]) if "ar" in self.voice.modes else None,
            nelbo_nats=float(estimate.mean_nats_B[0]), nelbo_standard_error=float(estimate.standard_error_B[0]),
            block_length=length or len(ids), num_samples=num_samples, model=self.name,
        )  # fmt: skip

    def _score_length(self, asked: int | None) -> int | None:
        """Tokens per block of the bound. Only models that encode what is clean on its own can choose."""
        if "ar" in self.voice.modes:
            return self.defaults.block_length if asked is None else asked
        trained: int | None = getattr(self.network, "block_length", None)
        if asked not in (None, trained):
            own = "all of the text at once" if trained is None else f"its own blocks of {trained} tokens"
            raise ValueError(f"block_length={asked}: {self.voice.title} is scored over {own}")
        return trained

    def _nats(self, rows: list[list[int]]) -> Tensor:
        """Exact negative log-likelihood [B] of every row by the causal mode, from the start of a text."""
        return exact_nats(self.network, self.voice.start, rows)


def _drained(drafts: Iterator[Canvas]) -> tuple[Canvas, int, float]:
    """The last draft of a start and its forwards, how many forwards there were, and the seconds to the first."""
    began, first, forwards = time.perf_counter(), 0.0, 0
    canvas = next(drafts)
    for draft in drafts:
        canvas, forwards, first = draft, forwards + 1, first or time.perf_counter() - began
    return canvas, forwards, first


def _mode_refused(mode: str, voice: Voice) -> str:
    if "diffusion" not in voice.modes:
        return f"mode {mode!r} needs a canvas, and {voice.title} is an autoregressive model: it has mode 'ar' alone"
    return (
        f"mode {mode!r} needs a model that also predicts the next token, which {voice.title} does not; "
        "the policy left_to_right writes one token per forward"
    )


def _spaced(text: str) -> str:
    """Words behind a gap begin with a space, punctuation does not."""
    return f" {text}" if text[:1].isalnum() or text[:1] in "\"'(" else text


def _fitted(middle: str, prefix: str, head: str, suffix: str, tail: str) -> str:
    """The middle with exactly the white space that joins it to both sides."""
    if len(prefix) > len(head):
        middle = middle.removeprefix(" ")
    needs_space = tail and _spaced(tail) != tail and len(suffix) == len(tail)
    return middle + " " if needs_space else middle
