"""Autoregressive models: exact contexts however they were made, left to right in text, no canvas."""

from dataclasses import replace
from typing import Any

import pytest
import torch

from redraft.core.canvas import Status, make_canvas
from redraft.core.denoiser import Denoiser
from redraft.engine.engine import Engine, EngineConfig
from redraft.engine.program import autoregress
from redraft.models.assemble import assemble
from redraft.models.causal import CausalModel
from redraft.models.spans import Columns, Packed, Store
from redraft.sampling.autoregressive import left_to_right, speculate
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import sample
from tests.models.tiny_open import text, tiny_facts, tiny_network

CLOSE = {"atol": 2e-5, "rtol": 0.0}
WINDOWS = pytest.mark.parametrize("windows", [(None, None), (5, None), (3, 3)], ids=str)


def tiny(windows: tuple[int | None, ...] = (None, None), **changes: Any) -> CausalModel:
    facts = tiny_facts(attention="causal", noise="none", mask_id=None, counted_positions=True, **changes)
    pairs = zip(facts.architecture.layers, windows, strict=True)
    layers = tuple(replace(layer, attention=replace(layer.attention, window=window)) for layer, window in pairs)
    facts = replace(facts, architecture=replace(facts.architecture, layers=layers))
    model = assemble(tiny_network(facts), facts)
    assert isinstance(model, CausalModel)
    return model


@WINDOWS
def test_a_pass_over_a_text_is_the_masks_written_by_hand(windows: tuple[int | None, ...]) -> None:
    """Layer by layer: a query sees `window` keys that end with its own."""
    model, tokens_BL = tiny(windows), text(2, 12)
    network = model.network
    place_L = torch.arange(12)
    x_BLD = network.embed_tokens(tokens_BL)
    turn = network.transformer.rotaries[0](place_L.expand(2, -1))
    for layer, window in zip(network.transformer.layers, windows, strict=True):
        seen = [[0 <= query - key < (window or 99) for key in range(12)] for query in range(12)]
        x_BLD = layer(x_BLD, turn, torch.tensor(seen), None)
    wanted_BLV = network.logits(network.transformer.norm(x_BLD))
    torch.testing.assert_close(model.score(tokens_BL)[0], wanted_BLV, **CLOSE)


@WINDOWS
def test_next_scores_are_the_last_of_all_scores(windows: tuple[int | None, ...]) -> None:
    model, tokens_BL = tiny(windows), text(2, 12)
    scores_BLV, _ = model.score(tokens_BL)
    for start in (0, 4, 11):
        context = model.encode(tokens_BL[:, :start]) if start else None
        next_BV, after = model.next_logits(tokens_BL[:, start:], context)
        torch.testing.assert_close(next_BV, scores_BLV[:, -1], **CLOSE)
        assert after.length == 12


@WINDOWS
def test_a_context_that_was_cut_is_the_shorter_text(windows: tuple[int | None, ...]) -> None:
    model, tokens_BL = tiny(windows), text(2, 12)
    context = model.encode(tokens_BL).truncate(7)
    other_BL = text(2, 4, seed=1)
    whole_BLV, _ = model.score(torch.cat([tokens_BL[:, :7], other_BL], 1))
    torch.testing.assert_close(model.score(other_BL, context)[0], whole_BLV[:, 7:], **CLOSE)


@WINDOWS
def test_left_to_right_writes_the_most_probable_token_again_and_again(windows: tuple[int | None, ...]) -> None:
    model, tokens_BL = tiny(windows), text(3, 5)
    *_, made = left_to_right(model, tokens_BL, None, max_tokens=10)
    for _ in range(10):
        scores_BLV, _ = model.score(tokens_BL)
        tokens_BL = torch.cat([tokens_BL, scores_BLV[:, -1].argmax(-1, keepdim=True)], 1)
    assert made.tokens == tokens_BL[:, 5:].tolist()


def test_a_padded_batch_writes_what_its_rows_write_alone() -> None:
    model = tiny((5, None))
    rows = [text(1, length, seed=length) for length in (9, 4, 1)]
    padded_BL = torch.cat([torch.nn.functional.pad(row, (9 - row.shape[1], 0)) for row in rows])
    context = model.encode(padded_BL[:, :-1], pad_B=torch.tensor([0, 5, 8]))
    *_, together = left_to_right(model, padded_BL[:, -1:], context, max_tokens=8)
    alone = [list(left_to_right(model, row, None, max_tokens=8))[-1].tokens[0] for row in rows]
    assert together.tokens == alone


@WINDOWS
@pytest.mark.parametrize("start", [0, 2, 9])
def test_packed_spans_are_the_pass_alone(windows: tuple[int | None, ...], start: int) -> None:
    """The same masks, told to an engine that packs requests into one row."""
    model, tokens_BS = tiny(windows), text(1, start + 4)
    scores_BSV, _ = model.score(tokens_BS)
    store = Store(64)
    if start:
        span = model.span_of(tokens_BS[0, :start], 0, None, [])
        model.run([span], Packed([span], [Columns(slice(0, start), 0)], store))
    span = model.span_of(tokens_BS[0, start:], start, None, [])
    states_TD = model.run([span], Packed([span], [Columns(slice(0, start + 4), start)], store))
    torch.testing.assert_close(model.text_logits(states_TD), scores_BSV[0, start:], **CLOSE)


def test_asking_for_noise_or_a_canvas_says_how_it_writes() -> None:
    model = tiny()
    assert isinstance(model, Denoiser)
    canvas = make_canvas(text(1, 4), torch.full((1, 4), int(Status.NOISY)))
    with pytest.raises(ValueError, match="no canvas; `left_to_right` is how it writes"):
        model.denoise(canvas)
    with pytest.raises(ValueError, match="no noise to start from; `left_to_right` is how it writes"):
        list(sample(model, text(1, 4), Decoding(policy=TopK(count=1)), max_tokens=4, block_length=4))
    with pytest.raises(ValueError, match="no noise to start from"):
        list(speculate(model, text(1, 4), None, max_tokens=4))


def test_a_text_beyond_the_models_length_is_refused() -> None:
    model = tiny()
    _, context = model.next_logits(text(1, 64))
    with pytest.raises(ValueError, match="65 positions are more than the model's context of 64"):
        model.next_logits(text(1, 1), context)


@WINDOWS
def test_an_engine_writes_what_left_to_right_writes(windows: tuple[int | None, ...]) -> None:
    model = tiny(windows)
    rows = [text(1, length, seed=length) for length in (9, 1, 5)]
    engine = Engine(model, EngineConfig(num_pages=64, page_size=4))
    jobs = [engine.submit(autoregress(row[0].tolist(), max_tokens=8)) for row in rows]
    engine.run()
    alone = [list(left_to_right(model, row, None, max_tokens=8))[-1].tokens[0] for row in rows]
    assert [job.out.tokens for job in jobs] == alone
