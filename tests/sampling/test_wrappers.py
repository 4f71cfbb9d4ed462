"""Wrappers: what they do to logits, and that they are the wrapped denoiser otherwise."""

import pytest
import torch

from redraft.core.canvas import Controls
from redraft.core.corruption import Absorbing
from redraft.core.denoiser import Denoiser, SelfConditioned
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.wrappers import (
    Biased,
    ClassifierFreeGuidance,
    GuidedContext,
    Penalties,
    Shaped,
    Tempered,
    guide,
    keep_likely,
    penalise,
    shape,
)
from tests.sampling.toy import MASK, VOCAB, RememberingDenoiser, ToyDenoiser, canvas_of

NOISE = Absorbing(MASK, VOCAB)
CANVAS = canvas_of("FANN", [3, 5, MASK, MASK])
PROMPT = torch.tensor([[1, 2, 3]])


def test_guidance_is_the_formula_and_scale_zero_is_none() -> None:
    conditional, unconditional = torch.tensor([1.0, -torch.inf, 2.0]), torch.tensor([0.5, -torch.inf, 3.0])
    assert guide(conditional, unconditional, 0.0).tolist() == [1.0, -torch.inf, 2.0]
    assert guide(conditional, unconditional, 1.5).tolist() == [0.5 + 2.5 * 0.5, -torch.inf, 3.0 - 2.5]


def test_guidance_encodes_the_prompt_as_nothing_and_later_blocks_alongside() -> None:
    plain, block = ToyDenoiser(NOISE), torch.tensor([[7, 8]])
    guided = ClassifierFreeGuidance(ToyDenoiser(NOISE), 2.0, null_id=MASK)
    context = guided.encode(block, guided.encode(PROMPT, None))
    cond = plain.encode(block, plain.encode(PROMPT, None))
    null = plain.encode(block, plain.encode(torch.full_like(PROMPT, MASK), None))
    expected = guide(plain.denoise(CANVAS, cond), plain.denoise(CANVAS, null), 2.0)
    assert torch.equal(guided.denoise(CANVAS, context), expected)


def test_guidance_without_a_null_token_has_no_prompt_on_the_other_side() -> None:
    guided = ClassifierFreeGuidance(ToyDenoiser(NOISE), 1.0)
    assert guided.encode(PROMPT, None).unconditional is None


def test_contexts_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="GuidedContext"):
        ClassifierFreeGuidance(ToyDenoiser(NOISE), 1.0).denoise(CANVAS, None)
    with pytest.raises(ValueError, match="SeenContext"):
        Penalties(ToyDenoiser(NOISE), 1.2).denoise(CANVAS, [torch.zeros(1)])
    own = GuidedContext([PROMPT[0]], None)
    assert ClassifierFreeGuidance(ToyDenoiser(NOISE), 1.0).denoise(CANVAS, own).shape == (1, 4, VOCAB)


@pytest.mark.parametrize(
    ("filters", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"top_k": 2}, [0, 1]),
        ({"top_k": 9}, [0, 1, 2, 3, 4]),
        ({"top_p": 0.4}, [0]),
        ({"top_p": 0.45}, [0, 1]),
        ({"top_p": 1.0}, [0, 1, 2, 3, 4]),
        ({"min_p": 0.3}, [0, 1, 2]),
        ({"min_p": 0.0}, [0, 1, 2, 3, 4]),
        ({"min_p": 1.0}, [0]),
        ({"top_k": 3, "top_p": 0.9}, [0, 1, 2]),
        ({"top_k": 3, "top_p": 0.75}, [0, 1]),  # of what top-k left: 0.44 + 0.39 of 0.9
        ({"top_k": 4, "min_p": 0.3, "top_p": 0.99}, [0, 1, 2]),
    ],
)
def test_filters_keep_what_they_say(filters: dict[str, float], kept: list[int]) -> None:
    logits = torch.tensor([0.4, 0.35, 0.15, 0.06, 0.04]).log()
    order = torch.tensor([3, 1, 4, 0, 2])
    filtered = keep_likely(logits[order], **filters)  # type: ignore[arg-type]
    assert sorted(order[filtered > -torch.inf].tolist()) == kept
    assert torch.equal(filtered[filtered > -torch.inf], logits[order][filtered > -torch.inf])


def test_the_repetition_penalty_counts_context_and_canvas_but_not_a_positions_own_token() -> None:
    inner = ToyDenoiser(NOISE)
    wrapper = Penalties(ToyDenoiser(NOISE), 2.0)
    canvas = canvas_of("FAAN.", [3, 5, 5, 6, 7])
    context = wrapper.encode(PROMPT, None)
    plain, penalised = inner.denoise(canvas, [PROMPT[0]]), wrapper.denoise(canvas, context)
    moved = (plain != penalised)[0]
    finite = plain[0].isfinite()
    touched = [set(torch.nonzero(moved[i])[:, 0].tolist()) for i in range(5)]
    assert touched == [{1, 2, 3, 5}] * 5  # 3 is in the prompt, and 5 stands twice: still seen elsewhere
    alone = wrapper.denoise(canvas, None)
    touched = [
        set(torch.nonzero((plain_ != other)[0, i])[:, 0].tolist())
        for i in range(5)
        for plain_, other in [(inner.denoise(canvas, None), alone)]
    ]
    assert touched == [{5}, {3, 5}, {3, 5}, {3, 5}, {3, 5}]
    assert torch.equal(penalised[0][moved & finite], penalise(plain[0][moved & finite], 2.0))


