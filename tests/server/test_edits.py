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


NEVER = {"policy": "correct:1.0", "stop": "settled", "indels": True, "max_steps": 4}


@pytest.mark.parametrize(
    "text", ["a \r\n\r\n\tb  \n\n", "\ufeffa\rb", "e\u0301 \U0001f469\u200d\U0001f680", " \n ", "\x00\x01\x7f"]
)
def test_an_edit_that_changes_nothing_gives_every_byte_back(ask: Ask, text: str) -> None:
    answer = ask("/v1/edits", input=text, decoding=NEVER, strength=0, diff=True)
    assert (answer["text"], answer["edits"], answer["diff"]) == (text, [], "")


@pytest.mark.parametrize(
    ("body", "param", "said"),
    [
        ({"lock_patterns": ["("]}, "lock_patterns", "no regular expression"),
        ({"lock_patterns": ["q+"]}, "lock_patterns", "matches nothing"),
        ({"lock_patterns": ["(a|aa)+b"], "input": "a" * 60}, "lock_patterns", "takes more than"),
        ({"lock_lines": [[2, 1]]}, "lock_lines", "lines 2-1"),
        ({"lock_lines": [[0, 1]]}, "lock_lines.0.0", "greater than or equal"),
        ({"lock_spans": [[3, 99]]}, "lock_spans", "3:99"),
        ({"spans": [[3, 99]]}, "spans", "3:99"),
        ({"spans": [[3]]}, "spans.0", "at least 2"),
        ({"strength": "much"}, "strength", "auto"),
        ({"rewrite": True, "strength": 0.5}, "strength", "does not apply"),
        ({"rewrite": True}, None, "trained to edit in place"),
        ({"locks": ["Jonson"]}, "locks", "'Jonson' does not occur"),
    ],
    ids=lambda value: str(value)[:30],
)
def test_locks_and_ways_that_cannot_be_are_named(
    refused: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    body: dict[str, Any],
    param: str | None,
    said: str,
) -> None:
    monkeypatch.setattr("redraft.instant.locks.SECONDS", 0.05)
    found = refused("/v1/edits", **{"input": "The fox jumps."} | body)
    assert found["param"] == param
    assert said in found["message"]


def test_an_instruction_in_letters_that_the_model_never_saw_is_refused(real: TestClient) -> None:
    response = real.post("/v1/edits", json={"model": "redraft-tiny", "input": "a b", "instruction": "исправь"})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "instruction"
    assert "CYRILLIC" in response.json()["error"]["message"]


def test_bodies_that_are_no_text_or_far_too_long_are_refused(client: TestClient) -> None:
    for data, status in (
        (b"", 400),
        (b"\xff\xfe\x00", 400),
        (b'{"model": "tiny", "input": "\xe9"}', 400),
        (b" " * 50_000_000, 413),
    ):
        response = client.post("/v1/edits", content=data, headers={"content-type": "application/json"})
        assert response.status_code == status
        assert response.json()["error"]["message"]


def test_what_is_locked_by_pattern_line_or_place_stays(ask: Ask) -> None:
    text = "The fox 42 jumps.\nShe went home.\nHe has a red ball."
    loose = {"input": text, "strength": 1.0, "seed": 1}
    found = ask("/v1/edits", lock_patterns=[r"\d+"], lock_lines=[[2, 2]], lock_spans=[[41, 44]], diff=True, **loose)
    assert found["text"] != text
    assert "42" in found["text"]
    assert found["text"].split("\n")[1] == "She went home."
    assert "red" in found["text"]
    assert found["diff"].startswith("--- a/text\n+++ b/text\n")
    alone = ask("/v1/edits", spans=[[0, 3]], **loose)["text"]
    assert alone.endswith(text[3:])
    assert alone != text


def test_looking_for_doubt_over_http_is_the_librarys(ask: Ask, tiny: Model, events: Callable[..., list[Any]]) -> None:
    text = "The quick fox jumps.\nShe went to school."
    alone = tiny.edit(text, strength="auto", seed=5)
    body = {"input": text, "strength": "auto", "seed": 5}
    answer = ask("/v1/edits", **body)
    assert (answer["text"], answer["usage"]["forwards"]) == (alone.text, alone.nfe)
    streamed = events("/v1/edits", drafts=True, **body)
    assert streamed[-1]["text"] == alone.text
    assert {event["object"] for event in streamed[:-1]} == {"edit.draft"}


FAULTY = (
    "She go to school every day .", "I have two cat and a dogs .", "They was happy to seeing us .",
    "He dont know what he want .", "My freind live in a big city .", "It rained when we was walk home .",
)  # fmt: skip


def test_gleu_over_the_api_is_the_librarys(real: TestClient, shipped: Model) -> None:
    """The JFLEG benchmark does this with all of its sentences."""
    from redraft.evals.gleu import gleu

    over_http = [post(real, "/v1/edits", input=text)["text"] for text in FAULTY]
    alone = [shipped.edit(text).text for text in FAULTY]
    assert over_http == alone
    assert alone != list(FAULTY)
    references = [[text.replace("go ", "goes ").replace("was", "were")] for text in FAULTY]
    assert gleu(FAULTY, over_http, references) == gleu(FAULTY, alone, references)


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
