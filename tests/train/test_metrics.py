"""Metrics: whole records survive a kill, a resumed run drops what lies behind its checkpoint."""

from pathlib import Path

import pytest

from redraft.train.metrics import MetricsLog, plot_losses, read_metrics


def records(*steps: int) -> list[dict[str, float]]:
    return [{"step": step, "loss": 5.0 / (step + 1)} for step in steps]


def written(path: Path, *steps: int) -> MetricsLog:
    log = MetricsLog(path)
    for record in records(*steps):
        log.write(record)
    return log


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written(tmp_path / "run" / "metrics.jsonl", 0, 5, 10)
    assert read_metrics(tmp_path / "run" / "metrics.jsonl") == records(0, 5, 10)


@pytest.mark.parametrize("torn", ['{"step": 15, "lo', '{"step"', "{", '{"step": 15, "loss": 1.0'])
def test_a_last_line_torn_by_a_kill_is_left_out(tmp_path: Path, torn: str) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, 0, 5, 10)
    with path.open("a") as file:
        file.write(torn)
    assert read_metrics(path) == records(0, 5, 10)
    log = MetricsLog(path, start=11)
    for record in records(15):
        log.write(record)
    assert read_metrics(path) == records(0, 5, 10, 15)


def test_a_resumed_log_drops_what_lies_behind_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, 0, 5, 10, 15)
    MetricsLog(path, start=10)
    assert read_metrics(path) == records(0, 5)
    assert [file.name for file in tmp_path.iterdir()] == ["metrics.jsonl"]


def test_a_fresh_log_drops_everything(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    written(path, 0, 5)
    MetricsLog(path)
    assert read_metrics(path) == []


def test_the_plot_is_an_image(tmp_path: Path) -> None:
    plot_losses(records(0, 5, 10), tmp_path / "loss.png", ("loss", "a_part_that_is_not_there"))
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
