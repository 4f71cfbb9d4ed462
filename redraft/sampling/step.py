"""One denoising step: a prediction applied to a canvas. Every change of length happens here.

Pure, batched, free of host syncs: samplers and a serving engine call the same function. Knows statuses and actions.
Refuses to know models, loops and where the logits came from.

Shapes: B rows, L canvas positions, V vocabulary, D model width.
"""

from dataclasses import replace

import torch
from torch import Tensor

from redraft.core.canvas import Action, Canvas, Controls, Status
from redraft.core.denoiser import Noise
from redraft.core.rng import Stream, uniform
from redraft.sampling.decoding import Decoding
from redraft.sampling.prediction import Prediction, predict


def step(
    canvas: Canvas,
    logits_BLV: Tensor,
    noise: Noise,
    decoding: Decoding,
    controls: Controls | None = None,
    limit_B: Tensor | None = None,
    at_BL: Tensor | None = None,
) -> Canvas:
    """The canvas after one prediction. Rows that are done come back bit for bit; FIXED tokens never change.

    The logits may cover only the first columns, if a policy may change none of the others; or, with `at_BL`, be those
    of the positions there alone, [N, V], if nobody looks at what is predicted of others. `limit_B` is the most
    tokens a row may hold (by default the canvas width): insertions beyond it are dropped, from the right.
    On a row's last step, by its stop or by `max_steps`, what would stay noisy is written with this prediction,
    or deleted where the prediction is a control: noise is never emitted. With `emit="best"` every editable position
    then takes the most probable token.
    """
    first = canvas
    if at_BL is None:
        prediction = _look(canvas, logits_BLV, decoding, controls)
    else:
        prediction = _look_at(canvas, logits_BLV, at_BL, decoding, controls)
    canvas = _remember(canvas, prediction)
    action_BL = _carry_out(decoding.policy(prediction, canvas), prediction, canvas, decoding.indels)
    fresh_BL = _fresh(canvas, noise, decoding)
    after = _apply(action_BL, canvas, prediction, fresh_BL, decoding.indels, limit_B)
    spent_B = canvas.step_B + 1 >= decoding.max_steps
    done_B = decoding.stop(prediction, canvas, _trim(after, decoding)) | spent_B
    if decoding.emit == "best":
        prediction, action_BL = _emit_best(done_B, prediction, canvas, action_BL)
    final_BL = torch.where(done_B[:, None], _finish(action_BL, prediction, canvas), action_BL)
    after = _trim(_apply(final_BL, canvas, prediction, fresh_BL, decoding.indels, limit_B), decoding)
    return _keep_done(first, replace(after, step_B=canvas.step_B + 1, done_B=done_B))


def _look(canvas: Canvas, logits_BLV: Tensor, decoding: Decoding, controls: Controls | None) -> Prediction:
    """One Prediction for the whole canvas, whatever columns were scored."""
    if decoding.indels and controls is None:
        raise ValueError(f"{decoding.indels=} needs a model with controls for insertion and deletion")
    scored = logits_BLV.shape[1]
    prediction = predict(
        logits_BLV,
        decoding.temperature_at(canvas.step_B),
        _drawn(canvas, decoding, scored),
        current_BL=canvas.tokens_BL[:, :scored],
        controls=controls,
        indels=decoding.indels,
        unsure_ids=decoding.unsure_ids,
        reads=decoding.reads,
    )
    return prediction.widen(canvas.length - scored) if scored < canvas.length else prediction


def _look_at(
    canvas: Canvas, logits_NV: Tensor, at_BL: Tensor, decoding: Decoding, controls: Controls | None
) -> Prediction:
    """A Prediction for the whole canvas of which the positions `at_BL` were scored."""
    prediction = predict(
        logits_NV[None],
        decoding.temperature_at(canvas.step_B),
        _drawn(canvas, decoding, canvas.length, at_BL),
        current_BL=canvas.tokens_BL[at_BL][None],
        controls=controls,
        unsure_ids=decoding.unsure_ids,
        reads=decoding.reads,
    )
    return prediction.spread(canvas, at_BL)


def _drawn(canvas: Canvas, decoding: Decoding, columns: int, at_BL: Tensor | None = None) -> Tensor | None:
    """What tokens are drawn with: [B, columns], or [1, N] for some positions. None where none are drawn."""
    if decoding.temperature == 0:
        return None
    u_BL = uniform(canvas.seed_B, canvas.step_B, columns, Stream.TOKEN)
    return u_BL if at_BL is None else u_BL[at_BL][None]


