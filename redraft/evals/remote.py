"""Remote: answers from a server that speaks OpenAI's API, whoever wrote it.

Knows HTTP and the two shapes of a reply. Refuses to know models. What goes wrong on the way (no connection, a timeout,
a reply that is no reply) is tried again and then told as the error of that one answer.
"""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redraft.evals.askers import Manner, Reply, choose
from redraft.evals.task import Ask, Example, Task

MOST = 16 << 20  # bytes of a reply that are read
MAX_STOPS = 4  # OpenAI's API takes no more; the judge cuts at all of them anyway
AGAIN = (408, 409, 425, 429)  # and whatever a server says of itself, 500 and above


class _Trouble(Exception):
    """Why there is no answer, and whether to ask again."""

    def __init__(self, why: str, again: bool = True) -> None:
        super().__init__(why)
        self.again = again


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would carry the key to another place."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


@dataclass(frozen=True, slots=True)
class Server:
    """A model behind a base URL, such as http://127.0.0.1:8000/v1.

    `timeout` is of a whole reply, in seconds; `retries` how often a failed request is sent again.
    """

    base_url: str
    model: str
    max_tokens: int | None = None
    temperature: float = 0.0
    asked: Ask | None = None
    key: str | None = field(default=None, repr=False)
    timeout: float = 600.0
    retries: int = 2
    sleep: Callable[[float], None] = time.sleep

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("http://", "https://")):
            raise ValueError(f"{self.base_url!r} must begin with http:// or https://")

    def manner(self, task: Task) -> Manner:
        by_chat = "a server is asked to edit by chat"
        able: dict[Ask, str | None] = {"complete": None, "chat": None, "infill": None}
        able |= {"edit": by_chat, "rewrite": by_chat}
        way = choose(task, self.asked, able)
        return Manner(self.model, "server", way, {"temperature": self.temperature}, self.max_tokens or task.max_tokens)

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        path, body = self._request(task, example, seed)
        began = time.perf_counter()
        for attempt in range(self.retries + 1):
            try:
                text, tokens = read_reply(self._post(path, body))
                return Reply(text, time.perf_counter() - began, tokens)
            except _Trouble as trouble:
                if attempt == self.retries or not trouble.again:
                    return Reply("", time.perf_counter() - began, error=str(trouble))
                self.sleep(2.0**attempt)
        raise AssertionError("the last attempt returns")

    def _request(self, task: Task, example: Example, seed: int) -> tuple[str, dict[str, Any]]:
        manner = self.manner(task)
        body: dict[str, Any] = {"model": self.model, "max_tokens": manner.max_tokens, "seed": seed}
        body["temperature"] = self.temperature
        if manner.ask == "chat":
            return "/chat/completions", body | {"messages": [{"role": "user", "content": example.question}]}
        if manner.ask == "infill":
            return "/completions", body | {"prompt": example.prompt, "suffix": example.suffix}
        stops = {"stop": list(task.stop[:MAX_STOPS])} if task.stop else {}
        return "/completions", body | {"prompt": example.prompt} | stops

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        request = urllib.request.Request(self.base_url.rstrip("/") + path, json.dumps(body).encode(), headers)
        deadline = time.monotonic() + self.timeout
        try:
            with urllib.request.build_opener(_NoRedirects).open(request, timeout=self.timeout) as reply:
                return _read(reply, deadline)
        except urllib.error.HTTPError as error:
            with error:
                said = error.read(500).decode("utf-8", "replace").strip()
            raise _Trouble(f"HTTP {error.code}: {said}", error.code >= 500 or error.code in AGAIN) from None
        except TimeoutError:
            raise _Trouble(f"no reply within {self.timeout:g} s") from None
        except OSError as error:
            slow = isinstance(getattr(error, "reason", None), TimeoutError)
            why = f"no reply within {self.timeout:g} s" if slow else str(getattr(error, "reason", error))
            raise _Trouble(why) from None


def _read(reply: Any, deadline: float) -> bytes:
    """All of a reply, in time: a server that sends a byte now and then is not waited for."""
    import http.client

    data = bytearray()
    while True:
        try:
            part = reply.read1(1 << 16)
        except http.client.HTTPException as error:
            raise _Trouble(f"the reply broke off: {error!r}") from None
        if not part:
            return bytes(data)
        data += part
        if len(data) > MOST:
            raise _Trouble(f"a reply of more than {MOST} bytes", again=False)
        if time.monotonic() > deadline:
            raise TimeoutError


def read_reply(data: bytes) -> tuple[str, int | None]:
    """The text of a chat or text completion, and how many tokens the server says it has."""
    try:
        values = json.loads(data)
        choice = values["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise _Trouble(f"not a reply: {type(error).__name__} {error}: {data[:200]!r}") from None
    if not isinstance(text, str):
        raise _Trouble(f"not a reply: its text is {text!r}")
    usage = values.get("usage")
    tokens = usage.get("completion_tokens") if isinstance(usage, dict) else None
    return text, tokens if isinstance(tokens, int) else None
