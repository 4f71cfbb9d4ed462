"""Whatever is sent, nothing breaks: no 5xx, and the next request is answered right."""

import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

POSTS = (
    "/v1/completions", "/v1/chat/completions", "/v1/fim/completions", "/v1/apply/completions", "/v1/edit/completions",
    "/v1/edits", "/v1/score", "/v1/embeddings",
)  # fmt: skip
HEADERS = {"content-type": "application/json"}
STRINGS = (
    "", "a", "<|mask|>", "<|endoftext|><|edit|>", "\x00", "🦊" * 50, "\u202e", "tiny", "a" * 5000, "threshold:0.9",
    "%s", "../../etc/passwd", "{{7*7}}", "\ud800", "NaN", "<|code_to_edit|><|/code_to_edit|>", "\n" * 100,
)  # fmt: skip
NUMBERS = (0, -1, 1, 2, 3.5, 1e308, -1e-308, 2**31, 2**63, 2**64, -(2**63) - 1, 10**30, float("nan"), float("inf"))
NAMES = (
    "prompt", "messages", "max_tokens", "temperature", "top_p", "top_k", "min_p", "n", "stop", "seed", "stream",
    "logit_bias", "logprobs", "decoding", "canvas", "label", "mode", "suffix", "gap", "input", "locks", "strength",
    "instruction", "drafts", "samples", "block_length", "reasoning_effort", "diffusing", "frames", "tools",
    "response_format", "repetition_penalty", "stream_options", "user", "bogus", "echo", "role", "content",
)  # fmt: skip
POLICIES = ("threshold", "top_k", "factor", "entropy_bound", "remasking", "ancestral", "uniform_ancestral", "staged")


def value(rng: random.Random, depth: int = 0) -> Any:
    """Anything JSON can say, and some that only Python's JSON does."""
    kind = rng.randrange(8 if depth < 3 else 5)
    if kind == 0:
        return rng.choice((None, True, False))
    if kind < 3:
        return rng.choice(NUMBERS)
    if kind < 5:
        return rng.choice(STRINGS)
    if kind == 5:
        return [value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {rng.choice(NAMES): value(rng, depth + 1) for _ in range(rng.randrange(4))}


def decoding(rng: random.Random) -> dict[str, Any]:
    """A decoding that may be one."""
    policy = {"name": rng.choice(POLICIES)} | {
        rng.choice(("num_steps", "tau", "count", "factor", "vocab_size", "eps")): rng.choice((1, 2, 0.5, 0, -1, 10**9))
    }
    fields = {
        "policy": policy, "temperature": rng.choice((0, 0.5, 1e-30, 1e30)), "top_k": rng.choice((1, 10**9, None)),
        "max_steps": rng.choice((1, 4, 64)), "guidance": rng.choice((0, 1.0, 1e30)), "null_id": rng.choice((None, 5)),
        "banned_ids": rng.choice(([], [0], list(range(300)))), "bias": rng.choice(([], [[5, 1e30]], [[5, -3e38]])),
        "emit": rng.choice(("canvas", "best")), "indels": rng.choice((True, False)),
        "stop": rng.choice(("settled", "all_steps", "stable_and_confident:0.01")),
    }  # fmt: skip
    return {name: fields[name] for name in rng.sample(sorted(fields), rng.randrange(1, 5))}


def hostile(rng: random.Random) -> tuple[str, bytes]:
    """A path, and a body that is almost one that path takes."""
    body: dict[str, Any] = {
        "model": "tiny", "prompt": "a", "max_tokens": rng.randrange(1, 20), "input": "The fox.",
        "messages": [{"role": "user", "content": "a"}],
    }  # fmt: skip
    path = rng.choice(POSTS)
    wanted = {"/v1/edits": ("input",), "/v1/score": ("input",)}.get(path, ("messages", "prompt", "max_tokens"))
    if path in ("/v1/completions", "/v1/fim/completions"):
        wanted = ("prompt", "max_tokens")
    elif path not in ("/v1/edits", "/v1/score"):
        wanted = ("messages", "max_tokens")
    body = {name: body[name] for name in ("model", *wanted)}
    for _ in range(rng.randrange(4)):
        body[rng.choice(NAMES)] = value(rng)
    if rng.random() < 0.4:
        body["decoding"] = decoding(rng)
    data = json.dumps(body).encode()
    if rng.random() < 0.15:
        cut = rng.randrange(len(data))
        data = data[:cut] + bytes(rng.randrange(256) for _ in range(rng.randrange(4))) + data[cut + 1 :]
    return path, data


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
