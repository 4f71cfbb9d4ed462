"""Speculative acceptance: the output has exactly the target's distribution, whatever drafted it."""

import pytest
import torch
from scipy.stats import chisquare
from torch import Tensor

from redraft.sampling.prediction import draw
from redraft.sampling.verify import accept_drafts

# Multiples of 1/20, so that every acceptance chance and residual share is a multiple of 1/2520.
TARGET = torch.tensor([8.0, 2.0, 5.0, 5.0], dtype=torch.float64) / 20
DRAFT = torch.tensor([4.0, 8.0, 6.0, 2.0], dtype=torch.float64) / 20
GRID = (torch.arange(2520, dtype=torch.float64) + 0.5) / 2520


def outcomes(draft: int, draft_probs_V: Tensor | None, u_accept: Tensor, u_residual: Tensor) -> tuple[Tensor, Tensor]:
    """One drafted token, one pair of uniforms per row."""
    rows = len(u_accept)
    probs = None if draft_probs_V is None else draft_probs_V.expand(rows, 1, 4)
    target_BMV = TARGET.expand(rows, 2, 4)
    return accept_drafts(torch.full((rows, 1), draft), probs, target_BMV, u_accept[:, None], u_residual)


def output_distribution(draft: int, draft_probs_V: Tensor | None) -> Tensor:
    """The exact distribution of the first emitted token, by enumerating the unit square on a grid that resolves it."""
    kept_B, _ = outcomes(draft, draft_probs_V, GRID, torch.zeros_like(GRID))
    accept = kept_B.double().mean()
    out_V = torch.zeros(4, dtype=torch.float64)
    out_V[draft] = accept
    if accept < 1:
        refused_B, token_B = outcomes(draft, draft_probs_V, torch.full_like(GRID, 1 - 1e-12), GRID)
        assert (refused_B == 0).all()
        out_V += (1 - accept) * token_B.bincount(minlength=4) / len(GRID)
    return out_V


@pytest.mark.parametrize("draft", range(4))
def test_a_point_mass_draft_yields_the_target_by_enumeration(draft: int) -> None:
    torch.testing.assert_close(output_distribution(draft, None), TARGET, rtol=0, atol=1e-12)


def test_a_sampled_draft_yields_the_target_by_enumeration() -> None:
    out_V = sum(DRAFT[x] * output_distribution(x, DRAFT) for x in range(4))
    torch.testing.assert_close(out_V, TARGET, rtol=0, atol=1e-12)


def test_a_draft_equal_to_the_target_is_always_kept_and_the_bonus_token_is_the_last_targets() -> None:
    kept_B, token_B = accept_drafts(
        torch.tensor([[0], [2]]).expand(2, 1),
        TARGET.expand(2, 1, 4),
        torch.stack([TARGET, torch.eye(4, dtype=torch.float64)[3]]).expand(2, 2, 4),
        torch.full((2, 1), 1 - 2**-53, dtype=torch.float64),
        torch.tensor([0.0, 0.99], dtype=torch.float64),
    )
    assert kept_B.tolist() == [1, 1]
    assert token_B.tolist() == [3, 3]


@pytest.mark.parametrize("sampled", [False, True])
def test_drafted_sequences_follow_a_markov_target_by_chi_square(sampled: bool) -> None:
    """Two tokens emitted with up to three drafted: their joint counts match p(a) p(b | a)."""
    rows = 60_000
    generator = torch.Generator().manual_seed(4)
    table_VV = torch.rand(4, 4, generator=generator).double().softmax(-1)  # p(next | last)
    draft_VV = (torch.rand(4, 4, generator=generator).double() * 3).softmax(-1)
    last_B, drafts, draft_probs, targets = torch.zeros(rows).long(), [], [], []
    for _ in range(3):
        targets.append(table_VV[last_B])
        draft_probs.append(draft_VV[last_B])
        u_B = torch.rand(rows, generator=generator, dtype=torch.float64)
        last_B = draw(draft_probs[-1], u_B) if sampled else draft_probs[-1].argmax(-1)
        drafts.append(last_B)
    targets.append(table_VV[last_B])
    draft_BL = torch.stack(drafts, 1)
    kept_B, next_B = accept_drafts(
        draft_BL,
        torch.stack(draft_probs, 1) if sampled else None,
        torch.stack(targets, 1),
        torch.rand(rows, 3, generator=generator, dtype=torch.float64),
        torch.rand(rows, generator=generator, dtype=torch.float64),
    )
    emitted = torch.cat([draft_BL, next_B[:, None]], 1).scatter(1, kept_B[:, None], next_B[:, None])
    # Rows that emitted one token only draw the second from the target, as the next round would.
    second_B = draw(table_VV[emitted[:, 0]], torch.rand(rows, generator=generator, dtype=torch.float64))
    second_B = torch.where(kept_B > 0, emitted[:, 1], second_B)
    counts = (emitted[:, 0] * 4 + second_B).bincount(minlength=16)
    expected = (table_VV[0][:, None] * table_VV).flatten() * rows
    assert chisquare(counts, expected).pvalue > 1e-3
    assert set(kept_B.tolist()) == {0, 1, 2, 3}


def test_tokens_after_the_first_refusal_do_not_count() -> None:
    target_BMV = torch.eye(4)[torch.tensor([[1, 2, 3, 0]])]  # the target is certain: 1 2 3 0
    kept_B, token_B = accept_drafts(
        torch.tensor([[1, 0, 3]]), None, target_BMV, torch.full((1, 3), 0.5), torch.tensor([0.5])
    )
    assert (kept_B.item(), token_B.item()) == (1, 2)


def test_without_drafts_the_target_is_drawn() -> None:
    kept_B, token_B = accept_drafts(
        torch.zeros(1, 0).long(), None, torch.eye(4)[2][None, None], torch.zeros(1, 0), torch.tensor([0.5])
    )
    assert (kept_B.item(), token_B.item()) == (0, 2)


def test_a_missing_last_target_is_an_error() -> None:
    with pytest.raises(ValueError, match="one more"):
        accept_drafts(torch.zeros(1, 2).long(), None, torch.zeros(1, 2, 4), torch.zeros(1, 2), torch.zeros(1))
