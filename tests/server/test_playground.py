"""The playground in process: what is served, under which policy, to whom; and that its files name nobody else."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from redraft.server.app import create_app
from redraft.server.routes_playground import CONFINED, FOLDER, STRICT
from redraft.server.served import Served

Answer = dict[str, Any]
FILES = sorted(path.name for path in FOLDER.iterdir())
HEADER = '{"redraft_trace": 1, "version": "0", "model": "m", "prompt": "p", "decoding": {}, "seed": 1, "mode": "ar"}\n'
VIEW = '{"committed": "hi </script>", "pieces": [["x", 2, false]], "nfe": 2, "seconds": 0.1, "tokens": [1]}\n'


def directives(policy: str) -> dict[str, list[str]]:
    return {name: sources for name, *sources in (part.split() for part in policy.split(";"))}


def test_the_page_is_served_at_the_root(client: TestClient) -> None:
    answer = client.get("/")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert "Redraft" in answer.text


@pytest.mark.parametrize("name", [name for name in FILES if name != "index.html"])
def test_every_file_is_served_under_a_policy_and_as_what_it_is(client: TestClient, name: str) -> None:
    answer = client.get(f"/playground/{name}")
    assert answer.status_code == 200
    assert answer.headers["x-content-type-options"] == "nosniff"
    kinds = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}
    assert answer.headers["content-type"].startswith(kinds[Path(name).suffix])
    expected = CONFINED if name == "frame.html" else STRICT
    assert answer.headers["content-security-policy"] == expected


def test_the_page_may_load_from_its_own_server_alone() -> None:
    rules = directives(STRICT)
    assert rules["default-src"] == ["'none'"]
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == ["'self'"]


def test_the_preview_may_load_nothing_and_has_no_origin() -> None:
    rules = directives(CONFINED)
    assert rules["sandbox"] == ["allow-scripts"]
    assert rules["default-src"] == ["'none'"]
    assert not {"connect-src", "frame-src", "worker-src"} & set(rules)
    assert not any(
        source.startswith(("http", "*", "'self'"))
        for name in rules
        for source in rules[name]
        if name != "frame-ancestors"
    )


@pytest.mark.parametrize(
    "path",
    [
        "/playground/../app.py",
        "/playground/%2e%2e/app.py",
        "/playground/..%2fapp.py",
        "/playground/index.html",
        "/playground/no.js",
    ],
)
def test_there_is_nothing_beside_the_files(client: TestClient, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 404
    assert "import" not in answer.text


@pytest.mark.parametrize("name", FILES)
def test_no_file_names_another_host(name: str) -> None:
    text = (FOLDER / name).read_text()
    hosts = set(re.findall(r"(?:https?:)?//([a-z0-9.-]+\.[a-z]{2,})", text)) - {"www.w3.org"}  # the name of SVG
    assert hosts == set()


def test_modules_import_files_that_are_there() -> None:
    for name in FILES:
        for imported in re.findall(r'from "\./([^"]+)"', (FOLDER / name).read_text()):
            assert imported in FILES, f"{name} imports {imported}"


def test_the_configuration_says_what_the_model_can_and_recommends(real: TestClient) -> None:
    (model,) = real.get("/playground/config").json()["models"]
    assert model["id"] == "redraft-tiny"
    assert model["parameters"] == 6_297_088
    assert model["modes"][:2] == ["diffusion", "ar"]
    assert [each["name"] for each in model["presets"] if each["standing"] == "trained"] == ["Fix mistakes", "Punctuate"]
    assert "cannot write code" in model["about"]
    assert model["decodings"]["generate"]["policy"] == "threshold:tau=0.5"


def test_a_recommended_decoding_changes_nothing_when_it_is_sent(real: TestClient) -> None:
    (model,) = real.get("/playground/config").json()["models"]
    body = {"model": "redraft-tiny", "prompt": "Once", "max_tokens": 12, "seed": 5}
    plain = real.post("/v1/completions", json=body).json()
    sent = real.post("/v1/completions", json=body | {"decoding": model["decodings"]["generate"]["json"]}).json()
    assert sent["choices"][0]["text"] == plain["choices"][0]["text"]


def test_a_policy_is_taken_by_its_short_name(ask: Callable[..., Answer], client: TestClient) -> None:
    (model,) = client.get("/playground/config").json()["models"]
    decoding = model["decodings"]["generate"]["json"] | {"policy": "left_to_right:1", "max_steps": 64}
    answer = ask("/v1/completions", prompt="The", max_tokens=4, decoding=decoding, seed=1)
    assert answer["usage"]["denoising_steps"] >= 4


def test_frames_count_forwards_and_name_every_committed_token(events: Callable[..., list[Answer]]) -> None:
    found = events("/v1/completions", prompt="The", max_tokens=8, seed=1, frames=True, logprobs=0,
                   stream_options={"include_usage": True})  # fmt: skip
    progress = [event["progress"] for event in found if "progress" in event]
    usage = found[-1]["usage"]
    assert progress[-1]["forwards"] <= usage["forwards"]
    assert [each["forwards"] for each in progress] == sorted(each["forwards"] for each in progress)
    assert sum(len(each["tokens"]) for each in progress) == usage["completion_tokens"]


def test_a_trace_comes_back_as_one_page(client: TestClient) -> None:
    answer = client.post("/playground/page", content=HEADER + VIEW)
    assert answer.status_code == 200
    assert answer.headers["content-disposition"] == "attachment"
    assert "hi \\u003c/script>" in answer.text


@pytest.mark.parametrize(
    "body", [b"", b"{", HEADER.encode() + b"[1]\n", b"\xff\xfe", HEADER.encode() + b'{"committed": 1}\n']
)
def test_what_is_no_trace_is_refused(client: TestClient, body: bytes) -> None:
    answer = client.post("/playground/page", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_page_opens_without_a_key_and_the_configuration_does_not(served: Served) -> None:
    with TestClient(create_app([served], keys=["a-key-of-some-length"])) as client:
        assert client.get("/").status_code == 200
        assert client.get("/playground/main.js").status_code == 200
        assert client.get("/playground/config").status_code == 401
        assert client.post("/playground/page", content=HEADER).status_code == 401
        authorised = {"authorization": "Bearer a-key-of-some-length"}
        assert client.get("/playground/config", headers=authorised).status_code == 200
