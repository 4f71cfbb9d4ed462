"""Traces: a generation written down view by view, as JSON lines. Knows views and files, no model.

    {"redraft_trace": 1, "version": "0.1.0", "model": ..., "prompt": ..., "decoding": {...}, "seed": 0, "mode": ...}
    {"committed": "", "pieces": [["Once", 2, false], ["░", 1, false]], "nfe": 2, "seconds": 0.05, "tokens": []}
    ...

The first line is the header, each further line one view; a piece is its text, its `Status` and whether it was revised.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from redraft.core.canvas import Status
from redraft.files import read_text_file, replace_file
from redraft.results import Piece, View

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What was asked of which model."""

    version: str
    model: str
    prompt: str
    decoding: dict[str, Any]
    seed: int
    mode: str


@dataclass(frozen=True, slots=True)
class Trace:
    header: Header
    views: tuple[View, ...]


def write_trace(path: Path, header: Header, views: Sequence[View]) -> None:
    """Write a trace in one go. Raises ValueError when the file cannot be written."""
    lines = [to_json(header), *(_to_line(view) for view in views)]
    replace_file(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode())


def read_trace(path: Path) -> Trace:
    """Read a trace. Raises ValueError naming the line when the file is torn or not a trace."""
    return parse_trace(read_text_file(path).text, path)


def parse_trace(text: str, name: Path | str) -> Trace:
    """A trace from its lines; `name` is what errors call it. Raises ValueError as `read_trace` does."""
    # Not splitlines: JSON may hold characters that it takes for line ends.
    lines = [line for line in re.split(r"(?<=\n)", text) if line]
    if not lines:
        raise ValueError(f"{name} is empty, not a trace")
    header = _to_header(_parsed(name, 1, lines[0]), name)
    return Trace(header, tuple(_to_view(name, number, line) for number, line in enumerate(lines[1:], 2)))


def to_json(header: Header) -> dict[str, Any]:
    return {"redraft_trace": FORMAT} | asdict(header)


def _to_line(view: View) -> dict[str, Any]:
    pieces = [[piece.text, int(piece.status), piece.revised] for piece in view.draft]
    return {
        "committed": view.committed, "pieces": pieces, "nfe": view.nfe, "seconds": round(view.seconds, 6),
        "tokens": list(view.tokens),
    }  # fmt: skip


def _parsed(path: Path | str, number: int, line: str) -> dict[str, Any]:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {number} is torn or not JSON: {error}") from None
    if not isinstance(values, dict) or not line.endswith("\n"):
        raise ValueError(f"{path}, line {number} is not a line of a trace")
    return values


def _to_header(values: dict[str, Any], path: Path | str) -> Header:
    kind = values.pop("redraft_trace", None)
    if kind != FORMAT:
        raise ValueError(f"{path}, line 1 is not the header of a trace that this version reads ({kind=})")
    try:
        return Header(**values)
    except TypeError as error:
        raise ValueError(f"{path}, line 1 is not the header of a trace: {error}") from None


def _to_view(path: Path | str, number: int, line: str) -> View:
    values = _parsed(path, number, line)
    try:
        pieces = tuple(Piece(str(text), Status(status), bool(revised)) for text, status, revised in values["pieces"])
        tokens = tuple(int(token) for token in values["tokens"])
        return View(str(values["committed"]), pieces, int(values["nfe"]), float(values["seconds"]), tokens)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}, line {number} is not a view: {error!r}") from None
