"""RefreshedKV: exact when refreshed, exact while nothing changed, and otherwise off by what its name admits."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import assemble
from redraft.models.refreshed import RefreshedDenoiser, RefreshedKV, bidirectional
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import sample
from tests.models.tiny_open import text, tiny_bidirectional, tiny_facts, tiny_network

CLOSE = {"atol": 2e-5, "rtol": 0.0}
BLOCK = 5
CACHES = pytest.mark.parametrize("cache", ["prefix", "dual"])
KINDS = pytest.mark.parametrize("shifted", [False, True], ids=["aligned", "shifted"])


def block(tokens_BL: Tensor, step: int, ahead_from: int = BLOCK) -> Canvas:
    """The first columns NOISY, the others AHEAD, after `step` forwards."""
    ahead_L = torch.arange(tokens_BL.shape[1]) >= ahead_from
    status_BL = torch.where(ahead_L, int(Status.AHEAD), int(Status.NOISY)).expand_as(tokens_BL)
    canvas = make_canvas(tokens_BL, status_BL)
    return replace(canvas, step_B=canvas.step_B + step)


def written(canvas: Canvas, seed: int = 7) -> Canvas:
    """The same canvas a step later, with two of its tokens others."""
    tokens_BL = canvas.tokens_BL.clone()
    tokens_BL[:, 1:3] = text(len(canvas), 2, seed)
    return replace(canvas, tokens_BL=tokens_BL, step_B=canvas.step_B + 1)


@CACHES
@KINDS
def test_a_blocks_first_forward_is_exact(cache: str, shifted: bool) -> None:
    canvas, prompt_BS = block(text(2, 12, seed=1), 0), text(2, 9)
    exact, cached = tiny_bidirectional(shifted=shifted), tiny_bidirectional(cache, shifted=shifted)
    ours = cached.scores(canvas, cached.encode(prompt_BS))
    torch.testing.assert_close(ours, exact.scores(canvas, exact.encode(prompt_BS)), **CLOSE)


@CACHES
@KINDS
@pytest.mark.parametrize("counted_positions", [False, True], ids=["columns", "counted"])
def test_a_later_forward_is_exact_while_nothing_changed(cache: str, shifted: bool, counted_positions: bool) -> None:
    facts: dict[str, Any] = {"shifted": shifted, "counted_positions": counted_positions}
    denoiser = tiny_bidirectional(cache, **facts)
    canvas_BL, context = text(2, 12, seed=1), denoiser.encode(text(2, 9), pad_B=torch.tensor([0, 3]))
    first = denoiser.scores(block(canvas_BL, 0), context)
    later = denoiser.scores(block(canvas_BL, 1), context)
    torch.testing.assert_close(later[:, :BLOCK], first[:, :BLOCK], **CLOSE)


def error(cache: str, shifted: bool = False) -> float:
    """Mean change of a logit that a cache makes one step after it was filled, two of five tokens written."""
    exact, cached = tiny_bidirectional(shifted=shifted), tiny_bidirectional(cache, shifted=shifted)
    prompt_BS, canvas = text(8, 9), block(text(8, 12, seed=1), 0)
    context = cached.encode(prompt_BS)
    cached.scores(canvas, context)
    ours = cached.scores(written(canvas), context)[:, :BLOCK]
    theirs = exact.scores(written(canvas), exact.encode(prompt_BS))[:, :BLOCK]
    return float((ours - theirs).abs().mean())


@KINDS
def test_a_later_forward_is_approximate_and_dual_more_so(shifted: bool) -> None:
    prefix, dual = error("prefix", shifted), error("dual", shifted)
    assert 0.01 < prefix < dual < 0.5  # the logits' standard deviation is about 1.3


@CACHES
def test_later_forwards_run_what_the_cache_says(cache: str) -> None:
    denoiser = tiny_bidirectional(cache)
    assert isinstance(denoiser, RefreshedDenoiser)
    widths: list[int] = []
    denoiser.network.transformer.register_forward_hook(lambda *found: widths.append(found[1][0].shape[1]))  # type: ignore[attr-defined]
    context = denoiser.encode(text(1, 9))
    for step in range(3):
        denoiser.scores(block(text(1, 12), step), context)
    assert widths == [21, *([12, 12] if cache == "prefix" else [BLOCK, BLOCK])]


def texts(denoiser: Any, prompt: Any) -> list[list[int]]:
    decoding = Decoding(policy=TopK(num_steps=4), max_steps=4)
    *_, last = sample(denoiser, prompt, decoding, max_tokens=12, block_length=6)
    return last.committed


@CACHES
@KINDS
def test_refreshed_at_every_step_the_text_is_the_exact_one(cache: str, shifted: bool) -> None:
    prompt = text(3, 9)
    exact = texts(tiny_bidirectional(shifted=shifted), prompt)
    assert texts(tiny_bidirectional(cache, 1, shifted=shifted), prompt) == exact
    assert texts(tiny_bidirectional(cache, shifted=shifted), prompt) != exact


@CACHES
def test_it_is_refreshed_every_so_many_steps(cache: str) -> None:
    exact, cached = tiny_bidirectional(), tiny_bidirectional(cache, 2)
    prompt_BS, canvas = text(1, 9), block(text(1, 12, seed=1), 0)
    context, gaps = cached.encode(prompt_BS), []
    for step in range(5):
        ours = cached.scores(canvas, context)[:, :BLOCK]
        gaps.append(float((ours - exact.scores(canvas, exact.encode(prompt_BS))[:, :BLOCK]).abs().max()))
        canvas = written(canvas, seed=step)
    assert [gap < 2e-5 for gap in gaps] == [True, False, True, False, True]


@CACHES
@KINDS
def test_a_padded_row_equals_the_row_alone(cache: str, shifted: bool) -> None:
    rows = [text(1, length, seed=length)[0].tolist() for length in (9, 4, 7)]
    together = texts(tiny_bidirectional(cache, shifted=shifted), rows)
    assert together == [texts(tiny_bidirectional(cache, shifted=shifted), [row])[0] for row in rows]


def test_a_rows_noise_ahead_stays_as_kept_whoever_shares_its_batch() -> None:
    prompt_BS, canvas_BL = text(2, 9), text(2, 12, seed=1)
    status_BL = block(canvas_BL, 0).status_BL.clone()
    status_BL[1, BLOCK:9] = int(Status.NOISY)  # the second row decides more columns than the first
    canvas = replace(block(canvas_BL, 0), status_BL=status_BL)
    together = later(prompt_BS, canvas)[:1, :BLOCK]
    torch.testing.assert_close(together, later(prompt_BS[:1], canvas.select([0]))[:, :BLOCK], **CLOSE)


def later(prompt_BS: Tensor, canvas: Canvas) -> Tensor:
    denoiser = tiny_bidirectional("dual")
    context = denoiser.encode(prompt_BS)
    denoiser.scores(canvas, context)
    return denoiser.scores(written(canvas), context)


@CACHES
def test_a_canvas_that_has_shrunk_sees_no_more_than_it_holds(cache: str) -> None:
    denoiser = tiny_bidirectional(cache)
    canvas = block(text(1, 12, seed=1), 0)
    context = denoiser.encode(text(1, 9))
    denoiser.scores(canvas, context)
    status_BL = canvas.status_BL.clone()
    status_BL[:, BLOCK:] = int(Status.EMPTY)
    wide = replace(written(canvas), status_BL=status_BL)
    narrow = replace(wide, tokens_BL=wide.tokens_BL[:, :BLOCK], status_BL=status_BL[:, :BLOCK])
    ours = denoiser.scores(narrow, context)
    torch.testing.assert_close(ours, denoiser.scores(wide, context)[:, :BLOCK], **CLOSE)


@CACHES
def test_a_fresh_canvas_never_meets_what_another_left(cache: str) -> None:
    denoiser = tiny_bidirectional(cache)
    context, canvas = denoiser.encode(text(1, 9)), block(text(1, 12, seed=1), 0)
    first = denoiser.scores(canvas, context)
    denoiser.scores(block(text(1, 12, seed=2), 0), context)
    torch.testing.assert_close(denoiser.scores(canvas, context), first)


@CACHES
@KINDS
def test_rows_may_leave_between_steps(cache: str, shifted: bool) -> None:
    denoiser = tiny_bidirectional(cache, shifted=shifted)
    context, canvas = denoiser.encode(text(3, 9)), block(text(3, 12, seed=1), 0)
    denoiser.scores(canvas, context)
    fewer = denoiser.scores(written(canvas).select([2, 0]), context.select([2, 0]))
    torch.testing.assert_close(fewer, denoiser.scores(written(canvas), context)[[2, 0]], **CLOSE)


def test_other_tokens_have_another_cache() -> None:
    denoiser = tiny_bidirectional("prefix")
    context = denoiser.encode(text(1, 9))
    denoiser.scores(block(text(1, 12), 0), context)
    assert isinstance(context, RefreshedKV)
    assert context.kept.keys
    for changed in (context.truncate(4), context.extend(text(1, 2)), denoiser.encode(text(1, 2), context)):
        assert isinstance(changed, RefreshedKV)
        assert not changed.kept.keys
    assert context.truncate(4).tokens_BS.tolist() == context.tokens_BS[:, :4].tolist()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"cache": "suffix"}, "cache='suffix' must be none, prefix or dual"),
        ({"cache": "dual", "refresh_every": 0}, "refresh_every=0 must be at least 1"),
        ({"refresh_every": 2}, "refresh_every=2 needs a cache to refresh"),
    ],
)
def test_options_that_mean_nothing_are_refused(options: dict[str, Any], complaint: str) -> None:
    facts = tiny_facts()
    with pytest.raises(ValueError, match=complaint):
        bidirectional(tiny_network(facts), facts, **options)


def test_a_model_with_an_exact_cache_has_no_approximate_one() -> None:
    facts = tiny_facts(attention="block_causal", block_length=4)
    with pytest.raises(ValueError, match=r"block_causal attention.*cache"):
        assemble(tiny_network(facts), facts, cache="prefix")
