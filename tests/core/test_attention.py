"""Attention patterns: the masks of the papers drawn by hand, and one predicate behind all three kinds of mask."""

import pytest
import torch
from torch import Tensor
from torch.nn.attention.flex_attention import create_mask, flex_attention
from torch.nn.functional import scaled_dot_product_attention

from redraft.core.attention import (
    Facts,
    Pattern,
    block_causal,
    block_diffusion,
    causal,
    causal_context,
    flex_block_mask,
    full,
    sdpa_mask,
    span_mask,
)

PATTERNS = [full, causal, block_causal, block_diffusion, causal_context]


def facts(document: list[int], block: list[int], position: list[int], canvas: list[int]) -> Facts:
    return Facts(*(torch.tensor([fact]) for fact in (document, block, position)), torch.tensor([canvas]).bool())


def drawing(mask_QK: Tensor) -> list[str]:
    return ["".join("#" if allowed else "." for allowed in row) for row in mask_QK.tolist()]


def mask_of(pattern: Pattern, held: Facts) -> list[str]:
    return drawing(sdpa_mask(pattern, held)[0, 0])


# Two blocks of two tokens.
FOUR = facts([0] * 4, [0, 0, 1, 1], [0, 1, 2, 3], [0] * 4)

# [noisy | clean], two blocks of two, as in Fig. 3 of arXiv:2503.09573. Its blocks are numbered from 1 here.
FIGURE_3 = facts([0] * 8, [1, 1, 2, 2] * 2, [0, 1, 2, 3] * 2, [1] * 4 + [0] * 4)

# A prompt token, then blocks of two: clean copies first, noisy blocks behind.
PACKED = facts([0] * 9, [0, 1, 1, 2, 2, 1, 1, 2, 2], [0, 1, 2, 3, 4, 1, 2, 3, 4], [0] * 5 + [1] * 4)


def test_full_attention_sees_the_whole_document() -> None:
    assert mask_of(full, FOUR) == ["####"] * 4


def test_causal_attention_is_a_lower_triangle() -> None:
    assert mask_of(causal, FOUR) == ["#...", "##..", "###.", "####"]


def test_causal_attention_follows_positions_and_not_the_order_of_the_tokens() -> None:
    assert mask_of(causal, facts([0] * 3, [0] * 3, [2, 0, 1], [0] * 3)) == ["###", ".#.", ".##"]


def test_block_causal_attention_is_a_lower_triangle_of_blocks() -> None:
    assert mask_of(block_causal, FOUR) == ["##..", "##..", "####", "####"]


def test_block_diffusion_is_the_mask_of_figure_3() -> None:
    """Block-diagonal noisy to noisy, offset block-causal noisy to clean, block-causal clean to clean."""
    assert mask_of(block_diffusion, FIGURE_3) == [
        "##......",
        "##......",
        "..####..",
        "..####..",
        "....##..",
        "....##..",
        "....####",
        "....####",
    ]


def test_causal_context_is_causal_on_the_clean_side_and_bidirectional_within_a_canvas() -> None:
    assert mask_of(causal_context, PACKED) == [
        "#........",
        "##.......",
        "###......",
        "####.....",
        "#####....",
        "#....##..",
        "#....##..",
        "###....##",
        "###....##",
    ]


def packed_documents(padding: int) -> Facts:
    """Two documents of the shape of PACKED in one row, and padding behind them."""
    both = [torch.cat([fact, fact + (1 if name == "document" else 0)], 1) for name, fact in PACKED._asdict().items()]
    ends = {"document": -1}
    columns = [
        torch.nn.functional.pad(fact.long(), (0, padding), value=ends.get(name, 0))
        for name, fact in zip(Facts._fields, both, strict=True)
    ]
    return Facts(*columns[:3], columns[3].bool())


@pytest.mark.parametrize("pattern", PATTERNS)
def test_no_pattern_crosses_documents_or_touches_padding(pattern: Pattern) -> None:
    held = packed_documents(padding=4)
    seen_TT = sdpa_mask(pattern, held)[0, 0]
    crossing_TT = held.document[0, :, None] != held.document[0, None, :]
    assert crossing_TT.sum() == 2 * (9 * 9 + 18 * 4)
    assert not (seen_TT & crossing_TT).any()


