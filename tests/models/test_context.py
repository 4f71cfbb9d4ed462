"""KVContext: append-only, so whoever holds an older context keeps it, whatever grows from it."""

import pytest
import torch
from torch import Tensor

from redraft.models.context import GROWTH, KVContext
from tests.models.tiny import CONFIG, ids, tiny_model

MODEL = tiny_model()


def held(context: KVContext) -> Tensor:
    return torch.stack([torch.stack(context.layer(n)) for n in range(CONFIG.num_hidden_layers)])


def check(context: KVContext, tokens_BL: Tensor) -> None:
    """The context is what a fresh encode of these tokens makes."""
    assert context.length == tokens_BL.shape[1]
    torch.testing.assert_close(held(context), held(MODEL.encode(tokens_BL)), atol=1e-5, rtol=0)


def texts(*lengths: int) -> list[Tensor]:
    return [ids(1, length, seed=n) for n, length in enumerate(lengths)]


@pytest.mark.parametrize("first", [5, GROWTH - 4, GROWTH])  # room behind, room for one branch, no room
def test_two_branches_of_one_context_do_not_meet(first: int) -> None:
    stem, left, right = texts(first, 3, 4)
    a = MODEL.encode(stem)
    b = MODEL.encode(left, a)
    c = MODEL.encode(right, a)
    check(a, stem)
    check(b, torch.cat([stem, left], 1))
    check(c, torch.cat([stem, right], 1))


def test_a_tree_of_branches_does_not_meet() -> None:
    stem, left, right, leaf = texts(4, 3, 3, 2)
    a = MODEL.encode(stem)
    b, c = MODEL.encode(left, a), MODEL.encode(right, a)
    grown = {
        (n, m): MODEL.encode(tail, from_) for n, from_ in enumerate((a, b, c)) for m, tail in enumerate((leaf, right))
    }
    fronts = [stem, torch.cat([stem, left], 1), torch.cat([stem, right], 1)]
    for (n, m), context in grown.items():
        check(context, torch.cat([fronts[n], (leaf, right)[m]], 1))
    for context, front in zip((a, b, c), fronts, strict=True):
        check(context, front)


def test_growing_in_place_moves_nothing() -> None:
    stem, more = texts(5, 3)
    a = MODEL.encode(stem)
    assert MODEL.encode(more, a).store is a.store


def test_a_truncated_context_is_the_shorter_text() -> None:
    stem, tail = texts(8, 3)
    a = MODEL.encode(stem)
    check(a.truncate(5), stem[:, :5])
    check(MODEL.encode(tail, a.truncate(5)), torch.cat([stem[:, :5], tail], 1))


def test_truncating_the_newest_context_lets_the_next_encode_reuse_its_room() -> None:
    """A draft that was rejected costs no copy."""
    stem, draft, other = texts(5, 4, 3)
    a = MODEL.encode(stem)
    kept = MODEL.encode(draft, a).truncate(7)
    c = MODEL.encode(other, kept)
    assert c.store is a.store
    check(c, torch.cat([stem, draft[:, :2], other], 1))
    check(a, stem)


@pytest.mark.parametrize("length", [5, 3])
def test_truncating_an_older_context_leaves_what_grew_from_it(length: int) -> None:
    stem, left, right = texts(5, 3, 4)
    a = MODEL.encode(stem)
    b = MODEL.encode(left, a)
    c = MODEL.encode(right, a.truncate(length))
    check(a, stem)
    check(b, torch.cat([stem, left], 1))
    check(c, torch.cat([stem[:, :length], right], 1))


def test_truncating_to_nothing_starts_over() -> None:
    stem, other = texts(5, 3)
    check(MODEL.encode(other, MODEL.encode(stem).truncate(0)), other)


@pytest.mark.parametrize("length", [-1, 6])
def test_truncating_beyond_what_is_held_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match=f"length={length} must be in \\[0, 5\\]"):
        MODEL.encode(ids(1, 5)).truncate(length)


def test_selected_rows_are_a_copy_with_their_padding() -> None:
    tokens_BL = ids(3, 6)
    pad_B = torch.tensor([0, 2, 4])
    whole = MODEL.encode(tokens_BL, pad_B=pad_B)
    two = whole.select([2, 0])
    assert (two.rows, two.length) == (2, 6)
    assert two.pad_B is not None
    assert two.pad_B.tolist() == [4, 0]
    assert torch.equal(held(two), held(whole)[:, :, [2, 0]])
    before = held(whole).clone()
    grown = MODEL.encode(ids(2, 3, seed=1), two)
    assert torch.equal(held(whole), before)
    row = MODEL.encode(torch.cat([tokens_BL[2:, 4:], ids(2, 3, seed=1)[:1]], 1))
    torch.testing.assert_close(held(grown)[:, :, :1, :, 4:], held(row), atol=1e-5, rtol=0)
