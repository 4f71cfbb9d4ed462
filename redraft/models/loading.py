"""Loading: a checkpoint folder becomes a denoiser, tensor by tensor, straight into place.

Everything that can be wrong is found from config.json and the safetensors headers, before any weight is allocated:
unknown and missing names, shapes, missing or truncated shards. Then each tensor is copied into the part of our
parameter that it is, so that peak memory is the model and one tensor. `write_folder` is the way back.
"""

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from redraft.models.assemble import FamilyDenoiser, assemble
from redraft.models.family import Family, ModelFacts, Places
from redraft.models.network import Network
from redraft.models.registry import find_family

INDEX = "model.safetensors.index.json"
SINGLE = "model.safetensors"
SHARD_BYTES = 4 << 30


@dataclass(frozen=True, slots=True)
class Held:
    """One tensor of a checkpoint, from a header alone."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a folder is, without its weights."""

    folder: Path
    values: dict[str, Any]
    family: Family
    facts: ModelFacts
    places: Places
    tensors: dict[str, Held]

    @property
    def num_parameters(self) -> int:
        counted = (held.shape for name, held in self.tensors.items() if name in self.places)
        return sum(int(torch.Size(shape).numel()) for shape in counted)


def inspect(folder: Path) -> Checkpoint:
    """Read config.json and headers, and check that they fit. Raises ValueError naming file, tensor and reason."""
    values = read_json(folder / "config.json")
    family = find_family(values)
    try:
        facts = family.read(values)
    except ValueError as error:
        raise ValueError(f"{folder / 'config.json'} ({family.name}): {error}") from None
    tensors = read_headers(folder)
    places = family.places(facts.architecture)
    _check_names(folder, family, places, tensors)
    checkpoint = Checkpoint(folder, values, family, facts, places, tensors)
    _check_shapes(checkpoint, build(family, facts, "meta", torch.float32))
    return checkpoint


def load(
    folder: Path, *, dtype: torch.dtype | None = None, device: str = "cpu", **options: Any
) -> tuple[FamilyDenoiser, Checkpoint]:
    """The denoiser of a checkpoint folder, in evaluation mode and without gradients, and what the folder is.

    `dtype` None keeps the checkpoint's own; `options` are `assemble`'s (a cache for bidirectional models).
    """
    checkpoint = inspect(folder)
    network = build(checkpoint.family, checkpoint.facts, device, dtype or stored_dtype(checkpoint))
    fill(network, checkpoint)
    return assemble(network.eval().requires_grad_(False), checkpoint.facts, **options), checkpoint


def build(family: Family, facts: ModelFacts, device: str, dtype: torch.dtype) -> nn.Module:
    """The family's network with uninitialised weights, allocated once, in the wanted dtype."""
    make = family.network or Network
    with torch.device("meta"):
        network: nn.Module = make(facts.architecture)
    network = network.to(dtype)
    return network if device == "meta" else network.to_empty(device=device)


