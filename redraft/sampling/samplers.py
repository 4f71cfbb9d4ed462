"""Samplers: the loops that produce text, as generators. `denoise` and `sample` yield once per forward; `infill` and
`edit` first yield the canvas they start from.

Knows the two verbs of a denoiser and `step`. Refuses to know caches, families and why a policy decides as it does.
Streaming, early exit, counting forwards and recording traces are just consumption.

Shapes: B rows, L canvas positions, V vocabulary.
"""

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas, stack
from redraft.core.corruption import Corruption, corrupt
from redraft.core.denoiser import Denoiser, Noise, SelfConditioned
from redraft.core.rng import Stream, uniform
from redraft.sampling.decoding import Decoding
from redraft.sampling.step import step
from redraft.sampling.stops import AfterStopToken
from redraft.sampling.wrappers import shape

Rows = Tensor | Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream carries: the text that will not change any more, and the draft of the block at work.

    committed  the finished blocks' tokens of every row, a stop token included
    canvas     the block being denoised, after this forward
    block      its number, from 0
    step       denoising forwards so far, over all blocks
    """

    committed: list[list[int]]
    canvas: Canvas
    block: int
    step: int


def advance(
    denoiser: Denoiser, canvas: Canvas, logits_BLV: Tensor, decoding: Decoding, limit_B: Tensor | None = None
) -> Canvas:
    """One step with what the denoiser adds to it: its noise, its controls and its memory of the prediction."""
    if getattr(denoiser, "self_conditioned", False):
        memory_BLD = cast(SelfConditioned, denoiser).remember(logits_BLV)
        extra = canvas.length - memory_BLD.shape[1]
        canvas = replace(canvas, memory_BLD=torch.nn.functional.pad(memory_BLD, (0, 0, 0, extra)))
    return step(canvas, logits_BLV, denoiser.corruption, decoding, denoiser.controls, limit_B)


def denoise(denoiser: Denoiser, canvas: Canvas, context: Any, decoding: Decoding) -> Generator[Canvas, None, Canvas]:
    """Yield the canvas after every step until every row is done; return the last.

    Columns that are EMPTY in every unfinished row are not computed. With `decoding.indels` the canvas is widened
    between steps so that no insertion is dropped for want of slack, until a row holds twice its first length and 64.
    The decoding's wrappers are not applied here: pass `shape(denoiser, decoding)` and a context that it encoded.
    """
    limit_B = 2 * canvas.present_BL.sum(-1) + 64
    while not bool(canvas.done_B.all()):
        narrow = crop(canvas)
        logits_BLV = denoiser.denoise(narrow, context)
        if decoding.indels:
            canvas = advance(denoiser, _widened(canvas, limit_B, denoiser), logits_BLV, decoding, limit_B)
            canvas = _narrow(canvas, canvas.present_BL)
        else:
            canvas = advance(denoiser, canvas, logits_BLV, decoding)
        yield canvas
    return canvas


def sample(
    denoiser: Denoiser,
    prompt: Tensor | None,
    decoding: Decoding,
    *,
    max_tokens: int,
    block_length: int,
    seed: int | Tensor = 0,
    stop_ids: tuple[int, ...] = (),
    context: Any = None,
    rows: int | None = None,
) -> Iterator[Frame]:
    """Block diffusion: encode the prompt [B, S], then denoise and encode one block after another.

    Instead of a prompt, or before it, a `context` made by `shape(denoiser, decoding).encode` may be given; without a
    prompt, `rows` says for how many rows. Row b draws from stream seed + b, or from `seed[b]`. Ends after
    `max_tokens` or when every row has accepted one of `stop_ids`. The last frame holds everything.
    """
    if decoding.indels:
        raise ValueError(f"{decoding.indels=}: blocks have a fixed length; length changes are for infill and edit")
    denoiser = shape(denoiser, decoding)
    if stop_ids:
        decoding = replace(decoding, stop=decoding.stop | AfterStopToken(stop_ids))
    if prompt is not None:
        context = denoiser.encode(prompt, context)
    seed_B = _seeds(seed, _num_rows(prompt, rows), prompt.device if prompt is not None else None)
    committed: list[list[int]] = [[] for _ in range(len(seed_B))]
    ended_B = torch.zeros_like(seed_B, dtype=torch.bool)
    num_steps = 0
    for block, start in enumerate(range(0, max_tokens, block_length)):
        length = min(block_length, max_tokens - start)
        canvas = blank(length, denoiser.corruption, block_seed(seed_B, block), ended_B)
        for draft in denoise(denoiser, canvas, context, decoding):
            canvas, num_steps = draft, num_steps + 1
            if bool(canvas.done_B.all()):
                committed = [text + canvas.row_tokens(row) for row, text in enumerate(committed)]
            yield Frame(committed, canvas, block, num_steps)
        ended_B = ended_B | _ends(canvas, stop_ids)
        if start + length == max_tokens or bool(ended_B.all()):
            return
        context = denoiser.encode(canvas.tokens_BL, context)


def infill(
    denoiser: Denoiser,
    prefix: Rows,
    suffix: Rows,
    decoding: Decoding,
    *,
    gap: int | Sequence[int],
    seed: int | Tensor = 0,
    context: Any = None,
) -> Iterator[Canvas]:
    """Fill a gap of noise between a FIXED prefix and a FIXED suffix, one of each per row.

    `gap` is the number of noisy positions, the same or one per row. With `decoding.indels` the model may delete
    slots it has no use for and open more. The first canvas is the start, each later one a forward. A `context` must
    come from `shape(denoiser, decoding).encode`.
    """
    befores, afters = _lists(prefix), _lists(suffix)
    gaps = [gap] * len(befores) if isinstance(gap, int) else list(gap)
    if not len(befores) == len(afters) == len(gaps):
        raise ValueError(f"{len(befores)} prefixes, {len(afters)} suffixes and {len(gaps)} gaps must be as many")
    if min(gaps) < 0:
        raise ValueError(f"{gap=} must not be negative")
    denoiser = shape(denoiser, decoding)
    tokens = [[*b, *[0] * g, *a] for b, g, a in zip(befores, gaps, afters, strict=True)]
    noisy = [[False] * len(b) + [True] * g + [False] * len(a) for b, g, a in zip(befores, gaps, afters, strict=True)]
    canvas = _from_rows(tokens, noisy, Status.NOISY, seed, _device(prefix))
    fresh_BL = denoiser.corruption.noise(uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.NOISE))
    canvas = replace(canvas, tokens_BL=torch.where(canvas.noisy_BL, fresh_BL, canvas.tokens_BL))
    yield canvas
    yield from denoise(denoiser, canvas, context, decoding)


def edit(
    denoiser: Denoiser,
    tokens: Rows,
    decoding: Decoding,
    *,
    editable: Tensor | Sequence[Sequence[bool]] | None = None,
    strength: float = 0.0,
    seed: int | Tensor = 0,
    context: Any = None,
) -> Iterator[Canvas]:
    """Edit text in place; positions that are not editable are FIXED (by default all are editable).

    At strength above 0 the editable positions are corrupted to that noise level and denoised: the img2img of text. At
    strength 0 they start out ACCEPTED and the policy decides what to change: `Correct` runs the edit reverse process
    (with `indels` and the stop `Settled`), `Renoising` rewrites what the model finds surprising. The first canvas is
    the start, each later one a forward. A `context` must come from `shape(denoiser, decoding).encode`.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"{strength=} must be in [0, 1]")
    texts = _lists(tokens)
    allowed = [[True] * len(text) for text in texts] if editable is None else [list(map(bool, row)) for row in editable]
    if [len(row) for row in allowed] != [len(text) for text in texts]:
        raise ValueError("editable must say true or false for every token")
    denoiser = shape(denoiser, decoding)
    canvas = _from_rows(texts, allowed, Status.ACCEPTED, seed, _device(tokens))
    if strength > 0:
        level_B = torch.full((len(canvas),), strength, dtype=torch.float64, device=canvas.tokens_BL.device)
        noise = cast(Corruption, denoiser.corruption)  # only its `noise` is asked for
        canvas = corrupt(canvas.tokens_BL, canvas.editable_BL, level_B, noise, canvas.seed_B, canvas.status_BL)
    yield canvas
    yield from denoise(denoiser, canvas, context, decoding)


