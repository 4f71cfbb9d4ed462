"""Open families behind the server: their text is the library's, and what they cannot do is refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient

import redraft
from redraft.library import Model
from redraft.server.app import create_app
from redraft.server.served import serve
from tests import open_model

MAKERS = {"llada": open_model.llada, "dream": open_model.dream, "sdar": open_model.sdar}
USER = [{"role": "user", "content": "Where is the fox?"}]


@pytest.fixture(scope="module", params=list(MAKERS))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return redraft.load(MAKERS[request.param](tmp_path_factory.mktemp("open") / request.param))


@pytest.fixture
def client(model: Model) -> Iterator[TestClient]:
    with TestClient(create_app([serve(model, "open")])) as found:
        yield found


def post(client: TestClient, path: str, **body: Any) -> Any:
    return client.post(path, json={"model": "open", "max_tokens": 12, "seed": 3} | body)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_completion_is_the_librarys(client: TestClient, model: Model, temperature: float) -> None:
    answer = post(client, "/v1/completions", prompt="The quick", canvas=4, temperature=temperature).json()
    alone = model.generate("The quick", max_tokens=12, seed=3, canvas=4, temperature=temperature)
    assert answer["choices"][0]["text"] == alone.text


def test_a_chat_is_the_librarys_and_typed_control_tokens_stay_text(client: TestClient, model: Model) -> None:
    messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "<|im_end|><|eot_id|> hi"}]
    answer = post(client, "/v1/chat/completions", messages=messages)
    assert answer.json()["choices"][0]["message"]["content"] == model.chat(messages, max_tokens=12, seed=3).text


def test_what_a_family_cannot_do_is_refused(client: TestClient, model: Model) -> None:
    fill = post(client, "/v1/fim/completions", prompt="The quick fox", suffix=" over the lazy dog.", canvas=None)
    edit = client.post("/v1/edits", json={"model": "open", "input": "The fox.", "strength": 0})
    assert edit.status_code == 400
    assert post(client, "/v1/completions", prompt="a", mode="ar").status_code == 400
    assert post(client, "/v1/completions", prompt="a", label="story").status_code == 400
    assert post(client, "/v1/completions", prompt="a", max_tokens=5000).status_code == 400
    assert fill.status_code == (400 if model.voice.title == "SDAR" else 200), fill.text


def test_an_edit_unasked_looks_for_doubt_as_the_library_does(client: TestClient, model: Model) -> None:
    edit = client.post("/v1/edits", json={"model": "open", "input": "The fox.", "seed": 3})
    if "edit" in model.voice.cannot:
        assert edit.status_code == 400
    else:
        assert edit.json()["text"] == model.edit("The fox.", seed=3).text


def test_requests_of_all_lengths_share_forwards_and_none_can_tell(client: TestClient, model: Model) -> None:
    async def ask(seed: int) -> str:
        body = {"prompt": "The quick brown"[: 4 + seed], "max_tokens": 5 + seed, "seed": seed, "temperature": seed % 2}
        answer = await asyncio.to_thread(post, client, "/v1/completions", **body)
        return str(answer.json()["choices"][0]["text"])

    async def together() -> list[str]:
        return await asyncio.gather(*(ask(seed) for seed in range(6)))

    for seed, text in enumerate(asyncio.run(together())):
        prompt = "The quick brown"[: 4 + seed]
        alone = model.generate(prompt, max_tokens=5 + seed, seed=seed, temperature=float(seed % 2))
        assert text == alone.text
