"""Data: the rows of a task's file, from a folder that the user names or from the Hugging Face hub.

Knows file formats. Refuses to know what a row means. Nothing of the data comes with the package.
"""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from redraft.evals.task import Example, Hub, Row, Task

MOST = 1 << 30  # bytes that a packed file may unpack to


def load_examples(task: Task, data_dir: Path | None) -> tuple[list[Example], str]:
    """The examples of a task, and the hash of the file they are from. Raises ValueError where it is missing or broken.

    Identifiers are unique: a run is resumed and compared by them.
    """
    path = find_file(task, data_dir)
    rows: Sequence[Row] = read_rows(path)
    digest = hashlib.sha256(path.read_bytes())
    try:
        if task.beside is not None:
            rows = task.beside(rows, data_dir)
            digest.update(json.dumps(rows, sort_keys=True).encode())
        examples = task.examples(rows)
    except (KeyError, TypeError, IndexError) as error:
        raise ValueError(f"{path} is not data of {task.name}: {type(error).__name__} {error}") from None
    if not examples:
        raise ValueError(f"{path} holds no examples of {task.name}")
    twice = len(examples) - len({example.id for example in examples})
    if twice:
        raise ValueError(f"{path}: {twice} examples of {task.name} have an identifier of another")
    return examples, digest.hexdigest()


def find_file(task: Task, data_dir: Path | None) -> Path:
    """The task's file: in a folder under one of its names, else as the hub has it."""
    if data_dir is not None:
        for name in task.files:
            if (data_dir / name).is_file():
                return data_dir / name
        names = " or ".join(task.files)
        raise ValueError(f"{task.name} needs {names} in {data_dir}; the data is at {task.source}")
    if task.hub is None:
        raise ValueError(f"{task.name}: name a folder with {task.files[0]} by --data-dir; the data is at {task.source}")
    return download(task.hub)


def download(hub: Hub) -> Path:
    """A file of the hub, from its cache where it is there. Raises ValueError where it cannot be had."""
    from huggingface_hub import hf_hub_download

    try:
        return Path(hf_hub_download(hub.repository, hub.path, repo_type="dataset"))
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ValueError(
            f"cannot get {hub.path} of {hub.repository}: {reason}; a folder can be named instead"
        ) from None


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Rows of JSON lines, a JSON list or table, CSV, Parquet, or plain lines (`text`, `columns`); .gz is unpacked."""
    if path.suffix == ".parquet":
        return _parquet(path)
    text, name = _text(path), path.name.removesuffix(".gz")
    if name.endswith(".csv"):
        return [dict(row) for row in csv.DictReader(io.StringIO(text, newline=""))]
    if name.endswith((".txt", ".tsv")):
        lines = [line.rstrip("\r") for line in text.split("\n") if line.strip()]
        return [{"text": line, "columns": line.split("\t")} for line in lines]
    try:
        values = _json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not all(isinstance(value, dict) for value in values):
        raise ValueError(f"{path} must hold objects")
    return list(values)


def _text(path: Path) -> str:
    data = path.read_bytes()
    if path.suffix == ".gz":
        with gzip.open(path) as file:
            data = file.read(MOST + 1)
        if len(data) > MOST:
            raise ValueError(f"{path} unpacks to more than {MOST} bytes")
    return data.decode("utf-8")


def _json(text: str) -> Sequence[Any]:
    """A list, a table of rows by name, or an object per line. U+2028 ends no line here, as JSON allows it in text."""
    try:
        whole = json.loads(text)
    except json.JSONDecodeError:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    if isinstance(whole, dict):
        rows = list(whole.values())
        return rows if rows and all(isinstance(row, dict) for row in rows) else [whole]
    return whole if isinstance(whole, list) else [whole]


def _parquet(path: Path) -> list[dict[str, Any]]:
    try:
        import pyarrow.parquet
    except ModuleNotFoundError:
        raise ValueError(f"{path} is Parquet, which needs pyarrow: pip install pyarrow") from None
    rows: list[dict[str, Any]] = pyarrow.parquet.read_table(path).to_pylist()
    return rows
