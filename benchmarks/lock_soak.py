"""Lock soak: random texts, random locks, and a model that writes anything anywhere. No locked character may change.

    python -m benchmarks.lock_soak --runs 100000

Texts hold multi-byte characters, combining marks and line breaks, and the tokenizer merges across whatever border a
lock may have. A case is a seed: what fails can be run again.
"""

import argparse
import random
import re
import time
from collections.abc import Sequence

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Controls
from redraft.core.corruption import Absorbing
from redraft.instant.diffs import Edit, apply_edits
from redraft.instant.doubt import Doubt
from redraft.instant.editor import Editor, Strength
from redraft.instant.locks import Locks
from redraft.instant.windows import windows
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Correct, Threshold
from redraft.sampling.stops import Settled

CASES = 300  # in the tests
LETTERS = ["a", "b", " ", " ", "é", "e\u0301", "€", "😀", "👩\u200d🚀", "\n", ".", "ñ", "\u0301", "字"]
MERGES = ["ab", "a ", " b", "\u0301a", "é€", ". ", "\u200d🚀", "b\u0301", "aba", "字字"]
TEXT_SIZE = 256 + len(MERGES)


class Scribbler:
    """A denoiser whose logits are noise, and its tokenizer: bytes, and merges of letters and marks."""

    controls: Controls | None = Controls(TEXT_SIZE, (TEXT_SIZE + 1, TEXT_SIZE + 2))
    corruption = Absorbing(TEXT_SIZE + 3, TEXT_SIZE + 4)
    keeps_keys = False

    def __init__(self) -> None:
        self.random = torch.Generator()
        self.merged = [merge.encode() for merge in MERGES]

    def encode(self, tokens_BL: Tensor, context: object = None, pad_B: Tensor | None = None) -> None:
        return None

    def denoise(self, canvas: Canvas, context: object = None) -> Tensor:
        shape = (*canvas.tokens_BL.shape, TEXT_SIZE + 4)
        logits_BLV = 6 * torch.randn(shape, generator=self.random)
        logits_BLV[..., TEXT_SIZE + 3] = -torch.inf
        return logits_BLV

    def tokenise(self, text: str) -> list[int]:
        data, ids = text.encode(), []
        while data:
            found = next((n for n, merge in enumerate(self.merged) if data.startswith(merge)), None)
            ids.append(data[0] if found is None else 256 + found)
            data = data[1 if found is None else len(self.merged[found]) :]
        return ids

    def decode(self, ids: list[int]) -> str:
        spelt = [bytes([i]) if i < 256 else self.merged[i - 256] for i in ids if i < TEXT_SIZE]
        return b"".join(spelt).decode(errors="replace")

    def edit(self, text: str, locks: Locks, seed: int) -> str:
        return apply_edits(text, self.edits(text, locks, seed))

    def edits(self, text: str, locks: Locks, seed: int) -> list[Edit]:
        rng = random.Random(seed)
        self.random.manual_seed(seed)
        parts = windows(text, locks.find(text), self.tokenise, rng.choice([4, 12, 60]), rng.choice([0, 0, 3]))
        *_, moment = self._editor(rng).run(text, parts, seed=seed, rows=3) if parts else [None]
        edits = [] if moment is None else [edit for outcome in moment.finished for edit in outcome.edits]
        return sorted(edits, key=lambda edit: (edit.start, edit.end))

    def _editor(self, rng: random.Random) -> Editor:
        strength: Strength = rng.choice([0.0, 0.0, 0.4, 1.0, "auto"])
        decoding = Decoding(policy=Threshold(0.5), temperature=1.0, max_steps=3)
        if strength == 0.0:
            decoding = Decoding(policy=Correct(0.2), stop=Settled(), indels=True, temperature=1.0, max_steps=3)
        doubt = Doubt(tau=0.5, parts=rng.choice([0, 2]), rounds=2)
        return Editor(
            denoiser=self, decode=self.decode, decoding=decoding, end=(0,), strength=strength, doubt=doubt
        )  # fmt: skip


def one_case(scribbler: Scribbler, seed: int) -> bool:
    """Raise AssertionError if anything locked was touched. Whether anything at all was changed."""
    rng = random.Random(seed)
    text = "".join(rng.choices(LETTERS, k=rng.randint(1, 24)))
    locks = _locks(text, rng)
    edits = scribbler.edits(text, locks, seed)
    for start, end in locks.find(text):
        for edit in edits:
            assert not (edit.start < end and edit.end > start), f"{seed=}: {edit} touches {start}:{end} of {text!r}"
        before = [edit for edit in edits if edit.end <= start]
        place = start + sum(len(edit.after) - len(edit.before) for edit in before)
        assert apply_edits(text, edits)[place : place + end - start] == text[start:end], f"{seed=}"
    return bool(edits)


def _locks(text: str, rng: random.Random) -> Locks:
    def stretch() -> tuple[int, int]:
        start = rng.randrange(len(text))
        return start, rng.randint(start + 1, len(text))

    literals, patterns, lines, spans = [], [], [], []
    for _ in range(rng.randint(0, 3)):
        start, end = stretch()
        kind = rng.randrange(4)
        if kind == 0:
            literals.append(text[start:end])
        elif kind == 1:
            patterns.append(re.escape(text[start:end]) + rng.choice(["", "+", ".?"]))
        elif kind == 2:
            spans.append((start, end))
        elif text.strip("\n"):
            line = rng.randint(1, len(text.splitlines()) or 1)
            lines.append((line, line))
    found = Locks(tuple(literals), tuple(patterns), tuple(lines), tuple(spans))
    try:
        found.find(text)
    except ValueError:  # "\n" and the ends of texts: not every line number drawn exists
        return Locks(tuple(literals), (), (), tuple(spans))
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    options = argparse.ArgumentParser(prog="python -m benchmarks.lock_soak", description=(__doc__ or "").split("\n")[0])
    options.add_argument("--runs", type=int, default=2000)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args(arguments)
    torch.set_num_threads(1)  # the tensors are tiny
    began, scribbler = time.perf_counter(), Scribbler()
    with torch.inference_mode():
        changed = sum(one_case(scribbler, asked.seed + n) for n in range(asked.runs))
    print(f"{asked.runs} cases, {changed} of them edited, no lock touched; {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
