"""Who may ask, and how much; what a client is never told."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from redraft.library import Model
from redraft.server.app import create_app
from redraft.server.errors import ApiError
from redraft.server.security import Keys, read_keys
from redraft.server.served import serve
from redraft.server.service import Limits

KEY, OTHER = "sk-a-key-of-some-length", "sk-another-key-of-length"
BODY = {"model": "tiny", "prompt": "a", "max_tokens": 2}


@pytest.fixture
def guarded(tiny: Model) -> Iterator[TestClient]:
    limits = Limits(requests_per_minute=6, body_bytes=1000)
    with TestClient(create_app([serve(tiny, "tiny")], keys=[KEY, OTHER], limits=limits)) as found:
        yield found


@pytest.mark.parametrize("given", [None, "Bearer wrong", f"Basic {KEY}", f"Bearer {KEY}x", "Bearer \xff", ""])
def test_a_wrong_key_is_refused_and_a_right_one_is_not(guarded: TestClient, given: str | None) -> None:
    headers = {} if given is None else {"authorization": given.encode("latin-1")}
    response = guarded.post("/v1/completions", json=BODY, headers=headers)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"
    assert guarded.post("/v1/completions", json=BODY, headers={"authorization": f"Bearer {KEY}"}).status_code == 200


def test_health_needs_no_key_and_everything_else_does(guarded: TestClient) -> None:
    assert guarded.get("/health").status_code == 200
    for path in ("/v1/models", "/metrics", "/openapi.json", "/nowhere"):
        assert guarded.get(path).status_code == 401


def test_a_key_that_asks_too_often_waits_and_the_other_does_not(guarded: TestClient) -> None:
    codes = [guarded.get("/v1/models", headers={"authorization": f"Bearer {KEY}"}) for _ in range(8)]
    assert [code.status_code for code in codes] == [200] * 6 + [429] * 2
    assert 1 <= int(codes[-1].headers["retry-after"]) <= 10
    assert guarded.get("/v1/models", headers={"authorization": f"Bearer {OTHER}"}).status_code == 200


def test_a_bucket_fills_with_time() -> None:
    now = [0.0]
    keys = Keys((), Limits(requests_per_minute=2), clock=lambda: now[0])
    for _ in range(2):
        keys.leave(keys.admit(""))
    with pytest.raises(ApiError) as refusal:
        keys.admit("")
    assert refusal.value.retry_after == pytest.approx(30)
    now[0] = 30.0
    keys.admit("")


def test_a_key_has_so_many_requests_at_once() -> None:
    keys = Keys((KEY,), Limits(concurrent=1))
    name = keys.admit(f"Bearer {KEY}")
    with pytest.raises(ApiError, match="at work"):
        keys.admit(f"Bearer {KEY}")
    keys.leave(name)
    assert keys.admit(f"bearer {KEY}") == name
    assert KEY not in repr(keys)


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "keys"
    file.write_text(f"# ours\n{KEY}\n\n  {OTHER}\n")
    assert read_keys(file) == [KEY, OTHER]
    for text, said in (("", "no keys"), ("short", "key 1"), (f"{KEY}\nwith spaces in the key", "key 2")):
        file.write_text(text)
        with pytest.raises(ValueError, match=said):
            read_keys(file)
    with pytest.raises(ValueError, match="cannot read"):
        read_keys(tmp_path / "nowhere")


def test_a_body_that_is_too_long_is_refused_whether_it_says_so_or_not(guarded: TestClient) -> None:
    headers = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}
    assert guarded.post("/v1/completions", content=b"{" * 1001, headers=headers).status_code == 413
    pieces = (b"{" * 100 for _ in range(20))
    assert guarded.post("/v1/completions", content=pieces, headers=headers).status_code == 413


def test_web_pages_may_not_ask_unless_they_are_named(tiny: Model, client: TestClient) -> None:
    headers = {"origin": "https://page.example", "access-control-request-method": "POST"}
    assert "access-control-allow-origin" not in client.get("/health", headers=headers).headers
    app: FastAPI = create_app([serve(tiny, "tiny")], origins=["https://page.example"], keys=[KEY])
    with TestClient(app) as friendly:
        allowed = friendly.options("/v1/completions", headers=headers)
        assert allowed.headers["access-control-allow-origin"] == "https://page.example"
