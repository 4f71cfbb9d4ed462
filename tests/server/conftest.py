"""A server in process, with a tiny random model and with the shipped one."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from fastapi import FastAPI
from starlette.testclient import TestClient

from redraft.engine.engine import EngineConfig
from redraft.library import Model, load
from redraft.server.app import create_app
from redraft.server.served import Served, serve

Answer = dict[str, Any]
HEADERS = {"content-type": "application/json"}


@pytest.fixture(scope="session")
def tiny(checkpoint: Path) -> Model:
    """Random weights: its text is noise, and the same noise every time."""
    return load(checkpoint)


@pytest.fixture(scope="session")
def shipped() -> Model:
    return load()


@pytest.fixture
def served(tiny: Model) -> Served:
    return serve(tiny, "tiny", EngineConfig(num_pages=256))


@pytest.fixture
def app(served: Served) -> FastAPI:
    return create_app([served])


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as found:
        yield found


@pytest.fixture(scope="module")
def real(shipped: Model) -> Iterator[TestClient]:
    """A client of the shipped model, for a whole file of tests."""
    with TestClient(create_app([serve(shipped, "redraft-tiny")])) as found:
        yield found


@pytest.fixture
def ask(client: TestClient) -> Callable[..., Answer]:
    """ask(path, **body) -> the body of the answer, which must be 200."""

    def call(path: str, **body: Any) -> Answer:
        response = client.post(path, json={"model": "tiny"} | body)
        assert response.status_code == 200, response.text
        found = response.json()
        assert isinstance(found, dict)
        return found

    return call


@pytest.fixture
def events(client: TestClient) -> Callable[..., list[Answer]]:
    """events(path, **body) -> every event of a stream, which must end with [DONE]."""

    def call(path: str, **body: Any) -> list[Answer]:
        response = client.post(path, json={"model": "tiny", "stream": True} | body)
        assert response.status_code == 200, response.text
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.text.split("\n\n") if line]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]

    return call


@pytest.fixture
def refused(client: TestClient) -> Callable[..., Answer]:
    """refused(path, status, **body) -> OpenAI's error object."""

    def call(path: str, status: int = 400, **body: Any) -> Answer:
        response = client.post(path, json={"model": "tiny"} | body)
        assert response.status_code == status, response.text
        error = response.json()["error"]
        assert set(error) == {"message", "type", "param", "code"}
        return dict(error)

    return call
