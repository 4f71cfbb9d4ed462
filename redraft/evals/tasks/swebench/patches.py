"""Patches: an answer's edits as one unified diff, and whether that has the form of a patch to the given files.

Edits are blocks of text to find and text to put there, or a diff outright. Knows texts, `git apply` and how Python is
written. Refuses to know whether a patch does what was wanted.
"""

import ast
import difflib
import os
import re
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from redraft.evals.tasks.swebench.checkouts import touched

FIND, PUT, END = "<<<<<<< SEARCH", "=======", ">>>>>>> REPLACE"
DIFF = re.compile(r"```(?:diff|patch)[^\n]*\n(.*?)(?:\n```|\Z)", re.S)
BARE = re.compile(r"^(?:diff --git |--- (?:a/|/dev/null)).*\Z", re.S | re.M)
NO_END = "\\ No newline at end of file\n"
# As the official harness tries them, one after the other.
APPLY = (("git", "apply"), ("patch", "--batch", "--forward", "--fuzz=5", "-p1", "-i"))


@dataclass(frozen=True, slots=True)
class Form:
    """A patch, whether it applies to the given files, and what is wrong with it; "" where nothing is."""

    patch: str
    applies: bool
    why: str


@dataclass(frozen=True, slots=True)
class Edit:
    """In a file, text that is there once, and what is to stand there instead. Of nothing, a new file."""

    path: str
    old: str
    new: str


def form(answer: str, files: Mapping[str, str]) -> Form:
    """The patch of an answer, tried out on the files."""
    try:
        patch = patch_of(answer, files)
        after = applied(patch, files)
    except ValueError as error:
        return Form("", False, str(error))
    return Form(patch, True, broken(files, after))


def patch_of(answer: str, files: Mapping[str, str]) -> str:
    """An answer's edits as one unified diff. Raises ValueError where it has none, or one that does not fit."""
    edits = list(read_edits(answer))
    if edits:
        after = edited(files, edits)
        return "".join(diff(path, files.get(path), text) for path, text in after.items() if text != files.get(path))
    found = DIFF.findall(answer) or BARE.findall(answer)
    if not found:
        raise ValueError("no edit in the answer")
    return "\n".join(text.strip("\n") for text in found).replace("\r\n", "\n") + "\n"


def read_edits(answer: str) -> Iterator[Edit]:
    """Blocks of FIND, PUT and END, with the path on a line before them. Raises ValueError for one without its end."""
    path, part = "", None
    old: list[str] = []
    new: list[str] = []
    for line in answer.replace("\r\n", "\n").split("\n"):
        mark = line.rstrip()
        if mark == FIND:
            old, new, part = [], [], "old"
        elif mark == PUT and part == "old":
            part = "new"
        elif mark == END and part == "new":
            yield Edit(path, "\n".join(old), "\n".join(new))
            part = None
        elif part is not None:
            (old if part == "old" else new).append(line)
        elif (name := _path(mark)) is not None:
            path = name
    if part is not None:
        raise ValueError("an edit has no end")


def _path(line: str) -> str | None:
    """The path that a line is, if it is nothing else: bare, in backticks, as a heading or in bold print."""
    name = line.strip().strip("#*`: ")
    return name if name and not line.startswith("```") and re.fullmatch(r"[\w./+@-]*[./][\w./+@-]+", name) else None


def edited(files: Mapping[str, str], edits: list[Edit]) -> dict[str, str]:
    """Path -> text after the edits, of the files they touch."""
    after: dict[str, str] = {}
    for edit in edits:
        if not edit.path:
            raise ValueError("an edit names no file")
        if edit.path.startswith("/") or ".." in edit.path.split("/"):
            raise ValueError(f"{edit.path} is no path in the repository")
        before = after.get(edit.path, files.get(edit.path))
        if before is None and edit.old.strip():
            raise ValueError(f"{edit.path} was not shown")
        after[edit.path] = f"{edit.new}\n" if before is None else _replaced(edit, before)
    return after


