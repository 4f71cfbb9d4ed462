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
from redraft.sampling.blocks import Layout, Rows, as_lists, check_fits, closed, layout, left_padded, opened
from redraft.sampling.decoding import Decoding
from redraft.sampling.step import step
from redraft.sampling.stops import AfterStopToken
from redraft.sampling.wrappers import denoise_at, shape


@dataclass(frozen=True, slots=True)
class Frame:
    """What a stream carries: the text that will not change any more, and the draft of the block at work.

    committed  the finished blocks' new tokens of every row, a stop token included
    canvas     the block being denoised, after this forward; noise AHEAD is no part of the draft
    block      its number, from 0
    step       denoising forwards so far, over all blocks
    known      how many of each row's first canvas columns are the end of its prompt, and no part of the draft either
    """

    committed: list[list[int]]
    canvas: Canvas
    block: int
    step: int
    known: list[int]


def advance(
    denoiser: Denoiser, canvas: Canvas, logits_BLV: Tensor, decoding: Decoding, limit_B: Tensor | None = None
) -> Canvas:
    """One step with what the denoiser adds to it: its noise, its controls and its memory of the prediction."""
    if getattr(denoiser, "self_conditioned", False):
        memory_BLD = cast(SelfConditioned, denoiser).remember(logits_BLV)
        extra = canvas.length - memory_BLD.shape[1]
        canvas = replace(canvas, memory_BLD=torch.nn.functional.pad(memory_BLD, (0, 0, 0, extra)))
    return step(canvas, logits_BLV, denoiser.corruption, decoding, denoiser.controls, limit_B)


def moved(denoiser: Denoiser, canvas: Canvas, logits_BLV: Tensor, decoding: Decoding, limit_B: Tensor) -> Canvas:
    """`advance`, with room for every insertion that the decoding allows and no more width than rows need after it."""
    if not decoding.indels:
        return advance(denoiser, canvas, logits_BLV, decoding)
    canvas = advance(denoiser, _widened(canvas, limit_B, denoiser), logits_BLV, decoding, limit_B)
    return kept(canvas)


def first_limit(canvas: Canvas) -> Tensor:
    """The most tokens [B] that insertions may make of a canvas: twice what its rows hold at first, and 64."""
    return 2 * canvas.present_BL.sum(-1) + 64


def denoise(denoiser: Denoiser, canvas: Canvas, context: Any, decoding: Decoding) -> Generator[Canvas, None, Canvas]:
    """Yield the canvas after every step until every row is done; return the last.

    Columns that are EMPTY in every unfinished row are not computed. With `decoding.indels` the canvas is widened
    between steps so that no insertion is dropped for want of slack, until a row holds twice its first length and 64.
    The decoding's wrappers are not applied here: pass `shape(denoiser, decoding)` and a context that it encoded.
    """
    limit_B = first_limit(canvas)
    few = decoding.only_noisy and not getattr(denoiser, "self_conditioned", False)
    while not bool(canvas.done_B.all()):
        if few:
            canvas = _decided(denoiser, canvas, context, decoding)
        else:
            logits_BLV = denoiser.denoise(crop(canvas), context)
            canvas = moved(denoiser, canvas, logits_BLV, decoding, limit_B)
        yield canvas
    return canvas


def _decided(denoiser: Denoiser, canvas: Canvas, context: Any, decoding: Decoding) -> Canvas:
    """The canvas after one forward that scored its noisy positions alone, for decodings that look at no others."""
    seen = crop(canvas)
    at_BL = canvas.noisy_BL & ~canvas.done_B[:, None]
    logits_NV = denoise_at(denoiser, seen, context, at_BL[:, : seen.length])
    return step(canvas, logits_NV, denoiser.corruption, decoding, denoiser.controls, at_BL=at_BL)


def sample(
    denoiser: Denoiser,
    prompt: Rows | None,
    decoding: Decoding,
    *,
    max_tokens: int,
    block_length: int,
    seed: int | Tensor = 0,
    stop_ids: tuple[int, ...] = (),
    context: Any = None,
    rows: int | None = None,
    whole_blocks: bool = False,
) -> Iterator[Frame]:
    """Block diffusion: encode the prompt, [B, S] or ragged, then denoise and encode one block after another.

    `block_length` tokens are decided at once. A denoiser that commits blocks of its own length takes any divisor of
    it: it is then asked for its blocks part by part, and the end of a prompt that fills no block stands FIXED at the
    front of the first canvas.

    Instead of a prompt, or before it, a `context` made by `shape(denoiser, decoding).encode` may be given; without a
    prompt, `rows` says for how many rows. Row b draws from stream seed + b, or from `seed[b]`. A row ends after
    `max_tokens`, or with the first of `stop_ids`: at once, or when the block it falls in is finished, with
    `whole_blocks` and with every decoding that revises what it accepted. The last frame holds everything.
    """
    if decoding.indels:
        raise ValueError(f"{decoding.indels=}: blocks have a fixed length; length changes are for infill and edit")
    denoiser = shape(denoiser, decoding)
    if stop_ids and not whole_blocks and not decoding.revises:
        decoding = replace(decoding, stop=decoding.stop | AfterStopToken(stop_ids))
    plan = layout(denoiser, max_tokens, block_length)
    device, prompts = _device(denoiser, prompt), _prompts(prompt, rows)
    seed_B = _seeds(seed, len(prompts), device)
    context = _encode(denoiser, [row[: plan.split(row)] for row in prompts], context, device)
    known = [row[plan.split(row) :] for row in prompts]
    yield from _blocks(denoiser, decoding, plan, context, known, seed_B, stop_ids)


