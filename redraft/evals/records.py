"""Records: a run as JSON lines. A header that says what was asked how, then one line per answer.

Knows the file. Refuses to know tasks' contents and models. What an interruption cut off is dropped when it is read;
of several lines about one answer the last counts.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

FORMAT = 1
# Facts of a header that may differ between the start of a run and its continuation.
INCIDENTAL = ("date", "redraft", "machine", "left_out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a run is: the task as it was, and how it was asked.

    mode        "diffusion", "ar", "verify"; "server" for what answers over HTTP, "transformers" for a model of theirs
    setting     what tells this run from others of its mode: a policy of a sweep, a baseline's name
    data        hash of the file with the examples
    left_out    examples that need modules this machine lacks
    also        metrics beside the first
    """

    task: str
    title: str
    version: str
    metric: str
    model: str
    mode: str
    setting: str = ""
    ask: str
    decoding: Mapping[str, Any] | None
    max_tokens: int
    samples: int
    seed: int
    data: str
    withheld: bool
    date: str
    redraft: str
    machine: Mapping[str, Any] = field(default_factory=dict)
    left_out: int = 0
    also: Sequence[str] = ()

    @property
    def label(self) -> str:
        """Mode and setting, as a table names a run."""
        return f"{self.mode} {self.setting}".strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One answer and what it was worth. `error` says why there is none; it then counts as wrong.

    prompt   what was asked; of a benchmark whose questions must not be shown, its hash
    parts    what a corpus metric sums up
    """

    task: str
    id: str
    sample: int
    group: str
    prompt: str
    output: str
    score: float
    why: str
    parts: Sequence[Any]
    error: str | None
    mode: str
    ask: str
    decoding: Mapping[str, Any] | None
    tokens: int | None
    forwards: int | None
    tokens_per_forward: float | None
    seconds: float
    seed: int


@dataclass(frozen=True, slots=True)
class Run:
    """A header and its records, by example and sample."""

    header: Header
    records: tuple[Record, ...]

    def by_example(self) -> dict[str, list[Record]]:
        found: dict[str, list[Record]] = {}
        for record in sorted(self.records, key=lambda r: r.sample):
            found.setdefault(record.id, []).append(record)
        return found


def shown_prompt(text: str, withheld: bool) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}" if withheld else text


def read_run(path: Path) -> Run:
    """A run from its file. Raises ValueError, naming the line, when it is not one."""
    lines = _whole_lines(path)
    if not lines:
        raise ValueError(f"{path} is empty")
    try:
        header = header_of(json.loads(lines[0]))
        records = [Record(**json.loads(line)) for line in lines[1:]]
    except (json.JSONDecodeError, TypeError) as error:
        raise ValueError(f"{path} is not a run of redraft eval: {error}") from None
    return Run(header, tuple({(r.id, r.sample): r for r in records}.values()))


def header_of(values: Any) -> Header:
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise TypeError(f"its first line does not say format {FORMAT}")
    return Header(**values)


def find_runs(path: Path) -> list[Path]:
    """The files of a run: itself, or all of a folder."""
    if path.is_dir():
        found = sorted(path.glob("*.jsonl"))
        if not found:
            raise ValueError(f"there are no runs in {path}")
        return found
    if not path.is_file():
        raise ValueError(f"there is no run {path}")
    return [path]


def start(path: Path, header: Header) -> Run:
    """The run so far: what the file has, ready to be continued, or nothing and a new file.

    Raises ValueError when the file is of another run, saying what differs.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or not path.stat().st_size:
        path.write_text(_line({"format": FORMAT} | asdict(header)), encoding="utf-8")
        return Run(header, ())
    _drop_broken_end(path)
    found = read_run(path)
    _check_same(path, found.header, header)
    return found


def append(path: Path, record: Record) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(_line(asdict(record)))


def _line(values: Any) -> str:
    """ASCII: a server may send half a surrogate pair, which no encoding of text writes."""
    return json.dumps(values, allow_nan=False) + "\n"


def _check_same(path: Path, old: Header, new: Header) -> None:
    same = {name: getattr(old, name) for name in INCIDENTAL}
    plain = json.loads(_line(asdict(replace(new, **same))))
    before = json.loads(_line(asdict(old)))
    differ = [f.name for f in fields(Header) if before[f.name] != plain[f.name]]
    if differ:
        name = differ[0]
        raise ValueError(
            f"{path} is another run: {name} was {before[name]!r} and is now {plain[name]!r}; "
            "name another folder by --out, or delete it"
        )


def _whole_lines(path: Path) -> list[str]:
    """Lines that were written to their end. A line ends at a line feed alone: JSON may hold U+2028."""
    return path.read_bytes().decode("utf-8", "replace").split("\n")[:-1]


def _drop_broken_end(path: Path) -> None:
    data = path.read_bytes()
    whole = data.rfind(b"\n") + 1
    if whole < len(data):
        os.truncate(path, whole)
