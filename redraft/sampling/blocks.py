"""Blocks: how a text is cut into canvases, and where a prompt ends inside one.

Knows lengths: what a denoiser commits at once, what is decided at once, what of a prompt no whole block holds yet.
Refuses to know policies, forwards and contexts.

A canvas may begin with known tokens (FIXED), decides its columns part by part (NOISY, then FIXED), and holds noise
AHEAD that is not decided yet.
Shapes: B rows, L canvas positions, S prompt tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.denoiser import Denoiser, Noise
from redraft.core.rng import Stream, uniform
from redraft.sampling.checks import check_count

Rows = Tensor | Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Layout:
    """How a text of up to `max_tokens` new tokens is cut.

    block   columns that are committed together
    part    columns that are decided together; divides a whole block
    whole   blocks are counted from the start of the text and never shorter (block-causal models)
    ahead   a canvas shows the noise up to the end of the text (bidirectional models)
    """

    max_tokens: int
    block: int
    part: int
    whole: bool
    ahead: bool

    def split(self, prompt: list[int]) -> int:
        """How many tokens of a prompt are context; the rest stands at the front of the first canvas."""
        return len(prompt) // self.block * self.block if self.whole else len(prompt)

    def num_blocks(self, num_known: int) -> int:
        """Blocks until `max_tokens` new tokens stand behind `num_known` known ones."""
        return -(-(num_known + self.max_tokens) // self.block)

    def columns(self, block: int) -> int:
        """Columns of a block that are committed: only a text of any length has a shorter last one."""
        return self.block if self.whole else min(self.block, self.max_tokens - block * self.block)

    def width(self, block: int) -> int:
        """Columns of a block's canvas, noise of later blocks included."""
        return self.max_tokens - block * self.block if self.ahead and not self.whole else self.columns(block)

    def parts(self, block: int) -> list[range]:
        """The columns that are decided together, in order."""
        columns = self.columns(block)
        return [range(start, min(start + self.part, columns)) for start in range(0, columns, self.part)]

    def extend(self, text: list[int], fresh: list[int], stop_ids: tuple[int, ...]) -> list[int]:
        """A row's text with what a finished block adds to it."""
        return text + until_stop(fresh[: self.max_tokens - len(text)], stop_ids)


def layout(denoiser: Denoiser, max_tokens: int, block_length: int) -> Layout:
    """The layout that a denoiser asks for. Raises ValueError where `block_length` does not divide its blocks."""
    check_count("max_tokens", max_tokens)
    check_count("block_length", block_length)
    whole = getattr(denoiser, "block_length", None)
    if whole is None:
        ahead = bool(getattr(denoiser, "looks_ahead", False))
        return Layout(max_tokens, block_length, block_length, whole=False, ahead=ahead)
    if whole % block_length:
        raise ValueError(f"{block_length=} must divide {whole}, the block length that this model was trained with")
    return Layout(max_tokens, whole, block_length, whole=True, ahead=False)


def check_fits(denoiser: Denoiser, canvas: Canvas) -> None:
    """Raise ValueError for text on both sides of noise that a block-causal model could not see at once."""
    whole = getattr(denoiser, "block_length", None)
    if whole is not None and canvas.length > whole:
        raise ValueError(
            f"this model sees nothing behind its own block of {whole} tokens, so it cannot fill in or edit "
            f"a canvas of {canvas.length}: take a bidirectional model, or a canvas of at most {whole}"
        )


def left_padded(prompts: Sequence[list[int]], device: torch.device | None) -> tuple[Tensor, Tensor | None]:
    """Ragged rows as one tensor [B, S] and how much of each is padding; None where nothing is."""
    width = max(len(prompt) for prompt in prompts)
    pads = [width - len(prompt) for prompt in prompts]
    padded = [[0] * pad + prompt for pad, prompt in zip(pads, prompts, strict=True)]
    tokens_BS = torch.tensor(padded, dtype=torch.long, device=device).reshape(len(prompts), width)
    return tokens_BS, torch.tensor(pads, device=device) if any(pads) else None


def closed(width: int, known: Sequence[list[int]], noise: Noise, seed_B: Tensor, ended_B: Tensor) -> Canvas:
    """A canvas of known tokens and, behind them, noise AHEAD. Rows that have ended hold nothing."""
    fresh_BL = noise.noise(uniform(seed_B, torch.zeros_like(seed_B), width, Stream.NOISE))
    known_BL = torch.tensor([row + [0] * (width - len(row)) for row in known], device=seed_B.device)
    num_known_B1 = torch.tensor([[len(row)] for row in known], device=seed_B.device)
    fixed_BL = torch.arange(width, device=seed_B.device) < num_known_B1
    status_BL = torch.where(fixed_BL, int(Status.FIXED), int(Status.AHEAD))
    status_BL = torch.where(ended_B[:, None], int(Status.EMPTY), status_BL)
    tokens_BL = torch.where(ended_B[:, None], 0, torch.where(fixed_BL, known_BL, fresh_BL))
    return replace(make_canvas(tokens_BL, status_BL, seed_B), done_B=torch.ones_like(ended_B))


def opened(canvas: Canvas, columns: range, seed_B: Tensor) -> Canvas:
    """A fresh start on the given columns: what was decided is FIXED now, what was AHEAD there is to be decided.

    Rows with nothing to decide there are done.
    """
    place_L = torch.arange(canvas.length, device=seed_B.device)
    here_BL = (place_L >= columns.start) & (place_L < columns.stop) & (canvas.status_BL == Status.AHEAD)
    status_BL = torch.where(canvas.status_BL == Status.ACCEPTED, int(Status.FIXED), canvas.status_BL)
    status_BL = torch.where(here_BL, int(Status.NOISY), status_BL)
    fresh = make_canvas(canvas.tokens_BL, status_BL, seed_B)
    return replace(fresh, done_B=~here_BL.any(-1), confidence_BL=canvas.confidence_BL)


def until_stop(tokens: list[int], stop_ids: tuple[int, ...]) -> list[int]:
    """The tokens up to the first stop token, that one included."""
    for place, token in enumerate(tokens):
        if token in stop_ids:
            return tokens[: place + 1]
    return tokens


def as_lists(rows: Rows) -> list[list[int]]:
    """Rows of token ids as plain lists."""
    return rows.tolist() if isinstance(rows, Tensor) else [list(row) for row in rows]