def _fresh(canvas: Canvas, noise: Noise, decoding: Decoding) -> Tensor:
    """Noise for what is renoised or opened; the tokens themselves where nothing ever is."""
    if decoding.only_noisy:
        return canvas.tokens_BL
    return noise.noise(uniform(canvas.seed_B, canvas.step_B, canvas.length, Stream.RENOISE))


def _remember(canvas: Canvas, prediction: Prediction) -> Canvas:
    """The canvas with what stops need to know of the past, this prediction included."""
    quiet_B = torch.where(canvas.noisy_BL.any(-1), 0, canvas.quiet_B + 1)
    if canvas.best_BL is None:
        return replace(canvas, best_BL=prediction.best_BL, quiet_B=quiet_B)
    same_B = ((prediction.best_BL == canvas.best_BL) | ~canvas.editable_BL).all(-1)
    stable_B = torch.where(same_B, canvas.stable_B + 1, 0)
    return replace(canvas, best_BL=prediction.best_BL, stable_B=stable_B, quiet_B=quiet_B)


def _carry_out(asked_BL: Tensor, prediction: Prediction, canvas: Canvas, indels: bool) -> Tensor:
    """What a policy asked for, where it is allowed; WRITE becomes whatever the predicted token stands for."""
    if not indels:
        in_place_BL = (asked_BL == Action.WRITE) | (asked_BL == Action.RENOISE)
        return torch.where(in_place_BL & canvas.editable_BL, asked_BL, int(Action.KEEP))
    action_BL = torch.where(asked_BL == Action.WRITE, prediction.proposal_BL, asked_BL)
    fixed_BL = canvas.status_BL == Status.FIXED
    # What lies before the canvas counts as fixed: an insertion never splits or precedes a locked span at the front.
    left_fixed_BL = fixed_BL.roll(1, -1).index_fill(-1, canvas.seed_B.new_zeros(1), True)
    may_insert_BL = canvas.inside_BL & ~(fixed_BL & left_fixed_BL) & (prediction.slots_BL > 0)
    allowed_BL = torch.where(action_BL == Action.INSERT, may_insert_BL, canvas.editable_BL)
    return torch.where(allowed_BL & ~canvas.done_B[:, None], action_BL, int(Action.KEEP))


def _emit_best(done_B: Tensor, prediction: Prediction, canvas: Canvas, action_BL: Tensor) -> tuple[Prediction, Tensor]:
    """In rows on their last step, the most probable token written at every editable position."""
    best_BL = done_B[:, None] & canvas.editable_BL
    tokens_BL = torch.where(best_BL, prediction.best_BL, prediction.tokens_BL)
    confidence_BL = torch.where(best_BL, prediction.best_confidence_BL, prediction.confidence_BL)
    prediction = replace(prediction, tokens_BL=tokens_BL, confidence_BL=confidence_BL)
    return prediction, torch.where(best_BL, int(Action.WRITE), action_BL)


def _finish(action_BL: Tensor, prediction: Prediction, canvas: Canvas) -> Tensor:
    """The same actions for a row's last step: no slot is opened, and nothing that would be noise stays."""
    stays_noisy_BL = canvas.noisy_BL & (action_BL != Action.WRITE) & (action_BL != Action.DELETE)
    noise_BL = (stays_noisy_BL | (action_BL == Action.RENOISE)) & canvas.editable_BL
    is_token_BL = prediction.proposal_BL == Action.WRITE
    without_token = torch.where(canvas.noisy_BL, int(Action.DELETE), int(Action.KEEP))
    leftover_BL = torch.where(is_token_BL, int(Action.WRITE), without_token)
    action_BL = torch.where(action_BL == Action.INSERT, int(Action.KEEP), action_BL)
    return torch.where(noise_BL, leftover_BL, action_BL)


def _apply(
    action_BL: Tensor, canvas: Canvas, prediction: Prediction, fresh_BL: Tensor, indels: bool, limit_B: Tensor | None
) -> Canvas:
    written = _overwrite(action_BL, canvas, prediction, fresh_BL)
    return _move(action_BL, written, prediction.slots_BL, fresh_BL, limit_B) if indels else written


