"""DiffusionGemma: logits of canvases behind contexts, recorded generations replayed, single decisions of its sampler.

Its sampler draws at random, so a case is the record of one run. Ours runs as always, through `sample`, with the draws
of the record in place of its own; canvas by canvas it must then decide as the reference did.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from benchmarks.parity.golden import Arrays, Case, Cases, Check, Golden, Tensors, read_arrays, whole
from redraft.core.canvas import Action, Canvas, Status
from redraft.families.diffusion_gemma import FAMILY
from redraft.models.causal_context import CausalContextDenoiser
from redraft.models.context import KVContext
from redraft.models.family import token_ids
from redraft.sampling.decoding import Decoding, LinearTemperature, from_json
from redraft.sampling.policies import EntropyBound, Policy
from redraft.sampling.prediction import Prediction, predict
from redraft.sampling.samplers import Frame, sample
from redraft.sampling.step import step
from redraft.sampling.stops import AllSteps, StableAndConfident, Stop
from redraft.sampling.wrappers import Wrapper

DEFAULTS: dict[str, Any] = {
    "max_new_tokens": 256, "max_denoising_steps": 48, "entropy_bound": 0.1, "t_min": 0.4, "t_max": 0.8,
    "stability_threshold": 1, "confidence_threshold": 0.005, "eos_token_id": None, "pad_token_id": None,
}  # fmt: skip
STEPS = ("current_canvas", "accept_mask", "argmax_canvas", "next_canvas", "finished")  # recorded of every step

# ------------------------------------------------------------------ arrays


def logits(golden: Golden) -> Check:
    return _scored(golden, "logits", _read(golden, "input_ids"), "decoder_input_ids")


def self_conditioned_logits(golden: Golden) -> Check:
    memory_BLD = golden.denoiser.remember(golden.inputs["self_conditioning_logits"])
    context = _read(golden, "input_ids")
    return _scored(golden, "self_conditioned_logits", context, "decoder_input_ids_second", memory_BLD)


def self_conditioned_masked_logits(golden: Golden) -> Check:
    """Rows without self-conditioning remember nothing."""
    memory_BLD = golden.denoiser.remember(golden.inputs["self_conditioning_logits"])
    memory_BLD = memory_BLD * golden.inputs["self_conditioning_mask"][:, None, None]
    context = _read(golden, "input_ids")
    return _scored(golden, "self_conditioned_masked_logits", context, "decoder_input_ids_second", memory_BLD)


def next_canvas_logits(golden: Golden) -> Check:
    context = golden.denoiser.encode(golden.inputs["committed_canvas"], _read(golden, "input_ids"))
    return _scored(golden, "next_canvas_logits", context, "decoder_input_ids_second")


def short_prompt_logits(golden: Golden) -> Check:
    """A prompt shorter than the window."""
    context = golden.denoiser.encode(golden.inputs["input_ids"][:, :5])
    return _scored(golden, "short_prompt_logits", context, "decoder_input_ids")


def padded_logits(golden: Golden) -> Check:
    pad_B = (golden.inputs["padded_attention_mask"] == 0).sum(-1)
    context = golden.denoiser.encode(golden.inputs["padded_input_ids"], None, pad_B)
    return _scored(golden, "padded_logits", context, "decoder_input_ids")


def encoder_last_hidden_state(golden: Golden) -> Check:
    return Check(golden.denoiser.read(golden.inputs["input_ids"])[0], golden.expected["encoder_last_hidden_state"])


def _read(golden: Golden, name: str) -> KVContext:
    denoiser: CausalContextDenoiser = golden.denoiser
    return denoiser.encode(golden.inputs[name])


def _scored(golden: Golden, expected: str, context: KVContext, tokens: str, memory_BLD: Tensor | None = None) -> Check:
    canvas = replace(whole(golden.inputs[tokens]), memory_BLD=memory_BLD)
    return Check(golden.denoiser.scores(canvas, context), golden.expected[expected])


# ------------------------------------------------------------------ recorded generations


@dataclass(slots=True)
class Tape:
    """The draws of a recorded run, and which step of it comes next. It is also the noise, fresh for every draw."""

    arrays: Tensors
    starts: list[int]  # the first step of every canvas
    step: int = 0
    noise_at: int = 0

    def wind(self, block: int) -> None:
        """To the first step of a canvas. It has one draw of noise more than steps: what it starts from."""
        self.step = self.starts[block]
        self.noise_at = self.starts[block] + block

    def noise(self, u_BL: Tensor) -> Tensor:
        self.noise_at += 1
        return self.arrays["random_canvases"][self.noise_at - 1]

    def draw(self, weights_BLV: Tensor, u_BL: Tensor) -> Tensor:
        """What `prediction.draw` would return."""
        if self.step == len(self.arrays["sampled_canvas"]):
            raise ValueError(f"ours goes on where the record ends, after {self.step} steps")
        self.step += 1
        return self.arrays["sampled_canvas"][self.step - 1]


class Replayed(Wrapper):
    """A denoiser whose noise is a tape's, and which remembers what it was last asked and said."""

    def __init__(self, denoiser: CausalContextDenoiser, tape: Tape) -> None:
        super().__init__(denoiser)
        self.tape = tape
        self.asked: Canvas | None = None
        self.said_BLV: Tensor | None = None

    @property
    def corruption(self) -> Tape:
        return self.tape

    def denoise(self, canvas: Canvas, context: Any | None) -> Tensor:
        self.asked, self.said_BLV = canvas, self.denoiser.denoise(canvas, context)
        return self.said_BLV


