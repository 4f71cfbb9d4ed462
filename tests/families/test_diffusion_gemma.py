"""DiffusionGemma: what its config.json may say, and a random checkpoint of transformers run by both."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import DiffusionGemmaConfig, DiffusionGemmaForBlockDiffusion, DynamicCache
from transformers.models.diffusion_gemma.generation_diffusion_gemma import (
    EntropyBoundSampler,
    EntropyBoundSamplerConfig,
)

from benchmarks.parity.diffusion_gemma import replayed
from benchmarks.parity.golden import Case, Check, Golden, Tensors, judge, whole
from redraft.families.diffusion_gemma import DIFFUSION_GEMMA_26B, FAMILY, FULL, SLIDING, places, read
from redraft.models.loading import load, tensors_of
from redraft.models.network import Network
from redraft.sampling.decoding import LinearTemperature, from_json
from redraft.sampling.policies import EntropyBound
from redraft.sampling.stops import StableAndConfident

FOLDER = Path(__file__).parents[1] / "fixtures" / "parity" / "diffusion_gemma"
CONFIG: dict[str, Any] = json.loads((FOLDER / "config.json").read_text())
CLOSE = {"atol": 1e-4, "rtol": 0.0}
LAST = {"layer_types": [FULL, SLIDING, FULL]}


def said(**changes: Any) -> dict[str, Any]:
    """The fixture's config.json with changes to its text; None takes a field out."""
    text = {name: value for name, value in (CONFIG["text_config"] | changes).items() if value is not None}
    return CONFIG | {"text_config": text}


# ------------------------------------------------------------------ config.json


def test_the_published_size_has_twenty_five_billion_parameters() -> None:
    facts = read(DIFFUSION_GEMMA_26B)
    with torch.device("meta"):
        network = Network(facts.architecture)
    assert sum(parameter.numel() for parameter in network.parameters()) == 25_250_986_812
    kinds = [layer.attention.window for layer in facts.architecture.layers]
    assert kinds == ([1024] * 5 + [None]) * 5
    assert (facts.block_length, facts.stop_ids, facts.pad_id, facts.mask_id) == (256, (1,), 0, None)


def test_every_parameter_is_somewhere_in_the_checkpoint_and_nothing_is_twice() -> None:
    facts = read(DIFFUSION_GEMMA_26B)
    with torch.device("meta"):
        parameters = dict(Network(facts.architecture).named_parameters())
    found = places(facts.architecture).values()
    assert {place.parameter for place in found} == parameters.keys()
    covered = sum(place.view(parameters[place.parameter]).numel() for place in found)
    assert covered == sum(parameter.numel() for parameter in parameters.values())


def test_the_recommended_decoding_is_the_published_one() -> None:
    decoding = from_json(FAMILY.decoding)
    assert decoding.policy == EntropyBound(0.1, sticky=False)
    assert decoding.stop == StableAndConfident(0.005, 1)
    assert decoding.logit_temperature == LinearTemperature(0.8, 0.4)
    assert (decoding.temperature, decoding.max_steps, decoding.emit) == (1.0, 48, "best")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"tie_word_embeddings": False}, "tie_word_embeddings=False"),
        ({"text_config": None}, "no 'text_config'"),
        ({"canvas_length": 0}, "canvas_length=0"),
        (said(num_experts=None), "no 'num_experts'"),
        (said(top_k_experts=7), "self.num_chosen=7 experts cannot be chosen of self.num_experts=6"),
        (said(use_bidirectional_attention="all"), "use_bidirectional_attention='all'"),
        (said(attention_bias=True), "attention_bias=True"),
        (said(layer_types=[FULL]), "num_hidden_layers=3, and names 1 layer_types"),
        (said(layer_types=["chunked_attention", FULL, FULL]), "layer_types='chunked_attention'"),
        (said(hidden_activation="relu"), "hidden_activation='relu'"),
        (said(rope_parameters={SLIDING: {"rope_theta": 10.0}}), "no 'full_attention'"),
        (said(num_key_value_heads=3), "must be a multiple of self.num_key_heads=3"),
        (said(sliding_window=0), "window=0"),
        (said(hidden_size="48"), "hidden_size='48', which is no int"),
        (said(per_layer_config={"2": {"sliding_window": 4}}), "'sliding_window' of layer 2 alone"),
        (said(per_layer_config={"3": {"head_dim": 8}}), "per_layer_config of layer '3'"),
        (said(per_layer_config={"2": 8}), "per_layer_config of layer '2'"),
        (said(pad_token_id=320), "pad id 320 is outside the vocabulary of 320"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint.replace("[", r"\[")):
        read(CONFIG | changes)


