"""Decodings: checked when made, equal by value, and exact through JSON and specs."""

import json
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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
    POLICIES,
    Ancestral,
    Budgeted,
    Correct,
    EntropyBound,
    Factor,
    LeftToRight,
    LinearGrid,
    Margin,
    Policy,
    Remasking,
    Renoising,
    Revising,
    Staged,
    Threshold,
    TimeGrid,
    TopK,
    UniformAncestral,
)
from redraft.sampling.stops import STOPS, AfterStopToken, AllAccepted, AllSteps, Settled, StableAndConfident, Stop

shares = st.floats(0, 1)
counts = st.integers(1, 32)
orders = st.sampled_from(["confidence", "margin", "entropy", "random"])
plain_policies = st.one_of(
    st.builds(Threshold, shares, st.none() | counts),
    st.builds(Factor, st.floats(0, 1e6), st.booleans()),
    st.builds(lambda n, by: TopK(num_steps=n, by=by), counts, orders),
    st.builds(lambda n, by: TopK(count=n, by=by), counts, orders),
    st.builds(TimeGrid, counts, shares, orders),
    st.builds(Margin, counts, st.none() | shares),
    st.builds(EntropyBound, st.floats(0, 50), st.booleans(), st.sampled_from(["entropy", "confidence"])),
    st.builds(LinearGrid, counts, orders),
    st.builds(Budgeted, shares, counts),
    st.builds(UniformAncestral, counts, counts),
    st.builds(lambda n: LeftToRight(num_steps=n), counts),
    st.builds(Ancestral, counts),
    st.builds(Remasking, counts, shares, st.sampled_from(["cap", "rescale", "confidence"])),
    st.builds(LeftToRight, counts),
    st.builds(Correct, shares, st.none() | shares, st.none() | shares),
)
policies = st.recursive(
    plain_policies,
    lambda inner: (
        st.builds(Revising, inner, shares)
        | st.builds(Renoising, inner, shares, counts)
        | st.builds(Staged, inner, inner, counts)
    ),
    max_leaves=3,
)
plain_stops: st.SearchStrategy[Stop] = st.one_of(
    st.builds(AllAccepted),
    st.builds(AllSteps),
    st.builds(Settled, st.none() | st.integers(0, 9)),
    st.builds(StableAndConfident, st.floats(0, 9), st.integers(0, 9)),
    st.builds(AfterStopToken, st.lists(st.integers(0, 99), min_size=1, max_size=3).map(tuple)),
)
stops = plain_stops | st.builds(lambda a, b: a | b, plain_stops, plain_stops)
temperatures = st.floats(1e-3, 5) | st.builds(LinearTemperature, st.floats(0.01, 2), st.floats(0.01, 2))
decodings = st.builds(
    Decoding,
    policy=policies,
    stop=stops,
    temperature=temperatures | st.just(0.0),
    max_steps=st.integers(32, 999),
    indels=st.booleans(),
    logit_temperature=temperatures,
    top_k=st.none() | counts,
    top_p=st.none() | st.floats(0.01, 1),
    min_p=st.none() | shares,
    repetition_penalty=st.floats(0.5, 2),
    guidance=st.floats(0, 8),
    null_id=st.none() | st.integers(0, 99),
    banned_ids=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    unsure_ids=st.lists(st.integers(0, 99), max_size=3).map(tuple),
    bias=st.lists(st.tuples(st.integers(0, 99), st.floats(-9, 9)), max_size=2).map(tuple),
)


@settings(max_examples=150, deadline=None)
@given(decodings)
def test_a_decoding_survives_json_text_exactly(decoding: Decoding) -> None:
    again = from_json(json.loads(json.dumps(to_json(decoding), allow_nan=False)))
    assert again == decoding
    assert hash(again) == hash(decoding)


def test_a_decoding_that_emits_the_best_survives_json() -> None:
    decoding = Decoding(policy=EntropyBound(sticky=False), stop=StableAndConfident(0.005, 2), emit="best")
    assert from_json(json.loads(json.dumps(to_json(decoding)))) == decoding


@settings(max_examples=150, deadline=None)
@given(policies)
def test_a_policy_survives_its_spec_exactly(policy: Policy) -> None:
    assert parse_policy(policy_spec(policy)) == policy


@pytest.mark.parametrize(
    ("spec", "policy"),
    [
        ("threshold", Threshold()),
        ("threshold:0.9", Threshold(0.9)),
        ("Threshold: tau = 0.8 , num_steps=4", Threshold(0.8, 4)),
        ("left-to-right:2", LeftToRight(2)),
        ("top_k:num_steps=8,by=margin", TopK(num_steps=8, by="margin")),
        ("top_k:none,3", TopK(count=3)),
        ("entropy_bound:0.1,false", EntropyBound(0.1, sticky=False)),
        ("remasking:16,eta=1e-2,kind=rescale", Remasking(16, 0.01, "rescale")),
        ("revising:(threshold:0.8),0.95", Revising(Threshold(0.8), 0.95)),
        ("staged:(left_to_right),(threshold:0.8)", Staged(LeftToRight(), Threshold(0.8))),
        ("revising:inner=(renoising:(left_to_right:2),tau=0.1)", Revising(Renoising(LeftToRight(2), 0.1))),
    ],
)
def test_specs_say_policies(spec: str, policy: Policy) -> None:
    assert parse_policy(spec) == policy


