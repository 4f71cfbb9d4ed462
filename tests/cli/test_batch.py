"""The command `redraft batch`: every line answered once, whatever it holds and however often it is stopped."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the extra `serve` is not installed")

from redraft.library import load
from redraft.server.batch import Answers, Line, open_answers, parse, read_lines, waiting

ROOT = Path(__file__).parents[2]
Run = Callable[..., tuple[int, str, str]]


def request(custom_id: str, url: str = "/v1/completions", **body: Any) -> str:
    body = {"model": "tiny"} | body
    return json.dumps({"custom_id": custom_id, "method": "POST", "url": url, "body": body}) + "\n"


def answers(path: Path) -> dict[str, Any]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return {each["custom_id"]: each for each in found}


@pytest.fixture
def batch(run: Run, checkpoint: Path, tmp_path: Path) -> Callable[..., tuple[str, Path]]:
    """batch(text, *options) -> what it says, and the file of answers."""

    def call(text: str | bytes, *options: object) -> tuple[str, Path]:
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "in.jsonl").write_bytes(data)
        out = tmp_path / "out.jsonl"
        code, said, error = run("batch", tmp_path / "in.jsonl", out, "--model", f"tiny={checkpoint}", *options)
        assert code == 0, error
        return said, out

    return call


def test_every_path_of_the_server_is_answered(batch: Callable[..., tuple[str, Path]], checkpoint: Path) -> None:
    lines = [
        request("text", prompt="The quick", max_tokens=16, seed=3),
        request("gap", "/v1/fim/completions", prompt="The", suffix=" fox.", max_tokens=8, seed=1),
        request("edit", "/v1/edits", input="The fox.", seed=1),
        request("nats", "/v1/score", input="The fox.", samples=2),
        request("talk", "/v1/chat/completions", messages=[{"role": "user", "content": "a"}], max_tokens=8),
    ]
    said, out = batch("".join(lines))
    found = answers(out)
    assert said == "5 answered, 0 of them refused; 0 were there before\n"
    assert {each["response"]["status_code"] for each in found.values()} == {200}
    alone = load(checkpoint).generate("The quick", max_tokens=16, seed=3)
    assert found["text"]["response"]["body"]["choices"][0]["text"] == alone.text
    assert found["text"]["response"]["request_id"].startswith("req-")
    assert found["text"]["error"] is None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a JSON object"),
        ('{"custom_id": 1, "method": "POST", "url": "/v1/score", "body": {"a": 1}}', "custom_id"),
        ('{"custom_id": "x", "method": "GET", "url": "/v1/models", "body": {"a": 1}}', "'GET' is not POST"),
        ('{"custom_id": "x", "method": "POST", "url": "/health", "body": {"a": 1}}', "'/health' is not /v1/"),
        ('{"custom_id": "x", "method": "POST", "url": "/v1/score", "body": []}', "body"),
        (request("x", stream=True), "no streams"),
        ("[" * 100_000, "not JSON"),
        ("\udcff", "not JSON"),
    ],
)
def test_a_line_that_asks_for_nothing_says_why(line: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(Line(1, line.encode("utf-8", "surrogateescape")))


def test_bad_lines_are_answered_with_their_number_and_do_no_harm(batch: Callable[..., tuple[str, Path]]) -> None:
    text = request("a", prompt="a", max_tokens=4) + "\n{\n" + request("a", prompt="b") + request("b", bogus=1)
    said, out = batch(text)
    assert said.startswith("4 answered, 3 of them refused")
    found = [json.loads(line) for line in out.read_text().splitlines()]
    errors = {each["error"]["line"]: each for each in found if each["error"]}
    assert sorted(errors) == [3, 4]
    assert errors[3]["custom_id"] is None
    assert errors[4]["custom_id"] == "a"
    assert "line 4" in errors[4]["error"]["message"]
    (refused,) = (each for each in found if each["custom_id"] == "b")
    assert refused["response"]["status_code"] == 400
    assert batch(text)[0] == "0 answered, 0 of them refused; 4 were there before\n"


def test_a_torn_last_line_is_asked_again(batch: Callable[..., tuple[str, Path]]) -> None:
    text = "".join(request(f"{number}", prompt="a", max_tokens=4, seed=number) for number in range(3))
    _, out = batch(text)
    whole, texts = out.read_bytes(), answers(out)
    for cut in (1, 40, len(whole.splitlines()[-1]) - 5):
        out.write_bytes(whole[:-cut])
        assert batch(text)[0] == "1 answered, 0 of them refused; 2 were there before\n"
        assert {
            name: each["response"]["body"]["choices"] for name, each in answers(out).items()
        } == {name: each["response"]["body"]["choices"] for name, each in texts.items()}  # fmt: skip


@pytest.mark.parametrize("held", ["my thesis", "my thesis\n", '{"custom_id": "a"}\n', "1\n"])
def test_a_file_that_holds_something_else_is_left_alone(tmp_path: Path, held: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(held)
    with pytest.raises(ValueError, match="choose another file"):
        open_answers(path)
    assert path.read_text() == held


def test_the_requests_are_never_the_answers(run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text("")
    code, _, error = run("batch", tmp_path / "in.jsonl", tmp_path / "in.jsonl")
    assert (code, "both the requests and the answers" in error) == (2, True)


def test_what_is_answered_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text(request("a") + request("b") + "{\n")
    file = Answers(tmp_path / "out.jsonl")
    file.write({"custom_id": "a", "response": {}, "error": None})
    file.write({"custom_id": None, "response": None, "error": {"line": 3}})
    file.close()
    found = list(waiting(read_lines(tmp_path / "in.jsonl"), open_answers(tmp_path / "out.jsonl")))
    assert [line.number for line, _ in found] == [2]


def test_a_killed_batch_goes_on_where_it_was(batch: Callable[..., tuple[str, Path]], checkpoint: Path) -> None:
    text = "".join(request(f"{number}", prompt="a", max_tokens=100, seed=number) for number in range(60))
    _, out = batch(request("0", prompt="a", max_tokens=100, seed=0))  # so that both files are there
    out.with_name("in.jsonl").write_text(text)
    command = [sys.executable, "-m", "redraft.cli.main", "batch", str(out.with_name("in.jsonl")), str(out)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*command, "--model", f"tiny={checkpoint}", "--at-once", "2"], cwd=ROOT, env=environment,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    until = time.monotonic() + 60
    while out.read_bytes().count(b"\n") < 6 and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = out.read_bytes()
    assert 6 <= before.count(b"\n") < 60
    batch(text)
    assert out.read_bytes().startswith(before[: before.rindex(b"\n") + 1])
    found = [json.loads(line) for line in out.read_text().splitlines()]
    assert sorted(int(each["custom_id"]) for each in found) == list(range(60))
