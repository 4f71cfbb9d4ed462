"""Headers: what lies in a checkpoint folder's safetensors files, without their numbers.

Knows JSON, offsets and shards, and believes none of them: a length, an offset or a file name that cannot be right is
refused before anything is allocated for it. Refuses to know models, and needs no torch.
"""

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
MAX_HEADER = 100_000_000  # bytes, as the format's own reader has it
ITEM_BYTES = {
    "F64": 8, "F32": 4, "F16": 2, "BF16": 2, "F8_E4M3": 1, "F8_E5M2": 1, "I64": 8, "I32": 4, "I16": 2, "I8": 1,
    "U64": 8, "U32": 4, "U16": 2, "U8": 1, "BOOL": 1,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Held:
    """One tensor of a checkpoint, from a header alone: `num_bytes` of numbers from byte `start` of the file on."""

    file: Path
    shape: tuple[int, ...]
    dtype: str
    start: int

    @property
    def numel(self) -> int:
        return math.prod(self.shape)

    @property
    def num_bytes(self) -> int:
        return self.numel * ITEM_BYTES[self.dtype]


def read_headers(folder: Path) -> dict[str, Held]:
    """Every tensor of a folder's safetensors files: one file, or the shards that an index names."""
    index = folder / INDEX
    if not index.is_file():
        return read_header(folder / SINGLE)
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise ValueError(f"{index} has no weight_map")
    shards = _shards(index, named.values())
    headers = {shard: read_header(folder / shard) for shard in shards}
    for name, shard in named.items():
        if name not in headers[shard]:
            raise ValueError(f"{index} names {name} in {shard}, which does not hold it")
    found = {name: held for header in headers.values() for name, held in header.items()}
    return found | {name: headers[shard][name] for name, shard in named.items()}


def _shards(index: Path, named: Iterable[Any]) -> list[str]:
    """The files that an index names, all beside it. A name that leads elsewhere is refused, not followed."""
    for name in named:
        if not isinstance(name, str) or name != Path(name).name or not name.endswith(".safetensors"):
            raise ValueError(f"{index} names the file {name!r}, which is no safetensors file beside it")
    shards = sorted(set(named))
    missing = [name for name in shards if not (index.parent / name).is_file()]
    if missing:
        raise ValueError(f"{index.parent} lacks {len(missing)} of {len(shards)} shards: {', '.join(missing[:5])}")
    return shards


def read_header(path: Path) -> dict[str, Held]:
    """The tensors of one file: 8 bytes of length, JSON, then the numbers, all of which must be there."""
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(size - 8, MAX_HEADER):
                raise ValueError(f"its header should have {length} bytes, and the file has {size}")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        found = {name: _held(path, name, entry, 8 + length) for name, entry in header.items()}
        _check_offsets(found, 8 + length, size)
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from None


def _held(path: Path, name: str, entry: dict[str, Any], start: int) -> Held:
    shape, kind, (begin, end) = entry["shape"], entry["dtype"], entry["data_offsets"]
    whole = all(type(number) is int and number >= 0 for number in (*shape, begin, end))
    if not whole or kind not in ITEM_BYTES:
        raise ValueError(f"{name} says dtype={kind!r}, shape={shape!r}, data_offsets={[begin, end]!r}")
    held = Held(path, tuple(shape), kind, start + begin)
    if held.num_bytes != end - begin:
        raise ValueError(f"{name} of {kind} {list(shape)} needs {held.num_bytes} bytes, and has {end - begin}")
    return held


def _check_offsets(found: dict[str, Held], start: int, size: int) -> None:
    """Tensors follow each other without a gap, to the end of the file."""
    for held in sorted(found.values(), key=lambda held: (held.start, held.num_bytes)):
        if held.start != start:
            raise ValueError(f"a tensor begins at byte {held.start}, not at {start}")
        start += held.num_bytes
    if start != size:
        raise ValueError(f"it should have {start} bytes, and has {size}")


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError naming the file."""
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    try:
        values = json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object but {type(values).__name__}")
    return values
