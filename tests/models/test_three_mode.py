"""The three-mode model: cached equals uncached, batched equals alone, and what is not there is not seen."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redraft.core.attention import Facts, causal_context, sdpa_mask
from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.core.denoiser import Denoiser, SelfConditioned
from redraft.models.context import GROWTH, KVContext
from redraft.models.three_mode import ThreeModeModel
from tests.models.tiny import CONFIG, NEVER_TEXT, ids, tiny_model

MODEL = tiny_model()


def noisy(tokens_BL: Tensor) -> Canvas:
    return make_canvas(tokens_BL, torch.full_like(tokens_BL, Status.NOISY))


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=0)


def keys_and_values(context: KVContext) -> Tensor:
    return torch.stack([torch.stack(context.layer(n)) for n in range(CONFIG.num_hidden_layers)])


def test_the_model_is_a_denoiser() -> None:
    assert isinstance(MODEL, Denoiser)
    assert isinstance(MODEL, SelfConditioned)
    assert MODEL.controls.ids == (58, 59, 60)


# ------------------------------------------------------------------ exactness of the context


def test_encoding_in_pieces_is_encoding_at_once() -> None:
    tokens_BL = ids(2, 30)
    whole, after = MODEL.score(tokens_BL)
    context, pieces = None, []
    for piece in tokens_BL.split([7, 1, 1, 13, 8], dim=1):
        logits_BLV, context = MODEL.score(piece, context)
        pieces.append(logits_BLV)
    close(torch.cat(pieces, 1), whole)
    assert context is not None
    assert context.length == after.length == 30
    close(keys_and_values(context), keys_and_values(after))


def test_encoding_in_pieces_is_encoding_at_once_across_a_growing_buffer() -> None:
    tokens_BL = ids(1, GROWTH + 20)
    context = None
    for piece in tokens_BL.split(100, dim=1):
        context = MODEL.encode(piece, context)
    assert context is not None
    close(keys_and_values(context), keys_and_values(MODEL.encode(tokens_BL)))


def test_encode_score_and_next_logits_agree() -> None:
    tokens_BL = ids(2, 9)
    scored_BLV, scored = MODEL.score(tokens_BL)
    next_BV, after = MODEL.next_logits(tokens_BL)
    close(next_BV, scored_BLV[:, -1])
    assert torch.equal(keys_and_values(MODEL.encode(tokens_BL)), keys_and_values(scored))
    assert torch.equal(keys_and_values(after), keys_and_values(scored))


@pytest.mark.parametrize("held", [0, 1, 17])
def test_denoising_behind_a_context_is_one_uncached_pass_over_both(held: int) -> None:
    clean_BS, canvas_BL = ids(2, held), ids(2, 11, seed=1)
    context = MODEL.encode(clean_BS) if held else None
    cached_BLV = MODEL.denoise(noisy(canvas_BL), context)
    behind_T = torch.arange(held + 11) >= held
    facts_BT = Facts(
        *(f.expand(2, -1) for f in (torch.zeros(held + 11).long(), behind_T.long(), torch.arange(held + 11), behind_T))
    )
    hidden_BTD = MODEL.packed(torch.cat([clean_BS, canvas_BL], 1), facts_BT, sdpa_mask(causal_context, facts_BT))
    close(cached_BLV, MODEL.head(hidden_BTD[:, held:]))


def test_a_canvas_is_seen_in_both_directions_and_a_context_in_one() -> None:
    """Changing the last token moves the first logits of a canvas, and none of a clean pass but the last."""
    tokens_BL = ids(1, 8)
    changed_BL = tokens_BL.clone()
    changed_BL[0, -1] = (changed_BL[0, -1] + 1) % CONFIG.text_size
    moved_BL = (MODEL.denoise(noisy(tokens_BL)) - MODEL.denoise(noisy(changed_BL))).nan_to_num().abs().amax(-1)
    assert (moved_BL > 1e-3).all()
    clean_BL = (MODEL.score(tokens_BL)[0] - MODEL.score(changed_BL)[0]).nan_to_num().abs().amax(-1)
    assert clean_BL[0, :-1].max() == 0
    assert clean_BL[0, -1] > 1e-3


def test_denoising_writes_nothing() -> None:
    context = MODEL.encode(ids(1, 5))
    before, used = keys_and_values(context).clone(), context.store.used
    canvas = noisy(ids(1, 6, seed=1))
    tokens = canvas.tokens_BL.clone()
    first = MODEL.denoise(canvas, context)
    assert torch.equal(MODEL.denoise(canvas, context), first)
    assert torch.equal(keys_and_values(context), before)
    assert (context.length, context.store.used) == (5, used)
    assert torch.equal(canvas.tokens_BL, tokens)


def test_hidden_is_what_the_head_reads() -> None:
    canvas = noisy(ids(1, 6))
    assert torch.equal(MODEL.head(MODEL.hidden(canvas)), MODEL.denoise(canvas))


# ------------------------------------------------------------------ batching


def left_padded(rows: list[Tensor]) -> tuple[Tensor, Tensor]:
    width = max(len(row) for row in rows)
    pad = [width - len(row) for row in rows]
    # The padding holds a real token id, so that only a mask can hide it.
    return torch.stack([torch.cat([torch.full((n,), 3), row]) for n, row in zip(pad, rows, strict=True)]), torch.tensor(
        pad
    )


ROWS = [ids(1, length, seed=length)[0] for length in (3, 9, 1, 6)]


def test_a_left_padded_batch_is_its_rows_alone() -> None:
    tokens_BL, pad_B = left_padded(ROWS)
    together, _ = MODEL.score(tokens_BL, pad_B=pad_B)
    assert together.isfinite().any(-1).all()
    for row, tokens in enumerate(ROWS):
        alone, _ = MODEL.score(tokens[None])
        close(together[row, -len(tokens) :], alone[0])


def test_canvases_behind_a_left_padded_context_are_canvases_alone() -> None:
    tokens_BL, pad_B = left_padded(ROWS)
    canvas_BL = ids(len(ROWS), 7, seed=9)
    context = MODEL.encode(tokens_BL, pad_B=pad_B)
    together = MODEL.denoise(noisy(canvas_BL), context)
    for row, tokens in enumerate(ROWS):
        close(together[row], MODEL.denoise(noisy(canvas_BL[row : row + 1]), MODEL.encode(tokens[None]))[0])


def test_blocks_committed_behind_a_left_padded_context_are_blocks_alone() -> None:
    tokens_BL, pad_B = left_padded(ROWS)
    block_BL, canvas_BL = ids(len(ROWS), 5, seed=8), ids(len(ROWS), 7, seed=9)
    context = MODEL.encode(block_BL, MODEL.encode(tokens_BL, pad_B=pad_B))
    together = MODEL.denoise(noisy(canvas_BL), context)
    for row, tokens in enumerate(ROWS):
        alone = MODEL.encode(torch.cat([tokens, block_BL[row]])[None])
        close(together[row], MODEL.denoise(noisy(canvas_BL[row : row + 1]), alone)[0])


def test_the_text_of_padding_does_not_matter() -> None:
    tokens_BL, pad_B = left_padded(ROWS)
    other_BL = torch.where(torch.arange(tokens_BL.shape[1]) < pad_B[:, None], 7, tokens_BL)
    assert not torch.equal(other_BL, tokens_BL)
    canvas = noisy(ids(len(ROWS), 4, seed=9))
    close(
        MODEL.denoise(canvas, MODEL.encode(tokens_BL, pad_B=pad_B)),
        MODEL.denoise(canvas, MODEL.encode(other_BL, pad_B=pad_B)),
    )


@pytest.mark.parametrize("held", [0, 6])
def test_slack_on_a_canvas_is_invisible(held: int) -> None:
    canvas = noisy(ids(2, 5))
    context = MODEL.encode(ids(2, held, seed=2)) if held else None
    wide = canvas.widen(4)
    wide.tokens_BL[:, 5:] = 11  # what an EMPTY position holds is arbitrary
    logits_BLV = MODEL.denoise(wide, context)
    close(logits_BLV[:, :5], MODEL.denoise(canvas, context))
    assert logits_BLV.isfinite().any(-1).all()


def test_slack_within_a_canvas_does_not_reach_the_other_positions() -> None:
    status_BL = torch.tensor([[Status.NOISY, Status.EMPTY, Status.FIXED, Status.ACCEPTED]])
    one, other = ids(1, 4), ids(1, 4)
    other[0, 1] = (one[0, 1] + 1) % CONFIG.text_size
    seen = torch.tensor([0, 2, 3])
    close(MODEL.denoise(make_canvas(one, status_BL))[:, seen], MODEL.denoise(make_canvas(other, status_BL))[:, seen])


def test_rows_with_and_without_slack_share_a_batch() -> None:
    short, long = noisy(ids(1, 4)), noisy(ids(1, 9, seed=1))
    wide = short.widen(5)
    both = make_canvas(torch.cat([wide.tokens_BL, long.tokens_BL]), torch.cat([wide.status_BL, long.status_BL]))
    together = MODEL.denoise(both)
    close(together[0, :4], MODEL.denoise(short)[0])
    close(together[1], MODEL.denoise(long)[0])


# ------------------------------------------------------------------ conditioning


CONDITIONED = tiny_model(labels=("story", "fable", "tale"), condition_size=5)


def test_a_label_conditions_canvases_and_next_tokens() -> None:
    tokens_BL = ids(1, 6)
    contexts = [CONDITIONED.condition(label_B=torch.tensor([n])) for n in range(3)]
    canvases = [CONDITIONED.denoise(noisy(tokens_BL), c) for c in [*contexts, None]]
    scores = [CONDITIONED.score(tokens_BL, c)[0] for c in [*contexts, None]]
    for group in (canvases, scores):
        for one in range(4):
            for other in range(one):
                assert (group[one] - group[other]).nan_to_num().abs().max() > 1e-3


def test_a_label_takes_one_position_of_the_context() -> None:
    context = CONDITIONED.condition(label_B=torch.tensor([1, 1]))
    assert (context.length, context.rows) == (1, 2)


def test_an_embedding_conditions_beside_a_label() -> None:
    canvas, label_B = noisy(ids(1, 6)), torch.tensor([1])
    east, west = torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(0))
    both = CONDITIONED.condition(label_B=label_B, embedding_BE=east)
    assert both.length == 2
    logits = [
        CONDITIONED.denoise(canvas, c)
        for c in (
            both,
            CONDITIONED.condition(label_B=label_B, embedding_BE=west),
            CONDITIONED.condition(label_B=label_B),
            CONDITIONED.condition(embedding_BE=east),
        )
    ]
    for other in logits[1:]:
        assert (logits[0] - other).nan_to_num().abs().max() > 1e-3


def test_a_label_behind_a_text_is_the_label_in_a_packed_row() -> None:
    """Training puts the label into a packed row; inference encodes it as context. Both are the same model."""
    tokens_BL, label_B = ids(1, 6), torch.tensor([2])
    context = CONDITIONED.encode(tokens_BL, CONDITIONED.condition(label_B=label_B))
    label_BT = torch.tensor([[2] + [-1] * 6])
    zero_BT = torch.zeros(1, 7).long()
    facts_BT = Facts(zero_BT, zero_BT, torch.arange(7)[None], zero_BT.bool())
    hidden_BTD = CONDITIONED.packed(
        torch.cat([torch.zeros(1, 1).long(), tokens_BL], 1),
        facts_BT,
        sdpa_mask(causal_context, facts_BT),
        label_BT=label_BT,
    )
    logits_BLV, _ = CONDITIONED.score(tokens_BL, CONDITIONED.condition(label_B=label_B))
    close(CONDITIONED.head(hidden_BTD[:, 1:]), logits_BLV)
    assert context.length == 7


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"label_B": torch.tensor([0])}, "num_labels=0"),
        ({"embedding_BE": torch.zeros(1, 5)}, "condition_size=0"),
        ({}, "needs a label or an embedding"),
    ],
)
def test_conditioning_a_model_that_was_not_built_for_it_is_refused(given: dict[str, Tensor], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        MODEL.condition(**given)


# ------------------------------------------------------------------ the head and self-conditioning


def test_what_can_never_be_text_scores_minus_infinity() -> None:
    expected = torch.zeros(CONFIG.vocab_size, dtype=torch.bool)
    expected[list(NEVER_TEXT)] = True
    for logits in (MODEL.denoise(noisy(ids(1, 3))), MODEL.score(ids(1, 3))[0], MODEL.next_logits(ids(1, 3))[0]):
        assert torch.equal(logits.isneginf(), expected.expand_as(logits))
        assert not logits.isnan().any()


def test_a_memory_changes_the_prediction_once_its_projection_is_not_zero() -> None:
    model = tiny_model(self_conditioning=True)
    canvas = noisy(ids(1, 6))
    plain = model.denoise(canvas)
    remembering = replace(canvas, memory_BLD=model.remember(plain))
    assert torch.equal(model.denoise(remembering), plain)  # it starts as if it were not there
    assert model.memory_proj is not None
    torch.nn.init.normal_(model.memory_proj.weight, std=0.3)
    assert torch.equal(model.denoise(canvas), plain)
    assert (model.denoise(remembering) - plain).nan_to_num().abs().max() > 1e-3


def test_a_model_without_self_conditioning_ignores_a_memory() -> None:
    canvas = noisy(ids(1, 6))
    held = replace(canvas, memory_BLD=torch.ones(1, 6, 32))
    assert torch.equal(MODEL.denoise(held), MODEL.denoise(canvas))


def test_what_is_remembered_is_the_mean_embedding_of_the_prediction() -> None:
    probs_BLV = torch.zeros(1, 2, CONFIG.vocab_size)
    probs_BLV[0, 0, 7] = 1.0
    probs_BLV[0, 1, [3, 4]] = torch.tensor([0.25, 0.75])
    memory_BLD = MODEL.remember(probs_BLV.log())
    close(memory_BLD[0, 0], MODEL.embed.weight[7])
    close(memory_BLD[0, 1], 0.25 * MODEL.embed.weight[3] + 0.75 * MODEL.embed.weight[4])


# ------------------------------------------------------------------ limits


LIMIT = CONFIG.max_position_embeddings


@pytest.mark.parametrize(
    "too_long",
    [
        lambda model: model.encode(ids(1, LIMIT + 1)),
        lambda model: model.encode(ids(1, 2), model.encode(ids(1, LIMIT - 1))),
        lambda model: model.denoise(noisy(ids(1, LIMIT + 1))),
        lambda model: model.denoise(noisy(ids(1, 2)), model.encode(ids(1, LIMIT - 1))),
    ],
)
def test_input_beyond_the_context_is_refused_with_both_lengths(too_long: Callable[[ThreeModeModel], object]) -> None:
    with pytest.raises(ValueError, match=f"{LIMIT + 1} positions are more than the model's context of {LIMIT}"):
        too_long(MODEL)


def test_input_that_fills_the_context_is_taken() -> None:
    context = MODEL.encode(ids(1, LIMIT - 2))
    assert MODEL.denoise(noisy(ids(1, 2)), context).shape == (1, 2, CONFIG.vocab_size)
    assert MODEL.encode(ids(1, 2), context).length == LIMIT


def test_a_refused_encode_leaves_the_context_as_it_was() -> None:
    context = MODEL.encode(ids(1, 5))
    with pytest.raises(ValueError):
        MODEL.encode(ids(1, LIMIT), context)
    close(keys_and_values(MODEL.encode(ids(1, 3, seed=1), context))[:, :, :, :, :5], keys_and_values(context))


def test_rows_that_do_not_fit_the_context_are_refused() -> None:
    context = MODEL.encode(ids(2, 5))
    with pytest.raises(ValueError, match="1 rows do not fit a context of 2 rows"):
        MODEL.encode(ids(1, 3), context)
    with pytest.raises(ValueError, match="3 rows do not fit a context of 2 rows"):
        MODEL.denoise(noisy(ids(3, 3)), context)


def test_padding_behind_a_context_is_refused() -> None:
    with pytest.raises(ValueError, match="first call"):
        MODEL.encode(ids(1, 3), MODEL.encode(ids(1, 2)), pad_B=torch.tensor([1]))
