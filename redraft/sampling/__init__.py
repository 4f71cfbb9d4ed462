"""Decisions and loops: how a denoiser's predictions become text. Knows `core`, never models."""

from redraft.sampling.decoding import (
    Decoding,
    LinearTemperature,
    from_json,
    parse_policy,
    parse_stop,
    policy_spec,
    to_json,
)
from redraft.sampling.policies import (
    Ancestral,
    Correct,
    EntropyBound,
    Factor,
    LeftToRight,
    Margin,
    Policy,
    Remasking,
    Renoising,
    Revising,
    Threshold,
    TimeGrid,
    TopK,
)
from redraft.sampling.prediction import Prediction, predict
from redraft.sampling.samplers import Frame, advance, denoise, edit, infill, sample
from redraft.sampling.step import step
from redraft.sampling.stops import AfterStopToken, AllAccepted, AnyOf, Settled, StableAndConfident, Stop
from redraft.sampling.verify import accept_drafts
from redraft.sampling.wrappers import shape

__all__ = [
    "AfterStopToken",
    "AllAccepted",
    "Ancestral",
    "AnyOf",
    "Correct",
    "Decoding",
    "EntropyBound",
    "Factor",
    "Frame",
    "LeftToRight",
    "LinearTemperature",
    "Margin",
    "Policy",
    "Prediction",
    "Remasking",
    "Renoising",
    "Revising",
    "Settled",
    "StableAndConfident",
    "Stop",
    "Threshold",
    "TimeGrid",
    "TopK",
    "accept_drafts",
    "advance",
    "denoise",
    "edit",
    "from_json",
    "infill",
    "parse_policy",
    "parse_stop",
    "policy_spec",
    "predict",
    "sample",
    "shape",
    "step",
    "to_json",
]
