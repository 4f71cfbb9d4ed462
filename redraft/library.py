"""The library: load a model, then generate, stream, infill, edit and score text.

Knows text, and how a prompt becomes a context and a canvas. The decisions are `sampling`'s, the weights
`models`'s. Every method is one consumption of one generator, so that streaming and not streaming agree.
"""

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status
from redraft.core.corruption import Absorbing
from redraft.core.likelihood import MaskCount, estimate_nelbo
from redraft.data.tokenizer import TextTokenizer, load_tokenizer
from redraft.editing import Proposal, Window, edits_of, find_locks, replace_spans, windows
from redraft.models.checkpoint import load_checkpoint
from redraft.models.folders import find_folder
from redraft.models.three_mode import ThreeModeModel
from redraft.results import EditResult, Piece, Result, Score, View, mark_revised, summarise
from redraft.sampling import samplers
from redraft.sampling.autoregressive import Continuation, left_to_right, speculate
from redraft.sampling.decoding import Decoding, from_json, to_json
from redraft.sampling.policies import Correct, Threshold
from redraft.sampling.prediction import forbid
from redraft.sampling.stops import Settled
from redraft.sampling.wrappers import GuidedContext, shape

MODES = ("diffusion", "ar", "verify")
SHIPPED = Path(__file__).parent / "weights" / "tiny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defaults:
    """What a checkpoint recommends: its generation_config.json, by measurement."""

    generate: Decoding = field(default_factory=lambda: Decoding(policy=Threshold(0.9)))
    infill: Decoding = field(default_factory=lambda: Decoding(policy=Threshold(0.9), indels=True))
    edit: Decoding = field(
        default_factory=lambda: Decoding(policy=Correct(0.7), stop=Settled(), indels=True, max_steps=8)
    )
    block_length: int = 32
    edit_gain: float | None = None  # nats an edited window must gain by the causal mode to be taken; None: any edit is
    instructions: tuple[str, ...] = ("fix",)

    def to_json(self) -> dict[str, Any]:
        return {
            "generate": to_json(self.generate),
            "infill": to_json(self.infill),
            "edit": to_json(self.edit),
            "block_length": self.block_length,
            "edit_gain": self.edit_gain,
            "instructions": list(self.instructions),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Defaults":
        values = {n: from_json(v) if n in ("generate", "infill", "edit") else v for n, v in values.items()}
        if "instructions" in values:
            values["instructions"] = tuple(values["instructions"])
        try:
            return cls(**values)
        except TypeError as error:
            raise ValueError(f"generation_config.json: {error}") from None


def load(path: str | Path | None = None, *, dtype: torch.dtype = torch.float32, device: str = "cpu") -> "Model":
    """The shipped model, or a checkpoint folder, or a Hugging Face hub name.

    Raises ValueError, naming the file and the reason, when there is no such model or it is damaged.
    """
    folder = find(path)
    network = load_checkpoint(folder, dtype=dtype, device=device)
    tokenizer = load_tokenizer(folder / "tokenizer.json", network.config.text_size)
    recommended = folder / "generation_config.json"
    defaults = Defaults.from_json(json.loads(recommended.read_text())) if recommended.exists() else Defaults()
    return Model(network, tokenizer, defaults, name=folder.name if path is None else str(path))


def find(path: str | Path | None = None) -> Path:
    """The checkpoint folder that `load` reads: the shipped one, that folder, or a copy from the hub."""
    if path is None:
        if not SHIPPED.exists():
            raise ValueError("this installation of redraft holds no weights; name a checkpoint folder or a hub model")
        return SHIPPED
    return find_folder(path)


class Model:
    """A denoiser with its tokenizer: text in, text out."""

    def __init__(self, network: ThreeModeModel, tokenizer: TextTokenizer, defaults: Defaults, name: str) -> None:
        self.network, self.tokenizer, self.defaults, self.name = network, tokenizer, defaults, name
        self.eos_id = network.config.eos_token_id

    # ------------------------------------------------------------------ generate

    def generate(self, prompt: str = "", **options: Any) -> Result:
        """Continue a prompt; options as for `stream`. Returns the new text alone."""
        mode, seed = options.get("mode", "diffusion"), options.get("seed", 0)
        return summarise(list(self.stream(prompt, **options)), seed=seed, mode=mode, model=self.name)

    @torch.inference_mode()
    def stream(
        self,
        prompt: str = "",
        *,
        max_tokens: int = 128,
        canvas: int | None = None,
        decoding: Decoding | None = None,
        temperature: float | None = None,
        seed: int = 0,
        mode: str = "diffusion",
        label: str | None = None,
        stop: Sequence[str] = (),
    ) -> Iterator[View]:
        """Views of a text coming into being, one per forward; the last one is the finished text.

        canvas       tokens denoised at once (default: what the checkpoint recommends)
        temperature  replaces the decoding's
        mode         "diffusion", "ar" (one token per forward) or "verify" (drafts verified: the ar text, exactly)
        label        a class label the model was trained with, such as "story"
        stop         strings that end the text; they are not part of it
        """
        began = time.perf_counter()
        decoding = decoding or self.defaults.generate
        if temperature is not None:
            decoding = replace(decoding, temperature=temperature)
        length = self.defaults.block_length if canvas is None else canvas
        self._check(prompt, max_tokens, length, mode)
        prompt_ids = [self.eos_id, *self.tokenizer.encode(prompt)]
        if mode == "diffusion":
            frames = self._diffuse(prompt_ids, label, decoding, max_tokens, length, seed)
        else:
            frames = self._causal(prompt_ids, label, decoding, max_tokens, seed, mode, length)
        draft: tuple[Piece, ...] = ()
        for committed, block, nfe in frames:
            draft = mark_revised(draft, self._pieces(block))
            yield self._view(committed, draft, nfe, time.perf_counter() - began, stop)
            if stop and any(s in self.tokenizer.decode(committed) for s in stop):
                return

    def _diffuse(
        self, prompt: list[int], label: str | None, decoding: Decoding, max_tokens: int, length: int, seed: int
    ) -> Iterator[tuple[list[int], Canvas | None, int]]:
        context = self._context(prompt, label, decoding)
        frames = samplers.sample(
            self.network, None, decoding, max_tokens=max_tokens, block_length=length, seed=seed,
            stop_ids=(self.eos_id,), context=context, rows=1,
        )  # fmt: skip
        for frame in frames:
            finished = bool(frame.canvas.done_B.all())
            yield frame.committed[0], None if finished else frame.canvas, frame.step + 1 + frame.block

    def _causal(
        self,
        prompt: list[int],
        label: str | None,
        decoding: Decoding,
        max_tokens: int,
        seed: int,
        mode: str,
        length: int,
    ) -> Iterator[tuple[list[int], Canvas | None, int]]:
        if not isinstance(decoding.temperature, int | float):
            raise ValueError(f"mode {mode!r} needs a constant temperature, not {decoding.temperature}")
        context = self._label_context(label)
        last = torch.tensor([prompt], device=self.network.device)
        shared: dict[str, Any] = {
            "max_tokens": max_tokens, "temperature": decoding.temperature, "seed": seed, "stop_ids": (self.eos_id,)
        }  # fmt: skip
        texts: Iterator[Continuation]
        if mode == "ar":
            texts = left_to_right(self.network, last, context, **shared)
        else:
            texts = speculate(self.network, last, context, draft_length=min(length, 8), **shared)
        for text in texts:
            yield text.tokens[0], None, text.num_encodes + text.num_denoises

    def _context(self, prompt: list[int], label: str | None, decoding: Decoding) -> Any:
        tokens = torch.tensor([prompt], device=self.network.device)
        denoiser = shape(self.network, decoding)
        labelled = self._label_context(label)
        if decoding.guidance and labelled is not None:
            plain = self.network.encode(tokens)
            return GuidedContext(self.network.encode(tokens, labelled), plain)
        return denoiser.encode(tokens, labelled)

    def _label_context(self, label: str | None) -> Any:
        if label is None:
            return None
        labels = self.network.config.labels
        if label not in labels:
            raise ValueError(f"unknown label {label!r}; this model knows {', '.join(labels) or 'none'}")
        return self.network.condition(label_B=torch.tensor([labels.index(label)], device=self.network.device))

    def _view(
        self, committed: list[int], draft: tuple[Piece, ...], nfe: int, seconds: float, stop: Sequence[str]
    ) -> View:
        text = self.tokenizer.decode(committed)
        cut = min((place for s in stop if (place := text.find(s)) >= 0), default=len(text))
        kept = [i for i in committed if i != self.eos_id] if cut == len(text) else self.tokenizer.encode(text[:cut])
        return View(text[:cut], draft, nfe, seconds, tuple(kept))

    def _pieces(self, draft: Canvas | None) -> tuple[Piece, ...]:
        if draft is None:
            return ()
        statuses = draft.status_BL[0].tolist()
        held = zip(draft.tokens_BL[0].tolist(), statuses, strict=True)
        return tuple(
            Piece(self._show(token, status), Status(status)) for token, status in held if status != Status.EMPTY
        )

    def _show(self, token: int, status: int) -> str:
        if status == Status.NOISY and token >= self.tokenizer.text_size:
            return "░"
        return self.tokenizer.decode([token])

    def _check(self, prompt: str, max_tokens: int, length: int, mode: str) -> None:
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; choose from {', '.join(MODES)}")
        for name, value in (("max_tokens", max_tokens), ("canvas", length)):
            if value < 1:
                raise ValueError(f"{name}={value} must be at least 1")
        room = self.network.config.max_position_embeddings
        asked = len(self.tokenizer.encode(prompt)) + max_tokens + 2
        if asked > room:
            raise ValueError(
                f"the prompt and max_tokens={max_tokens} come to {asked} tokens, more than the model's {room}"
            )

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
        head, tail = prefix.rstrip(" "), suffix.lstrip(" ")
        before, after = self.tokenizer.encode(head), self.tokenizer.encode(_spaced(tail))
        far, near = before[:-48], before[-48:]
        self._check("", len(before) + len(after) + gap, 1, "diffusion")
        context = shape(self.network, decoding).encode(torch.tensor([[self.eos_id, *far]]), None)
        steps = samplers.infill(self.network, [near], [after], decoding, gap=gap, seed=seed, context=context)
        canvas, forwards, first = _drained(steps)
        tokens = canvas.row_tokens(0)[len(near) : len(canvas.row_tokens(0)) - len(after)]
        middle = self.tokenizer.decode(tokens)
        return Result(
            text=_fitted(middle, prefix, head, suffix, tail), tokens=tuple(tokens), nfe=forwards + 1,
            first_text_s=first, wall_s=time.perf_counter() - began, seed=seed, mode="infill", model=self.name,
        )  # fmt: skip

    # ------------------------------------------------------------------ edit

    @torch.inference_mode()
    def edit(
        self,
        text: str,
        instruction: str = "fix",
        *,
        locks: Sequence[str] = (),
        strength: float = 0.0,
        decoding: Decoding | None = None,
        seed: int = 0,
        window: int = 96,
        rows: int = 16,
    ) -> EditResult:
        """Edit a text in place. Locked strings survive byte for byte, wherever they occur.

        strength 0   the edit reverse process: each token is kept, replaced, deleted, or gets slots before it
        strength > 0 that share of the tokens is renoised and written afresh
        `window` is the most tokens edited together, `rows` how many windows share a forward.
        """
        began = time.perf_counter()
        decoding = decoding or self.defaults.edit
        if strength > 0:
            decoding = replace(self.defaults.generate, temperature=decoding.temperature)
        parts = windows(text, find_locks(text, locks), self.tokenizer.encode, window)
        parts.sort(key=lambda part: len(part.tokens))  # windows of like length share a forward without waste
        margin = self.defaults.edit_gain if strength == 0 else None
        changes: list[tuple[int, int, str]] = []
        nfe = forwards = 0
        first = 0.0
        for start in range(0, len(parts), rows):
            group = parts[start : start + rows]
            proposals = self.propose(group, instruction, decoding=decoding, strength=strength, seed=seed)
            steps = max(proposal.forwards for proposal in proposals)
            if margin is not None:
                proposals, steps = self._accepted(proposals, margin), steps + 1
            changes += [(p.window.start, p.window.end, self.tokenizer.decode(p.tokens)) for p in proposals]
            nfe, forwards = nfe + steps + 1, max(forwards, steps)
            first = first or time.perf_counter() - began
        edited = replace_spans(text, sorted(changes))
        return EditResult(
            text=edited, tokens=tuple(self.tokenizer.encode(edited)), nfe=nfe, first_text_s=first,
            wall_s=time.perf_counter() - began, seed=seed, mode="edit", model=self.name,
            original=text, edits=edits_of(text, sorted(changes)), forwards=forwards, notes=self._notes(instruction),
        )  # fmt: skip

    @torch.inference_mode()
    def propose(
        self,
        group: Sequence[Window],
        instruction: str = "fix",
        *,
        decoding: Decoding | None = None,
        strength: float = 0.0,
        seed: int = 0,
    ) -> list[Proposal]:
        """What `edit` would make of every window before the causal mode has a say; the group shares its forwards."""
        decoding = decoding or self.defaults.edit
        words = self.tokenizer.encode(f"{instruction.strip()}\n")
        prompt = [self.eos_id, self.tokenizer.special("<|edit|>"), *words]
        context = shape(self.network, decoding).encode(torch.tensor([prompt] * len(group)), None)
        rows = [[*part.tokens, self.eos_id] for part in group]
        free = [[*part.free, False] for part in group]
        drafts = samplers.edit(
            self.network, rows, decoding, editable=free, strength=strength, seed=seed, context=context
        )
        canvas, _, _ = _drained(drafts)
        spent = canvas.step_B.tolist()
        return [Proposal(part, canvas.row_tokens(row)[:-1], spent[row]) for row, part in enumerate(group)]

    @torch.inference_mode()
    def gains(self, proposals: Sequence[Proposal]) -> list[float]:
        """Nats by which the causal mode finds each proposal likelier than its window; 0 where nothing changed."""
        changed = [n for n, p in enumerate(proposals) if p.tokens != p.window.tokens]
        gains = [0.0] * len(proposals)
        if changed:
            before = [proposals[n].window.tokens for n in changed]
            nats = self._nats(before + [proposals[n].tokens for n in changed])
            for n, gain in zip(changed, (nats[: len(changed)] - nats[len(changed) :]).tolist(), strict=True):
                gains[n] = gain
        return gains

    def _accepted(self, proposals: list[Proposal], margin: float) -> list[Proposal]:
        """Proposals that gain `margin` nats by the causal mode; of the others, the windows as they were."""
        found = zip(proposals, self.gains(proposals), strict=True)
        return [p if gain >= margin else replace(p, tokens=p.window.tokens) for p, gain in found]

    def _notes(self, instruction: str) -> tuple[str, ...]:
        known = self.defaults.instructions
        if not known or any(instruction.lower().startswith(word) for word in known):
            return ()
        return (f"{self.name} was trained for {', '.join(known)}; {instruction!r} may do nothing useful",)

    # ------------------------------------------------------------------ score

    @torch.inference_mode()
    def score(self, text: str, *, block_length: int | None = None, num_samples: int = 16, seed: int = 0) -> Score:
        """Nats of a text: exact by the causal mode, and the NELBO of block diffusion with its standard error.

        The end of the text is not scored. Raises ValueError for empty text.
        """
        ids = self.tokenizer.encode(text)
        if not ids:
            raise ValueError("there is nothing to score in an empty text")
        self._check(text, 1, 1, "ar")
        length = self.defaults.block_length if block_length is None else block_length
        estimate = estimate_nelbo(
            self._block_denoiser(length), torch.tensor([ids]), Absorbing(*self._mask()), MaskCount(),
            num_samples=num_samples, seed_B=seed, block_length=length,
        )  # fmt: skip
        return Score(
            tokens=len(ids), num_bytes=len(text.encode()), autoregressive_nats=float(self._nats([ids])[0]),
            nelbo_nats=float(estimate.mean_nats_B[0]), nelbo_standard_error=float(estimate.standard_error_B[0]),
            block_length=length, num_samples=num_samples, model=self.name,
        )  # fmt: skip

    def _mask(self) -> tuple[int, int]:
        return self.network.config.mask_token_id, self.network.config.vocab_size

    def _nats(self, rows: list[list[int]]) -> Tensor:
        """Exact negative log-likelihood [B] of every row by the causal mode, from the start of a text."""
        width = max(len(row) for row in rows)
        padded = torch.tensor([[self.eos_id, *row] + [self.eos_id] * (width - len(row)) for row in rows])
        logits_BLV, _ = self.network.score(padded[:, :-1])
        text_BLV = forbid(logits_BLV, self.network.controls.ids)
        nats_BL = torch.nn.functional.cross_entropy(text_BLV.transpose(1, 2), padded[:, 1:], reduction="none")
        held = torch.arange(width) < torch.tensor([len(row) for row in rows])[:, None]
        return (nats_BL * held).sum(-1)

    def _block_denoiser(self, length: int) -> Any:
        """Noisy rows [N, M] to logits [N, M, V]: the last block is a canvas, what stands before it its context."""

        def denoise(noisy_BL: Tensor) -> Tensor:
            rows, width = noisy_BL.shape
            start = (width - 1) // length * length
            head = torch.full((rows, 1), self.eos_id)
            context = self.network.encode(torch.cat([head, noisy_BL[:, :start]], 1))
            block = noisy_BL[:, start:]
            canvas = samplers.blank(width - start, self.network.corruption, torch.arange(rows))
            logits = forbid(self.network.denoise(replace(canvas, tokens_BL=block), context), self.network.controls.ids)
            unscored = logits.new_zeros(rows, start, logits.shape[-1])
            return torch.cat([unscored, logits], 1)

        return denoise


def _drained(drafts: Iterator[Canvas]) -> tuple[Canvas, int, float]:
    """The last draft of a start and its forwards, how many forwards there were, and the seconds to the first."""
    began, first, forwards = time.perf_counter(), 0.0, 0
    canvas = next(drafts)
    for draft in drafts:
        canvas, forwards, first = draft, forwards + 1, first or time.perf_counter() - began
    return canvas, forwards, first


def _spaced(text: str) -> str:
    """Words behind a gap begin with a space, punctuation does not."""
    return f" {text}" if text[:1].isalnum() or text[:1] in "\"'(" else text


def _fitted(middle: str, prefix: str, head: str, suffix: str, tail: str) -> str:
    """The middle with exactly the white space that joins it to both sides."""
    if len(prefix) > len(head):
        middle = middle.removeprefix(" ")
    needs_space = tail and _spaced(tail) != tail and len(suffix) == len(tail)
    return middle + " " if needs_space else middle