def test_specs_are_short() -> None:
    assert policy_spec(Threshold()) == "threshold"
    assert policy_spec(Revising(Threshold(0.8))) == "revising:inner=(threshold:tau=0.8)"


def test_every_policy_and_stop_is_found_by_name() -> None:
    without_default = [TopK(count=1), UniformAncestral(8, 9)]
    names = {to_json(Decoding(policy=policy))["policy"]["name"] for policy in without_default}
    names |= {policy_spec(kind()) for kind in POLICIES if kind not in map(type, without_default)}
    assert len(names) == len(POLICIES)
    assert {type(parse_stop(s)) for s in ("all_steps", "settled:3", "stable_and_confident:0.1,2")} < set(STOPS)


def test_stop_specs_compose() -> None:
    assert parse_stop("all_accepted|after_stop_token:(2,3)") == AllAccepted() | AfterStopToken((2, 3))


def test_json_may_leave_out_defaults_and_use_specs() -> None:
    assert from_json({}) == Decoding()
    written = from_json({"policy": "factor:1.5", "stop": "settled", "temperature": 1, "max_steps": 8})
    assert written == Decoding(policy=Factor(1.5), stop=Settled(), temperature=1.0, max_steps=8)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"temprature": 1.0}, "Did you mean 'temperature'"),
        ({"policy": {"name": "treshold"}}, "Did you mean 'threshold'"),
        ({"policy": {"name": "threshold", "tao": 0.5}}, "Did you mean 'tau'"),
        ({"policy": "threshold:tua=0.5"}, "Did you mean 'tau'"),
        ({"policy": {"name": "settled"}}, "must be a policy"),
        ({"policy": "settled"}, "does not name a policy"),
        ({"policy": "threshold:0.9,4,1,5"}, "too many arguments"),
        ({"policy": "threshold:0.9,tau=0.5"}, "twice"),
        ({"policy": "revising:(threshold"}, "unbalanced"),
        ({"policy": "threshold:2"}, "tau=2"),
        ({"policy": 3}, "policy=3"),
        ({"policy": {"tau": 3}}, "unknown name 'none'"),
        ({"stop": {"name": "after_stop_token"}}, "needs stop_ids"),
        ({"stop": "threshold"}, "does not name a stop"),
        ({"bias": [3]}, "bias=3"),
    ],
)
def test_unknown_names_and_fields_are_errors_with_a_suggestion(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_json(values)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("temperature", math.nan),
        ("temperature", -0.1),
        ("temperature", math.inf),
        ("temperature", "hot"),
        ("logit_temperature", 0.0),
        ("logit_temperature", LinearTemperature(0.0, 0.5)),
        ("max_steps", 0),
        ("max_steps", 2.5),
        ("max_steps", True),
        ("indels", 1),
        ("top_k", 0),
        ("top_p", 0.0),
        ("top_p", 1.1),
        ("min_p", -0.1),
        ("repetition_penalty", 0),
        ("guidance", -1),
        ("null_id", -1),
        ("banned_ids", [3]),
        ("banned_ids", ("a",)),
        ("unsure_ids", [3]),
        ("unsure_ids", (-1,)),
        ("emit", "worst"),
        ("bias", ((1, math.nan),)),
        ("bias", {1: 2.0}),
        ("policy", "threshold"),
        ("stop", None),
    ],
)
def test_an_impossible_field_is_an_error_that_names_it(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=field):
        Decoding(**{field: value})


def test_the_best_of_a_canvas_that_changes_its_length_is_not_defined() -> None:
    with pytest.raises(ValueError, match="length"):
        Decoding(emit="best", indels=True)


def test_a_policy_that_needs_more_steps_than_there_are_is_an_error() -> None:
    with pytest.raises(ValueError, match="100 steps"):
        Decoding(policy=Ancestral(100), max_steps=64)


def test_a_policy_of_ones_own_works_but_has_no_json_form() -> None:
    class Mine(Policy):
        pass

    with pytest.raises(ValueError, match="no JSON form"):
        to_json(Decoding(policy=Mine()))


def test_linear_temperature_is_diffusion_gemmas() -> None:
    heat = LinearTemperature(0.8, 0.4)(torch.tensor([0, 1, 3, 9]), 4)
    torch.testing.assert_close(heat, torch.tensor([0.8, 0.7, 0.5, 0.4], dtype=torch.float64))
