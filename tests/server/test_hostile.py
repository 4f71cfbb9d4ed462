"""Whatever is sent, nothing breaks: no 5xx, and the next request is answered right."""

import random
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from benchmarks.hostile import POSTS, hostile

HEADERS = {"content-type": "application/json"}


@pytest.mark.parametrize("seed", range(4))
def test_no_body_breaks_the_server(client: TestClient, ask: Callable[..., Any], seed: int) -> None:
    rng = random.Random(seed)
    right = ask("/v1/completions", prompt="a", max_tokens=8, seed=1)["choices"]
    codes: dict[int, int] = {}
    for number in range(100):
        path, data = hostile(rng)
        response = client.post(path, content=data, headers=HEADERS)
        assert response.status_code < 500, (seed, number, path, data, response.text)
        assert "Traceback" not in response.text
        assert "/redraft/" not in response.text
        codes[response.status_code] = codes.get(response.status_code, 0) + 1
        if number % 20 == 0:
            assert ask("/v1/completions", prompt="a", max_tokens=8, seed=1)["choices"] == right
    assert set(codes) >= {200, 400}
    assert ask("/v1/completions", prompt="a", max_tokens=8, seed=1)["choices"] == right


BODIES = [
    b"", b"{", b"null", b"[]", b"1", b'"a"', b"{}", b"\xff\xfe", b"[" * 50_000, b'{"a":' * 50_000, b"1" * 10_000,
    b'{"model": 1e999}', b'{"model": "tiny", "prompt": "\\ud800"}', b'{"model": "tiny", "\\udfff": "\\ud800"}',
    b'{"model": "tiny", "prompt": "a", "max_tokens": 1' + b"0" * 5000 + b"}", b"a" * (5 * 2**20),
]  # fmt: skip


@pytest.mark.parametrize("data", BODIES, ids=lambda data: repr(data[:20]))
def test_what_is_no_body_is_told_so(client: TestClient, data: bytes) -> None:
    for path in POSTS[:1] + POSTS[5:7]:
        response = client.post(path, content=data, headers=HEADERS)
        assert 400 <= response.status_code < 500
        assert set(response.json()["error"]) == {"message", "type", "param", "code"}


@pytest.mark.parametrize(("method", "path"), [("GET", "/v1/completions"), ("PUT", "/v1/models"), ("POST", "/x%7f%00")])
def test_other_methods_and_paths_are_refused_in_the_same_words(client: TestClient, method: str, path: str) -> None:
    response = client.request(method, path)
    assert response.status_code in (404, 405)
    assert response.json()["error"]["type"] in ("not_found_error", "invalid_request_error")


def test_the_openapi_document_holds_against_generated_requests(client: TestClient) -> None:
    schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")
    from hypothesis import HealthCheck, Phase, given, settings

    schema = schemathesis.openapi.from_dict(client.get("/openapi.json").json())
    for operation in schema.get_all_operations():
        case_of = operation.ok().as_strategy()

        @settings(
            max_examples=8, deadline=None, derandomize=True, phases=[Phase.generate], database=None,
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=case_of)
        def holds(case: Any) -> None:
            body = case.body if isinstance(case.body, dict) else None
            response = client.request(case.method, case.formatted_path, json=body)
            assert response.status_code < 500, (case.method, case.path, body, response.text)

        holds()