@torch.no_grad()
def fill(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Copy every tensor into its place, one shard open at a time."""
    parameters = dict(network.named_parameters())
    for name, tensor in stream(checkpoint.tensors, checkpoint.places):
        place = checkpoint.places[name]
        place.view(parameters[place.parameter]).copy_(tensor)


def stream(tensors: dict[str, Held], names: Any) -> Iterator[tuple[str, Tensor]]:
    """The named tensors, file after file; what was yielded may be dropped before the next."""
    wanted = [name for name in tensors if name in names]
    for path in dict.fromkeys(tensors[name].file for name in wanted):
        with safe_open(path, framework="pt") as file:
            for name in wanted:
                if tensors[name].file == path:
                    yield name, file.get_tensor(name)


def stored_dtype(checkpoint: Checkpoint) -> torch.dtype:
    """The type most tensors are stored in."""
    kinds = [checkpoint.tensors[name].dtype for name in checkpoint.places]
    common = max(set(kinds), key=kinds.count)
    return {"BF16": torch.bfloat16, "F16": torch.float16}.get(common, torch.float32)


# ------------------------------------------------------------------ headers


def read_headers(folder: Path) -> dict[str, Held]:
    """Every tensor of a folder's safetensors files: one file, or the shards that an index names."""
    index = folder / INDEX
    if not index.is_file():
        return read_header(folder / SINGLE)
    named = read_json(index).get("weight_map")
    if not isinstance(named, dict):
        raise ValueError(f"{index} has no weight_map")
    shards = sorted(set(named.values()))
    missing = [name for name in shards if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} lacks {len(missing)} of {len(shards)} shards: {', '.join(missing[:5])}")
    found = {name: held for shard in shards for name, held in read_header(folder / shard).items()}
    absent = sorted(named.keys() - found.keys())
    if absent:
        raise ValueError(f"{index} names {absent[0]}, which no shard holds")
    return found


def read_header(path: Path) -> dict[str, Held]:
    """The tensors of one file: 8 bytes of length, JSON, then the numbers, all of which must be there."""
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    size = path.stat().st_size
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > size - 8:
                raise ValueError(f"its header should have {length} bytes, and the file has {size}")
            header = json.loads(file.read(length))
        header.pop("__metadata__", None)
        end = max((entry["data_offsets"][1] for entry in header.values()), default=0)
        if size != 8 + length + end:
            raise ValueError(f"it should have {8 + length + end} bytes, and has {size}")
        return {name: Held(path, tuple(entry["shape"]), entry["dtype"]) for name, entry in header.items()}
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object. Raises ValueError naming the file."""
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    try:
        values = json.loads(path.read_text())
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object but {type(values).__name__}")
    return values


def _check_names(folder: Path, family: Family, places: Places, tensors: dict[str, Held]) -> None:
    missing = sorted(places.keys() - tensors.keys())
    unknown = sorted(n for n in tensors.keys() - places.keys() if not n.startswith(family.ignored))
    _raise(folder, [f"missing {n}" for n in missing] + [f"unknown {n}" for n in unknown])


def _check_shapes(checkpoint: Checkpoint, network: nn.Module) -> None:
    parameters = dict(network.named_parameters())
    problems = []
    for name, place in checkpoint.places.items():
        wanted, found = tuple(place.view(parameters[place.parameter]).shape), checkpoint.tensors[name].shape
        if wanted != found:
            problems.append(f"{name} is {list(found)}, not {list(wanted)}")
    _raise(checkpoint.folder, problems)


def _raise(folder: Path, problems: list[str]) -> None:
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise ValueError(f"{folder} does not fit its config.json: {'; '.join(problems[:5])}{more}")


# ------------------------------------------------------------------ back


def tensors_of(network: nn.Module, places: Places) -> dict[str, Tensor]:
    """The network's weights under the checkpoint's names, each a copy of its own."""
    parameters = dict(network.named_parameters())
    return {name: place.view(parameters[place.parameter]).detach().clone() for name, place in places.items()}


def write_tensors(folder: Path, tensors: dict[str, Tensor], shard_bytes: int = SHARD_BYTES) -> None:
    """One safetensors file, or shards with an index where they are more than `shard_bytes`."""
    groups: list[dict[str, Tensor]] = [{}]
    room = shard_bytes
    for name, tensor in tensors.items():
        if tensor.nbytes > room and groups[-1]:
            groups.append({})
            room = shard_bytes
        groups[-1][name] = tensor
        room -= tensor.nbytes
    if len(groups) == 1:
        save_file(groups[0], folder / SINGLE, metadata={"format": "pt"})
        return
    files = [f"model-{n:05d}-of-{len(groups):05d}.safetensors" for n in range(1, len(groups) + 1)]
    for file, group in zip(files, groups, strict=True):
        save_file(group, folder / file, metadata={"format": "pt"})
    weight_map = {name: file for file, group in zip(files, groups, strict=True) for name in group}
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")