def _replaced(edit: Edit, text: str) -> str:
    """The text with whole lines of it replaced. Line ends are those of the text."""
    ends = "\r\n" if "\r\n" in text else "\n"
    old, new = (part.replace("\n", ends) for part in (edit.old, edit.new))
    if not old.strip():
        raise ValueError(f"an edit of {edit.path} does not say where")
    places = [found.start() for found in re.finditer(rf"^{re.escape(old)}(?=\r?$)", text, re.M)]
    if len(places) != 1:
        raise ValueError(f"what an edit of {edit.path} looks for is there {len(places)} times")
    begin, end = places[0], places[0] + len(old)
    if not new and text.startswith(ends, end):
        end += len(ends)  # nothing in place of lines takes their end along
    return text[:begin] + new + text[end:]


def diff(path: str, before: str | None, after: str) -> str:
    """A unified diff of one file as git writes it; before is None for a new one."""
    old, new = _lines(before or ""), _lines(after)
    heads = ["new file mode 100644\n"] if before is None else []
    names = ("/dev/null" if before is None else f"a/{path}", f"b/{path}")
    body = (
        line if line.endswith("\n") else f"{line}\n{NO_END}" for line in difflib.unified_diff(old, new, *names, n=3)
    )
    return "".join([f"diff --git a/{path} b/{path}\n", *heads, *body])


def _lines(text: str) -> list[str]:
    """Lines with their ends. Only a line feed ends one: git knows no other."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def applied(patch: str, files: Mapping[str, str]) -> dict[str, str]:
    """Path -> text after a patch, tried in a folder with these files alone. Raises ValueError if it does not fit."""
    if not patch.strip():
        raise ValueError("the edits change nothing")
    strangers = [path for path in touched(patch) if path not in files]
    if strangers:
        raise ValueError(f"the patch changes {strangers[0]}, which was not shown")
    with tempfile.TemporaryDirectory(prefix="redraft-patch-") as name:
        why = ""
        for number, command in enumerate(APPLY):
            folder = Path(name) / str(number)
            _write(folder, files)
            if shutil.which(command[0]) is None:
                continue
            said = _run(command, patch, folder)
            if said is None:
                return _read(folder)
            why = why or said
    raise ValueError(f"the patch does not apply: {why or 'there is neither git nor patch here'}")


def _run(command: tuple[str, ...], patch: str, folder: Path) -> str | None:
    """None where it went well, else what was said."""
    file = folder.parent / "patch.diff"
    file.write_bytes(patch.encode("utf-8", "replace"))
    # Without the ceiling a repository around the folder would be the one that is patched.
    environment = {**os.environ, "GIT_CEILING_DIRECTORIES": str(folder.parent), "LC_ALL": "C"}
    done = subprocess.run([*command, str(file)], cwd=folder, env=environment, capture_output=True, check=False)
    said = (done.stderr + done.stdout).decode("utf-8", "replace").strip().splitlines()
    return None if done.returncode == 0 else (said[0] if said else f"exit code {done.returncode}")[:200]


def _write(folder: Path, files: Mapping[str, str]) -> None:
    folder.mkdir()
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(text.encode())


def _read(folder: Path) -> dict[str, str]:
    found = (path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".orig", ".rej"))
    return {str(path.relative_to(folder)): path.read_bytes().decode("utf-8", "replace") for path in found}


def broken(before: Mapping[str, str], after: Mapping[str, str]) -> str:
    """Why a Python file cannot be parsed that could be before, or is new."""
    for path, text in after.items():
        if path.endswith(".py") and text != before.get(path) and parses(before.get(path, "")) is None:
            why = parses(text)
            if why is not None:
                return f"{path} does not parse: {why}"
    return ""


def parses(text: str) -> str | None:
    """None, or why this Python reads no program in it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return None
