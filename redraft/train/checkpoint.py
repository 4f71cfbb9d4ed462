"""Training checkpoints: one file, replaced atomically, so that a run killed at any moment can resume.

Knows files. What is in the state is the loop's business.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import torch


def save_atomically(state: Any, path: Path) -> None:
    """Write beside `path`, flush to disk, then replace: a reader sees the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".partial")
    with fresh.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


def load_state(path: Path) -> Any:
    """Read a checkpoint. Raises ValueError when it is missing, truncated or not one."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, OSError, EOFError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} is not a readable checkpoint: {error}") from None
