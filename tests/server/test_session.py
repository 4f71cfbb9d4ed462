"""Edit sessions over a WebSocket: the library's edits, state by state; who may open one, and what lives on."""

import base64
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from starlette.testclient import TestClient, WebSocketDenialResponse, WebSocketTestSession

from redraft.instant.session import LiveSession
from redraft.library import Model
from redraft.server.app import create_app
from redraft.server.served import Served, serve
from redraft.server.service import Limits

PATH = "/v1/edits/session"
KEY = "sk-a-key-of-some-length"
TEXT = "He have three apple. She dont like it.\nTheir is a dog in the garden. It are very big."
LONG = "\n".join(f"The quick fox {n} jumps. She went to school." for n in range(80))
Told = dict[str, Any]


@contextmanager
def opened(client: TestClient, model: str = "tiny", **options: Any) -> Iterator[WebSocketTestSession]:
    """A session that has been told how to edit."""
    with client.websocket_connect(PATH) as socket:
        socket.send_json({"type": "start", "model": model} | options)
        started = socket.receive_json()
        assert started["type"] == "started", started
        yield socket


def edited(socket: WebSocketTestSession, text: str, kind: str = "edited", **more: Any) -> Told:
    socket.send_json({"type": "text", "text": text} | more)
    found = socket.receive_json()
    assert found["type"] == kind, found
    return dict(found)


def test_every_state_is_edited_as_the_librarys_session_edits_it(real: TestClient, shipped: Model) -> None:
    alone = shipped.session()
    with opened(real, "redraft-tiny") as socket:
        for end in (20, 21, 60, 40, len(TEXT)):
            found = edited(socket, TEXT[:end], id=end)
            update = alone.update(TEXT[:end])
            assert (found["id"], found["text"], found["windows"]) == (end, update.text, update.edited)
            assert [e["after"] for e in found["edits"]] == [e.after for e in update.edits]


def test_what_was_edited_before_costs_nothing_again(client: TestClient) -> None:
    with opened(client) as socket:
        assert edited(socket, TEXT)["forwards"] > 0
        assert (edited(socket, TEXT)["windows"], edited(socket, TEXT)["forwards"]) == (0, 0)
        assert edited(socket, TEXT + " More of it.")["windows"] == 1


def test_a_change_of_characters_is_the_same_as_the_whole_text(client: TestClient) -> None:
    with opened(client, strength=0.5, seed=3) as socket, opened(client, strength=0.5, seed=3) as other:
        edited(socket, "The \U0001f600 fox jumps.")
        socket.send_json({"type": "change", "start": 4, "end": 5, "text": "quick"})
        assert socket.receive_json()["text"] == edited(other, "The quick fox jumps.")["text"]
        socket.send_json({"type": "change", "start": 4, "end": 50, "text": ""})
        assert socket.receive_json()["error"]["param"] == "start"


def test_a_later_state_cancels_the_one_at_work_and_each_is_answered_once(client: TestClient, served: Served) -> None:
    with opened(client) as socket:
        for number in range(3):
            socket.send_json({"type": "text", "text": f"{LONG} {number}", "id": number})
        answers = [socket.receive_json() for _ in range(3)]
        assert [(answer["type"], answer["id"]) for answer in answers] == [
            ("cancelled", 0), ("cancelled", 1), ("edited", 2),
        ]  # fmt: skip
        socket.send_json({"type": "text", "text": (10 * LONG)[::-1], "id": 3})  # long enough to be caught at work
        _until(lambda: not served.thread.engine.idle)
        socket.send_json({"type": "cancel"})
        assert socket.receive_json() == {"type": "cancelled", "id": 3}
    assert served.thread.engine.counters.cancelled > 0


def test_a_client_that_is_gone_costs_nothing(client: TestClient, served: Served) -> None:
    with opened(client) as socket:
        socket.send_json({"type": "text", "text": LONG})
    served.thread.call(lambda: None).result(5)
    assert served.thread.engine.idle
    served.thread.engine.check()
    assert served.thread.engine.counters.finished < 80


@pytest.mark.parametrize(
    ("message", "param", "said"),
    [
        ("no JSON", None, "not JSON"),
        ("[" * 100_000, None, "not JSON"),
        (b"\x00\xff", None, "text frames"),
        ("[]", "type", "one of start, text"),
        ({"type": "draw"}, "type", "one of start, text"),
        ({"type": "text"}, "text", "missing"),
        ({"type": "text", "text": 3}, "text", "string"),
        ({"type": "text", "text": "a", "colour": 1}, "colour", "unknown parameter"),
        ({"type": "text", "text": "a", "id": -1}, "id", "greater than or equal"),
        ({"type": "text", "text": "a" * 200_001}, "input", "200001 characters"),
        ({"type": "start", "model": "none"}, "model", "there is no model"),
        ({"type": "start", "model": "tiny", "lock_patterns": ["("]}, "lock_patterns", "no regular expression"),
        ({"type": "start", "model": "tiny", "strength": 3}, "strength", "less than or equal"),
        ({"type": "start", "model": "tiny", "decoding": {"policy": "magic"}}, "decoding", "magic"),
    ],
    ids=lambda value: str(value)[:24],
)
def test_a_wrong_message_is_named_and_the_session_lives_on(
    client: TestClient, message: Any, param: str | None, said: str
) -> None:
    with opened(client) as socket:
        if isinstance(message, bytes):
            socket.send_bytes(message)
        else:
            socket.send_text(message if isinstance(message, str) else json.dumps(message))
        answer = socket.receive_json()
        assert answer["type"] == "error"
        assert answer["error"]["param"] == param
        assert said in answer["error"]["message"]
        socket.send_json({"type": "start", "model": "tiny"})
        assert socket.receive_json()["type"] == "started"
        assert edited(socket, "The fox jumps.")["text"]


