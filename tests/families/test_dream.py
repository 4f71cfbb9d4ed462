"""Dream: what its config.json may say, caches and shifts together, and DreamOn's gaps that grow and shrink."""

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from redraft.core.canvas import Canvas, Controls, Status, make_canvas
from redraft.families.dream import DREAM_7B, FAMILY, places, read
from redraft.models.architecture import Architecture
from redraft.models.assemble import FamilyDenoiser, assemble
from redraft.models.loading import load, tensors_of
from redraft.sampling.decoding import Decoding, from_json
from redraft.sampling.policies import TopK
from redraft.sampling.samplers import infill, sample

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "dream"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())
EXPAND, DELETE = 300, 301


def architecture(**changes: Any) -> Architecture:
    made = read(CONFIG | changes).architecture
    assert isinstance(made, Architecture)
    return made


def noise_after(denoiser: FamilyDenoiser, text: list[int], length: int) -> Canvas:
    mask_id = denoiser.facts.mask_id
    assert mask_id is not None
    tokens_BL = torch.tensor([text + [mask_id] * length])
    status_BL = torch.where(tokens_BL == mask_id, int(Status.NOISY), int(Status.FIXED))
    return make_canvas(tokens_BL, status_BL)


def test_the_published_size_is_qwens_with_biases_on_queries_keys_and_values() -> None:
    facts = read(DREAM_7B)
    assert (facts.mask_id, facts.pad_id, facts.stop_ids) == (151666, 151643, (151643, 151645))
    assert (facts.shifted, facts.counted_positions, facts.controls) == (True, True, None)
    layer = facts.architecture.layers[0]
    attention = layer.attention
    assert (attention.num_heads, attention.num_key_heads, attention.head_dim) == (28, 4, 128)
    assert (attention.qkv_bias, attention.out_bias, layer.feed.bias) == (True, False, False)
    assert "model.layers.27.self_attn.k_proj.bias" in places(facts.architecture)
    assert "model.layers.27.self_attn.o_proj.bias" not in places(facts.architecture)


