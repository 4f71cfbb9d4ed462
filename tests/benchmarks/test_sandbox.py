"""The benchmark of the sandbox finds nothing left, and would find what is."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import sandbox as benchmark
from redraft.evals.sandbox import open_sandbox


def test_executions_leave_no_process_file_or_mount_behind(checkpoint: Path, tmp_path: Path) -> None:
    try:
        open_sandbox()
    except ValueError as error:
        pytest.skip(str(error))
    path = benchmark.main(["--limit", "9", "--out", str(tmp_path), "--model", str(checkpoint)])
    results = json.loads(path.read_text())["results"]
    assert results["after"] == results["before"]
    assert sum(results["ended"].values()) == 9
    assert results["ended"]["left a daemon: done"] == 1
    assert {"took memory: memory", "took memory: time"} & set(results["ended"])  # as fast as the machine is


def test_what_is_left_is_seen(tmp_path: Path) -> None:
    before = benchmark.left("a-mark", tmp_path)
    process = subprocess.Popen([sys.executable, "-c", "input()", "a-mark"], stdin=subprocess.PIPE)
    (tmp_path / "left").touch()
    try:
        after = benchmark.left("a-mark", tmp_path)
    finally:
        process.communicate(b"\n")
    assert (after["processes"], after["files"]) == (before["processes"] + 1, before["files"] + 1)
    assert after["open files"] == before["open files"] + 1