@dataclass(frozen=True, slots=True)
class Watched(Policy):
    """A policy whose decisions are kept: a canvas's last step overwrites what they led to."""

    inner: Policy
    actions: list[Tensor] = field(default_factory=list, hash=False)

    def __call__(self, prediction: Prediction, canvas: Canvas) -> Tensor:
        self.actions.append(self.inner(prediction, canvas))
        return self.actions[-1]


def replayed(golden: Golden, case: Case) -> list[Check]:
    """Every step of a recorded run, then its text and how many tokens a forward made."""
    args = DEFAULTS | case.args
    tape = Tape(case.arrays, starts_of(case.arrays["finished"], args["max_denoising_steps"]))
    tape.wind(0)
    policy = Watched(EntropyBound(args["entropy_bound"], sticky=False))
    denoiser = Replayed(golden.denoiser, tape)
    width = golden.checkpoint.facts.block_length
    assert width is not None
    checks: list[Check] = []
    spent_B = torch.zeros(len(case.arrays["prompt"]), dtype=torch.long)
    with patch("redraft.sampling.prediction.draw", tape.draw):
        for frame in sample(
            denoiser,
            prompts_of(case),
            replace(decoding_of(args), policy=policy),
            max_tokens=-(-args["max_new_tokens"] // width) * width,  # the reference never shortens a canvas
            block_length=width,
            stop_ids=token_ids(args["eos_token_id"]),
            whole_blocks=True,
        ):
            checks += _step(case, tape.step - 1, tape.starts[frame.block], frame.canvas, policy.actions[-1], denoiser)
            if bool(frame.canvas.done_B.all()):
                spent_B += frame.canvas.step_B
                if frame.block + 1 < len(tape.starts):
                    tape.wind(frame.block + 1)
    return [*checks, *_text(case, args["pad_token_id"], frame, spent_B)]


def _step(
    case: Case, number: int, start: int, canvas: Canvas, action_BL: Tensor, denoiser: Replayed
) -> Iterator[Check]:
    """One step beside the record's, in the rows that are still at work."""
    theirs = {name: case.arrays[name][number] for name in STEPS}
    asked, said_BLV = denoiser.asked, denoiser.said_BLV
    assert asked is not None
    assert said_BLV is not None
    active_B = canvas.step_B == number - start + 1
    active_BL = active_B[:, None].expand(canvas.tokens_BL.shape)
    last = number - start + 1 == (DEFAULTS | case.args)["max_denoising_steps"]
    # A row's last canvas is the most probable one; the reference keeps the renoised one beside it.
    after_BL = torch.where(canvas.done_B[:, None], theirs["argmax_canvas"], theirs["next_canvas"])
    yield Check(asked.tokens_BL, theirs["current_canvas"], active_BL)
    yield Check(action_BL == Action.WRITE, theirs["accept_mask"], active_BL)
    yield Check(_best(canvas), theirs["argmax_canvas"], active_BL)
    yield Check(canvas.tokens_BL, after_BL, active_BL)
    yield Check(canvas.done_B, theirs["finished"] | last, active_B)
    recorded = case.arrays.get("raw_logits")
    if recorded is not None and number < len(recorded):
        yield Check(said_BLV, recorded[number], active_BL)


def _best(canvas: Canvas) -> Tensor:
    assert canvas.best_BL is not None
    return canvas.best_BL


def _text(case: Case, pad_id: int | None, frame: Frame, spent_B: Tensor) -> Iterator[Check]:
    """New tokens, padded as the record is; without padding the record goes on behind a stop token."""
    theirs_BL = case.arrays["output"][:, case.arrays["prompt"].shape[1] :]
    width = theirs_BL.shape[1]
    ours = [row + [pad_id or 0] * (width - len(row)) for row in frame.committed]
    ours_BL = torch.tensor(ours)
    length_B1 = torch.tensor([[len(row)] for row in frame.committed])
    where_BL = torch.arange(width) < (length_B1 if pad_id is None else width)
    yield Check(ours_BL, theirs_BL, where_BL.expand_as(ours_BL))
    if "tokens_per_forward" in case.arrays and pad_id is not None:
        made_B = (ours_BL != pad_id).sum(-1)
        yield Check((made_B / spent_B).float(), case.arrays["tokens_per_forward"].float())


def starts_of(finished_SB: Tensor, max_steps: int) -> list[int]:
    """The first step of every canvas of a record: behind a step after which all rows were done, or none were left."""
    starts = [0]
    for number, done in enumerate(finished_SB.all(-1).tolist(), start=1):
        if done or number - starts[-1] == max_steps:
            starts.append(number)
    return starts[:-1] if starts[-1] == len(finished_SB) else starts


def prompts_of(case: Case) -> list[list[int]]:
    prompt_BS = case.arrays["prompt"]
    held_BS = case.arrays.get("attention_mask", torch.ones_like(prompt_BS)).bool()
    return [tokens[held].tolist() for tokens, held in zip(prompt_BS, held_BS, strict=True)]


def decoding_of(args: dict[str, Any]) -> Decoding:
    """The recommended decoding, with a case's numbers."""
    return replace(
        from_json(FAMILY.decoding),
        policy=EntropyBound(args["entropy_bound"], sticky=False),
        stop=_stop(args["confidence_threshold"], args["stability_threshold"]),
        logit_temperature=_temperature(args["t_max"], args["t_min"]),
        max_steps=args["max_denoising_steps"],
    )


def _stop(mean_entropy: float | None, patience: int | None) -> Stop:
    return AllSteps() if mean_entropy is None or patience is None else StableAndConfident(mean_entropy, patience)


def _temperature(start: float | None, end: float | None) -> float | LinearTemperature:
    return 1.0 if start is None or end is None else LinearTemperature(start, end)


# ------------------------------------------------------------------ single decisions


def others(golden: Golden) -> Iterator[tuple[str, list[Check]]]:
    """The sampler's functions, where they are recorded."""
    path = golden.folder / "generate.npz"
    recorded = {n: a for n, a in read_arrays(path).items() if n.startswith("fn_")} if path.is_file() else {}
    if "fn_logits" in recorded:
        yield "fn_accept", accepted(recorded)
    if "fn_temperature" in recorded:
        yield "fn_temperature", [temperature(recorded)]
    if "fn_stop_logits" in recorded:
        yield "fn_stop", stopped(recorded)


def accepted(recorded: Tensors) -> list[Check]:
    """Entropies; for every bound what is accepted, and a canvas whose noise changes nothing else."""
    logits_BLV, current_BL = recorded["fn_logits"], recorded["fn_current_canvas"]
    entropy_BL = predict(logits_BLV, 0.0, torch.zeros(current_BL.shape)).entropy_BL
    checks = [Check(entropy_BL, recorded["fn_token_entropy"])]
    for number, bound in enumerate(recorded["fn_entropy_bounds"].tolist()):
        decoding = Decoding(policy=EntropyBound(bound, sticky=False), stop=AllSteps(), temperature=1.0)
        with patch("redraft.sampling.prediction.draw", lambda weights, u: recorded["fn_sampled_canvas"]):
            after = step(whole(current_BL), logits_BLV, Constant(current_BL), decoding)
        checks.append(Check(after.status_BL == Status.ACCEPTED, recorded[f"fn_accept_mask_{number}"]))
        checks.append(Check(after.tokens_BL, recorded[f"fn_accepted_canvas_{number}"]))
    return checks


@dataclass(frozen=True, slots=True)
class Constant:
    """Noise that is always the same tokens."""

    tokens_BL: Tensor

    def noise(self, u_BL: Tensor) -> Tensor:
        return self.tokens_BL


def temperature(recorded: Tensors) -> Check:
    t_min, t_max, max_steps = recorded["fn_temperature_params"].tolist()
    spent_N = int(max_steps) - recorded["fn_temperature_cur_step"]
    return Check(LinearTemperature(t_max, t_min)(spent_N, int(max_steps)), recorded["fn_temperature"])


def stopped(recorded: Tensors) -> list[Check]:
    """Every stop, asked at every step of a sequence of predictions, whether it said yes before or not."""
    logits_SBLV, best_SBL = recorded["fn_stop_logits"].float(), recorded["fn_stop_argmax"]
    checks = []
    for number, (patience, mean_entropy) in enumerate(recorded["fn_stop_params"].tolist()):
        decoding = Decoding(stop=StableAndConfident(mean_entropy, int(patience)), max_steps=len(best_SBL) + 1)
        canvas, said = whole(best_SBL[0]), []
        for logits_BLV, best_BL in zip(logits_SBLV, best_SBL, strict=True):
            prediction = replace(predict(logits_BLV, 0.0, torch.zeros(best_BL.shape)), best_BL=best_BL)
            with patch("redraft.sampling.step.predict", lambda *_, p=prediction, **__: p):
                canvas = step(canvas, logits_BLV, Constant(best_BL), decoding)
            said.append(canvas.done_B)
            canvas = replace(canvas, done_B=torch.zeros_like(canvas.done_B))
        checks.append(Check(torch.stack(said), recorded[f"fn_stop_{number}"]))
    return checks


ARRAYS: Arrays = {
    "logits": logits,
    "self_conditioned_logits": self_conditioned_logits,
    "self_conditioned_masked_logits": self_conditioned_masked_logits,
    "next_canvas_logits": next_canvas_logits,
    "short_prompt_logits": short_prompt_logits,
    "padded_logits": padded_logits,
    "encoder_last_hidden_state": encoder_last_hidden_state,
}
CASES: Cases = {
    "generate_trace": replayed,
    "generate_trace_padded": replayed,
    "generate_trace_eos": replayed,
    "generate_trace_adaptive_stop": replayed,
}
