"""generate, infill, chat, score: text goes to standard output, figures to JSON, views to traces."""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from redraft.cli import terminal
from redraft.core.canvas import Status
from redraft.library import load
from redraft.results import Piece, View
from redraft.trace import Header, read_trace, write_trace

FIGURES = {
    "text", "tokens", "nfe", "tokens_per_forward", "tokens_per_second", "first_text_s", "wall_s", "seed", "mode",
    "model", "notes",
}  # fmt: skip
HEADER = Header(version="0", model="m", prompt="p", decoding={"policy": "x"}, seed=1, mode="diffusion")
VIEWS = (
    View("", (Piece("░", Status.NOISY), Piece(" </script>", Status.ACCEPTED)), 1, 0.25, ()),
    View("", (Piece("the", Status.ACCEPTED), Piece(" a", Status.ACCEPTED, True)), 2, 0.5, ()),
    View("the a\u2028", (), 3, 0.75, (7, 8)),
)


@pytest.fixture
def screen(monkeypatch) -> io.StringIO:
    """Standard output as a terminal of 60 by 12, kept as text."""
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=60, height=12, highlight=False, color_system="truecolor")
    monkeypatch.setattr(terminal, "interactive", lambda: True)
    monkeypatch.setattr(terminal, "stdout", lambda: console)
    return file


@pytest.mark.parametrize("mode", ["diffusion", "ar", "verify"])
def test_generate_tells_text_and_figures(answer, checkpoint, mode) -> None:
    values = answer("generate", "The", "--model", checkpoint, "--max-tokens", 12, "--mode", mode, "--seed", 3)
    assert set(values) == FIGURES
    assert (values["seed"], values["mode"]) == (3, mode)
    assert values["nfe"] >= 1
    assert 0 <= values["first_text_s"] <= values["wall_s"]
    assert values["tokens"] <= 12


def test_a_pipe_gets_the_text_the_library_makes(run, checkpoint) -> None:
    code, out, err = run("generate", "The", "--model", checkpoint, "--max-tokens", 12, "--seed", 5, "--canvas", 6)
    assert (code, err) == (0, "")
    assert out == load(checkpoint).generate("The", max_tokens=12, seed=5, canvas=6).text + "\n"


def test_a_prompt_comes_from_a_pipe_or_a_dash_and_may_be_empty(answer, checkpoint, stdin) -> None:
    short = ("--model", checkpoint, "--max-tokens", 8)
    given = answer("generate", "The fox", *short)["text"]
    for arguments in ([], ["-"]):
        stdin(b"The fox\r\n")
        assert answer("generate", *arguments, *short)["text"] == given
    stdin(b"")
    assert answer("generate", *short)["text"] == answer("generate", "", *short)["text"]


def test_a_pipe_that_is_not_utf8_is_refused(run, checkpoint, stdin) -> None:
    stdin(b"caf\xe9")
    code, _, err = run("generate", "--model", checkpoint)
    assert code == 2
    assert "standard input is not UTF-8" in err


