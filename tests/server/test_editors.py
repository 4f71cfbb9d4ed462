"""What Continue, Zed and other clients of Mercury's API send is understood, field by field."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

Ask = Callable[..., dict[str, Any]]
REGION = "Their is a dog in the garden, it are very big.\n"
NEXT_EDIT = (
    "<|recently_viewed_code_snippets|>\n<|/recently_viewed_code_snippets|>\n"
    "<|current_file_content|>\ncurrent_file_path: a.md\n# Title\n"
    f"<|code_to_edit|>\n{REGION[:9]}<|cursor|>{REGION[9:]}<|/code_to_edit|>\nend\n<|/current_file_content|>\n"
    "<|edit_diff_history|>\n--- a.md\n+++ a.md\n@@ -1 +1 @@\n-x\n+y\n<|/edit_diff_history|>\n"
)
APPLY = (
    "<|original_code|>\ndef f():\n    return 1\n\ndef g():\n    return 2\n<|/original_code|>\n\n"
    "<|update_snippet|>\n# ... existing code ...\n\ndef g():\n    return 3\n<|/update_snippet|>\n"
)
MERGED = "def f():\n    return 1\n\ndef g():\n    return 3"


def post(client: TestClient, path: str, **body: Any) -> Any:
    response = client.post(path, json={"model": "redraft-tiny"} | body)
    assert response.status_code == 200, response.text
    return response


def streamed(text: str) -> str:
    """The content of a chat stream."""
    lines = [line.removeprefix("data: ") for line in text.split("\n\n") if line]
    assert lines.pop() == "[DONE]"
    return "".join(json.loads(line)["choices"][0]["delta"].get("content", "") for line in lines)


def test_zeds_autocomplete(real: TestClient) -> None:
    prompt = "<|fim_prefix|>Once upon a time, there was a <|fim_suffix|> who lived in the forest.<|fim_middle|>"
    stop = ["<|endoftext|>", "<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>"]
    answer = post(real, "/v1/fim/completions", prompt=prompt, max_tokens=64, stop=stop).json()
    assert answer["id"]
    assert answer["choices"][0]["text"]
    assert {"prompt_tokens", "completion_tokens", "total_tokens"} <= set(answer["usage"])


def test_zeds_next_edit_takes_the_fence_off(real: TestClient) -> None:
    message = {"role": "user", "content": NEXT_EDIT}
    content = post(real, "/v1/edit/completions", messages=[message], stream=False).json()["choices"][0]["message"]
    region = content["content"].removeprefix("```\n").removesuffix("\n```")
    assert region != REGION
    assert region.endswith("very big.\n")


def test_continues_autocomplete(real: TestClient) -> None:
    body = {
        "prompt": "Once upon a time, there was a ", "suffix": " who lived in the forest.", "max_tokens": 150,
        "temperature": 0, "presence_penalty": 0, "stop": ["<|endoftext|>", "\n\n", "\n \n"], "stream": True,
    }  # fmt: skip
    lines = [line.removeprefix("data: ") for line in post(real, "/v1/completions", **body).text.split("\n\n") if line]
    texts = [choice["text"] for line in lines[:-1] for choice in json.loads(line)["choices"]]
    assert "".join(texts)
    post(real, "/v1/completions", **body | {"suffix": "<|endoftext|>", "max_tokens": 8})


def test_continues_next_edit_and_apply_stream(real: TestClient) -> None:
    shared = {"temperature": 0, "presence_penalty": 0, "stop": ["<|endoftext|>"], "stream": True, "max_tokens": 2048}
    system = {"role": "system", "content": "You complete edits."}
    edited = post(
        real, "/v1/edit/completions", messages=[system, {"role": "user", "content": NEXT_EDIT}], **shared
    )  # fmt: skip
    assert streamed(edited.text).startswith("```\n")
    applied = post(real, "/v1/apply/completions", messages=[{"role": "user", "content": APPLY}], **shared)
    assert streamed(applied.text) == MERGED


def test_continues_chat_says_how_it_routes(real: TestClient) -> None:
    messages = [{"role": "user", "content": "Hello!"}]
    post(real, "/v1/chat/completions", messages=messages, nextEdit=True, stream=True, max_tokens=8)


def test_apply_counts_its_tokens(real: TestClient) -> None:
    answer = post(real, "/v1/apply/completions", messages=[{"role": "user", "content": APPLY}]).json()
    assert answer["choices"][0]["message"]["content"] == MERGED
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert answer["usage"]["completion_tokens"] > 10


@pytest.mark.parametrize(
    ("path", "body", "param"),
    [
        ("apply", {"messages": [{"role": "user", "content": "merge it"}]}, "messages"),
        ("apply", {"messages": [{"role": "user", "content": APPLY.replace("def g():\n    return 3", "nonsense")
                                 .replace("# ... existing code ...\n", "")}]}, "messages"),
        ("apply", {"messages": [{"role": "user", "content": APPLY}], "max_tokens": 3}, "max_tokens"),
        ("apply", {"messages": [{"role": "user", "content": APPLY}] * 2}, "messages"),
        ("edit", {"messages": [{"role": "user", "content": "fix it"}]}, "messages"),
        ("edit", {"messages": [{"role": "user", "content": NEXT_EDIT}], "n": 2}, "n"),
        ("edit", {"messages": [{"role": "user", "content": NEXT_EDIT}], "stream": True, "diffusing": True},
         "diffusing"),
        ("edit", {"messages": [{"role": "user", "content": NEXT_EDIT}], "presence_penalty": 2.5}, "presence_penalty"),
    ],
    ids=lambda value: str(value)[:20],
)  # fmt: skip
def test_what_cannot_be_is_refused_by_name(refused: Ask, path: str, body: dict[str, Any], param: str) -> None:
    assert refused(f"/v1/{path}/completions", **body)["param"] == param


def test_an_empty_region_stays_empty(ask: Ask) -> None:
    message = NEXT_EDIT.replace(REGION[:9], "").replace(REGION[9:], "")
    answer = ask("/v1/edit/completions", messages=[{"role": "user", "content": message}])
    assert answer["choices"][0]["message"]["content"] == "```\n\n```"
