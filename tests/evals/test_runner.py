"""Runs: exactly the expected scores from a server with known answers, resumed, judged again, compared and shown."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from redraft.evals import records, runner
from redraft.evals.askers import Own, Reply, recorded
from redraft.evals.corpora import restoration_counts
from redraft.evals.data import load_examples
from redraft.evals.page import page
from redraft.evals.records import Run, read_run
from redraft.evals.registry import get_task
from redraft.evals.remote import Server, read_reply
from redraft.evals.sandbox import Sandbox
from redraft.evals.summary import compare, summarise
from redraft.evals.task import Example, Task, Verdict
from redraft.library import load
from tests.evals.conftest import write_rows
from tests.evals.server import Answer, serving

COUNT = 12


@pytest.fixture
def sums(tmp_path: Path) -> tuple[Task, list[Example]]:
    """GSM8K with problems of our own: the answer to number n is n."""
    write_rows(
        tmp_path / "gsm8k_test.jsonl", [{"question": f"What is {n}?", "answer": f"#### {n}"} for n in range(COUNT)]
    )
    task = get_task("gsm8k")
    return task, load_examples(task, tmp_path)[0]


def asked(body: dict[str, Any]) -> int:
    text = body["messages"][0]["content"] if "messages" in body else body["prompt"]
    return int(text.split("What is ")[1].split("?")[0])


def evaluate(
    task: Task, examples: list[Example], asker: Any, path: Path, *, samples: int = 1, workers: int = 1,
    sandbox: Sandbox | None = None, seed: int = 0,
) -> Run:  # fmt: skip
    about = runner.header(task, asker.manner(task), data="x", samples=samples, seed=seed)
    return runner.run(task, examples, asker, path, about, sandbox=sandbox, workers=workers)


def mixed(path: str, body: dict[str, Any]) -> Answer:
    """Right for 0 to 4; wrong, silent, refusing, and broken in every way after that."""
    n = asked(body)
    broken: dict[int, Answer] = {
        6: 1.5,
        7: (500, b"oh"),
        8: (200, b"<html>not JSON"),
        9: (200, b'{"choices": []}'),
        10: (200, b'{"choices": [{"message": {"content": null}}]}'),
        11: (302, b""),
    }
    return broken.get(n, rf"It is \boxed{{{n if n < 5 else 99}}}")


@pytest.mark.parametrize("workers", [1, 4])
def test_a_server_with_known_answers_gets_exactly_its_score(sums: Any, tmp_path: Path, workers: int) -> None:
    with serving(mixed) as url:
        server = Server(url, "fake", timeout=0.5, retries=1, sleep=lambda seconds: None)
        run = evaluate(*sums, server, tmp_path / "run.jsonl", workers=workers)
    summary = summarise(run)
    assert summary.score.value == 5 / COUNT
    assert (summary.unanswered, summary.answers) == (6, COUNT)
    errors = {int(r.id.split("/")[1]): r.error for r in run.records if r.error}
    assert sorted(errors) == [6, 7, 8, 9, 10, 11]
    assert errors[6] == "no reply within 0.5 s"
    assert errors[7] == "HTTP 500: oh"
    assert errors[8].startswith("not a reply: JSONDecodeError")
    assert errors[11].startswith("HTTP 302")
    assert [r.score for r in run.records] == [1.0] * 5 + [0.0] * 7


def test_a_passing_fault_is_asked_again_and_a_refusal_is_not(sums: Any, tmp_path: Path) -> None:
    calls: list[int] = []
    waits: list[float] = []

    def answer(path: str, body: dict[str, Any]) -> Answer:
        n = asked(body)
        calls.append(n)
        if n == 0 and calls.count(0) < 3:
            return 503, b"busy"
        return (400, b"no") if n == 1 else f"{n}"

    with serving(answer) as url:
        server = Server(url, "fake", retries=2, sleep=waits.append)
        run = evaluate(sums[0], sums[1][:2], server, tmp_path / "run.jsonl")
    assert [r.score for r in run.records] == [1.0, 0.0]
    assert (calls, waits) == ([0, 0, 0, 1], [1.0, 2.0])


def test_what_a_server_is_sent(sums: Any, tmp_path: Path) -> None:
    seen: list[tuple[str, dict[str, Any]]] = []

    def answer(path: str, body: dict[str, Any]) -> Answer:
        seen.append((path, body))
        return "1"

    with serving(answer) as url:
        for way in (None, "complete"):
            server = Server(f"{url}/", "fake", max_tokens=7, temperature=0.5, key="secret", asked=way)  # type: ignore[arg-type]
            server.ask(*(sums[0], sums[1][1]), 0, 5)
    (chat, first), (text, second) = seen
    assert (chat, text) == ("/v1/chat/completions", "/v1/completions")
    for body in (first, second):
        assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("fake", 7, 0.5, 5)
        assert body["authorization"] == "Bearer secret"
    assert first["messages"][0]["content"].startswith("What is 1?")
    assert second["stop"] == ["\nQuestion:"]
    assert "secret" not in repr(server)


def test_a_reply_that_trickles_in_is_not_waited_for(sums: Any, tmp_path: Path) -> None:
    import socket
    import threading
    import time

    def trickle(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(100):
                try:
                    connection.sendall(b" ")
                except OSError:
                    return
                time.sleep(0.05)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=trickle, args=(listener,), daemon=True)
        thread.start()
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}/v1", "fake", timeout=0.4, retries=0)
        reply = server.ask(sums[0], sums[1][0], 0, 0)
    assert reply.error == "no reply within 0.4 s"
    assert reply.seconds < 2


def test_a_server_that_is_not_there_is_an_error_of_every_answer(sums: Any, tmp_path: Path) -> None:
    server = Server("http://127.0.0.1:9/v1", "fake", retries=0)
    run = evaluate(*sums, server, tmp_path / "run.jsonl")
    assert summarise(run).unanswered == COUNT
    assert "refused" in (run.records[0].error or "")
    with pytest.raises(ValueError, match="must begin with http"):
        Server("file:///etc", "fake")


def test_code_from_a_server_is_judged_in_the_sandbox(sandbox: Sandbox, tmp_path: Path) -> None:
    rows = [
        {"task_id": f"HumanEval/{n}", "prompt": f"def add(x):\n    # What is {n}?\n", "entry_point": "add",
         "test": f"def check(f):\n    assert f(1) == {n + 1}\n"} for n in range(3)
    ]  # fmt: skip
    write_rows(tmp_path / "HumanEval.jsonl", rows)
    task = get_task("humaneval")
    answers = ["    return x", "    return x + 1\n\nprint('x')", "    while True: pass"]
    examples = load_examples(task, tmp_path)[0]
    quick = replace(task, limits=replace(task.limits, cpu_seconds=1, wall_seconds=2))
    with serving(lambda path, body: answers[asked(body)]) as url:
        run = evaluate(quick, examples, Server(url, "fake"), tmp_path / "run.jsonl", sandbox=sandbox)
    assert [r.score for r in run.records] == [1.0, 1.0, 0.0]
    assert run.records[2].why == "too much time"
    with pytest.raises(ValueError, match="runs code, and there is no sandbox"):
        evaluate(quick, examples, Server(url, "fake"), tmp_path / "other.jsonl")


# ------------------------------------------------------------------ files


class Parrot:
    """Says a text, and counts how often it was asked."""

    def __init__(self, say: Callable[[Example, int], str | None]) -> None:
        self.say, self.asked = say, 0

    def manner(self, task: Task) -> Any:
        from redraft.evals.askers import Manner

        return Manner("parrot", "ar", "chat", {"temperature": 1.0}, 9)

    def ask(self, task: Task, example: Example, sample: int, seed: int) -> Reply:
        self.asked += 1
        text = self.say(example, sample)
        return Reply("", 0.1, error="lost") if text is None else Reply(text, 0.1, 4, 2)


def knows(example: Example, sample: int) -> str:
    return str(example.target)


def test_a_run_goes_on_where_it_was_interrupted(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    path = tmp_path / "run.jsonl"
    evaluate(task, examples[:5], Parrot(knows), path)
    path.write_bytes(path.read_bytes()[:-20])  # killed in the middle of the fifth line
    again = Parrot(knows)
    run = evaluate(task, examples, again, path)
    assert again.asked == COUNT - 4
    assert [r.id for r in run.records] == [e.id for e in examples]
    assert read_run(path).records == run.records


def test_what_failed_is_asked_again_and_the_last_answer_counts(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    path = tmp_path / "run.jsonl"
    lossy = Parrot(lambda example, sample: None if example.target == "3" else knows(example, sample))
    assert summarise(evaluate(task, examples, lossy, path)).unanswered == 1
    again = Parrot(knows)
    assert summarise(evaluate(task, examples, again, path)).score.value == 1
    assert again.asked == 1
    assert len(read_run(path).records) == COUNT


def test_another_run_in_the_same_file_is_refused_with_what_differs(sums: Any, tmp_path: Path) -> None:
    evaluate(*sums, Parrot(knows), tmp_path / "run.jsonl")
    with pytest.raises(ValueError, match="is another run: seed was 0 and is now 1"):
        evaluate(*sums, Parrot(knows), tmp_path / "run.jsonl", seed=1)


@pytest.mark.parametrize("text", ["", "{}\n", "hello\n", '{"format": 1, "task": "x"}\n', '{"format": 2}\n'])
def test_a_file_that_is_no_run_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"run.jsonl is (empty|not a run)"):
        read_run(tmp_path / "run.jsonl")


def test_every_line_says_what_was_asked_and_what_it_cost(sums: Any, tmp_path: Path) -> None:
    evaluate(*sums, Parrot(knows), tmp_path / "run.jsonl")
    line = json.loads((tmp_path / "run.jsonl").read_text().splitlines()[1])
    assert (line["output"], line["score"], line["decoding"]) == ("0", 1.0, {"temperature": 1.0})
    assert (line["tokens"], line["forwards"], line["tokens_per_forward"], line["seconds"]) == (4, 2, 2.0, 0.1)
    assert line["prompt"].startswith("What is 0?")
    assert isinstance(line["seed"], int)


def test_seeds_differ_between_examples_and_samples_and_not_between_runs() -> None:
    seeds = [runner.seed_of(0, name, sample) for name in "ab" for sample in range(2)]
    assert len(set(seeds)) == 4
    assert seeds[0] == runner.seed_of(0, "a", 0) != runner.seed_of(1, "a", 0)
    assert all(0 <= seed < 2**31 for seed in seeds)


def test_a_smaller_limit_is_part_of_a_larger_one(sums: Any) -> None:
    few, more = runner.chosen(sums[1], 3), runner.chosen(sums[1], 7)
    assert (len(few), len(more)) == (3, 7)
    assert {e.id for e in few} < {e.id for e in more}
    assert runner.chosen(sums[1], None) == sums[1]


def test_samples_become_pass_at_k(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    half = Parrot(lambda example, sample: knows(example, sample) if sample % 2 else "no")
    summary = summarise(evaluate(task, examples, half, tmp_path / "run.jsonl", samples=2))
    assert {k: found.value for k, found in summary.pass_at.items()} == {1: 0.5, 2: 1.0}
    assert summary.score.value == 0.5
    assert summary.tokens_per_forward.value == 2.0
    assert summary.tokens_per_second.value == pytest.approx(40)


def test_a_recorded_run_is_judged_again(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    run = evaluate(task, examples, Parrot(knows), tmp_path / "run.jsonl")
    lines = (tmp_path / "run.jsonl").read_text().replace('"score": 1.0', '"score": 0.0')
    (tmp_path / "run.jsonl").write_text(lines)
    stale = read_run(tmp_path / "run.jsonl")
    assert summarise(stale).score.value == 0
    again = evaluate(task, examples, recorded(stale), tmp_path / "again.jsonl")
    assert again.records == run.records
    with pytest.raises(ValueError, match="is of gsm8k, not of humaneval"):
        recorded(stale).manner(get_task("humaneval"))


def test_runs_are_compared_on_the_examples_both_have(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    good = evaluate(task, examples, Parrot(knows), tmp_path / "good.jsonl")
    bad = evaluate(task, examples[:8], Parrot(lambda example, sample: "no"), tmp_path / "bad.jsonl")
    found = compare(bad, good)
    assert (found.value, found.examples) == (1.0, 8)
    assert found.low > 0
    assert found.p < 0.05
    other = Run(replace(good.header, data="other"), good.records)
    with pytest.raises(ValueError, match="not of the same data"):
        compare(good, other)


def test_withheld_questions_stand_in_no_record_and_on_no_page(tmp_path: Path) -> None:
    write_rows(tmp_path / "gpqa_diamond.jsonl", [{"prompt": "A marked question?", "answer": r"\boxed{C}"}])
    task = get_task("gpqa_diamond")
    examples = load_examples(task, tmp_path)[0]
    run = evaluate(
        task, examples, Parrot(lambda example, sample: r"I see a marked question. \boxed{C}"), tmp_path / "r"
    )
    assert run.records[0].score == 1
    assert run.records[0].prompt.startswith("sha256:")
    assert "arked question" not in page([run])


def test_the_page_is_whole_in_itself_and_shows_text_as_text(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    evil = Parrot(lambda example, sample: f"<script>alert(1)</script> {example.target}")
    run = evaluate(task, examples, evil, tmp_path / "run.jsonl")
    other = Run(replace(run.header, mode="diffusion"), tuple(replace(r, score=0.0) for r in run.records))
    made = page([other, run])
    assert "<script" not in made
    assert "&lt;script&gt;" in made
    assert "http" not in made.replace("http-equiv", "")
    assert made.index('"run">diffusion</td>') < made.index('"run">ar</td>')
    assert "<b>100.0</b>" in made
    assert "What is 1?" in made
    assert "What is 1?" not in page([run], samples=False)
    assert '<b>0.0</b></td><td data-name="95 %">0.0 to 24.2' in made


def test_the_page_sets_the_articles_numbers_beside_ours_and_says_whose_they_are(sums: Any, tmp_path: Path) -> None:
    write_rows(tmp_path / "aime25.jsonl", [{"problem": f"What is {n}?", "answer": str(n)} for n in range(4)])
    task = get_task("aime25")
    examples = load_examples(task, tmp_path)[0]
    half = Parrot(lambda e, s: rf"\boxed{{{e.target}}}" if int(e.target) < 2 else "no")
    made = page([evaluate(task, examples, half, tmp_path / "run.jsonl")])
    assert '<td>AIME 2025</td><td class="theirs">23.3</td><td><b>50.0</b>' in made
    assert '<td>HumanEval</td><td class="theirs">89.6</td><td>\N{EN DASH}</td>' in made
    assert "were <em>published</em> by Google DeepMind" in made
    alone = page([evaluate(*sums, Parrot(knows), tmp_path / "other.jsonl")])
    assert "Google DeepMind" not in alone  # none of the ten was asked


def test_the_page_draws_a_sweep_and_keeps_its_points_out_of_the_table(sums: Any, tmp_path: Path) -> None:
    plain = evaluate(*sums, Parrot(knows), tmp_path / "run.jsonl")
    points = [
        Run(replace(plain.header, mode="diffusion", setting=f"threshold:{tau}"), plain.records) for tau in (0.9, 0.5)
    ]
    made = page([plain, *points])
    assert 'src="data:image/svg+xml;base64,' in made
    assert "<td>threshold</td><td><b>200.0</b></td>" in made  # 2 tokens per forward, everything right
    assert made.count('data-name="run"') == 1
    assert "data:image" not in page([plain])


def test_answers_of_several_runs_stand_beside_each_other_under_one_question(sums: Any, tmp_path: Path) -> None:
    one = evaluate(*sums, Parrot(knows), tmp_path / "one.jsonl")
    other = Run(replace(one.header, mode="verify"), tuple(replace(r, output="another answer") for r in one.records))
    made = page([one, other])
    assert made.count("What is 0?") == 1
    assert made.count("another answer") == 3


# ------------------------------------------------------------------ models


def test_a_loaded_model_is_asked_in_its_modes(sums: Any, tmp_path: Path, checkpoint: Path) -> None:
    model = load(checkpoint)
    task, examples = sums
    for mode in ("diffusion", "ar"):
        asker = Own(model, mode, model.defaults.generate, max_tokens=8, asked="complete")
        run = evaluate(task, examples[:2], asker, tmp_path / f"{mode}.jsonl")
        assert all(record.error is None and record.forwards for record in run.records)
        alone = model.generate(
            examples[0].prompt, mode=mode, max_tokens=8, seed=run.records[0].seed, stop=task.stop
        )  # fmt: skip
        assert run.records[0].output == alone.text
        assert run.records[0].forwards == alone.nfe


def test_a_prompt_that_is_too_long_is_told_and_counts_as_wrong(sums: Any, tmp_path: Path, checkpoint: Path) -> None:
    model = load(checkpoint)
    long = replace(sums[1][0], prompt="many words " * 300)
    asker = Own(model, "ar", model.defaults.generate, max_tokens=8, asked="complete")
    run = evaluate(sums[0], [long], asker, tmp_path / "run.jsonl")
    assert "more than the model's 256" in (run.records[0].error or "")
    assert summarise(run).score.value == 0


def test_an_edit_is_an_edit_and_has_no_autoregressive_mode(tmp_path: Path, checkpoint: Path) -> None:
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}])
    task, model = get_task("jfleg"), load(checkpoint)
    examples = load_examples(task, tmp_path)[0]
    asker = Own(model, "diffusion", model.defaults.generate, asked="edit")
    run = evaluate(task, examples, asker, tmp_path / "run.jsonl")
    assert run.records[0].output == model.edit("He go home.", seed=run.records[0].seed).text
    assert 0 <= summarise(run).score.value <= 1
    with pytest.raises(ValueError, match="edits in mode diffusion, not ar"):
        Own(model, "ar", model.defaults.generate, asked="edit").manner(task)
    with pytest.raises(ValueError, match="jfleg cannot be asked by 'complete', only by edit or chat"):
        Own(model, "ar", model.defaults.generate, asked="complete").manner(task)


def test_no_answer_is_an_empty_answer_to_a_corpus_metric(tmp_path: Path) -> None:
    write_rows(tmp_path / "jfleg_dev.jsonl", [{"src": "He go home .", "refs": ["He goes home ."]}] * 2)
    task = get_task("jfleg")
    examples = load_examples(task, tmp_path)[0]
    run = evaluate(task, examples, Parrot(lambda e, sample: None), tmp_path / "run.jsonl")
    assert summarise(run).score.value == 0
    assert all(record.parts for record in run.records)


def test_examples_that_need_what_is_not_here_are_found() -> None:
    example = Example("a", "", "", "", needs=("json", "surely_absent"))
    assert runner.missing([example, replace(example, id="b", needs=("json",))]) == {"a": ("surely_absent",)}


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"choices": [{}]}', b'{"choices": [{"text": 3}]}', b"\xff"])
def test_what_is_no_reply_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(Exception, match="not a reply"):
        read_reply(data)


def test_records_keep_lines_that_json_alone_would_break(tmp_path: Path, sums: Any) -> None:
    run = evaluate(sums[0], sums[1][:1], Parrot(lambda e, s: "a\u2028b\u0085c\r\n\ud800 0"), tmp_path / "r.jsonl")
    assert records.read_run(tmp_path / "r.jsonl").records == run.records


def test_what_nobody_may_be_asked_is_not_asked_and_counts_as_wrong(sums: Any, tmp_path: Path) -> None:
    task, examples = sums
    examples = [replace(examples[0], refused="too long for this benchmark"), *examples[1:4]]
    asked: list[str] = []

    def answer(example: Example, sample: int) -> str:
        asked.append(example.id)
        return example.target

    for workers in (1, 2):
        path = tmp_path / f"run{workers}.jsonl"
        run = evaluate(task, examples, Parrot(answer), path, workers=workers)
        assert [r.score for r in run.records] == [0.0, 1.0, 1.0, 1.0]
        assert run.records[0].error == "too long for this benchmark"
    assert examples[0].id not in asked


def test_a_gap_is_asked_of_a_server_by_its_suffix(sums: Any) -> None:
    seen: list[dict[str, Any]] = []

    def answer(path: str, body: dict[str, Any]) -> Answer:
        seen.append(body | {"path": path})
        return "1"

    task = replace(sums[0], asks=("infill",))
    example = replace(sums[1][0], prompt="before", suffix="behind")
    with serving(answer) as url:
        assert Server(url, "fake").ask(task, example, 0, 0).text == "1"
    assert (seen[0]["path"], seen[0]["prompt"], seen[0]["suffix"]) == ("/v1/completions", "before", "behind")


def test_metrics_beside_the_first_are_in_the_summary_and_survive_the_file(sums: Any, tmp_path: Path) -> None:
    def judge(example: Example, answer: str, ask: str, bench: Any) -> Any:
        return Verdict(0.5, parts=restoration_counts(answer, "Go, Ann!"))

    task = replace(sums[0], judge=judge, also=("marks_f1", "capitals_f1"))
    evaluate(task, sums[1], Parrot(lambda e, s: "Go Ann!"), tmp_path / "run.jsonl")
    summary = summarise(read_run(tmp_path / "run.jsonl"))
    assert summary.score.value == 0.5
    assert summary.also["capitals_f1"].value == 1
    assert summary.also["marks_f1"].value == pytest.approx(2 / 3)
    assert "marks_f1" in page([read_run(tmp_path / "run.jsonl")])


def test_what_lies_beside_the_file_is_part_of_the_data_and_of_its_hash(sums: Any, tmp_path: Path) -> None:
    def beside(rows: Any, folder: Path | None) -> Any:
        assert folder is not None
        return [row | {"answer": (folder / "answers.txt").read_text()} for row in rows]

    found = []
    for text in ("#### 1", "#### 2"):
        (tmp_path / "answers.txt").write_text(text)
        found.append(load_examples(replace(sums[0], beside=beside), tmp_path))
    assert [examples[5].target for examples, _ in found] == ["1", "2"]
    assert found[0][1] != found[1][1]


def test_a_gap_is_filled_by_infill_with_its_own_decoding(tmp_path: Path, checkpoint: Path) -> None:
    row = {"task_id": "a", "entry_point": "f", "prompt": "def f():\n", "suffix": "", "test": "def check(f):\n    f()\n"}
    write_rows(tmp_path / "HumanEval-SingleLineInfilling.jsonl", [row])
    task, model = (
        replace(get_task("infilling_single"), runs_code=False, judge=lambda *_: Verdict(0.0)),
        load(checkpoint),
    )
    examples = load_examples(task, tmp_path)[0]
    asker = Own(model, "diffusion", model.defaults.generate, max_tokens=6)
    assert asker.manner(task).ask == "infill"
    run = evaluate(task, examples, asker, tmp_path / "run.jsonl")
    seed = run.records[0].seed
    assert run.records[0].error is None
    assert (
        run.records[0].output == model.infill("def f():\n", "", gap=6, decoding=model.defaults.infill, seed=seed).text
    )
    assert run.records[0].prompt == f"def f():\n{runner.GAP}"


def test_who_cannot_rewrite_is_told_why_and_asked_otherwise(tmp_path: Path, checkpoint: Path) -> None:
    task, model = get_task("canitedit"), load(checkpoint)
    asker = Own(model, "diffusion", model.defaults.generate)
    assert asker.manner(task).ask in ("chat", "complete")
    with pytest.raises(ValueError, match="was trained to edit in place"):
        replace(asker, asked="rewrite").manner(task)