def test_a_prompt_may_look_like_an_option_behind_two_dashes(run, checkpoint, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    code, _, err = run("generate", "--model", checkpoint, "--max-tokens", 4, "--trace", trace, "--", "--fox")
    assert code == 0, err
    assert read_trace(trace).header.prompt == "--fox"


def test_options_of_the_decoding_reach_it(run, checkpoint, tmp_path: Path) -> None:
    trace = tmp_path / "t.jsonl"
    options = ["--policy", "ancestral", "--steps", 4, "--temperature", 0.5, "--guidance", 1.5, "--label", "story"]
    code, _, err = run("generate", "a", "--model", checkpoint, "--max-tokens", 8, "--trace", trace, *options)
    assert code == 0, err
    decoding = read_trace(trace).header.decoding
    assert (decoding["policy"]["name"], decoding["policy"]["num_steps"]) == ("ancestral", 4)
    assert (decoding["max_steps"], decoding["temperature"], decoding["guidance"]) == (4, 0.5, 1.5)


def test_an_interrupt_keeps_what_was_committed(run, checkpoint, monkeypatch, tmp_path: Path) -> None:
    def stream(*_: object, **__: object):
        yield from VIEWS[:1]
        yield View("so far", VIEWS[0].draft, 2, 0.1, (1, 2))
        raise KeyboardInterrupt

    monkeypatch.setattr("redraft.library.Model.stream", stream)
    assert run("generate", "a", "--model", checkpoint)[:2] == (130, "so far\n")
    code, out, _ = run("generate", "a", "--model", checkpoint, "--json", "--trace", tmp_path / "t")
    assert (code, json.loads(out)["text"], json.loads(out)["interrupted"]) == (130, "so far", True)
    assert len(read_trace(tmp_path / "t").views) == 2


def test_a_terminal_sees_the_canvas_and_then_the_text(run, checkpoint, screen) -> None:
    run("generate", "The", "--model", checkpoint, "--max-tokens", 8, "--seed", 2)
    shown = screen.getvalue()
    assert "░" in shown
    assert "\x1b[?25l" in shown  # the cursor is hidden while the canvas resolves
    assert shown.count("\x1b[?25h") == 1  # and comes back


def test_noise_is_dim_accepted_is_bright_and_revised_is_marked() -> None:
    styles = {str(span.style) for view in VIEWS for span in terminal.paint(view).spans if span.style}
    assert styles == {terminal.NOISE, terminal.ACCEPTED, terminal.REVISED}


def test_control_characters_of_a_model_never_reach_the_terminal() -> None:
    text = terminal.paint(View("a\x1b[2Jb\n", (Piece("\x07", Status.ACCEPTED),), 1, 0, ()), "\x9b")
    assert text.plain == "\ufffda\ufffd[2Jb\n\ufffd"


def test_a_canvas_taller_than_the_window_shows_its_end(screen) -> None:
    list(terminal.animate([View("".join(f"line {n}\n" for n in range(50)) + "end", (), 1, 0, ())]))
    assert "end" in screen.getvalue()
    assert "line 30\n" not in screen.getvalue()


# ------------------------------------------------------------------ infill, score, chat


def test_infill_tells_the_middle_in_json_and_the_whole_in_a_pipe(answer, run, checkpoint) -> None:
    arguments = ("infill", "--prefix", "The fox", "--suffix", "the dog.", "--gap", 5, "--model", checkpoint)
    values = answer(*arguments)
    assert set(values) == FIGURES | {"prefix", "suffix"}
    assert run(*arguments)[1] == "The fox" + values["text"] + "the dog.\n"


def test_infill_refuses_nothing_to_fill_and_no_gap(run, checkpoint) -> None:
    assert "give --prefix" in run("infill", "--model", checkpoint)[2]
    code, _, err = run("infill", "--prefix", "a", "--gap", 0, "--model", checkpoint)
    assert (code, "gap=0" in err) == (2, True)


def test_score_tells_nats_and_bits(answer, run, checkpoint, stdin) -> None:
    arguments = ("score", "The lazy dog.", "--block-length", 4, "--samples", 3, "--model", checkpoint)
    values = answer(*arguments)
    assert (values["num_bytes"], values["block_length"], values["num_samples"]) == (13, 4, 3)
    assert values["autoregressive_bits_per_byte"] == pytest.approx(values["autoregressive_nats"] / 13 / 0.693147, 1e-5)
    assert values["nelbo_standard_error"] > 0
    stdin(b"The lazy dog.\n")
    again = answer("score", "-", *arguments[2:])
    assert again == values
    assert "bits per byte" in run(*arguments)[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [((""), "empty text"), (("a", "--samples", 0), "--samples"), (("a", "--block-length", 0), "--block-length")],
)
def test_what_cannot_be_scored_is_refused(run, checkpoint, arguments, said) -> None:
    code, _, err = run("score", *(arguments or [""]), "--model", checkpoint)
    assert (code, said in err) == (2, True)


def test_chat_answers_every_line_until_it_is_told_to_quit(answer, checkpoint, stdin) -> None:
    stdin(b"Hello!\n\n/reset\nHow are you?\n/quit\nnever\n")
    values = answer("chat", "--model", checkpoint, "--max-tokens", 6)
    assert [turn["user"] for turn in values["turns"]] == ["Hello!", "How are you?"]
    assert all("\n" not in turn["assistant"] for turn in values["turns"])


def test_chat_in_a_pipe_prints_the_answers(run, checkpoint, stdin) -> None:
    stdin(b"Hello!\n")
    code, out, _ = run("chat", "--model", checkpoint, "--max-tokens", 6)
    assert code == 0
    assert out.startswith("Assistant:")


def test_chat_drops_the_oldest_turns_first(checkpoint) -> None:
    model = load(checkpoint)
    told = [{"role": role, "content": f"{role} {n} " * 8} for n in range(20) for role in ("user", "assistant")]
    told.append({"role": "user", "content": "last"})
    kept = model.fitting(told, 32)
    assert 1 < len(kept) < len(told)
    assert kept == told[-len(kept) :]
    assert len(kept) % 2 == 1
    prompt = model.render_chat(kept)
    assert prompt.endswith("User: last\nAssistant:")
    assert len(model.tokenizer.encode(prompt)) <= 256 - 32


# ------------------------------------------------------------------ traces


def test_a_trace_round_trips(tmp_path: Path) -> None:
    write_trace(tmp_path / "t.jsonl", HEADER, VIEWS)
    trace = read_trace(tmp_path / "t.jsonl")
    assert (trace.header, trace.views) == (HEADER, VIEWS)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda text: "", "is empty"),
        (lambda text: "hello\n", "line 1 is torn or not JSON"),
        (lambda text: "{}\n", "line 1 is not the header"),
        (lambda text: text.replace('"redraft_trace": 1', '"redraft_trace": 2'), "line 1 is not the header"),
        (lambda text: text[:-20], "line 4 is torn"),
        (lambda text: text[:-1], "line 4 is not a line"),
        (lambda text: text.replace('"pieces"', '"peaces"', 2), "line 2 is not a view"),
        (lambda text: text.replace('░", 1', '░", 9'), "line 2 is not a view"),
    ],
)
def test_a_torn_or_foreign_trace_is_refused_by_line(run, tmp_path: Path, spoil, said) -> None:
    path = tmp_path / "t.jsonl"
    write_trace(path, HEADER, VIEWS)
    path.write_text(spoil(path.read_text()))
    code, out, err = run("replay", path)
    assert (code, out) == (2, "")
    assert said in err


