"""Checkpoint folders of every family in the tests, copies of them that may be spoilt, and tensors changed in place."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from torch import Tensor

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures" / "parity"
FOLDERS = sorted(path.parent for path in FIXTURES.glob("*/config.json"))
LLADA, MOE = FIXTURES / "llada", FIXTURES / "llada_moe"


def copy_of(source: Path, folder: Path) -> Path:
    """A writable copy of a fixture's checkpoint, without its vectors."""
    folder.mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        shutil.copyfile(source / name, folder / name)
    return folder


def edit_config(folder: Path, **changes: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder: Path, change: Callable[[dict[str, Tensor]], object]) -> None:
    weights = load_file(folder / "model.safetensors")
    change(weights)
    save_file(weights, folder / "model.safetensors")
