"""Packing: documents never meet, a noisy block never sees its own answer, and training sees what inference sees."""

from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from redraft.core.attention import causal_context, sdpa_mask
from redraft.core.canvas import Status, make_canvas
from redraft.data.packing import Batch, Example, Part, canvas_side, clean_side, join, pack
from tests.models.tiny import tiny_model

BLOCK = 4
START = 50  # stands for the start of a text
MODEL = tiny_model(labels=("story", "tale"))


def text(seed: int, length: int = 10) -> list[int]:
    return np.random.default_rng(seed).integers(0, 50, length).tolist()


def example(tokens: list[int], noisy: list[int], label: int = -1) -> Example:
    """A clean text and noisy blocks of its beginning, as running text is trained."""
    clean = clean_side([START, *tokens], label=label)
    held, targets = np.array(noisy), np.array(tokens[: len(noisy)])
    canvas = canvas_side(
        held, targets, np.ones(len(noisy), np.float32), Part.BLOCK, start=len(clean) - len(tokens), block_length=BLOCK
    )
    return join(clean, canvas, block_length=BLOCK)


def hidden(batch: Batch) -> Tensor:
    mask = sdpa_mask(causal_context, batch.facts_BT)
    return MODEL.packed(batch.tokens_BT, batch.facts_BT, mask, label_BT=batch.label_BT)


def moved(one: Batch, other: Batch) -> Tensor:
    """Positions [B, T] whose hidden state differs."""
    return (hidden(one) - hidden(other)).abs().amax(-1) > 1e-5


A, B = example(text(1), text(2, 8)), example(text(3), text(4, 8), label=1)


def test_changing_one_document_moves_nothing_in_another() -> None:
    for changed in (example(text(5), text(2, 8)), example(text(1), text(6, 8)), example(text(5), text(6, 8))):
        moved_T = moved(pack([[A, B]], 48), pack([[changed, B]], 48))[0]
        assert moved_T[: len(A)].any()
        assert not moved_T[len(A) :].any()
        behind_T = moved(pack([[B, A]], 48), pack([[B, changed]], 48))[0]
        assert behind_T[len(B) : len(B) + len(A)].any()
        assert not behind_T[: len(B)].any()


def test_a_document_is_the_same_wherever_it_stands() -> None:
    alone = hidden(pack([[B]], len(B)))[0]
    torch.testing.assert_close(hidden(pack([[A, B]], 48))[0, len(A) : len(A) + len(B)], alone, atol=1e-5, rtol=0)
    torch.testing.assert_close(hidden(pack([[B, A], [A]], 64))[0, : len(B)], alone, atol=1e-5, rtol=0)


def test_padding_reaches_nobody() -> None:
    batch = pack([[A]], 40)
    tokens_BT = batch.tokens_BT.clone()
    tokens_BT[0, len(A) :] = 7
    assert not moved(batch, replace(batch, tokens_BT=tokens_BT))[0, : len(A)].any()
    assert hidden(batch).isfinite().all()


def test_a_noisy_block_sees_earlier_clean_blocks_and_never_its_own_answer() -> None:
    """Token by token: which hidden states move when one clean token changes."""
    tokens, noisy = text(1), text(2, 8)
    batch = pack([[example(tokens, noisy)]], 19)
    for place in range(10):
        changed = [*tokens[:place], (tokens[place] + 1) % 50, *tokens[place + 1 :]]
        moved_T = moved(batch, pack([[example(changed, noisy)]], 19))[0].tolist()
        clean, blocks = moved_T[:11], (moved_T[11:15], moved_T[15:])
        assert clean == [n > place for n in range(11)]  # causal; the start token stands in front
        assert blocks == ([False] * 4, [place < BLOCK] * 4)


