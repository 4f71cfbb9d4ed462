"""The mixture: which examples a training step sees. A pure function of (seed, step).

There is no loader state: a resumed run asks for step n again and gets the same batch, noise included.
Knows passages, kinds of example and shares. Kinds: running text (autoregressive and block diffusion in
one row), the edit reverse process, and infill with a gap that is wider than its text.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Generic, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

from redraft.core.canvas import Controls
from redraft.core.corruption import Hybrid
from redraft.core.objectives import antithetic_times
from redraft.data.alignment import partly_noised
from redraft.data.errors import ErrorModel, make_errors
from redraft.data.packing import Batch, Example, Part, canvas_side, clean_side, join, pack
from redraft.data.passages import Passages
from redraft.data.sentence_tokens import SentenceTokens
from redraft.data.sentences import tokenize
from redraft.data.speech import spoken
from redraft.data.tokenizer import TextTokenizer

# What a source of pairs is asked by: the first line of a document is to become the second.
ASKED: Mapping[str, tuple[str, ...]] = {
    "spoken": (
        "punctuate", "punctuate", "punctuate", "add punctuation", "restore punctuation and capitals",
        "clean up this transcript", "clean up the transcript",
    ),
    "disfluent": (
        "Give the question as it was meant.", "Give the question as it was meant.", "clean up this transcript",
        "remove the slips", "fix the false starts",
    ),
    "splits": ("simplify", "simplify", "simplify this", "split into shorter sentences", "use simpler sentences"),
    "french": ("translate to French", "translate into French", "in French"),
}  # fmt: skip
WRITTEN = ("french",)  # pairs of which the second is written anew, with the first as context

ItemT = TypeVar("ItemT")
Ints = NDArray[np.int64]

FIX = (
    "fix", "fix", "fix", "fix grammar", "fix the spelling", "fix the mistakes", "correct this", "correct the grammar",
    "proofread", "fix spelling and grammar",
)  # fmt: skip


class _Shares(Generic[ItemT]):
    """Things with shares to draw them by: what `Generator.choice` draws, its sums made once instead of every time."""

    def __init__(self, items: Iterable[ItemT], shares: Iterable[float]) -> None:
        self.items = list(items)
        values = np.asarray(list(shares), np.float64)
        # `choice` normalises twice: both are kept, for the same numbers to the last bit.
        sums = (values / values.sum()).cumsum()
        self.sums = sums / sums[-1]

    def draw(self, rng: np.random.Generator) -> ItemT:
        return self.items[int(self.sums.searchsorted(rng.random(), side="right"))]


MISSES = 3  # examples in a row that fit no row of a batch before it is left as it is
SENTENCES = _Shares((1, 2, 3, 4), (0.5, 0.25, 0.15, 0.1))  # how many an edit example has


@dataclass(frozen=True, slots=True, kw_only=True)
class MixtureConfig:
    """Shares and sizes of a batch. Shares are relative; sources not named are not used."""

    text: Mapping[str, float]
    edits: Mapping[str, float]
    labels: Mapping[str, str] = field(default_factory=dict)  # source -> class label
    row_length: int = 768
    text_rows: int = 5
    edit_rows: int = 4
    infill_rows: int = 1
    block_lengths: tuple[int, ...] = (4, 8, 16, 32, 64, 128)
    block_shares: tuple[float, ...] = (0.1, 0.1, 0.2, 0.3, 0.2, 0.1)
    min_level: float = 0.05  # clipped schedule: noise levels below teach little and weigh much
    weight_power: float = 1.0  # noise weighs level ** -weight_power: 1 is the NELBO's 1/t, 0 is flat
    label_dropout: float = 0.3
    errors: ErrorModel = field(default_factory=ErrorModel)
    clean_share: float = 0.2  # of edit examples, nothing to correct
    tokenised_share: float = 0.3  # of edit examples, marks and clitics set apart by spaces, before and after
    max_edit_tokens: int = 160
    pairs: Mapping[str, float] = field(default_factory=dict)  # source of pairs, or "spoken" -> share of edit examples
    changed_weight: float = 3.0
    visible_weight: float = 0.1  # accepted tokens of a block: teaches which of them to doubt

    def __post_init__(self) -> None:
        if len(self.block_lengths) != len(self.block_shares):
            raise ValueError(f"{self.block_lengths=} and {self.block_shares=} differ in number")
        for share in (self.clean_share, self.tokenised_share, self.label_dropout):
            if not 0 <= share <= 1:
                raise ValueError(f"{share=} of a batch must be in [0, 1]")
        if unknown := set(self.pairs) - set(ASKED):
            raise ValueError(
                f"pairs={dict(self.pairs)} names no kind of pairs: {sorted(unknown)}; there are {[*ASKED]}"
            )
        if min(self.pairs.values(), default=0) < 0 or sum(self.pairs.values()) > 1:
            raise ValueError(
                f"pairs={dict(self.pairs)} must be shares of edit examples, none negative, at most 1 together"
            )
        if not 0 <= self.min_level < 1:
            raise ValueError(f"{self.min_level=} must be in [0, 1)")
        for name, shares in (("text", self.text), ("edits", self.edits)):
            if min(shares.values(), default=0) < 0 or not sum(shares.values()) > 0:
                raise ValueError(f"{name}={dict(shares)} must be shares of at least one source, none negative")


class Mixture:
    """`batch(step)` for any step, in any order."""

    def __init__(
        self,
        config: MixtureConfig,
        passages: Passages,
        tokenizer: TextTokenizer,
        corruption: Hybrid,
        controls: Controls,
        seed: int = 0,
    ) -> None:
        self.config, self.passages, self.tokenizer, self.seed = config, passages, tokenizer, seed
        self.corruption, self.controls = corruption, controls
        self.eos_id = tokenizer.special("<|endoftext|>")
        self.edit_id = tokenizer.special("<|edit|>")
        self.label_names = tuple(dict.fromkeys(config.labels.values()))
        shares_of = (config.text, config.edits, config.pairs)
        used = [name for shares in shares_of for name, share in shares.items() if share > 0 and name != "spoken"]
        self.by_source = {name: passages.of(name) for name in used}
        self.text, self.edits = (_Shares(shares, shares.values()) for shares in (config.text, config.edits))
        self.block_lengths = _Shares(config.block_lengths, config.block_shares)
        self.sentences = SentenceTokens(passages, tokenizer)
        self.kinds = _Shares(("", *config.pairs), (1 - sum(config.pairs.values()), *config.pairs.values()))
        self.instructions = {
            kind: [tokenizer.encode(f"{words}\n") for words in asked] for kind, asked in {"": FIX, **ASKED}.items()
        }

    def batch(self, step: int) -> Batch:
        """The batch of a step: the same tensors whenever it is asked for."""
        rng = np.random.default_rng([self.seed, step])
        config = self.config
        block_length = self.block_lengths.draw(rng)
        levels = _Levels(rng, config.min_level)
        rows = [self._text_row(rng, block_length, levels) for _ in range(config.text_rows)]
        rows += self._rows(rng, config.edit_rows, self.edit_example)
        rows += self._rows(rng, config.infill_rows, self.infill_example)
        return pack(rows, config.row_length)

    # ------------------------------------------------------------------ running text

    def _text_row(self, rng: np.random.Generator, block_length: int, levels: "_Levels") -> list[Example]:
        row: list[Example] = []
        room = self.config.row_length
        while room > 2 * max(block_length, 24) + 2:
            name = self.text.draw(rng)
            # Half of the room for each side, less the start token and a label.
            example = self.text_example(rng, name, block_length, (room - 2) // 2, levels)
            row.append(example)
            room -= len(example)
        return row

    def text_example(
        self, rng: np.random.Generator, name: str, block_length: int, most: int, levels: "_Levels"
    ) -> Example:
        """[start, text] clean, and the same text as noisy blocks; a text that ends is padded with end of text."""
        tokens = self._passage(rng, name)
        ends = len(tokens) <= most and tokens[-1] == self.eos_id
        tokens = tokens[:most]
        label = self._label(rng, name)
        clean = clean_side([self.eos_id, *tokens.tolist()], label=label)
        wanted = len(tokens) // block_length * block_length
        if ends and wanted < len(tokens) and wanted + block_length <= most:
            wanted += block_length
        if not wanted:  # a text shorter than one block and cut short: one short block
            wanted = len(tokens)
        targets = np.full(wanted, self.eos_id, np.int64)
        targets[: min(wanted, len(tokens))] = tokens[:wanted]
        canvas = self._noisy_blocks(rng, targets, len(tokens), block_length, levels, start=len(clean) - len(tokens))
        return join(clean, canvas, block_length=block_length)

    def _noisy_blocks(
        self, rng: np.random.Generator, targets: NDArray[np.int64], real: int, block_length: int, levels: "_Levels",
        *, start: int,
    ) -> Example:  # fmt: skip
        level = np.repeat(levels.take(-(-len(targets) // block_length)), block_length)[: len(targets)]
        hit = rng.random(len(targets)) < level
        noise = self.corruption.noise(torch.from_numpy(rng.random(len(targets)))).numpy()
        # NELBO weight 1/t of a linear schedule (MDLM, Eq. 10) on noise; a flat one teaches more of few steps.
        weight = np.where(
            hit, level**-self.config.weight_power, self._sampled(rng, len(hit), self.config.visible_weight)
        ).astype(np.float32)
        weight[real:] *= 0.2  # padding: enough to learn that a text ends and stays ended
        return canvas_side(
            np.where(hit, noise, targets), targets, weight, Part.BLOCK, start=start, block_length=block_length
        )

    def _sampled(self, rng: np.random.Generator, count: int, weight: float, share: float = 0.2) -> NDArray[np.float64]:
        """Weights that are `weight` on average but 0 for most: fewer positions go through the head."""
        return np.where(rng.random(count) < share, weight / share, 0.0)

    def _passage(self, rng: np.random.Generator, name: str) -> NDArray[np.int64]:
        found = self.by_source[name]
        return self.passages[int(found[rng.integers(len(found))])]

    def _label(self, rng: np.random.Generator, name: str) -> int:
        if name not in self.config.labels or rng.random() < self.config.label_dropout:
            return -1
        return self.label_names.index(self.config.labels[name])

    # ------------------------------------------------------------------ edits and infill

    def _rows(
        self, rng: np.random.Generator, count: int, make: Callable[[np.random.Generator], Example | None]
    ) -> list[list[Example]]:
        """Examples put into the first row that has room, until a few in a row have found none."""
        rows: list[list[Example]] = [[] for _ in range(count)]
        room = [self.config.row_length] * count
        misses = 0
        while misses < MISSES and max(room, default=0) > 16:
            example = make(rng)
            fitting = [n for n in range(count) if example is not None and len(example) <= room[n]]
            if example is None or not fitting:
                misses += 1
                continue
            rows[fitting[0]].append(example)
            room[fitting[0]] -= len(example)
        return rows

    def edit_example(self, rng: np.random.Generator) -> Example | None:
        """Instruction as context, a text with mistakes (or half corrected) as canvas, its correction as target."""
        coins = Random(int(rng.integers(2**62)))
        kind = self.kinds.draw(rng)
        if kind in WRITTEN:
            return self._written_example(rng, kind)
        pair = self._pair(rng, kind) if kind in self.by_source else self._mistaken(rng, coins, kind)
        if pair is None or len(pair[1]) > self.config.max_edit_tokens:
            return None
        source, target = pair
        started = coins.random() < 0.5
        tokens, targets = partly_noised(
            source, target, coins, self.controls, self.corruption.mask_id,
            progress=coins.random() if started else 0.0,
            mask_rate=0.6 if started else 0.0,
            keep_noise=0.05 if started and coins.random() < 0.3 else 0.0,
        )  # fmt: skip
        if not 3 < len(tokens) <= self.config.max_edit_tokens:
            return None
        return self._edited(rng, self._asked(rng, kind), np.array(tokens), np.array(targets))

    def _asked(self, rng: np.random.Generator, kind: str) -> list[int]:
        ways = self.instructions[kind]
        return ways[int(rng.integers(len(ways)))]

    def _pair(self, rng: np.random.Generator, kind: str) -> tuple[list[int], list[int]] | None:
        """Both lines of a document of a source of pairs, unless it was cut."""
        lines = self.tokenizer.decode(self._passage(rng, kind).tolist()).split("\n")
        if len(lines) != 2:
            return None
        source, target = self.tokenizer.encode_batch(lines)
        return [*source, self.eos_id], [*target, self.eos_id]

    def _written_example(self, rng: np.random.Generator, kind: str) -> Example | None:
        """Instruction and given text as context; what it becomes is written on a canvas that is often too wide."""
        pair = self._pair(rng, kind)
        if pair is None or max(map(len, pair)) > self.config.max_edit_tokens:
            return None
        source, target = pair
        line_end = self.tokenizer.encode("\n")
        clean = clean_side([self.eos_id, self.edit_id, *self._asked(rng, kind), *source[:-1], *line_end], learn=False)
        open_slot = rng.random(len(target)) < rng.uniform(0.2, 1.0)
        surplus = int(rng.integers(0, 8))
        mask = self.corruption.mask_id
        held = np.concatenate([np.where(open_slot, mask, target), np.full(surplus, mask)])
        wanted = np.concatenate([target, np.full(surplus, self.eos_id)])
        weight = np.where(held == mask, 1.0, 0.0).astype(np.float32)
        weight[len(target) :] = 0.2
        return join(clean, canvas_side(held, wanted, weight, Part.GAP, start=len(clean), block_length=len(held)))

    def _mistaken(self, rng: np.random.Generator, coins: Random, kind: str) -> tuple[list[int], list[int]]:
        """Sentences with mistakes and without, now and then both with spaces around their marks; or as spoken."""
        config, encode = self.config, self.tokenizer.encode
        found = self.by_source[self.edits.draw(rng)]
        passage = int(found[rng.integers(len(found))])
        ids = self.sentences.some(rng, passage, SENTENCES.draw(rng), config.max_edit_tokens - 1).tolist()
        if kind == "spoken":
            said = encode(spoken(self.tokenizer.decode(ids), coins))
            return [*said, self.eos_id], [*ids, self.eos_id]
        spaced, right = coins.random() < config.tokenised_share, coins.random() < config.clean_share
        if spaced or not right:
            text = self.tokenizer.decode(ids)
            wrong = text if right else make_errors(text, coins, config.errors)
        target = encode(tokenize(text)) if spaced else ids
        source = target if right else encode(tokenize(wrong) if spaced else wrong)
        return [*source, self.eos_id], [*target, self.eos_id]

    def _edited(self, rng: np.random.Generator, words: list[int], held: Ints, wanted: Ints) -> Example:
        """An instruction in front of a canvas on which what is to change weighs most."""
        weight = np.where(held != wanted, self.config.changed_weight, self._sampled(rng, len(held), 1.0, 0.5))
        clean = clean_side([self.eos_id, self.edit_id, *words], learn=False)
        canvas = canvas_side(
            held, wanted, weight.astype(np.float32), Part.EDIT, start=len(clean), block_length=len(held)
        )
        return join(clean, canvas)

    def infill_example(self, rng: np.random.Generator) -> Example | None:
        """Text with a gap; the gap is often wider than what belongs there, and its surplus asks to be deleted."""
        tokens = self._passage(rng, self.text.draw(rng))
        if len(tokens) < 24:
            return None
        first = int(rng.integers(0, len(tokens) - 23))
        tokens = tokens[first : first + int(rng.integers(24, 160))]
        known = int(rng.integers(0, len(tokens) // 2))  # this much of the beginning is context
        clean = clean_side([self.eos_id, *tokens[:known].tolist()], learn=False)
        held, wanted, weight = self._gap(rng, tokens[known:])
        return join(clean, canvas_side(held, wanted, weight, Part.GAP, start=len(clean), block_length=len(held)))

    def _gap(
        self, rng: np.random.Generator, tokens: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
        start = int(rng.integers(0, len(tokens)))
        width = int(rng.integers(1, min(32, len(tokens) - start) + 1))
        surplus = int(rng.integers(0, 24)) if rng.random() < 0.7 else 0
        level = rng.uniform(0.1, 1.0)
        gap = tokens[start : start + width]
        open_slot = rng.random(width) < level
        surplus = int((rng.random(surplus) < level).sum())
        mask = np.full(width, self.corruption.mask_id)
        extra = np.full(surplus, self.corruption.mask_id)
        held = np.concatenate([tokens[:start], np.where(open_slot, mask, gap), extra, tokens[start + width :]])
        deleted = np.full(surplus, self.controls.delete_id)
        wanted = np.concatenate([tokens[:start], gap, deleted, tokens[start + width :]])
        visible = self._sampled(rng, len(held), self.config.visible_weight)
        weight = np.where(held == self.corruption.mask_id, 1.0, visible).astype(np.float32)
        weight[start + width : start + width + surplus] *= 0.5
        return held, wanted, weight


class _Levels:
    """Noise levels of a batch's blocks: low discrepancy over the stretch that a batch is likely to need."""

    def __init__(self, rng: np.random.Generator, low: float, count: int = 64) -> None:
        self.rng, self.low, self.count = rng, low, count
        self.left: NDArray[np.float64] = np.zeros(0)

    def take(self, count: int) -> NDArray[np.float64]:
        while len(self.left) < count:
            fresh = antithetic_times(self.count, torch.tensor(self.rng.random())).numpy()
            self.left = np.concatenate([self.left, self.rng.permutation(self.low + (1 - self.low) * fresh)])
        taken, self.left = self.left[:count], self.left[count:]
        return taken