def _blocks(
    denoiser: Denoiser,
    decoding: Decoding,
    plan: Layout,
    context: Any,
    known: list[list[int]],
    seed_B: Tensor,
    stop_ids: tuple[int, ...],
) -> Iterator[Frame]:
    """One block after another until every row has ended; `known` is what of each prompt no block holds yet."""
    texts: list[list[int]] = [[] for _ in known]
    ended_B = torch.zeros_like(seed_B, dtype=torch.bool)
    num_steps = 0
    for block in range(max(plan.num_blocks(len(row)) for row in known)):
        parts = plan.parts(block)
        number = block * len(parts)
        canvas = closed(plan.width(block), known, denoiser.corruption, block_seed(seed_B, number), ended_B)
        for draft, last in _decide(denoiser, canvas, context, decoding, parts, seed_B, number):
            canvas, num_steps = draft, num_steps + 1
            if last:
                texts = [
                    plan.extend(text, canvas.row_tokens(b)[len(known[b]) :], stop_ids) for b, text in enumerate(texts)
                ]
            yield Frame(texts, canvas, block, num_steps, [len(row) for row in known])
        ended = [len(text) == plan.max_tokens or text[-1] in stop_ids for text in texts]
        if all(ended):
            return
        ended_B = torch.tensor(ended, device=ended_B.device)
        context = denoiser.encode(canvas.tokens_BL[:, : plan.block], context)
        known = [[] for _ in known]


def _decide(
    denoiser: Denoiser,
    canvas: Canvas,
    context: Any,
    decoding: Decoding,
    parts: list[range],
    seed_B: Tensor,
    number: int,
) -> Iterator[tuple[Canvas, bool]]:
    """Denoise a block's columns part by part; with every canvas, whether it is the block's last."""
    for columns in parts:
        canvas = opened(canvas, columns, block_seed(seed_B, number))
        number += 1
        for draft in denoise(denoiser, canvas, context, decoding):
            canvas = draft
            left_BL = canvas.status_BL[:, columns.stop : parts[-1].stop] == Status.AHEAD
            yield canvas, bool(canvas.done_B.all() & ~left_BL.any())


def _encode(denoiser: Denoiser, prompts: list[list[int]], context: Any, device: torch.device | None) -> Any:
    tokens_BS, pad_B = left_padded(prompts, device)
    if tokens_BS.shape[1] == 0:
        return context
    if context is not None and pad_B is not None:
        lengths = sorted({len(prompt) for prompt in prompts})
        raise ValueError(f"prompts of {lengths} tokens need padding, which cannot stand behind a given context")
    return denoiser.encode(tokens_BS, context, pad_B)


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
    come from `shape(denoiser, decoding).encode`. Raises ValueError for a denoiser that cannot see behind its own block.
    """
    befores, afters = as_lists(prefix), as_lists(suffix)
    gaps = [gap] * len(befores) if isinstance(gap, int) else list(gap)
    if not len(befores) == len(afters) == len(gaps):
        raise ValueError(f"{len(befores)} prefixes, {len(afters)} suffixes and {len(gaps)} gaps must be as many")
    if min(gaps) < 0:
        raise ValueError(f"{gap=} must not be negative")
    denoiser = shape(denoiser, decoding)
    tokens = [[*b, *[0] * g, *a] for b, g, a in zip(befores, gaps, afters, strict=True)]
    noisy = [[False] * len(b) + [True] * g + [False] * len(a) for b, g, a in zip(befores, gaps, afters, strict=True)]
    canvas = _from_rows(tokens, noisy, Status.NOISY, seed, _device(denoiser, prefix))
    check_fits(denoiser, canvas)
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
    the start, each later one a forward. A `context` must come from `shape(denoiser, decoding).encode`. Raises
    ValueError for a denoiser that cannot see behind its own block.
    """
    if not 0 <= strength <= 1:
        raise ValueError(f"{strength=} must be in [0, 1]")
    texts = as_lists(tokens)
    allowed = [[True] * len(text) for text in texts] if editable is None else [list(map(bool, row)) for row in editable]
    if [len(row) for row in allowed] != [len(text) for text in texts]:
        raise ValueError("editable must say true or false for every token")
    denoiser = shape(denoiser, decoding)
    canvas = _from_rows(texts, allowed, Status.ACCEPTED, seed, _device(denoiser, tokens))
    check_fits(denoiser, canvas)
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


def kept(canvas: Canvas) -> Canvas:
    """The canvas without the last columns that are EMPTY in every row. A host sync."""
    return _narrow(canvas, canvas.present_BL)


def _narrow(canvas: Canvas, used_BL: Tensor) -> Canvas:
    """The columns up to the last used one, at least one."""
    place_L = torch.arange(1, canvas.length + 1, device=used_BL.device)
    return canvas.narrow(max(1, int((used_BL.any(0) * place_L).max())))


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


def _prompts(prompt: Rows | None, rows: int | None) -> list[list[int]]:
    if prompt is not None:
        return as_lists(prompt)
    if rows is None:
        raise ValueError("without a prompt, rows must say how many rows to sample")
    return [[] for _ in range(rows)]


def _device(denoiser: Denoiser, rows: Rows | None) -> torch.device | None:
    """Where the rows are; plain lists go where the denoiser says that it is."""
    return rows.device if isinstance(rows, Tensor) else getattr(denoiser, "device", None)
