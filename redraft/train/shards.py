"""Shards: what matters of a checkpoint in a few small files, for machines that give back little.

Knows a training state (`train.loop`), halves its numbers to bfloat16 and packs them without further loss: the high byte
of one weight is much like another's, so high bytes are entropy-coded; low ones stand as they are. What is worth most
comes first: averaged weights, live weights, the optimiser's moments; a part goes in whole or not at all. Resuming from
shards is therefore close, not exact; the checkpoint itself is exact.
"""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redraft.train.optim import OptimConfig, Optimizer

MIB = 2**20
PARTS = ("ema", "model", "optimizer")
_MAGIC = b"redraft shard 1\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How many files, how large one may be, and all together."""

    files: int = 4
    mib: float = 16.0
    total_mib: float = 62.0

    @property
    def room(self) -> int:
        """Bytes of a state that fit, the heads of the files aside."""
        return int(min(self.files * (self.mib * MIB - 4096), self.total_mib * MIB - 4096 * self.files))


def write_shards(state: Mapping[str, Any], folder: Path, limits: Limits, notes: Mapping[str, Any]) -> tuple[str, ...]:
    """Pack what fits of a state into `folder`, instead of the shards there. Returns the parts that did.

    Raises ValueError where not even the averaged weights fit.
    """
    packed: dict[str, bytes] = {}
    for part in PARTS:
        made = _pack(_flat(part, state[part]))
        if len(made) + sum(map(len, packed.values())) <= limits.room:
            packed[part] = made
        elif part == "ema":
            raise ValueError(f"averaged weights take {len(made) / MIB:.1f} MiB and {limits.room / MIB:.1f} are allowed")
    groups = [part["param_groups"] for part in state["optimizer"]]
    sizes = {part: len(made) for part, made in packed.items()}
    head = {"step": state["step"], "sizes": sizes, "groups": groups, "notes": dict(notes)}
    _write(json.dumps(head).encode(), b"".join(packed.values()), folder, limits)
    return tuple(packed)


def read_shards(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """(state, notes) of the shards of a folder; the state has step and ema, and model and optimizer where they fitted.

    Raises ValueError where a shard is missing, damaged, or of another moment than the others.
    """
    head, body = _read(folder)
    state: dict[str, Any] = {"step": head["step"]}
    start = 0
    for part, size in head["sizes"].items():
        values = _unpack(body[start : start + size])
        state[part] = _moments(values, head["groups"]) if part == "optimizer" else values
        start += size
    return state, head["notes"]


def resumable(state: Mapping[str, Any], model: nn.Module, config: OptimConfig) -> dict[str, Any]:
    """A whole checkpoint: live weights that did not fit start at the average, moments that did not at nothing."""
    fresh = Optimizer(model, config).state_dict()
    return {"model": state["ema"], "optimizer": fresh} | dict(state)


# ------------------------------------------------------------------ tensors


def _flat(part: str, held: Any) -> dict[str, Tensor]:
    if part != "optimizer":
        return dict(held)
    return {
        f"{n}.{index}.{name}": torch.as_tensor(value)
        for n, one in enumerate(held)
        for index, values in one["state"].items()
        for name, value in values.items()
    }


def _moments(values: Mapping[str, Tensor], groups: list[Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = [{"state": {}, "param_groups": group} for group in groups]
    for key, value in values.items():
        part, index, name = key.split(".", 2)
        parts[int(part)]["state"].setdefault(int(index), {})[name] = value
    return parts


def _pack(tensors: Mapping[str, Tensor]) -> bytes:
    """Names and shapes, numbers that stand alone as they are, and the rest as two planes of bytes."""
    shapes = {name: list(value.shape) for name, value in tensors.items() if value.ndim}
    alone = {name: value.item() for name, value in tensors.items() if not value.ndim}
    whole = torch.cat([torch.zeros(0), *(tensors[name].detach().cpu().flatten() for name in shapes)]).bfloat16()
    planes = whole.view(torch.uint8).view(-1, 2).T.contiguous().numpy()
    coder = zlib.compressobj(9, zlib.DEFLATED, 15, 9, zlib.Z_HUFFMAN_ONLY)
    high = coder.compress(planes[1].tobytes()) + coder.flush()
    head = json.dumps({"shapes": shapes, "alone": alone, "high": len(high)}).encode()
    return len(head).to_bytes(4, "little") + head + high + planes[0].tobytes()


def _unpack(packed: bytes) -> dict[str, Tensor]:
    size = 4 + int.from_bytes(packed[:4], "little")
    head = json.loads(packed[4:size])
    high = bytearray(zlib.decompress(packed[size : size + head["high"]]))
    low = bytearray(packed[size + head["high"] :])
    whole = torch.zeros(0)
    if high:
        planes = torch.stack([torch.frombuffer(low, dtype=torch.uint8), torch.frombuffer(high, dtype=torch.uint8)], 1)
        whole = planes.contiguous().view(torch.bfloat16).flatten().float()
    counts = [torch.Size(shape).numel() for shape in head["shapes"].values()]
    pieces = zip(head["shapes"].items(), whole.split(counts), strict=True)
    tensors = {name: piece.view(shape).clone() for (name, shape), piece in pieces}
    return tensors | {name: torch.tensor(value) for name, value in head["alone"].items()}


# ------------------------------------------------------------------ files


def _write(head: bytes, body: bytes, folder: Path, limits: Limits) -> None:
    """The head goes into the first file; every file says which whole it is a piece of."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = len(head).to_bytes(8, "little") + head + body
    mark = hashlib.sha256(whole).digest()
    size = int(limits.mib * MIB) - 256
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    stale = set(folder.glob("shard-*.bin"))
    for n, piece in enumerate(pieces):
        path = folder / f"shard-{n}.bin"
        path.write_bytes(_MAGIC + mark + bytes([n, len(pieces)]) + piece)
        stale.discard(path)
    for path in stale:
        path.unlink()


def _read(folder: Path) -> tuple[dict[str, Any], bytes]:
    files = sorted(folder.glob("shard-*.bin"))
    if not files:
        raise ValueError(f"{folder} holds no shards")
    start = len(_MAGIC)
    pieces: dict[int, bytes] = {}
    marks, counts = set(), set()
    for file in files:
        held = file.read_bytes()
        if not held.startswith(_MAGIC):
            raise ValueError(f"{file} is not a shard")
        marks.add(held[start : start + 32])
        counts.add(held[start + 33])
        pieces[held[start + 32]] = held[start + 34 :]
    whole = b"".join(pieces[n] for n in sorted(pieces))
    if len(marks) != 1 or sorted(pieces) != list(range(max(counts))) or hashlib.sha256(whole).digest() not in marks:
        raise ValueError(f"the shards in {folder} are not one whole: one is missing, damaged or older than the others")
    size = 8 + int.from_bytes(whole[:8], "little")
    return json.loads(whole[8:size]), whole[size:]