def test_the_penalty_lowers_positive_and_negative_logits() -> None:
    assert penalise(torch.tensor([2.0, -2.0, 0.0, -torch.inf]), 2.0).tolist() == [1.0, -4.0, 0.0, -torch.inf]


def test_bias_is_added_and_banned_tokens_are_impossible() -> None:
    plain = ToyDenoiser(NOISE).denoise(CANVAS, None)
    biased = Biased(ToyDenoiser(NOISE), ((4, 2.5), (4, 0.5)), (9, 11)).denoise(CANVAS, None)
    assert torch.allclose(biased[..., 4], plain[..., 4] + 3)
    assert (biased[..., [9, 11]] == -torch.inf).all()
    assert torch.equal(biased[..., :4], plain[..., :4])


def test_a_tempered_denoiser_follows_a_schedule_by_row() -> None:
    plain = ToyDenoiser(NOISE).denoise(CANVAS, None)
    cooled = Tempered(ToyDenoiser(NOISE), LinearTemperature(2.0, 0.0), 4)
    assert torch.allclose(cooled.denoise(canvas_of("FANN", [3, 5, 0, 0], step=2), None), plain / 1.0)
    assert torch.allclose(Tempered(ToyDenoiser(NOISE), 0.5, 4).denoise(CANVAS, None), plain / 0.5)


def test_shape_changes_nothing_where_nothing_is_asked() -> None:
    denoiser = ToyDenoiser(NOISE)
    assert shape(denoiser, Decoding()) is denoiser


def test_shape_forbids_controls_before_it_filters() -> None:
    denoiser = ToyDenoiser(NOISE, Controls(15, (13, 14)))
    decoding = Decoding(top_k=1, bias=((15, 100.0),))
    logits = shape(denoiser, decoding).denoise(CANVAS, None)
    assert (logits > -torch.inf).sum(-1).tolist() == [[1, 1, 1, 1]]
    assert (logits[..., 13:16] == -torch.inf).all()


def test_shape_builds_every_wrapper_a_decoding_asks_for() -> None:
    decoding = Decoding(
        guidance=1.0, banned_ids=(1,), repetition_penalty=1.1, logit_temperature=0.5, top_p=0.9, null_id=MASK
    )
    found, layer = [], shape(ToyDenoiser(NOISE), decoding)
    while not isinstance(layer, ToyDenoiser):
        found.append(type(layer))
        layer = layer.denoiser  # type: ignore[attr-defined]
    assert found == [Shaped, Tempered, Penalties, Biased, ClassifierFreeGuidance]


def test_a_wrapper_is_the_wrapped_denoiser_in_everything_else() -> None:
    wrapped = Shaped(Tempered(RememberingDenoiser(NOISE, Controls(15)), 0.5, 8), top_k=3)
    assert isinstance(wrapped, Denoiser)
    assert isinstance(wrapped, SelfConditioned)
    assert not isinstance(Shaped(ToyDenoiser(NOISE), top_k=3), SelfConditioned)
    assert wrapped.controls == Controls(15)
    assert wrapped.corruption is NOISE
    assert wrapped.vocab_size == VOCAB
    with pytest.raises(AttributeError, match="nonsense"):
        wrapped.nonsense  # noqa: B018


def test_presence_counts_once_and_frequency_every_time() -> None:
    wrapper = Penalties(ToyDenoiser(NOISE), presence=0.5, frequency=0.25)
    context = wrapper.encode(torch.tensor([[1, 1, 2]]))
    canvas = canvas_of("NA", [0, 2])
    plain = ToyDenoiser(NOISE).denoise(canvas, context.inner)
    change = (wrapper.denoise(canvas, context) - plain).nan_to_num(0.0)  # what is impossible stays so
    expected = torch.zeros_like(change)
    expected[0, :, 1] = -0.5 - 2 * 0.25
    expected[0, :, 2] = -0.5 - 0.25  # the canvas' own 2 counts at the other position alone
    expected[0, 0, 2] -= 0.25
    torch.testing.assert_close(change, expected)


def test_penalties_change_nothing_where_nothing_was_said() -> None:
    canvas = canvas_of("NN", [0, 0])
    plain = ToyDenoiser(NOISE).denoise(canvas, None)
    assert torch.equal(Penalties(ToyDenoiser(NOISE), 2.0, 1.0, 1.0).denoise(canvas, None), plain)
