"""Training checkpoints: replaced in one go, and refused when they are not whole."""

from pathlib import Path

import pytest
import torch

from redraft.train import checkpoint
from redraft.train.checkpoint import load_state, save_atomically

STATE = {"step": 3, "model": {"w": torch.arange(6.0)}, "optimizer": [{"state": {0: {"step": torch.tensor(3)}}}]}


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    save_atomically(STATE, tmp_path / "deep" / "checkpoint.pt")
    back = load_state(tmp_path / "deep" / "checkpoint.pt")
    assert back["step"] == 3
    assert torch.equal(back["model"]["w"], torch.arange(6.0))
    assert back["optimizer"][0]["state"][0]["step"] == 3
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["checkpoint.pt"]


def test_a_save_that_fails_half_way_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "checkpoint.pt"
    save_atomically(STATE, path)
    before = path.read_bytes()

    def full_disk(state: object, file: object) -> None:
        file.write(b"half")  # type: ignore[attr-defined]
        raise OSError("no space left on device")

    monkeypatch.setattr(checkpoint.torch, "save", full_disk)
    with pytest.raises(OSError, match="no space"):
        save_atomically({"step": 4}, path)
    assert path.read_bytes() == before
    monkeypatch.undo()
    save_atomically({"step": 5}, path)
    assert load_state(path) == {"step": 5}


@pytest.mark.parametrize("kept", [0, 1, 100, -1, -200])
def test_a_truncated_file_is_refused_by_name(tmp_path: Path, kept: int) -> None:
    path = tmp_path / "checkpoint.pt"
    save_atomically(STATE, path)
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(ValueError, match=r"checkpoint\.pt is not a readable checkpoint"):
        load_state(path)


@pytest.mark.parametrize("content", [b"not a checkpoint", b"PK\x03\x04", b"\x80\x02}"])
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "checkpoint.pt").write_bytes(content)
    with pytest.raises(ValueError, match=r"checkpoint\.pt is not a readable checkpoint"):
        load_state(tmp_path / "checkpoint.pt")


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nothing\.pt is not a readable checkpoint"):
        load_state(tmp_path / "nothing.pt")


class Malice:
    """Unpickling it would run code."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("run",)


def test_a_file_with_code_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"step": Malice()}, tmp_path / "checkpoint.pt")
    with pytest.raises(ValueError, match="not a readable checkpoint"):
        load_state(tmp_path / "checkpoint.pt")
    assert capsys.readouterr().out == ""