def test_a_noisy_token_is_seen_by_its_own_block_alone() -> None:
    noisy = text(2, 8)
    batch = pack([[example(text(1), noisy)]], 19)
    for place in range(8):
        changed = [*noisy[:place], (noisy[place] + 1) % 50, *noisy[place + 1 :]]
        moved_T = moved(batch, pack([[example(text(1), changed)]], 19))[0].tolist()
        assert moved_T == [False] * 11 + [n // BLOCK == place // BLOCK for n in range(8)]


@pytest.mark.parametrize("label", [-1, 1])
def test_training_on_a_packed_row_is_encoding_and_denoising(label: int) -> None:
    """Every noisy block's hidden states are those of a canvas behind the encoded clean text before it."""
    tokens, noisy = text(1), text(2, 8)
    made = example(tokens, noisy, label)
    states = hidden(pack([[made]], len(made)))[0]
    front = MODEL.condition(label_B=torch.tensor([label])) if label >= 0 else None
    for number in range(2):
        first = number * BLOCK
        context = MODEL.encode(torch.tensor([[START, *tokens[:first]]]), front)
        canvas_BL = torch.tensor([noisy[first : first + BLOCK]])
        alone = MODEL.hidden(make_canvas(canvas_BL, torch.full_like(canvas_BL, Status.NOISY)), context)[0]
        place = len(made) - 8 + first
        torch.testing.assert_close(states[place : place + BLOCK], alone, atol=1e-5, rtol=0)
    scored, _ = MODEL.score(torch.tensor([[START, *tokens]]), front)
    clean = len(made) - 8
    torch.testing.assert_close(MODEL.head(states[clean - 11 : clean]), scored[0], atol=1e-5, rtol=0)


def test_a_canvas_without_block_length_sees_its_whole_context() -> None:
    """Edits and infill: the context stands before the canvas and is no copy of it."""
    clean = clean_side([START, 1, 2], learn=False)
    held = np.array([3, 4, 5])
    canvas = canvas_side(held, held, np.ones(3, np.float32), Part.EDIT, start=3, block_length=3)
    made = join(clean, canvas)
    states = hidden(pack([[made]], 6))[0, 3:]
    context = MODEL.encode(torch.tensor([[START, 1, 2]]))
    canvas_BL = torch.tensor([[3, 4, 5]])
    alone = MODEL.hidden(make_canvas(canvas_BL, torch.full_like(canvas_BL, Status.NOISY)), context)[0]
    torch.testing.assert_close(states, alone, atol=1e-5, rtol=0)


# ------------------------------------------------------------------ targets, weights, shapes


def test_the_clean_side_teaches_every_next_token_once() -> None:
    side = clean_side([START, 1, 2, 3])
    assert side.targets[:3].tolist() == [1, 2, 3]
    assert side.weight.tolist() == [1, 1, 1, 0]
    assert side.part.tolist() == [Part.NEXT] * 3 + [Part.NONE]


def test_a_label_stands_in_front_and_is_taught_nothing() -> None:
    side = clean_side([START, 1, 2], label=1)
    assert side.label.tolist() == [1, -1, -1, -1]
    assert side.weight.tolist() == [0, 1, 1, 0]
    assert side.targets[1:3].tolist() == [1, 2]
    assert side.position.tolist() == [0, 1, 2, 3]


def test_a_clean_side_that_is_only_context_teaches_nothing() -> None:
    side = clean_side([START, 1, 2], learn=False)
    assert not side.weight.any()
    assert (side.part == Part.NONE).all()


def test_padding_weighs_nothing_and_belongs_to_no_document() -> None:
    batch = pack([[A], [A, B], []], 48)
    used = [len(A), len(A) + len(B), 0]
    for row, count in enumerate(used):
        for held, empty in (
            (batch.facts_BT.document, -1), (batch.weight_BT, 0), (batch.part_BT, 0), (batch.label_BT, -1),
            (batch.facts_BT.canvas, False),
        ):  # fmt: skip
            assert (held[row, count:] == empty).all()
        assert (batch.facts_BT.document[row, :count] >= 0).all()
    assert batch.facts_BT.document[1].unique().tolist() == [-1, 0, 1]


def test_packed_rows_hold_their_examples_in_order() -> None:
    batch = pack([[A, B]], 48)
    for name, tensor_BT in (
        ("tokens", batch.tokens_BT), ("targets", batch.targets_BT), ("weight", batch.weight_BT),
        ("part", batch.part_BT), ("label", batch.label_BT), ("block", batch.facts_BT.block),
        ("position", batch.facts_BT.position), ("canvas", batch.facts_BT.canvas),
    ):  # fmt: skip
        expected = np.concatenate([getattr(A, name), getattr(B, name)])
        assert tensor_BT[0, : len(A) + len(B)].tolist() == expected.tolist()


def test_a_row_that_does_not_fit_is_refused_with_both_lengths() -> None:
    with pytest.raises(ValueError, match=f"a row of {len(A) + len(B)} tokens does not fit length=30"):
        pack([[A, B]], 30)


def test_moving_a_batch_moves_every_tensor() -> None:
    there = pack([[A]], 24).to("meta")
    assert {getattr(there, f.name).device.type for f in fields(there) if f.name != "facts_BT"} == {"meta"}
    assert {fact.device.type for fact in there.facts_BT} == {"meta"}