def test_heads_of_full_layers_may_be_stated_layer_by_layer() -> None:
    named = {"2": {"head_dim": 24, "num_key_value_heads": 1}}
    stated = said(per_layer_config=named, global_head_dim=None, num_global_key_value_heads=None)
    assert read(stated) == read(CONFIG)
    assert read(stated | {"eos_token_id": [1, 106]}).stop_ids == (1, 106)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"layer_types": None, "num_hidden_layers": 7},
        {"layer_types": [SLIDING] * 3},
        {"rope_parameters": None},
        {"global_head_dim": None, "num_global_key_value_heads": None},
        {"num_global_key_value_heads": 4, **LAST},
        {"per_layer_config": {"0": {"head_dim": 8}}, **LAST},
        {"sliding_window": None, "hidden_activation": None, "rms_norm_eps": None, "final_logit_softcapping": None},
        {"max_position_embeddings": None, "attention_bias": None, "use_bidirectional_attention": None},
    ],
)
def test_what_is_not_stated_is_what_transformers_takes_it_for(changes: dict[str, Any]) -> None:
    ours, theirs = read(said(**changes)).architecture, DiffusionGemmaConfig(**said(**changes)).text_config
    attentions = [layer.attention for layer in ours.layers]
    assert [SLIDING if a.window else FULL for a in attentions] == theirs.layer_types
    assert {a.window for a in attentions} <= {None, theirs.sliding_window}
    sizes = [(one.head_dim, one.num_key_value_heads) for one in theirs.per_layer_config]
    assert [(a.head_dim, a.num_key_heads) for a in attentions] == sizes
    ropes = [theirs.rope_parameters[kind] for kind in theirs.layer_types]
    assert [(a.rope.theta, a.rope.scaling) for a in attentions] == [(r["rope_theta"], r["rope_type"]) for r in ropes]
    assert (ours.norm_eps, ours.softcap) == (theirs.rms_norm_eps, theirs.final_logit_softcapping)
    assert ours.max_positions == theirs.max_position_embeddings
    assert ours.layers[0].experts is not None
    assert ours.layers[0].experts.activation == "gelu_tanh"


def test_the_checkpoint_is_given_back_bit_for_bit() -> None:
    denoiser, checkpoint = load(FOLDER)
    stored = load_file(FOLDER / "model.safetensors")
    ours = tensors_of(denoiser.network, checkpoint.places)  # type: ignore[arg-type]
    assert stored.keys() - ours.keys() == {name for name in stored if name.startswith(FAMILY.ignored)}
    assert all(torch.equal(ours[name], stored[name]) for name in ours)


# ------------------------------------------------------------------ transformers

CANVAS, VOCAB = 7, 97
TEXT: dict[str, Any] = {
    "vocab_size": VOCAB, "hidden_size": 40, "intermediate_size": 24, "moe_intermediate_size": 12, "num_experts": 5,
    "top_k_experts": 3, "num_hidden_layers": 5, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8,
    "global_head_dim": 20, "num_global_key_value_heads": 2, "sliding_window": 5, "max_position_embeddings": 128,
    "layer_types": [FULL, SLIDING, SLIDING, FULL, FULL], "final_logit_softcapping": 20.0, "rms_norm_eps": 1e-5,
    "rope_parameters": {
        SLIDING: {"rope_type": "default", "rope_theta": 500.0},
        FULL: {"rope_type": "proportional", "rope_theta": 20_000.0, "partial_rotary_factor": 0.5},
    },
}  # fmt: skip
VISION = {
    "model_type": "gemma4_vision", "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "head_dim": 8,
    "num_attention_heads": 2, "num_key_value_heads": 2, "patch_size": 4, "position_embedding_size": 16,
}  # fmt: skip


