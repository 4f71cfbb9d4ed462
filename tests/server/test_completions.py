"""Chat and text completions: what the library says alone, in OpenAI's shapes, whole or streamed."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from redraft.library import Model
from redraft.sampling import Decoding, Threshold, to_json

Ask = Callable[..., dict[str, Any]]
Events = Callable[..., list[dict[str, Any]]]
USER = [{"role": "user", "content": "Hello!"}]


def joined(events: list[dict[str, Any]], index: int = 0) -> str:
    choices = [choice for event in events for choice in event["choices"] if choice["index"] == index]
    return "".join(choice["text"] if "text" in choice else choice["delta"].get("content", "") for choice in choices)


def test_a_completion_is_what_the_library_generates(ask: Ask, tiny: Model) -> None:
    answer = ask("/v1/completions", prompt="The quick", max_tokens=40, seed=3)
    alone = tiny.generate("The quick", max_tokens=40, seed=3)
    assert answer["choices"][0]["text"] == alone.text
    assert answer["object"] == "text_completion"
    assert answer["usage"]["completion_tokens"] == len(alone.tokens)
    assert answer["usage"]["forwards"] == alone.nfe


@pytest.mark.parametrize("label", [None, "story"])
@pytest.mark.parametrize("temperature", [0, 0.9])
def test_labels_and_temperatures_are_the_librarys(ask: Ask, tiny: Model, label: str | None, temperature: float) -> None:
    answer = ask("/v1/completions", prompt="a", max_tokens=24, seed=5, label=label, temperature=temperature)
    alone = tiny.generate("a", max_tokens=24, seed=5, label=label, temperature=temperature)
    assert answer["choices"][0]["text"] == alone.text


def test_a_chat_is_what_the_library_chats(ask: Ask, tiny: Model) -> None:
    answer = ask("/v1/chat/completions", messages=USER, max_tokens=32, seed=1)
    alone = tiny.chat(USER, max_tokens=32, seed=1)
    assert answer["choices"][0]["message"] == {"role": "assistant", "content": alone.text.lstrip(), "refusal": None}
    assert answer["object"] == "chat.completion"


def test_left_to_right_is_the_librarys_too(ask: Ask, tiny: Model) -> None:
    answer = ask("/v1/completions", prompt="a", max_tokens=12, seed=5, mode="ar", temperature=0.8)
    assert answer["choices"][0]["text"] == tiny.generate(
        "a", max_tokens=12, seed=5, mode="ar", temperature=0.8
    ).text  # fmt: skip


@pytest.mark.parametrize("temperature", [0, 0.8])
def test_drafts_judged_by_the_causal_mode_are_the_librarys_and_usage_counts_them(
    ask: Ask, events: Events, tiny: Model, temperature: float
) -> None:
    body = {"prompt": "The", "max_tokens": 24, "seed": 5, "mode": "verify", "temperature": temperature}
    answer = ask("/v1/completions", **body)
    alone = tiny.generate("The", max_tokens=24, seed=5, mode="verify", temperature=temperature)
    assert answer["choices"][0]["text"] == alone.text
    usage = answer["usage"]
    assert usage["forwards"] == alone.nfe == 1 + 2 * usage["denoising_steps"]
    assert joined(events("/v1/completions", **body)) == alone.text


def test_a_stream_says_what_the_whole_says(ask: Ask, events: Events) -> None:
    body = {"prompt": "The", "max_tokens": 40, "seed": 2}
    whole = ask("/v1/completions", **body)["choices"][0]
    streamed = events("/v1/completions", **body)
    assert joined(streamed) == whole["text"]
    assert streamed[-1]["choices"][0]["finish_reason"] == whole["finish_reason"]
    assert len({event["id"] for event in streamed}) == 1


def test_a_chat_stream_opens_with_the_role_and_ends_with_a_reason(events: Events) -> None:
    streamed = events("/v1/chat/completions", messages=USER, max_tokens=16, seed=1)
    assert streamed[0]["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert {event["object"] for event in streamed} == {"chat.completion.chunk"}
    reasons = [event["choices"][0]["finish_reason"] for event in streamed]
    assert reasons[-1] in ("stop", "length")
    assert set(reasons[:-1]) == {None}


def test_several_answers_are_those_of_the_next_seeds(ask: Ask, events: Events) -> None:
    body = {"prompt": "A", "max_tokens": 16, "seed": 7}
    several = ask("/v1/completions", n=3, **body)["choices"]
    each = [ask("/v1/completions", **body | {"seed": 7 + n})["choices"][0]["text"] for n in range(3)]
    assert [choice["text"] for choice in several] == each
    assert [choice["seed"] for choice in several] == [7, 8, 9]
    streamed = events("/v1/completions", n=3, **body)
    assert [joined(streamed, n) for n in range(3)] == each


def test_several_prompts_are_answered_in_order(ask: Ask) -> None:
    one, two = (ask("/v1/completions", prompt=p, max_tokens=8, seed=1)["choices"][0]["text"] for p in ("A", "The"))
    both = ask("/v1/completions", prompt=["A", "The"], max_tokens=8, seed=1)["choices"]
    assert both[0]["text"] == one
    assert both[1]["text"] == ask("/v1/completions", prompt="The", max_tokens=8, seed=2)["choices"][0]["text"]
    assert two


def test_tokens_are_a_prompt_as_they_are(ask: Ask, tiny: Model) -> None:
    ids = tiny.prompt_ids("The quick")
    found = [ask("/v1/completions", prompt=p, max_tokens=8, seed=1)["choices"][0]["text"] for p in ("The quick", ids)]
    assert found[0] == found[1]


def test_a_stop_string_cuts_exactly_and_streams_never_show_it(ask: Ask, events: Events) -> None:
    body = {"prompt": "The", "max_tokens": 40, "seed": 2}
    text = ask("/v1/completions", **body)["choices"][0]["text"]
    stop = text[10:13]
    cut = ask("/v1/completions", stop=[stop, "never there"], **body)["choices"][0]
    assert cut["text"] == text[: text.index(stop)]
    assert cut["finish_reason"] == "stop"
    assert joined(events("/v1/completions", stop=stop, **body)) == cut["text"]


def test_diffusing_replaces_the_text_until_it_is_whole(ask: Ask, events: Events) -> None:
    body = {"prompt": "The", "max_tokens": 24, "seed": 2}
    streamed = events("/v1/completions", diffusing=True, **body)
    shown = [event["choices"][0]["text"] for event in streamed if event["choices"][0]["finish_reason"] is None]
    assert "░" in shown[0]
    assert shown[-1] == ask("/v1/completions", **body)["choices"][0]["text"]


def test_frames_show_the_canvas_beside_text_that_only_grows(ask: Ask, events: Events) -> None:
    body = {"messages": USER, "max_tokens": 32, "seed": 2}
    streamed = events("/v1/chat/completions", frames=True, **body)
    frames = [event["frame"] for event in streamed if "frame" in event]
    assert {token["status"] for frame in frames for token in frame["tokens"]} >= {"noisy", "accepted"}
    assert all(token["confidence"] == 0 for frame in frames for token in frame["tokens"] if token["status"] == "noisy")
    assert joined(streamed) == ask("/v1/chat/completions", **body)["choices"][0]["message"]["content"]


def test_usage_comes_at_the_end_of_a_stream_that_asks(ask: Ask, events: Events) -> None:
    body = {"prompt": "The", "max_tokens": 24, "seed": 2}
    last = events("/v1/completions", stream_options={"include_usage": True}, **body)[-1]
    whole = ask("/v1/completions", **body)["usage"]
    assert last["choices"] == []
    times = ("wait_s", "first_text_s", "total_s")
    assert {k: v for k, v in last["usage"].items() if k not in times} == {
        k: v for k, v in whole.items() if k not in times
    }
    assert 0 < whole["first_text_s"] <= whole["total_s"]
    assert 0 < whole["denoising_steps"] < whole["forwards"]


def test_logprobs_are_of_the_committed_tokens(ask: Ask, events: Events) -> None:
    body = {"prompt": "The", "max_tokens": 24, "seed": 2, "logprobs": 0}
    choice = ask("/v1/completions", **body)["choices"][0]
    logprobs = choice["logprobs"]
    assert len(logprobs["tokens"]) == len(logprobs["token_logprobs"]) == len(logprobs["text_offset"]) == 24
    assert all(value <= 0 for value in logprobs["token_logprobs"])
    streamed = [event["choices"][0]["logprobs"] for event in events("/v1/completions", **body)]
    pieces = [piece["token_logprobs"] for piece in streamed if piece is not None]
    assert [value for piece in pieces for value in piece] == logprobs["token_logprobs"]
    chat = ask("/v1/chat/completions", messages=USER, max_tokens=8, logprobs=True)["choices"][0]["logprobs"]["content"]
    assert all(set(entry) == {"token", "logprob", "bytes", "top_logprobs"} for entry in chat)


def test_a_bias_reaches_the_text(ask: Ask, tiny: Model) -> None:
    token = tiny.tokenizer.encode("x")[0]
    answer = ask("/v1/completions", prompt="a", max_tokens=4, temperature=0, logit_bias={str(token): 100})
    assert answer["choices"][0]["text"] == "xxxx"


def test_a_whole_decoding_is_taken(ask: Ask, tiny: Model) -> None:
    decoding = Decoding(policy=Threshold(0.2), temperature=0.5)
    answer = ask("/v1/completions", prompt="a", max_tokens=16, seed=4, decoding=to_json(decoding))
    assert answer["choices"][0]["text"] == tiny.generate("a", max_tokens=16, seed=4, decoding=decoding).text
    spec = ask(
        "/v1/completions", prompt="a", max_tokens=16, seed=4, decoding={"policy": "threshold:0.2"}, temperature=0.5
    )
    assert spec["choices"][0]["text"] == answer["choices"][0]["text"]


def test_effort_is_a_budget_of_steps(ask: Ask) -> None:
    steps = [
        ask("/v1/completions", prompt="a", max_tokens=32, seed=1, reasoning_effort=effort)["usage"]["denoising_steps"]
        for effort in ("instant", "low", "high")
    ]
    assert steps == [4, 8, 32]


def test_guidance_and_penalties_work_beside_each_other(ask: Ask, tiny: Model) -> None:
    decoding = Decoding(policy=Threshold(0.5), guidance=1.5)
    answer = ask("/v1/completions", prompt="The quick", max_tokens=16, decoding=to_json(decoding), seed=1)
    assert answer["choices"][0]["text"] == tiny.generate("The quick", max_tokens=16, decoding=decoding, seed=1).text
    ask("/v1/chat/completions", messages=USER, max_tokens=16, repetition_penalty=1.3, top_p=0.9, top_k=20, min_p=0.01)


def test_the_real_model_tells_a_story(real: TestClient) -> None:
    body = {"model": "redraft-tiny", "prompt": "Once upon a time", "max_tokens": 24, "seed": 1, "label": "story"}
    text = real.post("/v1/completions", json=body).json()["choices"][0]["text"]
    assert "there was a" in text


REFUSALS = [
    ({"prompt": "a", "bogus": 1}, "bogus", "unknown_parameter"),
    ({"prompt": "a", "frequency_penalty": -3}, "frequency_penalty", "invalid_value"),
    ({"prompt": "a", "best_of": 3}, "best_of", "unsupported_parameter"),
    ({"prompt": "a", "echo": True}, "echo", "unsupported_parameter"),
    ({"prompt": "a", "logprobs": 3}, "logprobs", "unsupported_parameter"),
    ({"prompt": "a", "temperature": "hot"}, "temperature", "invalid_value"),
    ({"prompt": "a", "temperature": -1}, "temperature", "invalid_value"),
    ({"prompt": "a", "max_tokens": 0}, "max_tokens", "invalid_value"),
    ({"prompt": "a", "max_tokens": 100_000}, "max_tokens", None),
    ({"prompt": "a", "max_tokens": 300}, "max_tokens", "context_length_exceeded"),
    ({"prompt": [1, 2, 99_999]}, "prompt", None),
    ({"prompt": "a", "logit_bias": {"x": 1}}, "logit_bias", "invalid_value"),
    ({"prompt": "a", "logit_bias": {"99999": 1}}, "logit_bias", None),
    ({"prompt": "a", "diffusing": True}, "diffusing", None),
    ({"prompt": "a", "mode": "ar", "top_p": 0.5}, "decoding", None),
    ({"prompt": "a", "mode": "verify", "min_p": 0.5}, "decoding", None),
    ({"prompt": "a", "mode": "drafts"}, "mode", "invalid_value"),
    ({"prompt": "a", "label": "poem"}, "label", None),
    ({"prompt": "a", "n": 100}, "n", None),
    ({"prompt": "a", "decoding": {"policy": "bogus"}}, "decoding", None),
    ({"prompt": "a", "decoding": {"max_steps": 10**9}}, "decoding", None),
    ({"prompt": "a", "decoding": {"indels": True}}, "decoding", None),
    ({"prompt": "a", "decoding": {}, "reasoning_effort": "low"}, "reasoning_effort", None),
    ({"prompt": "a", "seed": 2**70}, "seed", "invalid_value"),
]


@pytest.mark.parametrize(("body", "param", "code"), REFUSALS, ids=lambda value: str(value)[:40])
def test_what_is_not_done_is_refused_by_name(refused: Ask, body: dict[str, Any], param: str, code: str | None) -> None:
    error = refused("/v1/completions", **body)
    assert (error["param"], error["code"], error["type"]) == (param, code, "invalid_request_error")


CHAT_REFUSALS = [
    ({"tools": [{"type": "function", "function": {"name": "f"}}]}, "tools", "unsupported_parameter"),
    ({"tools": [{"type": "function", "function": {"name": "no spaces"}}]}, "tools.0.function.name", "invalid_value"),
    ({"response_format": {"type": "json_object"}}, "response_format", "unsupported_parameter"),
    ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
    ({"response_format": {"type": "json_schema", "json_schema": {"schema": {}}}}, "response_format.json_schema.name",
     "missing_required_parameter"),
    ({"top_logprobs": 2, "logprobs": True}, "top_logprobs", "unsupported_parameter"),
    ({"messages": []}, "messages", "invalid_value"),
    ({"messages": [{"role": "pirate", "content": "a"}]}, "messages.0.role", "invalid_value"),
    ({"messages": [{"role": "tool", "content": "a", "tool_call_id": "x"}]}, "tool_call_id", "unsupported_parameter"),
    ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
     "content of type image_url", "unsupported_parameter"),
    ({"messages": [{"role": "system", "content": "a"}]}, "messages", None),
]  # fmt: skip


@pytest.mark.parametrize(("body", "param", "code"), CHAT_REFUSALS, ids=lambda value: str(value)[:40])
def test_what_chats_cannot_do_is_refused_by_name(
    refused: Ask, body: dict[str, Any], param: str, code: str | None
) -> None:
    error = refused("/v1/chat/completions", **{"messages": USER} | body)
    assert (error["param"], error["code"]) == (param, code)


NEUTRAL = [
    {"presence_penalty": 0, "frequency_penalty": 0.0}, {"tools": [], "tool_choice": "auto"}, {"store": False},
    {"response_format": {"type": "text"}}, {"service_tier": "auto"}, {"parallel_tool_calls": True}, {"user": "me"},
    {"n": 1, "stop": None, "logprobs": False, "stream_options": None}, {"max_completion_tokens": 4}, {"top_p": 1},
]  # fmt: skip


@pytest.mark.parametrize("body", NEUTRAL, ids=str)
def test_what_means_nothing_is_let_through(ask: Ask, body: dict[str, Any]) -> None:
    ask("/v1/chat/completions", messages=USER, max_tokens=4, **body)


def test_an_unknown_model_is_not_found(refused: Ask) -> None:
    error = refused("/v1/completions", 404, model="gpt", prompt="a")
    assert (error["param"], error["code"]) == ("model", "model_not_found")


def test_special_tokens_spelt_in_a_text_stay_characters(ask: Ask) -> None:
    for text in ("<|endoftext|>", "<|mask|><|edit|>", "\x00 \u200b"):
        ask("/v1/completions", prompt=text, max_tokens=4)
        ask("/v1/chat/completions", messages=[{"role": "user", "content": text}], max_tokens=4)
