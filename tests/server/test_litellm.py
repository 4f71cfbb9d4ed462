"""LiteLLM unchanged against a live server: its OpenAI routes and its Mercury routes. Too heavy to install for tests."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from redraft.library import Model

ROOT = Path(__file__).parents[2]
NAME = "redraft-tiny"
USER = [{"role": "user", "content": "Hello!"}]
BEFORE, AFTER = "Once upon a time, there was a ", " who lived in the forest."


@pytest.fixture(scope="module")
def litellm() -> Any:
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"  # it would fetch a list of prices
    return pytest.importorskip("litellm", reason="litellm is not installed: pip install litellm (340 MB)")


@pytest.fixture(scope="module")
def address(litellm: Any) -> Iterator[str]:
    command = [sys.executable, "-m", "redraft.cli.main", "serve", "--port", "0", "--quiet", "--threads", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    yield process.stdout.readline().split()[-1]
    process.kill()
    process.communicate()


@pytest.mark.parametrize("route", ["openai", "inception"])
def test_a_chat_is_the_librarys_whole_and_streamed(litellm: Any, address: str, shipped: Model, route: str) -> None:
    options = {"api_base": address, "api_key": "none", "messages": USER, "max_tokens": 24}
    options |= {"seed": 1} if route == "openai" else {"extra_body": {"seed": 1}}
    whole = litellm.completion(model=f"{route}/{NAME}", **options)
    pieces = [chunk.choices[0].delta.content for chunk in litellm.completion(f"{route}/{NAME}", stream=True, **options)]
    alone = shipped.chat(USER, max_tokens=24, seed=1).text.lstrip()
    assert whole.choices[0].message.content == "".join(piece or "" for piece in pieces) == alone
    assert whole.usage.completion_tokens > 0


@pytest.mark.parametrize(
    ("route", "path"), [("text-completion-openai", ""), ("text-completion-inception", "/fim")]
)  # fmt: skip
def test_a_gap_is_filled_as_the_library_fills_it(
    litellm: Any, address: str, shipped: Model, route: str, path: str
) -> None:
    answer = litellm.text_completion(
        model=f"{route}/{NAME}", api_base=address + path, api_key="none", prompt=BEFORE, suffix=AFTER,
        extra_body={"seed": 4},
    )  # fmt: skip
    assert answer.choices[0].text == shipped.infill(BEFORE, AFTER, seed=4).text


def test_a_refusal_keeps_its_kind_and_words(litellm: Any, address: str) -> None:
    with pytest.raises(litellm.BadRequestError, match="max_tokens=1000000 is more"):
        litellm.completion(
            model=f"openai/{NAME}", api_base=address, api_key="none", messages=USER, max_tokens=10**6, max_retries=0
        )