def test_the_recommended_decoding_is_one() -> None:
    assert from_json(FAMILY.decoding).max_steps == 256


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"use_mrope": True}, "use_mrope=True"),
        ({"num_attention_heads": 5}, "hidden_size=64, which 5 heads cannot share"),
        ({"num_key_value_heads": 3}, "must be a multiple of self.num_key_heads=3"),
        ({"hidden_act": "relu"}, "hidden_act='relu'"),
        ({"mask_token_id": 320}, "mask id 320 is outside the vocabulary of 320"),
        ({"mask_token_id": None}, "mask id 151666 is outside the vocabulary of 320"),
        ({"rope_scaling": {"rope_type": "longrope"}}, "rope scaling 'longrope'"),
        ({"delete_token_id": 300}, "delete_token_id=300 and no expand_token_id"),
        ({"expand_token_id": 300, "delete_token_id": 300}, "300 is both expand_token_id and delete_token_id"),
        ({"expand_token_id": 320}, "expand_token_id 320 is outside the vocabulary of 320"),
        ({"expand_token_id": 300, "eos_token_id": None}, "neither delete_token_id nor eos_token_id"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        read(CONFIG | changes)


def test_heads_ties_and_positions_follow_their_fields() -> None:
    changed = architecture(
        num_key_value_heads=None,
        tie_word_embeddings=True,
        rope_scaling={"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    )
    attention = changed.layers[0].attention
    assert (attention.num_key_heads, changed.tied) == (4, True)
    assert (attention.rope.scaling, attention.rope.factor, attention.rope.trained_length) == ("yarn", 4.0, 128)
    assert "lm_head.weight" not in places(changed)


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert ours.keys() == stored.keys()
    assert all(torch.equal(ours[name], stored[name]) for name in stored)


def test_a_position_is_scored_by_the_state_before_it_and_the_first_by_its_own() -> None:
    denoiser, checkpoint = load(FOLDER)
    raw = assemble(denoiser.network, replace(checkpoint.facts, shifted=False))
    canvas = noise_after(denoiser, [5, 9, 12], 4)
    raw_BLV = raw.scores(canvas)
    torch.testing.assert_close(denoiser.scores(canvas), torch.cat([raw_BLV[:, :1], raw_BLV[:, :-1]], 1))


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_behind_a_context_the_first_position_is_scored_by_the_contexts_last(cache: str) -> None:
    """Also when a stale cache is read: what scores the first position is then as old as the cache."""
    denoiser, _ = load(FOLDER, cache=cache)
    whole_BLV = denoiser.scores(noise_after(denoiser, [5, 9, 12], 4))[:, 3:]
    context = denoiser.encode(torch.tensor([[5, 9, 12]]))
    fresh = noise_after(denoiser, [], 4)
    torch.testing.assert_close(denoiser.scores(fresh, context), whole_BLV)
    later_BLV = denoiser.scores(replace(fresh, step_B=fresh.step_B + 1), context)
    torch.testing.assert_close(later_BLV, whole_BLV)


@pytest.mark.parametrize("cache", ["none", "prefix", "dual"])
def test_a_row_of_a_ragged_batch_is_the_row_alone(cache: str) -> None:
    denoiser, _ = load(FOLDER, cache=cache)
    decoding = Decoding(policy=TopK(num_steps=4), max_steps=4)

    def texts(rows: list[list[int]]) -> list[list[int]]:
        *_, last = sample(denoiser, rows, decoding, max_tokens=16, block_length=8)
        return last.committed

    rows = [[5, 9, 12, 200, 31], [7], [101, 45, 300]]
    assert texts(rows) == [texts([row])[0] for row in rows]


# ------------------------------------------------------------------ DreamOn


def with_controls(folder: Path) -> FamilyDenoiser:
    """The checkpoint as one of DreamOn's would be: its configuration names an expand and a delete token."""
    (folder / "config.json").write_text(json.dumps(CONFIG | {"expand_token_id": EXPAND, "delete_token_id": DELETE}))
    (folder / "model.safetensors").symlink_to(FOLDER / "model.safetensors")
    return load(folder)[0]


def test_controls_are_named_by_the_configuration_and_end_no_text() -> None:
    assert read(CONFIG).controls is None
    named = read(CONFIG | {"expand_token_id": EXPAND, "delete_token_id": DELETE})
    assert (named.controls, named.stop_ids) == (Controls(DELETE, (EXPAND,)), (315,))
    published = read(DREAM_7B | {"expand_token_id": 151667})
    assert (published.controls, published.stop_ids) == (Controls(151643, (151667,)), (151645,))


def plainly(denoiser: FamilyDenoiser, text: list[int], bias: tuple[tuple[int, float], ...]) -> list[list[int]]:
    """DreamOn's rule, one position after another: the surest noisy one is written, doubled or removed."""
    mask_id = denoiser.facts.mask_id
    history = [text]
    while mask_id in text:
        logits_LV = denoiser.denoise(noise_after(denoiser, text, 0))[0]
        for token_id, value in bias:
            logits_LV[:, token_id] += value
        logp_LV = logits_LV.log_softmax(-1)
        entropy_L = -(logp_LV.exp() * logp_LV).nan_to_num(0.0).sum(-1)
        noisy = [place for place, token in enumerate(text) if token == mask_id]
        place = min(noisy, key=lambda place: float(entropy_L[place]))
        token = int(logits_LV[place].argmax())
        written = {EXPAND: [mask_id, mask_id], DELETE: []}.get(token, [token])
        text = text[:place] + written + text[place + 1 :]
        history.append(text)
    return history


def test_a_gap_grows_and_shrinks_as_the_model_asks(tmp_path: Path) -> None:
    denoiser = with_controls(tmp_path)
    mask_id = denoiser.facts.mask_id
    assert mask_id is not None
    prefixes, suffixes, gaps = [[5, 9, 12, 200, 31], [7], [101, 45]], [[8, 8], [33, 90, 2, 4], [17]], [4, 3, 6]
    bias = ((EXPAND, 8.5), (DELETE, 9.5))  # a model of random weights would hardly ever ask
    rows = zip(prefixes, gaps, suffixes, strict=True)
    histories = [plainly(denoiser, [*a, *[mask_id] * gap, *b], bias) for a, gap, b in rows]

    decoding = Decoding(policy=TopK(count=1, by="entropy"), max_steps=200, indels=True, bias=bias)
    drafts = list(infill(denoiser, prefixes, suffixes, decoding, gap=gaps))
    assert [drafts[-1].row_tokens(row) for row in range(3)] == [history[-1] for history in histories]
    assert drafts[-1].step_B.tolist() == [len(history) - 1 for history in histories]
    steps = (step for history in histories for step in pairwise(history))
    changes = {len(after) - len(before) for before, after in steps}
    assert {-1, 0, 1} <= changes


def test_without_leave_to_change_the_length_no_control_is_ever_text(tmp_path: Path) -> None:
    denoiser = with_controls(tmp_path)
    decoding = Decoding(policy=TopK(count=1), max_steps=8, bias=((EXPAND, 50.0), (DELETE, 50.0)))
    *_, last = infill(denoiser, [[5, 9]], [[8]], decoding, gap=5)
    text = last.row_tokens(0)
    assert len(text) == 8
    assert not {EXPAND, DELETE} & set(text)
