"""Packed spans: what stands side by side in one row sees what it would see alone."""

import torch

from benchmarks.law import tiny_own
from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.spans import Columns, Packed, Span, Store

MODEL = tiny_own()


def canvas(length: int, seed: int) -> Canvas:
    tokens_BL = torch.randint(50, (1, length), generator=torch.Generator().manual_seed(seed))
    return make_canvas(tokens_BL, torch.full((1, length), int(Status.ACCEPTED)), seed)


def span(of: Canvas, start: int = 0) -> Span:
    return MODEL.span_of(of.tokens_BL[0], start, of, [])


@torch.inference_mode()
def test_neighbours_of_one_length_are_one_call_and_every_one_of_them_is_itself() -> None:
    canvases = [canvas(length, seed) for seed, length in enumerate((6, 6, 6, 9, 6))]
    spans = [span(each) for each in canvases]
    columns = [Columns(slice(16 * n, 16 * n + len(each)), 0) for n, each in enumerate(spans)]
    memory = Packed(spans, columns, Store(96))
    assert [(run.first, run.count) for run in memory.runs] == [(0, 3), (3, 1), (4, 1)]
    parts = MODEL.run(spans, memory).split([len(each) for each in spans])
    for each, states_LD in zip(canvases, parts, strict=True):
        torch.testing.assert_close(states_LD, MODEL.hidden(each)[0], rtol=1e-5, atol=1e-5)


@torch.inference_mode()
def test_a_canvas_behind_a_context_and_clean_tokens_stay_calls_of_their_own() -> None:
    text_L = torch.arange(3, 11)
    store, first, second = Store(64), canvas(8, 1), canvas(8, 2)
    encoded = MODEL.span_of(text_L, 0, None, [])
    MODEL.run([encoded], Packed([encoded], [Columns(slice(0, 8), 0)], store))
    spans = [span(first, 8), span(second), MODEL.span_of(text_L, 0, None, [])]
    columns = [Columns(slice(0, 16), 8), Columns(slice(16, 24), 0), Columns(slice(24, 32), 0)]
    memory = Packed(spans, columns, store)
    assert [run.count for run in memory.runs] == [1, 1, 1]
    states_LD = MODEL.run(spans, memory)[:8]
    alone_LD = MODEL.hidden(first, MODEL.encode(text_L[None]))[0]
    torch.testing.assert_close(states_LD, alone_LD, rtol=1e-5, atol=1e-5)
