"""Writing: a network goes back under its checkpoint's names, shard after shard, in a folder that others read.

Knows config.json's note of the dtype, shards and the index. Refuses to know what the tensors mean: `loading`'s places
say which part of our parameters each one is.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from redraft.models.folders import extras, is_weights, replace_folder
from redraft.models.headers import INDEX, SINGLE
from redraft.models.loading import DTYPES, Checkpoint, read_tensor

SHARD_BYTES = 4 << 30
NOTES = ("torch_dtype", "dtype")  # what a config.json calls the type of its weights, then and now


def write_folder(
    network: nn.Module,
    checkpoint: Checkpoint,
    out: Path,
    *,
    dtype: torch.dtype | None = None,
    shard_bytes: int = SHARD_BYTES,
) -> None:
    """Write a network in the layout of the checkpoint it came from, which gives config, tokenizer and what we ignore.

    `dtype` None keeps the type each tensor was stored in. Nothing is seen of the folder before it is whole.
    """
    if out.resolve() == checkpoint.folder.resolve():
        raise ValueError(f"{out} is the checkpoint itself; name another folder")
    copied = extras(checkpoint.folder)
    names = {file.name for file in copied} | {"config.json"}

    def fill(partial: Path) -> None:
        _write_config(checkpoint, partial, dtype)
        for file in copied:
            shutil.copyfile(file, partial / file.name)
        write_tensors(partial, _sizes(checkpoint, dtype), _source(network, checkpoint, dtype), shard_bytes)

    replace_folder(out, fill, lambda file: file.name in names or is_weights(file))


def _write_config(checkpoint: Checkpoint, out: Path, dtype: torch.dtype | None) -> None:
    """Byte for byte as it was, unless it says a type that is no longer true."""
    source = checkpoint.folder / "config.json"
    if dtype is None:
        shutil.copyfile(source, out / source.name)
    else:
        values = _noted(checkpoint.values, str(dtype).removeprefix("torch."))
        (out / source.name).write_text(json.dumps(values, indent=2, ensure_ascii=False) + "\n")


def _noted(values: dict[str, Any], dtype: str) -> dict[str, Any]:
    """A configuration, and those inside it, with the type of the weights brought up to date where it is noted."""
    new = {name: _noted(value, dtype) if isinstance(value, dict) else value for name, value in values.items()}
    return new | {name: dtype for name in NOTES if isinstance(values.get(name), str)}


def _sizes(checkpoint: Checkpoint, dtype: torch.dtype | None) -> dict[str, int]:
    """Bytes of every tensor that will be written."""
    return {name: held.numel * _stored(checkpoint, name, dtype).itemsize for name, held in checkpoint.tensors.items()}


def _stored(checkpoint: Checkpoint, name: str, dtype: torch.dtype | None) -> torch.dtype:
    """The type a tensor is written in; whole numbers, which only tensors we ignore are, stay what they are."""
    before = DTYPES[checkpoint.tensors[name].dtype]
    return dtype if dtype is not None and before.is_floating_point else before


def _source(network: nn.Module, checkpoint: Checkpoint, dtype: torch.dtype | None) -> Callable[[str], Tensor]:
    """Where each tensor comes from: our parameters, or the old file for what we have no use for."""
    parameters = dict(network.named_parameters())
    changed = [name for name, parameter in parameters.items() if type(parameter.data) is not Tensor]
    if changed:
        raise ValueError(f"{changed[0]} is quantised and cannot be written; write before quantising")

    def read(name: str) -> Tensor:
        place = checkpoint.places.get(name)
        tensor = read_tensor(checkpoint.tensors[name]) if place is None else place.view(parameters[place.parameter])
        return tensor.detach().to(_stored(checkpoint, name, dtype)).cpu().contiguous().clone()

    return read


def write_tensors(
    folder: Path, sizes: dict[str, int], read: Callable[[str], Tensor], shard_bytes: int = SHARD_BYTES
) -> None:
    """One safetensors file, or shards with an index where they are more than `shard_bytes`; one is held at a time."""
    groups = shards(sizes, shard_bytes)
    number = len(groups)
    files = [f"model-{n:05d}-of-{number:05d}.safetensors" for n in range(1, number + 1)] if number > 1 else [SINGLE]
    for file, group in zip(files, groups, strict=True):
        save_file({name: read(name) for name in group}, folder / file, metadata={"format": "pt"})
    if number > 1:
        weight_map = {name: file for file, group in zip(files, groups, strict=True) for name in group}
        index = {"metadata": {"total_size": sum(sizes.values())}, "weight_map": weight_map}
        (folder / INDEX).write_text(json.dumps(index, indent=2) + "\n")


def shards(sizes: dict[str, int], shard_bytes: int) -> list[list[str]]:
    """Names in order, in groups of at most `shard_bytes`; a larger tensor stands alone."""
    groups: list[list[str]] = [[]]
    room = shard_bytes
    for name, size in sizes.items():
        if size > room and groups[-1]:
            groups.append([])
            room = shard_bytes
        groups[-1].append(name)
        room -= size
    return groups
