"""edit: files keep every byte that was not edited, and are replaced whole or not at all."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from redraft.cli import terminal
from redraft.files import TextFile, apply_edits, decode_text
from redraft.instant.diffs import minimal_edits
from redraft.library import Model
from redraft.results import Edit, EditResult, EditView

KEYS = {"text", "original", "edits", "forwards", "nfe", "tokens", "seed", "mode", "model", "wall_s", "file", "written"}


@pytest.fixture
def corrects(monkeypatch) -> list[str]:
    """A model that writes "went" for "goed"; what it was shown is kept."""
    shown: list[str] = []

    def edit(self: Model, text: str, instruction: str = "fix", *, seed: int = 0, **_: object) -> Iterator[EditView]:
        shown.append(text)
        after = text.replace("goed", "went")
        result = EditResult(
            text=after, tokens=(1, 2), nfe=2, first_text_s=0.1, wall_s=0.2, seed=seed, mode="edit", model="m",
            original=text, edits=minimal_edits(text, after), forwards=1,
        )  # fmt: skip
        yield EditView(text=after, finished=1, total=1, nfe=2, seconds=0.2, result=result)

    monkeypatch.setattr(Model, "stream_edit", edit)
    return shown


@pytest.fixture
def letter(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_bytes(b"She goed home.\nHe goed too.\n")
    return path


def test_edit_tells_edits_over_the_original(answer, checkpoint, letter: Path) -> None:
    values = answer("edit", letter, "--model", checkpoint, "--lock", "She goed")
    assert set(values) >= KEYS
    assert values["original"] == "She goed home.\nHe goed too.\n"
    for edit in values["edits"]:
        assert set(edit) == {"start", "end", "before", "after", "confidence"}
        assert values["original"][edit["start"] : edit["end"]] == edit["before"]
    assert apply_edits(values["original"], [Edit(**edit) for edit in values["edits"]]) == values["text"]
    assert values["text"].startswith("She goed")
    assert not values["written"]
    assert letter.read_bytes() == b"She goed home.\nHe goed too.\n"


def test_a_pipe_gets_the_edited_text_and_nothing_is_written(run, checkpoint, letter: Path, corrects) -> None:
    assert run("edit", letter, "--model", checkpoint) == (0, "She went home.\nHe went too.\n", "")
    assert letter.read_bytes() == b"She goed home.\nHe goed too.\n"


def test_standard_input_is_edited_with_its_line_ends(run, checkpoint, stdin, corrects) -> None:
    stdin(b"I goed.\r\n")
    assert run("edit", "-", "--model", checkpoint)[1] == "I went.\r\n"
    assert corrects == ["I goed.\n"]


def test_a_diff_is_a_patch(run, checkpoint, letter: Path, corrects) -> None:
    out = run("edit", letter, "--diff", "--model", checkpoint)[1]
    assert "-She goed home.\n-He goed too.\n+She went home.\n+He went too.\n" in out


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"I goed.\n", b"I went.\n"),
        (b"I goed.", b"I went."),
        (b"I goed.\r\nYou goed.\r\n", b"I went.\r\nYou went.\r\n"),
        (b"mixed\nI goed.\r\nYou goed.\n\rgoed", b"mixed\nI went.\r\nYou went.\n\rwent"),
        (b"\xef\xbb\xbfI goed.\n", b"\xef\xbb\xbfI went.\n"),
        ("Zoë goed, there 🎈.\r\n".encode(), "Zoë went, there 🎈.\r\n".encode()),
    ],
)
def test_write_changes_the_words_and_no_other_byte(answer, checkpoint, tmp_path, corrects, before, after) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(before)
    values = answer("edit", path, "--write", "fix", "--model", checkpoint)
    assert path.read_bytes() == after
    assert values["written"]
    assert "\r" not in corrects[0].replace("\n\n", "")
    assert not corrects[0].startswith("\ufeff")
    raw = before.decode().removeprefix("\ufeff")
    assert all(raw[edit["start"] : edit["end"]] == edit["before"] == "goed" for edit in values["edits"])


def test_write_keeps_permissions_and_leaves_nothing_behind(run, checkpoint, letter: Path, corrects) -> None:
    letter.chmod(0o640)
    assert run("edit", letter, "--write", "--model", checkpoint)[:2] == (0, "")
    assert stat.S_IMODE(letter.stat().st_mode) == 0o640
    assert list(letter.parent.iterdir()) == [letter]


def test_write_follows_a_symbolic_link(run, checkpoint, letter: Path, corrects, tmp_path: Path) -> None:
    link = tmp_path / "folder" / "link.txt"
    link.parent.mkdir()
    link.symlink_to(letter)
    assert run("edit", link, "--write", "--model", checkpoint)[0] == 0
    assert link.is_symlink()
    assert letter.read_text().startswith("She went")
    assert list(link.parent.iterdir()) == [link]


@pytest.mark.parametrize("place", ["os.replace", "os.fsync"])
def test_a_failing_write_leaves_the_old_file_whole(run, checkpoint, letter, corrects, monkeypatch, place) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(place, fail)
    code, out, err = run("edit", letter, "--write", "--model", checkpoint)
    assert (code, out) == (2, "")
    assert "No space left" in err
    assert letter.read_bytes() == b"She goed home.\nHe goed too.\n"
    assert list(letter.parent.iterdir()) == [letter]


def test_a_file_with_nothing_to_change_is_not_touched(run, checkpoint, tmp_path: Path, corrects, monkeypatch) -> None:
    path = tmp_path / "fine.txt"
    path.write_text("All is well.")
    monkeypatch.setattr("os.replace", None)  # calling it would fail
    assert run("edit", path, "--write", "--model", checkpoint)[0] == 0
    assert run("edit", path, "--diff", "--model", checkpoint)[1] == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [(b"a\0b", "binary"), (b"caf\xe9 goed", "not UTF-8 (byte 0xe9 at offset 3)"), (None, "cannot read")],
)
def test_a_file_that_is_not_text_is_refused(run, checkpoint, tmp_path: Path, data, said) -> None:
    path = tmp_path / "x"
    if data is not None:
        path.write_bytes(data)
    code, out, err = run("edit", path, "--model", checkpoint)
    assert (code, out) == (2, "")
    assert said in err
    assert str(path) in err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lock", "Jonson"], "lock 'Jonson' does not occur"),
        (["--lock", ""], "must not be empty"),
        (["--strength", "2"], "strength"),
        (["--strength", "nan"], "strength"),
        (["--policy", "corect:0.5"], "Did you mean 'correct'?"),
        (["--strength", "0.5", "--policy", "correct:0.5"], "--policy does not apply"),
        (["--strength", "much"], "must be a number in [0, 1], or"),
        (["--lock-pattern", "q+"], "pattern 'q+' matches nothing"),
        (["--lock-lines", "7"], "lines 7-7 is not in a text of 2 lines"),
        (["--lines", "x"], "'x' is no range of lines"),
        (["--rewrite", "--strength", "0.5"], "does not apply to --rewrite"),
        (["--rewrite"], "was trained to edit in place"),
        (["--json", "--diff"], "both want standard output"),
    ],
)
def test_an_edit_that_cannot_be_is_refused(run, checkpoint, letter: Path, options, said) -> None:
    code, out, err = run("edit", letter, "--write", "--model", checkpoint, *options)
    assert (code, out) == (2, "")
    assert said in err
    assert letter.read_bytes() == b"She goed home.\nHe goed too.\n"


def test_a_huge_file_is_refused_before_it_is_read(run, checkpoint, tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    monkeypatch.setattr(Path, "read_bytes", None)  # calling it would fail
    code, out, err = run("edit", path, "--write", "--model", checkpoint)
    assert (code, out) == (2, "")
    assert "50,000,000 bytes; 10,000,000 are the most" in err


def test_lines_alone_are_changed_and_locked_ones_are_not(answer, checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "three.txt"
    path.write_text("The fox jumps.\nShe went to school.\nHe has a red ball.\n")
    before = path.read_text().splitlines()
    loose = ("--model", checkpoint, "--strength", "1", "--seed", "3")
    for options, kept in [(("--lines", "2"), {0, 2}), (("--lock-lines", "1-2", "--lock-pattern", "r.d"), {0, 1})]:
        after = answer("edit", path, *options, *loose)["text"].splitlines()
        assert {n for n in range(3) if after[n] == before[n]} >= kept
        assert after != before
    assert "red" in after[2]


def test_an_instruction_in_letters_that_the_model_never_saw_is_refused(run, letter: Path) -> None:
    code, out, err = run("edit", letter, "исправь ошибки", "--write")
    assert (code, out) == (2, "")
    assert "has CYRILLIC letters" in err
    assert "trained for fix" in err
    assert letter.read_bytes() == b"She goed home.\nHe goed too.\n"


@pytest.mark.parametrize(
    "data", [b"a \r\n\r\n\tb  \n\n", b"\xef\xbb\xbfa\rb", "e\u0301 \U0001f469\u200d\U0001f680".encode(), b" \n "]
)
def test_an_edit_that_changes_nothing_gives_every_byte_back(run, checkpoint, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(data)
    before = path.stat()
    assert run("edit", path, "--policy", "correct:1.0", "--write", "--model", checkpoint)[0] == 0
    assert path.read_bytes() == data
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_folder_and_standard_input_cannot_be_written(run, checkpoint, tmp_path: Path) -> None:
    assert "cannot read" in run("edit", tmp_path, "--model", checkpoint)[2]
    assert "--write needs a file" in run("edit", "-", "--write", "--model", checkpoint)[2]


def test_an_empty_file_stays_empty(answer, checkpoint, tmp_path: Path) -> None:
    path = tmp_path / "empty"
    path.write_bytes(b"")
    assert answer("edit", path, "--write", "--model", checkpoint)["text"] == ""
    assert path.read_bytes() == b""


def test_a_terminal_sees_removed_words_struck_and_added_ones_green() -> None:
    text = terminal.paint_edits("I goed.", (Edit(2, 6, "goed", "went"),))
    assert text.plain == "I goedwent."
    assert [(text.plain[s.start : s.end], s.style) for s in text.spans if s.style] == [
        ("goed", terminal.REMOVED), ("went", terminal.ADDED)
    ]  # fmt: skip
    assert terminal.plain_edits("I goed.", (Edit(2, 6, "goed", "went"),)) == "I [-goed-]{+went+}."


def test_of_a_long_text_only_the_edited_lines_are_shown() -> None:
    lines = [f"line {n}" for n in range(1, 101)]
    start = len("\n".join(lines[:60])) + 1
    text = terminal.paint_edits("\n".join(lines), (Edit(start, start + 4, "line", "row"),))
    assert text.plain == "   61  linerow 61"


@given(st.text(alphabet="ab \r\n", max_size=30), st.text(alphabet="ab \n", max_size=30))
def test_edits_of_the_plain_text_mean_the_same_in_the_file(raw: str, after: str) -> None:
    file = TextFile(raw)
    edits = file.localise(minimal_edits(file.text, after))
    assert all(raw[edit.start : edit.end] == edit.before for edit in edits)
    assert TextFile(apply_edits(raw, edits)).text == after


@given(st.text(alphabet="ab \r\n\ufeff", max_size=20))
def test_a_file_read_and_written_is_the_same_bytes(text: str) -> None:
    file = decode_text(text.encode(), "x")
    assert file.encoded(file.raw) == text.encode()
    assert os.linesep != file.line_end or "\r" not in file.line_end