def blank(length: int, noise: Noise, seed_B: Tensor, ended_B: Tensor | None = None) -> Canvas:
    """A canvas of pure noise. Rows that have `ended` hold nothing and are done."""
    ended_B = torch.zeros_like(seed_B, dtype=torch.bool) if ended_B is None else ended_B
    tokens_BL = noise.noise(uniform(seed_B, torch.zeros_like(seed_B), length, Stream.NOISE))
    status_BL = torch.where(ended_B[:, None].expand_as(tokens_BL), int(Status.EMPTY), int(Status.NOISY))
    return replace(make_canvas(torch.where(ended_B[:, None], 0, tokens_BL), status_BL, seed_B), done_B=ended_B)


def block_seed(seed_B: Tensor, block: int) -> Tensor:
    """The stream of randomness of a row's block number `block`."""
    return seed_B * 1_000_003 + block


def crop(canvas: Canvas) -> Canvas:
    """The canvas without the last columns that are EMPTY in every unfinished row. A host sync."""
    return _narrow(canvas, canvas.present_BL & ~canvas.done_B[:, None])


def _narrow(canvas: Canvas, used_BL: Tensor) -> Canvas:
    """The columns up to the last used one, at least one."""
    place_L = torch.arange(1, canvas.length + 1, device=used_BL.device)
    width = max(1, int((used_BL.any(0) * place_L).max()))
    memory = canvas.memory_BLD
    return replace(
        canvas,
        tokens_BL=canvas.tokens_BL[:, :width],
        status_BL=canvas.status_BL[:, :width],
        memory_BLD=None if memory is None else memory[:, :width],
    )


