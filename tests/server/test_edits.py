"""Gaps, edits in place and scores: the library's, carried out in shared forwards."""

from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from redraft.files import apply_edits
from redraft.library import Model
from redraft.results import Edit

Ask = Callable[..., dict[str, Any]]
TEXT = "He have three apple and she dont like it.\n\nTheir is a dog in the garden, it are very big."
SUFFIX = " over the lazy dog."


def post(client: TestClient, path: str, **body: Any) -> dict[str, Any]:
    response = client.post(path, json={"model": "redraft-tiny"} | body)
    assert response.status_code == 200, response.text
    found = response.json()
    assert isinstance(found, dict)
    return found


def test_a_gap_is_filled_as_the_library_fills_it(real: TestClient, shipped: Model) -> None:
    before, after = "Once upon a time, there was a ", " who lived in the forest."
    answer = post(real, "/v1/fim/completions", prompt=before, suffix=after, seed=4, max_tokens=100)
    alone = shipped.infill(before, after, seed=4)
    assert answer["choices"][0]["text"] == alone.text
    assert answer["usage"]["completion_tokens"] == len(alone.tokens)
    assert post(real, "/v1/completions", prompt=before, suffix=after, seed=4)["choices"] == answer["choices"]


def test_a_fill_is_no_longer_than_asked_and_stops_at_a_string(ask: Ask, tiny: Model) -> None:
    answer = ask("/v1/fim/completions", prompt="The quick", suffix=SUFFIX, max_tokens=5, gap=24, seed=1)
    assert answer["usage"]["completion_tokens"] == 5
    assert answer["choices"][0]["finish_reason"] == "length"
    text = answer["choices"][0]["text"]
    cut = ask("/v1/fim/completions", prompt="The quick", suffix=SUFFIX, max_tokens=5, gap=24, seed=1, stop=text[2:4])
    assert cut["choices"][0]["text"] == text[:2]


def test_a_stream_of_a_fill_shows_the_gap_alone(events: Callable[..., list[Any]], ask: Ask) -> None:
    body = {"prompt": "The quick", "suffix": SUFFIX, "max_tokens": 8, "seed": 1, "n": 2}
    whole = ask("/v1/fim/completions", **body)["choices"]
    streamed = events("/v1/fim/completions", diffusing=True, **body)
    assert not any("lazy" in choice["text"] for event in streamed for choice in event["choices"])
    for index in range(2):
        texts = [c["text"] for e in streamed for c in e["choices"] if c["index"] == index and not c["finish_reason"]]
        assert texts[-1] == whole[index]["text"]


def test_marked_prompts_are_gaps_and_no_suffix_is_a_continuation(ask: Ask) -> None:
    body = {"max_tokens": 6, "seed": 1}
    marked = ask("/v1/fim/completions", prompt=f"<|fim_prefix|>The quick<|fim_suffix|>{SUFFIX}<|fim_middle|>", **body)
    plain = ask("/v1/fim/completions", prompt="The quick", suffix=SUFFIX, **body)
    assert marked["choices"] == plain["choices"]
    open_end = ask("/v1/fim/completions", prompt="The quick", suffix="<|endoftext|>", **body)
    assert open_end["choices"] == ask("/v1/completions", prompt="The quick", **body)["choices"]


@pytest.mark.parametrize("strength", [0.0, 0.5])
@pytest.mark.parametrize("locks", [[], ["three apple"]])
def test_an_edit_is_the_librarys_and_its_edits_lead_there(
    real: TestClient, shipped: Model, strength: float, locks: list[str]
) -> None:
    answer = post(real, "/v1/edits", input=TEXT, strength=strength, locks=locks, seed=2)
    assert answer["text"] == shipped.edit(TEXT, strength=strength, locks=locks, seed=2).text
    assert apply_edits(TEXT, [Edit(**edit) for edit in answer["edits"]]) == answer["text"]
    assert all(lock in answer["text"] for lock in locks)


def test_drafts_lead_from_the_text_to_the_edited_one(real: TestClient) -> None:
    answer = post(real, "/v1/edits", input=TEXT, drafts=True, strength=0.6, seed=1)
    assert any("░" in draft for draft in answer["drafts"])
    body = {"model": "redraft-tiny", "input": TEXT, "drafts": True, "strength": 0.6, "seed": 1, "stream": True}
    lines = real.post("/v1/edits", json=body).text.split("\n\n")
    assert lines[-2] == "data: [DONE]"
    assert f'"text":"{answer["text"][:10]}' in lines[-3]
    assert '"object":"edit.draft"' in lines[0]


def test_an_edit_of_many_windows_is_the_librarys(ask: Ask, tiny: Model) -> None:
    text = "\n".join(f"The quick fox {n} jumps. She went to school." for n in range(40))
    answer = ask("/v1/edits", input=text, seed=2, strength=0.3)
    assert answer["text"] == tiny.edit(text, seed=2, strength=0.3).text


def test_an_instruction_nobody_trained_is_noted(real: TestClient) -> None:
    assert "trained for fix" in post(real, "/v1/edits", input="a b", instruction="translate")["notes"][0]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": ""}, "input"),
        ({"input": "a", "locks": ["b"]}, "locks"),
        ({"input": "a", "strength": 2}, "strength"),
        ({"input": "a" * 200_001}, "input"),
        ({"input": "a " * 6000, "drafts": True}, "drafts"),
        ({"input": "a", "strength": 0.5, "decoding": {"banned_ids": [10**6]}}, "decoding"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_an_edit_that_cannot_be_is_refused(
    refused: Callable[..., dict[str, Any]], body: dict[str, Any], param: str
) -> None:
    assert refused("/v1/edits", **body)["param"] == param


def test_a_score_is_the_librarys(ask: Ask, tiny: Model) -> None:
    text = "The quick brown fox jumps."
    answer = ask("/v1/score", input=text, samples=4, seed=1, block_length=8)
    alone = tiny.score(text, num_samples=4, seed=1, block_length=8).to_json() | {"model": "tiny"}
    assert {name: answer[name] for name in alone} == alone
    assert answer["usage"]["forwards"] > 4


def test_a_score_of_too_much_or_nothing_is_refused(refused: Callable[..., dict[str, Any]]) -> None:
    assert refused("/v1/score", input="a " * 5000)["param"] == "input"
    assert refused("/v1/score", input="")["param"] == "input"
    assert refused("/v1/score", input="a", samples=1)["param"] == "samples"


def test_embeddings_are_refused(refused: Callable[..., dict[str, Any]]) -> None:
    assert refused("/v1/embeddings", input="a")["code"] == "unsupported_endpoint"
