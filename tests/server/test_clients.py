"""A live server on loopback: the openai SDK unchanged, curl as the documentation writes it, and going down."""

import asyncio
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
KEY = "sk-a-key-of-some-length"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """A server in a process of its own: its address, and the process."""
    pytest.importorskip("uvicorn", reason="the extra `serve` is not installed")
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text(KEY + "\n")
    command = [sys.executable, "-m", "redraft.cli.main", "serve", "--port", "0", "--api-key-file", str(keys)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--quiet"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line.startswith("serving redraft-tiny on http://127.0.0.1:"), line
    yield line.split()[-1], process
    process.kill()
    process.communicate()


@pytest.fixture
def openai(server: tuple[str, Any]) -> Any:
    module = pytest.importorskip("openai", reason="the openai SDK is not installed")
    return module.OpenAI(base_url=server[0], api_key=KEY, max_retries=0)


def test_the_sdk_completes_chats_and_lists(openai: Any) -> None:
    assert [model.id for model in openai.models.list()] == ["redraft-tiny"]
    text = openai.completions.create(model="redraft-tiny", prompt="Once upon a time", max_tokens=24, seed=1, n=2)
    assert len(text.choices) == 2
    assert text.usage.completion_tokens <= 48
    chat = openai.chat.completions.create(
        model="redraft-tiny", messages=[{"role": "user", "content": "Hello!"}], max_tokens=32, seed=1, logprobs=True
    )
    assert chat.choices[0].message.content
    assert chat.choices[0].logprobs.content[0].logprob <= 0
    assert chat.choices[0].finish_reason in ("stop", "length")


def test_the_sdk_streams_what_it_gets_whole(openai: Any) -> None:
    body = {"model": "redraft-tiny", "messages": [{"role": "user", "content": "Hello!"}], "max_tokens": 48, "seed": 3}
    whole = openai.chat.completions.create(**body).choices[0].message.content
    chunks = list(openai.chat.completions.create(stream=True, stream_options={"include_usage": True}, **body))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == whole
    assert chunks[-1].usage.total_tokens > 0
    options = {"diffusing": True}
    drafts = [
        c.choices[0].delta.content for c in openai.chat.completions.create(stream=True, extra_body=options, **body)
    ]
    assert [draft for draft in drafts if draft][-1] == whole


def test_the_sdk_knows_our_errors(server: tuple[str, Any], openai: Any) -> None:
    import openai as module

    with pytest.raises(module.BadRequestError) as refusal:
        openai.completions.create(model="redraft-tiny", prompt="a", presence_penalty=3)
    assert refusal.value.param == "presence_penalty"
    assert refusal.value.request_id.startswith("req-")
    with pytest.raises(module.NotFoundError):
        openai.completions.create(model="gpt", prompt="a")
    with pytest.raises(module.AuthenticationError):
        module.OpenAI(base_url=server[0], api_key="sk-wrong", max_retries=0).models.list()


def test_the_sdk_asks_many_things_at_once(server: tuple[str, Any]) -> None:
    module = pytest.importorskip("openai", reason="the openai SDK is not installed")

    async def ask(client: Any, seed: int) -> str:
        answer = await client.completions.create(model="redraft-tiny", prompt="The dog", max_tokens=16, seed=seed)
        return str(answer.choices[0].text)

    async def all_at_once() -> list[str]:
        async with module.AsyncOpenAI(base_url=server[0], api_key=KEY, max_retries=0) as client:
            return await asyncio.gather(*(ask(client, seed % 2) for seed in range(6)))

    texts = asyncio.run(all_at_once())
    assert texts[0::2] == texts[:1] * 3
    assert texts[1::2] == texts[1:2] * 3


def curls() -> list[str]:
    page = (ROOT / "docs" / "server.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", page, re.S)
    joined = [line for block in blocks for line in block.replace("\\\n", " ").splitlines()]
    return [line for line in joined if line.startswith("curl ")]


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
@pytest.mark.parametrize("line", curls(), ids=lambda line: re.findall(r"8000(\S+)", line)[0])
def test_curl_as_the_documentation_writes_it(server: tuple[str, Any], line: str) -> None:
    command = shlex.split(line.replace("http://127.0.0.1:8000/v1", server[0]).replace(
        "http://127.0.0.1:8000", server[0].removesuffix("/v1")
    ))  # fmt: skip
    done = subprocess.run(
        [*command, "-s", "--fail-with-body", "-H", f"Authorization: Bearer {KEY}"], capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert done.stdout


def test_a_signal_lets_what_is_at_work_finish(server: tuple[str, "subprocess.Popen[str]"], openai: Any) -> None:
    process = server[1]
    stream = openai.completions.create(model="redraft-tiny", prompt="Once", max_tokens=200, seed=1, stream=True)
    chunks = [next(iter(stream))]
    process.send_signal(signal.SIGTERM)
    chunks += list(stream)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")
    out, err = process.communicate(timeout=30)
    assert process.returncode == 0, err
    assert [line for line in (out + err).splitlines() if not line.startswith("{")] == []
    assert all(json.loads(line)["level"] != "error" for line in err.splitlines())