def _widened(canvas: Canvas, limit_B: Tensor, denoiser: Denoiser) -> Canvas:
    """Room for every insertion the next step can ask for: a row's result must not depend on its neighbours' slack."""
    most = len(denoiser.controls.insert_ids) if denoiser.controls else 0
    return canvas.widen(max(0, min(canvas.length * most, int(limit_B.max()) - canvas.length)))


def _from_rows(
    tokens: list[list[int]], free: list[list[bool]], status: Status, seed: int | Tensor, device: torch.device | None
) -> Canvas:
    """One canvas of ragged rows: `status` where free, else FIXED, EMPTY behind. Rows with nothing free are done."""
    seed_B = _seeds(seed, len(tokens), device)
    rows = zip(tokens, free, seed_B.split(1), strict=True)
    canvas = stack([_one_row(text, marks, status, seed_1) for text, marks, seed_1 in rows])
    return replace(canvas, done_B=~canvas.editable_BL.any(-1))


def _one_row(text: list[int], free: list[bool], status: Status, seed_B: Tensor) -> Canvas:
    tokens_BL = torch.tensor([text], dtype=torch.long, device=seed_B.device)
    free_BL = torch.tensor([free], dtype=torch.bool, device=seed_B.device)
    return make_canvas(tokens_BL, torch.where(free_BL, int(status), int(Status.FIXED)), seed_B)


def _seeds(seed: int | Tensor, rows: int, device: torch.device | None) -> Tensor:
    if isinstance(seed, Tensor):
        if seed.shape != (rows,):
            raise ValueError(f"seed of shape {tuple(seed.shape)} for {rows} rows")
        return seed.to(device=device, dtype=torch.long)
    return seed + torch.arange(rows, device=device)


def _num_rows(prompt: Tensor | None, rows: int | None) -> int:
    if prompt is not None:
        return prompt.shape[0]
    if rows is None:
        raise ValueError("without a prompt, rows must say how many rows to sample")
    return rows


def _ends(canvas: Canvas, stop_ids: tuple[int, ...]) -> Tensor:
    """Rows whose finished block holds a stop token."""
    if not stop_ids:
        return torch.zeros_like(canvas.done_B)
    hit_BL = torch.isin(canvas.tokens_BL, torch.tensor(stop_ids, device=canvas.tokens_BL.device))
    return (hit_BL & canvas.present_BL).any(-1)


def _lists(rows: Rows) -> list[list[int]]:
    return rows.tolist() if isinstance(rows, Tensor) else [list(row) for row in rows]


def _device(rows: Any) -> torch.device | None:
    return rows.device if isinstance(rows, Tensor) else None
