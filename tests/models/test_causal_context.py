"""CausalContextDenoiser: clean text never looks ahead, a canvas sees all of itself, windows end where they should."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.architecture import (
    Architecture,
    AttentionFacts,
    ExpertFacts,
    FeedFacts,
    LayerFacts,
    Rope,
)
from redraft.models.assemble import assemble
from redraft.models.causal_context import CausalContextDenoiser
from redraft.models.family import ModelFacts
from redraft.models.spans import Columns, Packed, Store
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.policies import EntropyBound
from redraft.sampling.samplers import infill, sample
from redraft.sampling.stops import StableAndConfident
from tests.models.tiny_open import tiny_network

VOCAB, WIDTH = 64, 32
CLOSE = {"atol": 2e-5, "rtol": 0.0}
SLIDING = AttentionFacts(
    num_heads=4, num_key_heads=2, head_dim=8, rope=Rope(), qk_norm=True, value_norm=True, window=4, scale=1.0
)
FULL = replace(SLIDING, num_key_heads=1, head_dim=12, window=None, value_is_key=True)
EXPERTS = ExpertFacts(num_experts=4, num_chosen=2, width=8, own_norm=True)
DECODING = Decoding(
    policy=EntropyBound(0.5, sticky=False),
    stop=StableAndConfident(0.5),
    temperature=1.0,
    logit_temperature=LinearTemperature(0.8, 0.4),
    max_steps=5,
    emit="best",
)


def layer(attention: AttentionFacts) -> LayerFacts:
    return LayerFacts(attention=attention, feed=FeedFacts(width=24), experts=EXPERTS)


def tiny(*attentions: AttentionFacts, **changes: Any) -> CausalContextDenoiser:
    """By default a layer with a window and one without; both modes scale their layers differently."""
    architecture = Architecture(
        vocab_size=VOCAB,
        hidden_size=WIDTH,
        layers=tuple(layer(attention) for attention in attentions or (SLIDING, FULL)),
        max_positions=64,
        post_norms=True,
        layer_scalar=True,
        embed_scale=WIDTH**0.5,
        tied=True,
        softcap=30.0,
        self_conditioning=FeedFacts(width=24),
    )
    facts = ModelFacts(
        architecture=replace(architecture, **changes), attention="causal_context", noise="uniform", block_length=6
    )
    network = tiny_network(facts)
    for part in network.transformer.layers:
        part.scale_clean.fill_(0.7)
        part.scale_canvas.fill_(1.2)
    denoiser = assemble(network, facts)
    assert isinstance(denoiser, CausalContextDenoiser)
    return denoiser


def text(rows: int, length: int, seed: int = 0) -> Tensor:
    return torch.randint(0, VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


def noisy(tokens_BL: Tensor, memory_BLD: Tensor | None = None) -> Canvas:
    canvas = make_canvas(tokens_BL, torch.full_like(tokens_BL, int(Status.NOISY)))
    return replace(canvas, memory_BLD=memory_BLD)


def other(tokens_BL: Tensor, column: int) -> Tensor:
    """The same tokens but for one column."""
    changed_BL = tokens_BL.clone()
    changed_BL[:, column] = (changed_BL[:, column] + 1) % VOCAB
    return changed_BL


@pytest.mark.parametrize("cut", [1, 3, 5, 8])
def test_a_context_encoded_in_pieces_is_the_context(cut: int) -> None:
    denoiser, prompt_BS, canvas = tiny(), text(2, 9), noisy(text(2, 6, seed=1))
    states_BSD, whole = denoiser.read(prompt_BS)
    before_BSD, stem = denoiser.read(prompt_BS[:, :cut])
    after_BSD, pieces = denoiser.read(prompt_BS[:, cut:], stem)
    torch.testing.assert_close(torch.cat([before_BSD, after_BSD], 1), states_BSD, **CLOSE)
    torch.testing.assert_close(denoiser.scores(canvas, pieces), denoiser.scores(canvas, whole), **CLOSE)


def test_clean_text_never_looks_ahead() -> None:
    denoiser, prompt_BS = tiny(), text(1, 9)
    states_BSD, changed_BSD = denoiser.read(prompt_BS)[0], denoiser.read(other(prompt_BS, 6))[0]
    assert torch.equal(states_BSD[:, :6], changed_BSD[:, :6])
    assert not torch.allclose(states_BSD[:, 6:], changed_BSD[:, 6:], atol=0.01)


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_clean_token_sees_as_many_tokens_as_the_window_holds_itself_included(window: int) -> None:
    denoiser, prompt_BS = tiny(replace(SLIDING, window=window)), text(1, 9)
    last_BD = denoiser.read(prompt_BS)[0][:, -1]
    for column in range(8):
        seen = not torch.equal(denoiser.read(other(prompt_BS, column))[0][:, -1], last_BD)
        assert seen == (column > 8 - window), column


@pytest.mark.parametrize("window", [1, 2, 4])
def test_a_canvas_sees_one_context_token_less_than_the_window_and_all_of_itself(window: int) -> None:
    denoiser, prompt_BS, canvas_BL = tiny(replace(SLIDING, window=window)), text(1, 9), text(1, 6, seed=1)
    scored = denoiser.scores(noisy(canvas_BL), denoiser.encode(prompt_BS))
    for column in range(9):
        changed = denoiser.scores(noisy(canvas_BL), denoiser.encode(other(prompt_BS, column)))
        assert torch.equal(changed, scored) == (column < 9 - (window - 1)), column
    changed = denoiser.scores(noisy(other(canvas_BL, 5)), denoiser.encode(prompt_BS))
    assert not torch.equal(changed[:, 0], scored[:, 0])


def test_a_layer_without_a_window_sees_the_whole_context() -> None:
    denoiser, prompt_BS, canvas = tiny(FULL), text(1, 9), noisy(text(1, 6, seed=1))
    scored = denoiser.scores(canvas, denoiser.encode(prompt_BS))
    assert not torch.equal(denoiser.scores(canvas, denoiser.encode(other(prompt_BS, 0))), scored)


def test_clean_text_and_canvases_have_scales_of_their_own() -> None:
    # A norm undoes the first scale, so that keys and values first differ in the third layer.
    denoiser, prompt_BS, canvas = tiny(SLIDING, SLIDING, FULL), text(1, 9), noisy(text(1, 6, seed=1))
    alone, behind = denoiser.scores(canvas), denoiser.scores(canvas, denoiser.encode(prompt_BS))
    for part in denoiser.network.transformer.layers:
        part.scale_clean.fill_(1.2)
    assert torch.equal(denoiser.scores(canvas), alone)
    assert not torch.allclose(denoiser.scores(canvas, denoiser.encode(prompt_BS)), behind, atol=0.01)


@pytest.mark.parametrize("counted_positions", [False, True], ids=["columns", "counted"])
def test_a_padded_row_equals_the_row_alone(counted_positions: bool) -> None:
    denoiser, prompt_BS, more_BS, canvas_BL = tiny(), text(2, 9), text(2, 3, seed=2), text(2, 6, seed=1)
    denoiser = CausalContextDenoiser(denoiser.network, replace(denoiser.facts, counted_positions=counted_positions))
    context = denoiser.encode(more_BS, denoiser.encode(prompt_BS, pad_B=torch.tensor([0, 7])))
    together = denoiser.scores(noisy(canvas_BL), context)
    alone = denoiser.encode(more_BS[1:], denoiser.encode(prompt_BS[1:, 7:]))
    torch.testing.assert_close(together[1:], denoiser.scores(noisy(canvas_BL[1:]), alone), **CLOSE)


def test_a_row_without_a_prompt_stands_beside_one_with_it() -> None:
    denoiser, prompt_BS, canvas_BL = tiny(), text(2, 9), text(2, 6, seed=1)
    context = denoiser.encode(prompt_BS, pad_B=torch.tensor([0, 9]))
    together = denoiser.scores(noisy(canvas_BL), context)
    torch.testing.assert_close(together[1:], denoiser.scores(noisy(canvas_BL[1:])), **CLOSE)


def test_slack_is_not_seen() -> None:
    denoiser, tokens_BL = tiny(), text(2, 8)
    status_BL = torch.full_like(tokens_BL, int(Status.NOISY))
    status_BL[0, 5:] = int(Status.EMPTY)
    ours = denoiser.scores(make_canvas(tokens_BL, status_BL))
    torch.testing.assert_close(ours[:1, :5], denoiser.scores(noisy(tokens_BL[:1, :5])), **CLOSE)


def test_a_canvas_without_a_prediction_is_conditioned_on_nothing_but_normalised_all_the_same() -> None:
    denoiser, tokens_BL = tiny(), text(1, 6)
    embedded_BLD = denoiser.embed_canvas(noisy(tokens_BL))
    torch.testing.assert_close(embedded_BLD.pow(2).mean(-1), torch.ones(1, 6), atol=1e-4, rtol=0)
    nothing = noisy(tokens_BL, torch.zeros(1, 6, WIDTH))
    assert torch.equal(denoiser.scores(nothing), denoiser.scores(noisy(tokens_BL)))


def test_a_row_that_remembers_nothing_stands_beside_one_that_does() -> None:
    denoiser, tokens_BL = tiny(), text(2, 6)
    memory_BLD = denoiser.remember(torch.randn(2, 6, VOCAB, generator=torch.Generator().manual_seed(3)))
    memory_BLD[1] = 0
    scored, plain = denoiser.scores(noisy(tokens_BL, memory_BLD)), denoiser.scores(noisy(tokens_BL))
    torch.testing.assert_close(scored[1], plain[1], **CLOSE)
    assert not torch.allclose(scored[0], plain[0], atol=0.01)


def test_a_certain_prediction_is_remembered_as_the_embedding_of_its_token() -> None:
    denoiser, tokens_BL = tiny(), text(1, 6)
    logits_BLV = torch.full((1, 6, VOCAB), -torch.inf).scatter(-1, tokens_BL[..., None], 0.0)
    torch.testing.assert_close(denoiser.remember(logits_BLV), denoiser.network.embed_tokens(tokens_BL))


def test_a_network_without_the_layer_wants_no_memory() -> None:
    denoiser, tokens_BL = tiny(self_conditioning=None), text(1, 6)
    assert not denoiser.self_conditioned
    assert torch.equal(denoiser.embed_canvas(noisy(tokens_BL)), denoiser.network.embed_tokens(tokens_BL))


def test_a_row_of_a_ragged_batch_is_the_row_alone() -> None:
    def texts(rows: list[list[int]], seed: Tensor) -> list[list[int]]:
        *_, last = sample(tiny(), rows, DECODING, max_tokens=12, block_length=6, seed=seed)
        return last.committed

    rows, seed_B = [[5, 9, 12, 20, 31, 8], [7], [10, 45, 30]], torch.tensor([11, 12, 13])
    alone = [texts([row], seed_1)[0] for row, seed_1 in zip(rows, seed_B.split(1), strict=True)]
    assert texts(rows, seed_B) == alone


def test_a_suffix_is_remembered_whether_or_not_a_neighbour_has_a_longer_gap() -> None:
    def filled(befores: list[list[int]], gaps: list[int], afters: list[list[int]]) -> list[int]:
        *_, last = infill(tiny(), befores, afters, DECODING, gap=gaps, seed=5)
        return last.row_tokens(0)

    alone = filled([[5, 9]], [3], [[20, 31, 8, 40]])
    assert filled([[5, 9], [1]], [3, 8], [[20, 31, 8, 40], []]) == alone


@pytest.mark.parametrize("start", [0, 2, 9])
def test_packed_spans_are_the_padded_pass(start: int) -> None:
    """The same masks, told to an engine that packs requests into one row."""
    denoiser, tokens_BS, canvas = tiny(), text(1, start + 4), noisy(text(1, 6, seed=1))
    memory_BLD = denoiser.remember(torch.randn(1, 6, VOCAB, generator=torch.Generator().manual_seed(3)))
    canvas = replace(canvas, memory_BLD=memory_BLD)
    context = denoiser.encode(tokens_BS[:, :start]) if start else None
    states_BSD, context = denoiser.read(tokens_BS[:, start:], context)
    store = Store(64)
    end = start + 4
    if start:
        span = denoiser.span_of(tokens_BS[0, :start], 0, None, [])
        denoiser.run([span], Packed([span], [Columns(slice(0, start), 0)], store))
    span = denoiser.span_of(tokens_BS[0, start:], start, None, [])
    states_TD = denoiser.run([span], Packed([span], [Columns(slice(0, end), start)], store))
    torch.testing.assert_close(states_TD, states_BSD[0], **CLOSE)
    span = denoiser.span_of(canvas.tokens_BL[0], end, canvas, [])
    states_LD = denoiser.run([span], Packed([span], [Columns(slice(0, end + 6), end)], store))
    torch.testing.assert_close(denoiser.text_logits(states_LD), denoiser.scores(canvas, context)[0], **CLOSE)


def test_windows_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match=r"layers with windows of \[3, 4\] tokens"):
        tiny(SLIDING, replace(SLIDING, window=3))
