"""The lean forward says what the plain one says, from contexts of either."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.context import KVContext
from redraft.models.lean import ROWS, product
from redraft.models.spans import Columns, Packed, Store
from redraft.models.three_mode import ThreeModeModel
from tests.models.tiny import CONFIG, ids, tiny_model

PLAIN = tiny_model()
AMX = torch.cpu._is_amx_tile_supported()


def lean_model(dtype: torch.dtype = torch.float32) -> ThreeModeModel:
    model = tiny_model().to(dtype)
    model.make_lean()
    return model


LEAN = lean_model()


def noisy(tokens_BL: Tensor) -> Canvas:
    return make_canvas(tokens_BL, torch.full_like(tokens_BL, Status.NOISY))


def close(actual: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(actual, expected, atol=2e-5, rtol=0)


def held(context: KVContext) -> Tensor:
    return torch.stack([torch.stack(context.layer(n)) for n in range(CONFIG.num_hidden_layers)])


@pytest.mark.parametrize("length", [1, 2, 33])
@pytest.mark.parametrize("start", [0, 1, 40])
def test_lean_encodes_and_denoises_as_the_plain_layers_do(start: int, length: int) -> None:
    plain = PLAIN.encode(ids(2, start)) if start else None
    lean = LEAN.encode(ids(2, start)) if start else None
    close(LEAN.denoise(noisy(ids(2, length, 1)), lean), PLAIN.denoise(noisy(ids(2, length, 1)), plain))
    logits_BLV, after = LEAN.score(ids(2, length, 1), lean)
    expected_BLV, expected = PLAIN.score(ids(2, length, 1), plain)
    close(logits_BLV, expected_BLV)
    close(held(after), held(expected))


def test_lean_reads_contexts_of_the_plain_layers() -> None:
    context = PLAIN.encode(ids(1, 9))
    close(LEAN.denoise(noisy(ids(1, 5, 1)), context), PLAIN.denoise(noisy(ids(1, 5, 1)), context))


def test_lean_hides_padding_and_slack() -> None:
    pad_B = torch.tensor([0, 3])
    tokens_BL = ids(2, 6, 1)
    status_BL = torch.full_like(tokens_BL, Status.NOISY)
    status_BL[1, 4:] = Status.EMPTY
    canvas = make_canvas(tokens_BL, status_BL)
    lean_BLV, plain_BLV = (
        model.denoise(canvas, model.encode(ids(2, 8), pad_B=pad_B))[status_BL == Status.NOISY]
        for model in (LEAN, PLAIN)
    )
    close(lean_BLV, plain_BLV)


def test_lean_runs_packed_spans() -> None:
    found = []
    for model in (LEAN, PLAIN):
        spans = [model.span_of(ids(1, 5)[0], 0, None, []), model.span_of(ids(1, 4, 1)[0], 0, noisy(ids(1, 4, 1)), [])]
        columns = [Columns(slice(0, 5), 0), Columns(slice(8, 12), 0)]
        found.append(model.run(spans, Packed(spans, columns, Store(16))))
    close(found[0], found[1])


def test_positions_asked_for_score_as_in_the_whole_canvas() -> None:
    canvas = noisy(ids(2, 12))
    at_BL = torch.rand(2, 12, generator=torch.Generator().manual_seed(0)) < 0.4
    close(LEAN.denoise_at(canvas, None, at_BL), LEAN.denoise(canvas)[at_BL])


def test_a_canvas_leaves_longer_contexts_of_the_same_store_alone() -> None:
    short = LEAN.encode(ids(1, 6))
    long = LEAN.encode(ids(1, 4, 1), short)
    before = held(long).clone()
    alone = LEAN.denoise(noisy(ids(1, 8, 2)), LEAN.encode(ids(1, 6)))
    close(LEAN.denoise(noisy(ids(1, 8, 2)), short), alone)
    assert torch.equal(held(long), before)


def test_an_encode_after_a_canvas_does_not_see_it() -> None:
    context = LEAN.encode(ids(1, 6))
    LEAN.denoise(noisy(ids(1, 8, 2)), context)
    close(held(LEAN.encode(ids(1, 3, 1), context)), held(LEAN.encode(torch.cat([ids(1, 6), ids(1, 3, 1)], 1))))


def test_in_bfloat16_lean_is_near_float32_and_nearer_than_the_plain_layers() -> None:
    exact = PLAIN.hidden(noisy(ids(4, 30)))
    rough = tiny_model().bfloat16().hidden(noisy(ids(4, 30)))
    lean = lean_model(torch.bfloat16).hidden(noisy(ids(4, 30)))
    error = (lean - exact).square().mean()
    assert error < (rough - exact).square().mean()
    assert error < 1e-3 * exact.square().mean()


@pytest.mark.skipif(not AMX, reason="says something of AMX")
@pytest.mark.parametrize("shape", [(512, 256), (256, 768), (6144, 256)])
def test_a_row_of_a_bfloat16_product_depends_on_no_other(shape: tuple[int, int]) -> None:
    generator = torch.Generator().manual_seed(0)
    multiply = product(torch.randn(shape, generator=generator).bfloat16())
    x = torch.randn(3 * ROWS, shape[1], generator=generator)
    whole = multiply(x)
    for rows in (1, 2, 7, ROWS, ROWS + 1, 2 * ROWS + 5):
        assert torch.equal(multiply(x[:rows]), whole[:rows])


@pytest.mark.skipif(not AMX, reason="says something of AMX")
def test_a_canvas_in_bfloat16_is_the_same_alone_and_among_others() -> None:
    model = lean_model(torch.bfloat16)
    context = model.encode(ids(5, 9))
    canvas = noisy(ids(5, 20, 1))
    together = model.denoise(canvas, context)
    for row in range(5):
        assert torch.equal(model.denoise(canvas.select([row]), context.select([row]))[0], together[row])


def test_label_and_memory_reach_the_lean_layers() -> None:
    changes = {"labels": ("a", "b"), "self_conditioning": True}
    plain, lean = tiny_model(**changes), tiny_model(**changes)
    lean.make_lean()
    canvas = noisy(ids(1, 5))
    canvas = replace(canvas, memory_BLD=torch.ones(1, 5, CONFIG.hidden_size))
    label = torch.tensor([1])
    close(lean.denoise(canvas, lean.condition(label_B=label)), plain.denoise(canvas, plain.condition(label_B=label)))