@pytest.mark.parametrize("pattern", PATTERNS)
def test_one_predicate_makes_the_same_mask_for_sdpa_and_flex_attention(pattern: Pattern) -> None:
    held = packed_documents(padding=14)  # 32 tokens
    held = Facts(*(torch.cat([fact, fact.flip(1)]) for fact in held))  # two rows that differ
    block_mask = flex_block_mask(pattern, held, block_size=8)
    flex_BHTT = create_mask(block_mask.mask_mod, 2, None, 32, 32, device="cpu")
    assert torch.equal(flex_BHTT.expand(2, 1, 32, 32), sdpa_mask(pattern, held))
    # The block mask keeps exactly the tiles in which anything is seen.
    tiles = sdpa_mask(pattern, held).unflatten(-1, (4, 8)).unflatten(-3, (4, 8)).any(-1).any(-2)
    assert torch.equal(block_mask.to_dense().bool(), tiles)


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
@pytest.mark.parametrize("pattern", [block_diffusion, causal_context])
def test_flex_attention_and_sdpa_mix_the_same_values(pattern: Pattern) -> None:
    held = packed_documents(padding=14)
    query, key, value = torch.randn(3, 1, 2, 32, 16, generator=torch.Generator().manual_seed(0))
    flexed = flex_attention(query, key, value, block_mask=flex_block_mask(pattern, held, block_size=8))
    plain = scaled_dot_product_attention(query, key, value, attn_mask=sdpa_mask(pattern, held))
    torch.testing.assert_close(flexed, plain, atol=1e-6, rtol=0)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_rows_that_are_all_padding_stay_finite(pattern: Pattern) -> None:
    nobody = facts([-1] * 4, [0] * 4, [0] * 4, [0] * 4)
    query, key, value = torch.randn(3, 1, 1, 4, 8, generator=torch.Generator().manual_seed(0))
    mixed = scaled_dot_product_attention(query, key, value, attn_mask=sdpa_mask(pattern, nobody))
    assert mixed.isfinite().all()


def test_a_query_that_sees_nothing_sees_itself() -> None:
    never: Pattern = lambda query, key: (query.document == key.document) & False  # noqa: E731
    assert mask_of(never, FOUR) == ["#...", ".#..", "..#.", "...#"]
    block_mask = flex_block_mask(never, FOUR, block_size=4)
    assert drawing(create_mask(block_mask.mask_mod, 1, None, 4, 4, device="cpu")[0, 0]) == mask_of(never, FOUR)


def test_a_canvas_span_sees_its_context_and_itself() -> None:
    assert drawing(span_mask(causal_context, context=2, length=3, canvas=True)) == ["#####"] * 3


def test_an_encode_span_sees_its_context_and_what_came_before_it() -> None:
    assert drawing(span_mask(causal_context, context=2, length=3, canvas=False)) == ["###..", "####.", "#####"]


def test_a_span_of_a_causal_model_is_causal_whatever_it_holds() -> None:
    triangle = ["###..", "####.", "#####"]
    assert drawing(span_mask(causal, context=2, length=3, canvas=True)) == triangle
    assert drawing(span_mask(causal, context=2, length=3, canvas=False)) == triangle


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("canvas", [False, True])
def test_a_span_mask_is_the_lower_part_of_the_whole_mask(pattern: Pattern, canvas: bool) -> None:
    """A context of three clean tokens (block 0) and four new ones (block 1), in one piece."""
    noisy = [0] * 3 + [int(canvas)] * 4
    whole = facts([0] * 7, [0] * 3 + [1] * 4, list(range(7)), noisy)
    expected = sdpa_mask(pattern, Facts(*(fact[:, 3:] for fact in whole)), whole)[0, 0]
    assert torch.equal(span_mask(pattern, context=3, length=4, canvas=canvas), expected)