def test_replay_shows_snapshots_in_a_pipe_and_figures_in_json(answer, run, checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "t.jsonl"
    made = answer("generate", "The", "--model", checkpoint, "--max-tokens", 12, "--trace", path)
    told = answer("replay", path)
    assert {name: told[name] for name in FIGURES - {"wall_s", "first_text_s", "tokens_per_second"}} == {
        name: made[name] for name in FIGURES - {"wall_s", "first_text_s", "tokens_per_second"}
    }
    assert told["header"]["prompt"] == "The"
    code, out, _ = run("replay", path)
    assert code == 0
    assert 1 <= len(out.splitlines()) <= 5


def test_replay_in_a_terminal_takes_the_time_it_took(screen, run, tmp_path: Path, monkeypatch) -> None:
    slept = []
    monkeypatch.setattr("time.sleep", slept.append)
    write_trace(tmp_path / "t.jsonl", HEADER, VIEWS)
    assert run("replay", tmp_path / "t.jsonl", "--speed", 0.5)[0] == 0
    assert slept == pytest.approx([0.5, 1.0, 1.5], abs=0.2)
    assert screen.getvalue().strip().endswith("\x1b[2mp\x1b[0mthe a")


@pytest.mark.parametrize("speed", ["0", "-1", "nan", "inf"])
def test_an_impossible_speed_is_refused(run, tmp_path: Path, speed) -> None:
    assert run("replay", tmp_path / "t.jsonl", f"--speed={speed}")[0] == 2


def test_the_page_asks_nothing_of_any_network_and_cannot_be_broken_out_of(run, tmp_path: Path) -> None:
    write_trace(tmp_path / "t.jsonl", HEADER, VIEWS)
    code, out, _ = run("replay", tmp_path / "t.jsonl", "--html", tmp_path / "t.html")
    assert (code, out) == (0, f"{tmp_path / 't.html'}\n")
    html = (tmp_path / "t.html").read_text()
    for fetcher in ("http:", "https:", "//cdn", "src=", "href=", "url(", "@import", "fetch(", "<link"):
        assert fetcher not in html
    assert "default-src 'none'" in html
    assert html.count("</script>") == 1
    assert "\\u003c/script>" in html
    assert "prefers-color-scheme: dark" in html


def test_a_trace_that_cannot_be_written_leaves_the_old_one(run, checkpoint, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "t.jsonl"
    write_trace(path, HEADER, VIEWS)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", fail)
    code, _, err = run("generate", "a", "--model", checkpoint, "--max-tokens", 4, "--trace", path)
    assert (code, "No space left" in err) == (2, True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