def test_a_text_before_the_start_is_refused(client: TestClient) -> None:
    with client.websocket_connect(PATH) as socket:
        assert edited(socket, "a", "error")["error"]["code"] == "not_started"


@pytest.fixture
def guarded(tiny: Model) -> Iterator[TestClient]:
    limits = Limits(requests_per_minute=4, body_bytes=1000)
    with TestClient(create_app([serve(tiny, "tiny")], keys=[KEY], limits=limits)) as found:
        yield found


def test_a_session_needs_the_key_in_a_header_or_among_its_protocols(guarded: TestClient) -> None:
    for protocols in (None, ["redraft"], ["redraft", "redraft.key.d3Jvbmc"], ["redraft", "redraft.key.!"]):
        with pytest.raises(WebSocketDenialResponse) as denial, guarded.websocket_connect(PATH, subprotocols=protocols):
            pass
        assert denial.value.status_code == 401
        assert denial.value.json()["error"]["code"] == "invalid_api_key"
    told = base64.urlsafe_b64encode(KEY.encode()).decode().rstrip("=")
    with guarded.websocket_connect(PATH, subprotocols=["redraft", f"redraft.key.{told}"]) as socket:
        assert socket.accepted_subprotocol == "redraft"
    with guarded.websocket_connect(PATH, headers={"authorization": f"Bearer {KEY}"}) as socket:
        assert socket.accepted_subprotocol is None


def test_states_are_counted_as_requests_are_and_long_messages_refused(guarded: TestClient) -> None:
    with guarded.websocket_connect(PATH, headers={"authorization": f"Bearer {KEY}"}) as socket:
        socket.send_json({"type": "start", "model": "tiny"})
        assert socket.receive_json()["type"] == "started"
        for _ in range(3):
            edited(socket, "The fox jumps.")
        refused = edited(socket, "The fox jumps again.", "error")
        assert refused["error"]["code"] == "rate_limit_exceeded"
        assert 0 < refused["retry_after"] <= 15
        assert edited(socket, "a" * 1000, "error")["error"]["code"] == "too_long"


def test_pages_of_other_origins_cannot_open_one(client: TestClient, tiny: Model) -> None:
    with pytest.raises(WebSocketDenialResponse) as denial:
        client.websocket_connect(PATH, headers={"origin": "http://elsewhere.example"}).__enter__()
    assert denial.value.status_code == 403
    with client.websocket_connect(PATH, headers={"origin": "http://testserver"}):
        pass
    named = create_app([serve(tiny, "tiny")], origins=["http://elsewhere.example"])
    with TestClient(named) as other, other.websocket_connect(PATH, headers={"origin": "http://elsewhere.example"}):
        pass


def test_locks_hold_from_when_they_are_in_the_text(client: TestClient) -> None:
    options = {"strength": 1.0, "seed": 1, "locks": ["fox", "later"], "lock_patterns": [r"\d+"]}
    with opened(client, **options) as socket:
        assert "fox" not in edited(socket, "The quick.")["text"]
        found = edited(socket, "The fox has 42 hens, 7 ducks.")["text"]
        assert all(lock in found for lock in ("fox", "42", "7"))
        assert found != "The fox has 42 hens, 7 ducks."


def test_a_growing_text_is_followed_and_what_is_committed_never_changes(real: TestClient, shipped: Model) -> None:
    live = LiveSession(shipped.session())
    with opened(real, "redraft-tiny", live=True) as socket:
        before = ""
        for end in range(0, len(TEXT) + 1, 6):
            found = edited(socket, TEXT[:end])
            assert found["text"] == live.update(TEXT[:end])
            assert found["text"][: found["committed"]].startswith(before)
            before = found["text"][: found["committed"]]
            shown = _applied(TEXT[:end], found["edits"])
            assert shown == found["text"]
        assert before
        refused = edited(socket, "Another text.", "error")["error"]
        assert refused["param"] == "text"
        assert "committed" in refused["message"]
        assert edited(socket, TEXT)["text"] == live.update(TEXT)
        socket.send_json({"type": "finish", "id": 9})
        last = socket.receive_json()
        assert (last["id"], last["committed"]) == (9, len(last["text"]))
        assert last["text"] == live.finish()


def test_a_model_without_corrections_looks_for_what_it_doubts(client: TestClient) -> None:
    with opened(client, strength="auto") as socket:
        assert edited(socket, "The quick fox jumps.")["forwards"] > 0


def _until(holds: Callable[[], bool], seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.001)


def _applied(text: str, edits: list[Told]) -> str:
    for edit in reversed(edits):
        assert text[edit["start"] : edit["end"]] == edit["before"]
        text = text[: edit["start"]] + edit["after"] + text[edit["end"] :]
    return text