@pytest.fixture(scope="module")
def reference() -> DiffusionGemmaForBlockDiffusion:
    """A random model of transformers in which every number matters."""
    torch.manual_seed(0)
    config = DiffusionGemmaConfig(text_config=TEXT, vision_config=VISION, canvas_length=CANVAS)
    model = DiffusionGemmaForBlockDiffusion(config).eval().requires_grad_(False)
    scalars = [buffer for name, buffer in model.named_buffers() if name.endswith("layer_scalar")]
    for tensor in [*model.parameters(), *scalars]:
        if tensor.dim() > 1:
            tensor.normal_(std=tensor.shape[-1] ** -0.5)
        else:  # norms and scales
            tensor.uniform_(0.5, 1.5)
    model.model.decoder.embed_tokens.weight.normal_(std=1.0)
    return model


@pytest.fixture(scope="module")
def golden(reference: DiffusionGemmaForBlockDiffusion, tmp_path_factory: pytest.TempPathFactory) -> Golden:
    """Our reading of what transformers saves."""
    folder = tmp_path_factory.mktemp("saved")
    reference.save_pretrained(folder)
    denoiser, checkpoint = load(folder)
    return Golden(folder, denoiser, checkpoint, {}, {})


def text(rows: int, length: int, seed: int) -> Tensor:
    return torch.randint(3, VOCAB, (rows, length), generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("length", [2, 4, 5, 13])
@pytest.mark.parametrize("conditioned", [False, True], ids=["plain", "conditioned"])
def test_logits_are_those_of_transformers(
    reference: DiffusionGemmaForBlockDiffusion, golden: Golden, length: int, conditioned: bool
) -> None:
    prompt_BS, canvas_BL = text(2, length, 1), text(2, CANVAS, 2)
    last_BLV = 3 * torch.randn(2, CANVAS, VOCAB, generator=torch.Generator().manual_seed(3)) if conditioned else None
    theirs = reference(prompt_BS, decoder_input_ids=canvas_BL, self_conditioning_logits=last_BLV)
    memory_BLD = None if last_BLV is None else golden.denoiser.remember(last_BLV)
    states_BSD, context = golden.denoiser.read(prompt_BS)
    ours = golden.denoiser.scores(replace(whole(canvas_BL), memory_BLD=memory_BLD), context)
    assert theirs.logits.std() > 2
    torch.testing.assert_close(ours, theirs.logits, **CLOSE)
    torch.testing.assert_close(states_BSD, theirs.encoder_last_hidden_state, **CLOSE)


def test_a_second_canvas_behind_a_padded_batch_is_that_of_transformers(
    reference: DiffusionGemmaForBlockDiffusion, golden: Golden
) -> None:
    prompt_BS, first_BL, second_BL = text(2, 9, 1), text(2, CANVAS, 2), text(2, CANVAS, 3)
    held_BS = torch.arange(9) >= torch.tensor([[0], [4]])
    cache = DynamicCache(config=reference.config.get_text_config())
    ones = torch.ones(2, CANVAS, dtype=torch.bool)
    reference.model.encoder(prompt_BS, attention_mask=held_BS, past_key_values=cache)
    held_BS = torch.cat([held_BS, ones], 1)
    reference.model.encoder(first_BL, attention_mask=held_BS, past_key_values=cache)
    theirs = reference(
        past_key_values=cache, decoder_input_ids=second_BL, decoder_attention_mask=torch.cat([held_BS, ones], 1)
    )
    context = golden.denoiser.encode(first_BL, golden.denoiser.encode(prompt_BS, pad_B=torch.tensor([0, 4])))
    torch.testing.assert_close(golden.denoiser.scores(whole(second_BL), context), theirs.logits, **CLOSE)


# ------------------------------------------------------------------ whole generations


def recorded(
    reference: DiffusionGemmaForBlockDiffusion, prompt_BS: Tensor, held_BS: Tensor | None = None, **args: Any
) -> Case:
    """One run of transformers' `generate` with every draw and decision it made."""
    held_BS = torch.ones_like(prompt_BS) if held_BS is None else held_BS
    steps: dict[str, list[Tensor]] = {}

    def keep(**arrays: Tensor) -> None:
        for name, array in arrays.items():
            steps.setdefault(name, []).append(array.clone())

    draw, accept, denoise = (
        EntropyBoundSampler.initialize_canvas,
        EntropyBoundSampler.accept_canvas,
        reference._denoising_step,
    )

    def initialize_canvas(self: Any, *args: Any, **kwargs: Any) -> Tensor:
        made: Tensor = draw(self, *args, **kwargs)
        keep(random_canvases=made)
        return made

    def accept_canvas(self: Any, current_BL: Tensor, sampled_BL: Tensor, *rest: Any) -> Tensor:
        made: Tensor = accept(self, current_BL, sampled_BL, *rest)
        keep(current_canvas=current_BL, sampled_canvas=sampled_BL, accept_mask=self.accepted_token_mask)
        return made

    def denoising_step(**kwargs: Any) -> Any:
        made = denoise(**kwargs)
        keep(next_canvas=made[0], argmax_canvas=made[1], finished=made[3])
        return made

    torch.manual_seed(args.pop("seed"))
    settings = {name: value for name, value in args.items() if name != "entropy_bound"}
    with (
        patch.object(EntropyBoundSampler, "initialize_canvas", initialize_canvas),
        patch.object(EntropyBoundSampler, "accept_canvas", accept_canvas),
        patch.object(reference, "_denoising_step", denoising_step),
    ):
        sampler = EntropyBoundSamplerConfig(args["entropy_bound"])
        out = reference.generate(prompt_BS, attention_mask=held_BS, sampler_config=sampler, **settings)
    arrays: Tensors = {name: torch.stack(made) for name, made in steps.items()}
    arrays |= {
        "prompt": prompt_BS,
        "attention_mask": held_BS,
        "output": out.sequences,
        "tokens_per_forward": out.tokens_per_forward,
    }
    return Case("c0", "generate_trace", args, arrays, {})


ARGS: dict[str, Any] = {
    "max_new_tokens": 17, "max_denoising_steps": 8, "t_min": 0.1, "t_max": 0.6, "stability_threshold": 1,
    "confidence_threshold": 0.6, "entropy_bound": 0.8, "seed": 5, "eos_token_id": None, "pad_token_id": 0,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [{}, {"t_min": 0.0}, {"stability_threshold": 0}, {"confidence_threshold": 0.001, "entropy_bound": 0.05}],
    ids=["plain", "to zero", "no patience", "no early end"],
)
def test_a_generation_with_the_same_draws_is_that_of_transformers(
    reference: DiffusionGemmaForBlockDiffusion, golden: Golden, changes: dict[str, Any]
) -> None:
    case = recorded(reference, text(2, 11, 4), **(ARGS | changes))
    assert case.arrays["output"].shape[1] == 11 + 3 * CANVAS  # whole canvases, however few tokens were asked for
    assert judge("all", replayed(golden, case)).agrees


def test_a_padded_generation_is_that_of_transformers(
    reference: DiffusionGemmaForBlockDiffusion, golden: Golden
) -> None:
    held_BS = (torch.arange(11) >= torch.tensor([[0], [8], [3]])).long()
    case = recorded(reference, text(3, 11, 4) * held_BS, held_BS, **ARGS)
    assert judge("all", replayed(golden, case)).agrees


def test_a_row_that_ends_waits_for_the_others(reference: DiffusionGemmaForBlockDiffusion, golden: Golden) -> None:
    free = recorded(reference, text(2, 11, 4), **ARGS)
    first, second = free.arrays["output"][:, 11:].tolist()
    ends = next(token for token in first[:CANVAS] if token not in second)
    case = recorded(reference, text(2, 11, 4), **(ARGS | {"eos_token_id": ends}))
    assert (case.arrays["output"][0, 11 + CANVAS :] == 0).all()
    assert judge("all", replayed(golden, case)).agrees


def spoilt(case: Case) -> Iterator[Case]:
    """The same record with one array changed in one place."""
    for name in ("accept_mask", "argmax_canvas", "next_canvas", "finished", "output"):
        array = case.arrays[name].clone()
        index = (0,) * (array.dim() - 1) if name != "output" else (0,)
        array[(*index, -1)] = ~array[(*index, -1)] if array.dtype == torch.bool else array[(*index, -1)] + 1
        yield replace(case, arrays=case.arrays | {name: array})


def test_a_record_that_is_not_ours_is_noticed(reference: DiffusionGemmaForBlockDiffusion, golden: Golden) -> None:
    case = recorded(reference, text(1, 11, 4), **(ARGS | {"max_new_tokens": CANVAS}))

    def agrees(changed: Case) -> list[Check] | bool:
        try:
            return judge("all", replayed(golden, changed)).agrees
        except ValueError:
            return False

    assert agrees(case)
    assert [agrees(changed) for changed in spoilt(case)] == [False] * 5