def _overwrite(action_BL: Tensor, canvas: Canvas, prediction: Prediction, fresh_BL: Tensor) -> Canvas:
    """WRITE and RENOISE, which leave every position where it is."""
    write_BL, renoise_BL = action_BL == Action.WRITE, action_BL == Action.RENOISE
    tokens_BL = torch.where(renoise_BL, fresh_BL, canvas.tokens_BL)
    status_BL = torch.where(renoise_BL, int(Status.NOISY), canvas.status_BL)
    return replace(
        canvas,
        tokens_BL=torch.where(write_BL, prediction.tokens_BL, tokens_BL),
        status_BL=torch.where(write_BL, int(Status.ACCEPTED), status_BL),
        confidence_BL=torch.where(write_BL, prediction.confidence_BL, canvas.confidence_BL.masked_fill(renoise_BL, 0)),
    )


def _move(action_BL: Tensor, canvas: Canvas, slots_BL: Tensor, fresh_BL: Tensor, limit_B: Tensor | None) -> Canvas:
    """DELETE and INSERT: every surviving token moves to its new place, opened slots are fresh noise, the rest slack.

    An insertion that does not fit is dropped whole, and so is every one to its right.
    """
    length = canvas.length
    kept_BL = canvas.present_BL & (action_BL != Action.DELETE)
    wanted_BL = torch.where(action_BL == Action.INSERT, slots_BL, 0).cumsum(-1)
    limit_B = torch.full_like(canvas.step_B, length) if limit_B is None else limit_B.clamp_max(length)
    fits_BL = wanted_BL <= (limit_B - kept_BL.sum(-1))[:, None]
    opened_BL = torch.where((action_BL == Action.INSERT) & fits_BL, slots_BL, 0).cumsum(-1)
    # A token lands behind all slots opened up to it and all tokens kept before it; the dropped go to column L.
    target_BL = torch.where(kept_BL, opened_BL + kept_BL.cumsum(-1) - 1, length)
    end_B1 = opened_BL[:, -1:] + kept_BL.sum(-1, keepdim=True)
    inside_BL = torch.arange(length, device=end_B1.device) < end_B1
    status_BL = torch.where(inside_BL, int(Status.NOISY), int(Status.EMPTY))
    memory, best = canvas.memory_BLD, canvas.best_BL
    return replace(
        canvas,
        tokens_BL=_land(torch.where(inside_BL, fresh_BL, 0), target_BL, canvas.tokens_BL),
        status_BL=_land(status_BL, target_BL, canvas.status_BL),
        confidence_BL=_land(torch.zeros_like(canvas.confidence_BL), target_BL, canvas.confidence_BL),
        memory_BLD=None if memory is None else _land(torch.zeros_like(memory), target_BL, memory),
        best_BL=None if best is None else _land(torch.full_like(best, -1), target_BL, best),
    )


def _land(ground: Tensor, target_BL: Tensor, values: Tensor) -> Tensor:
    """`ground` [B, L, ...] with values[b, i] put at [b, target[b, i]]; column L is where things vanish."""
    spare = torch.cat([ground, ground[:, :1]], 1)
    index = target_BL.reshape(*target_BL.shape, *(1 for _ in values.shape[2:])).expand_as(values)
    return spare.scatter(1, index, values)[:, :-1]


def _trim(canvas: Canvas, decoding: Decoding) -> Canvas:
    """Drop what the stop says nobody will need."""
    surplus_BL = decoding.stop.surplus(canvas)
    if surplus_BL is None:
        return canvas
    return replace(
        canvas,
        tokens_BL=torch.where(surplus_BL, 0, canvas.tokens_BL),
        status_BL=torch.where(surplus_BL, int(Status.EMPTY), canvas.status_BL),
    )


def _keep_done(before: Canvas, after: Canvas) -> Canvas:
    """`after`, but rows that were done before the step exactly as they were."""
    done_B = before.done_B
    return replace(
        after,
        tokens_BL=torch.where(done_B[:, None], before.tokens_BL, after.tokens_BL),
        status_BL=torch.where(done_B[:, None], before.status_BL, after.status_BL),
        confidence_BL=torch.where(done_B[:, None], before.confidence_BL, after.confidence_BL),
        step_B=torch.where(done_B, before.step_B, after.step_B),
        done_B=done_B | after.done_B,
        stable_B=torch.where(done_B, before.stable_B, after.stable_B),
        quiet_B=torch.where(done_B, before.quiet_B, after.quiet_B),
        memory_BLD=_frozen(done_B, before.memory_BLD, after.memory_BLD),
        best_BL=_frozen(done_B, before.best_BL, after.best_BL),
    )


def _frozen(done_B: Tensor, before: Tensor | None, after: Tensor | None) -> Tensor | None:
    """`after` [B, L, ...], but `before` in rows that were done."""
    if before is None or after is None:
        return after
    return torch.where(done_B.reshape(-1, *(1 for _ in after.shape[1:])), before, after)
