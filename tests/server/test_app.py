"""The app as a whole: errors, ids, logs, metrics, cancelling, draining."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from redraft.engine.engine import EngineConfig
from redraft.library import Model
from redraft.server.app import create_app
from redraft.server.gate import JsonLines
from redraft.server.served import Served, serve
from redraft.server.service import Limits

Ask = Callable[..., dict[str, Any]]
LONG = {"model": "tiny", "prompt": "a", "max_tokens": 200, "seed": 1}


class Line:
    """A connection to an app, message by message: what a client sends and when it leaves is up to the test."""

    def __init__(self, app: FastAPI, path: str, body: dict[str, Any]) -> None:
        self.app, self.sent, self.left = app, [], asyncio.Event()  # type: ignore[var-annotated]
        self.first = asyncio.Event()
        self.body = json.dumps(body).encode()
        self.asked = False
        self.scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "path": path,
            "raw_path": path.encode(), "root_path": "", "scheme": "http", "query_string": b"", "server": ("x", 80),
            "client": ("y", 1), "headers": [(b"content-type", b"application/json")],
        }  # fmt: skip

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": self.body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        if message.get("body"):
            self.first.set()

    async def run(self) -> None:
        await self.app(self.scope, self.receive, self.send)  # type: ignore[arg-type]


async def idle(served: Served, within: float = 2.0) -> bool:
    """Whether the engine has nothing left to do, after a while at most."""
    for _ in range(int(within / 0.01)):
        if served.thread.engine.idle:
            return True
        await asyncio.sleep(0.01)
    return False


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_costs_nothing_more(app: FastAPI, served: Served, stream: bool) -> None:
    async def leave() -> None:
        async with app.router.lifespan_context(app):
            line = Line(app, "/v1/completions", LONG | {"stream": stream, "diffusing": stream})
            task = asyncio.create_task(line.run())
            if stream:
                await line.first.wait()
            while not served.thread.engine.counters.ticks:
                await asyncio.sleep(0.001)
            line.left.set()
            await asyncio.wait_for(task, 2)
            assert await idle(served)
            served.thread.engine.check()

    asyncio.run(leave())
    assert served.thread.engine.counters.cancelled == 1
    assert served.thread.engine.counters.ticks < 100


def test_a_client_that_leaves_an_edit_or_a_score_costs_nothing_more(app: FastAPI, served: Served) -> None:
    text = "\n".join(f"The quick fox {n} jumps over the dog." for n in range(60))
    short = text[:200]

    async def leave(path: str, body: dict[str, Any]) -> None:
        line = Line(app, path, {"model": "tiny"} | body)
        task = asyncio.create_task(line.run())
        await asyncio.sleep(0.05)
        line.left.set()
        await asyncio.wait_for(task, 2)
        assert await idle(served)

    async def both() -> None:
        async with app.router.lifespan_context(app):
            await leave("/v1/edits", {"input": text, "strength": 0.9})
            await leave("/v1/score", {"input": short, "samples": 200})

    asyncio.run(both())


def test_a_slow_client_misses_drafts_and_no_text(app: FastAPI, ask: Ask) -> None:
    whole = ask("/v1/completions", **LONG)["choices"][0]["text"]

    async def slowly() -> list[dict[str, Any]]:
        line = Line(app, "/v1/completions", LONG | {"stream": True})
        inner = line.send

        async def send(message: dict[str, Any]) -> None:
            await asyncio.sleep(0.02)
            await inner(message)

        line.send = send  # type: ignore[method-assign]
        await line.run()
        return line.sent

    sent = asyncio.run(slowly())
    lines = b"".join(message.get("body", b"") for message in sent).decode().split("\n\n")
    events = [json.loads(line.removeprefix("data: ")) for line in lines if line and "[DONE]" not in line]
    assert "".join(event["choices"][0]["text"] for event in events) == whole


def test_a_full_queue_says_when_to_come_back(tiny: Model) -> None:
    served = serve(tiny, "tiny", EngineConfig(max_waiting=1, max_rows=1, num_pages=64))
    with TestClient(create_app([served])) as client:
        response = client.post("/v1/completions", json=LONG | {"n": 8})
        assert response.status_code == 429
        assert response.json()["error"]["code"] == "busy"
        assert int(response.headers["retry-after"]) >= 1
        assert client.post("/v1/completions", json=LONG | {"max_tokens": 4}).status_code == 200


def test_a_request_that_takes_too_long_is_given_up(tiny: Model) -> None:
    with TestClient(create_app([serve(tiny, "tiny")], limits=Limits(seconds=0.01))) as client:
        response = client.post("/v1/completions", json=LONG)
    assert (response.status_code, response.json()["error"]["code"]) == (504, "deadline")


def test_what_breaks_in_the_engine_tells_nothing(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    served = serve(tiny, "tiny")
    with TestClient(create_app([served])) as client:
        monkeypatch.setattr(served.thread.engine.executor, "forward", lambda jobs: 1 / 0)
        response = client.post("/v1/completions", json=LONG)
        assert response.status_code == 500
        assert response.json()["error"]["message"] == "the request failed"
        monkeypatch.undo()
        assert client.post("/v1/completions", json=LONG).status_code == 200


def test_every_answer_has_an_id_of_its_own_and_one_line_in_the_log(
    client: TestClient, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "redraft.server")
    secret = "a secret prompt"
    answers = [
        client.post("/v1/completions", json=LONG | {"prompt": secret, "max_tokens": 3, "user": "me"}),
        client.post("/v1/completions", content=b"{", headers={"content-type": "application/json"}),
        client.get("/nowhere/secret"),
    ]
    lines = [json.loads(JsonLines().format(record)) for record in caplog.records if record.msg == "request"]
    assert [line["id"] for line in lines] == [answer.headers["x-request-id"] for answer in answers]
    assert [line["status"] for line in lines] == [200, 400, 404]
    assert lines[0]["completion_tokens"] == 3
    assert lines[0]["user"] == "me"
    assert lines[2]["route"] == "unknown"
    assert "secret" not in json.dumps(lines)


def test_metrics_count_what_was_answered(client: TestClient, ask: Ask) -> None:
    ask("/v1/completions", prompt="a", max_tokens=5, n=2)
    client.get("/nowhere")
    lines = client.get("/metrics").text.splitlines()
    for wanted in (
        'redraft_requests_total{route="/v1/completions",status="200"} 1',
        'redraft_requests_total{route="unknown",status="404"} 1',
        'redraft_tokens_total{kind="completion",model="tiny"} 10',
        'redraft_seconds_count{phase="first_text",model="tiny"} 1',
        'redraft_engine_finished_total{model="tiny"} 2',
        'redraft_engine_running{model="tiny"} 0',
    ):
        assert wanted in lines
    names = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(names) == len(set(names))


def test_models_are_listed_and_found(client: TestClient) -> None:
    (model,) = client.get("/v1/models").json()["data"]
    assert (model["id"], model["object"], model["context_length"]) == ("tiny", "model", 256)
    assert client.get("/v1/models/tiny").json() == model
    assert client.get("/v1/models/a/b").status_code == 404


@pytest.mark.parametrize("names", [[], ["a", "a"]])
def test_an_app_without_models_or_with_one_twice_is_refused(tiny: Model, names: list[str]) -> None:
    with pytest.raises(ValueError, match="model"):
        create_app([serve(tiny, name) for name in names])


def test_two_models_answer_under_their_names(tiny: Model, shipped: Model) -> None:
    with TestClient(create_app([serve(tiny, "one"), serve(shipped, "two")])) as client:
        texts = [
            client.post("/v1/completions", json=LONG | {"model": name, "max_tokens": 8}).json()["choices"][0]["text"]
            for name in ("one", "two")
        ]
    assert texts[0] == tiny.generate("a", max_tokens=8, seed=1).text
    assert texts[1] == shipped.generate("a", max_tokens=8, seed=1).text


def test_going_down_finishes_what_is_at_work(app: FastAPI, served: Served) -> None:
    async def go_down() -> Line:
        async with app.router.lifespan_context(app):
            line = Line(app, "/v1/completions", LONG)
            task = asyncio.create_task(line.run())
            while not served.thread.engine.counters.ticks:
                await asyncio.sleep(0.001)
        await asyncio.wait_for(task, 2)
        return line

    line = asyncio.run(go_down())
    assert line.sent[0]["status"] == 200
    assert not served.thread.alive


def test_after_going_down_health_says_so_and_nothing_is_accepted(app: FastAPI) -> None:
    with TestClient(app):
        pass
    late = TestClient(app)
    assert late.get("/health").status_code == 503
    response = late.post("/v1/completions", json=LONG)
    assert (response.status_code, response.json()["error"]["code"]) == (503, "draining")


def test_the_law_holds_through_http(client: TestClient, tiny: Model) -> None:
    bodies = [LONG | {"seed": seed, "max_tokens": 10 + seed, "temperature": seed % 3 / 2} for seed in range(10)]

    async def all_at_once() -> list[str]:
        lines = [Line(client.app, "/v1/completions", body) for body in bodies]  # type: ignore[arg-type]
        await asyncio.gather(*(line.run() for line in lines))
        return [json.loads(line.sent[1]["body"])["choices"][0]["text"] for line in lines]

    together = asyncio.run(all_at_once())
    for body, text in zip(bodies, together, strict=True):
        options = {name: body[name] for name in ("max_tokens", "seed", "temperature")}
        assert text == tiny.generate("a", **options).text
