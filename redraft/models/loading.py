"""Loading: a checkpoint folder becomes a denoiser, tensor by tensor, straight into place. `writing` is the way back.

Everything that can be wrong is found from config.json and the safetensors headers, before any weight is allocated:
facts that contradict each other, unknown and missing names, shapes. Then each tensor's bytes are read into the part of
our parameter that it is, so that peak memory is the model and a few megabytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from redraft.models.architecture import Architecture
from redraft.models.assemble import FamilyDenoiser, assemble
from redraft.models.family import Family, ModelFacts, Place, Places
from redraft.models.folders import find_folder
from redraft.models.headers import Held, read_headers, read_json
from redraft.models.network import Network
from redraft.models.registry import find_family

CHUNK = 1 << 22  # numbers read at a time
SINGLE_PRECISION = ("router.bias",)  # rounded, it would send tokens to other experts; few numbers, so always float32
MAX_EXPERTS = 1 << 16  # in all layers together; naming the tensors of more takes longer than reading them
WEIGHTS = {"F64": torch.float64, "F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
DTYPES = WEIGHTS | {
    "F8_E4M3": torch.float8_e4m3fn, "F8_E5M2": torch.float8_e5m2, "I64": torch.int64, "I32": torch.int32,
    "I16": torch.int16, "I8": torch.int8, "U64": torch.uint64, "U32": torch.uint32, "U16": torch.uint16,
    "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip


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
        """Numbers of the model, a matrix that serves twice counted once."""
        parts = {self.places[name]: held.numel for name, held in self.tensors.items() if name in self.places}
        return sum(parts.values())

    @property
    def num_bytes(self) -> int:
        return sum(held.num_bytes for held in self.tensors.values())


def inspect(folder: Path) -> Checkpoint:
    """Read config.json and headers, and check that they fit. Raises ValueError naming file, tensor and reason."""
    values = read_json(folder / "config.json")
    family, facts = _facts(folder / "config.json", values)
    tensors = read_headers(folder)
    _check_counts(folder, facts, tensors)
    places = family.places(facts.architecture)
    places |= _doubled(family, facts, tensors)
    _check_names(folder, family, places, tensors)
    checkpoint = Checkpoint(folder, values, family, facts, places, tensors)
    _check_shapes(checkpoint, build(family, facts, "meta", torch.float32))
    return checkpoint


def load(
    folder: str | Path,
    *,
    dtype: torch.dtype | None = None,
    device: str = "cpu",
    quantize: str | None = None,
    **options: Any,
) -> tuple[FamilyDenoiser, Checkpoint]:
    """The denoiser of a checkpoint, in evaluation mode and without gradients, and what its folder is.

    folder      a local folder, or a name on the hub
    dtype       None keeps the checkpoint's own
    quantize    "int8" or "int4" weights, `quantize.quantize`
    options     `assemble`'s, such as a cache for bidirectional models
    """
    checkpoint = inspect(find_folder(folder))
    network = load_network(checkpoint, dtype or stored_dtype(checkpoint), device)
    if quantize is not None:
        from redraft.models.quantize import quantize as quantized

        quantized(network, quantize)
    return assemble(network, checkpoint.facts, **options), checkpoint


def load_network(checkpoint: Checkpoint, dtype: torch.dtype, device: str = "cpu") -> nn.Module:
    """The network alone, in evaluation mode and without gradients."""
    network = build(checkpoint.family, checkpoint.facts, device, dtype)
    fill(network, checkpoint)
    return network.eval().requires_grad_(False)


def build(family: Family, facts: ModelFacts, device: str, dtype: torch.dtype) -> nn.Module:
    """The family's network with uninitialised weights, allocated once, in the wanted dtype."""
    make = family.network or Network
    with torch.device("meta"):
        network: nn.Module = make(facts.architecture)
    network = network.to(dtype)
    for name, parameter in network.named_parameters():
        if name.endswith(SINGLE_PRECISION):
            parameter.data = parameter.data.float()
    return network if device == "meta" else network.to_empty(device=device)


@torch.no_grad()
def fill(network: nn.Module, checkpoint: Checkpoint) -> None:
    """Read every tensor into its place. A second tensor for a place must equal the first."""
    parameters = dict(network.named_parameters())
    filled: dict[Place, str] = {}
    for name, place in checkpoint.places.items():
        part, held = place.view(parameters[place.parameter]), checkpoint.tensors[name]
        if place not in filled:
            copy_into(part, held)
        elif not _equals(part, held):
            raise ValueError(f"{held.file} holds {name}, which is tied to {filled[place]} and differs from it")
        filled[place] = name


def copy_into(part: Tensor, held: Held) -> None:
    """Read a tensor's numbers into a part of a parameter, on any device and in any dtype."""
    for theirs, ours in zip(chunks(held), part.view(-1).split(CHUNK), strict=True):
        ours.copy_(theirs)


def _equals(part: Tensor, held: Held) -> bool:
    pairs = zip(chunks(held), part.view(-1).split(CHUNK), strict=True)
    return all(torch.equal(theirs.to(ours), ours) for theirs, ours in pairs)


def chunks(held: Held) -> Iterator[Tensor]:
    """A tensor's numbers, flat, at most CHUNK at a time; the next overwrites the last."""
    dtype = DTYPES[held.dtype]
    buffer = torch.empty(min(CHUNK, held.numel), dtype=dtype)
    left = held.numel
    with held.file.open("rb") as file:
        file.seek(held.start)
        while left:
            part = buffer[:left]
            if file.readinto(part.view(torch.uint8).numpy().data) != part.nbytes:
                raise ValueError(f"{held.file} ends too early")
            left -= part.numel()
            yield part


def read_tensor(held: Held) -> Tensor:
    """One whole tensor as it is stored."""
    tensor = torch.empty(held.shape, dtype=DTYPES[held.dtype])
    copy_into(tensor, held)
    return tensor


def stored_dtype(checkpoint: Checkpoint) -> torch.dtype:
    """The type most tensors are stored in."""
    kinds = [checkpoint.tensors[name].dtype for name in checkpoint.places]
    return DTYPES[max(sorted(set(kinds)), key=kinds.count)]


def widest_dtype(checkpoint: Checkpoint) -> torch.dtype:
    """A type that holds every stored number exactly."""
    kinds = {DTYPES[checkpoint.tensors[name].dtype] for name in checkpoint.places}
    widest = kinds.pop()
    for kind in kinds:
        widest = torch.promote_types(widest, kind)
    return widest


def tensors_of(network: nn.Module, places: Places) -> dict[str, Tensor]:
    """The network's weights under the checkpoint's names, each a copy of its own."""
    parameters = dict(network.named_parameters())
    return {name: place.view(parameters[place.parameter]).detach().clone() for name, place in places.items()}


# ------------------------------------------------------------------ checks


def _facts(path: Path, values: dict[str, Any]) -> tuple[Family, ModelFacts]:
    """A field of the wrong kind may surface as a TypeError in whatever reads it; to the user it is one bad file."""
    try:
        family = find_family(values)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    try:
        return family, family.read(values)
    except (ValueError, TypeError, AttributeError, KeyError, ArithmeticError) as error:
        raise ValueError(f"{path} ({family.name}): {error}") from None


def _check_counts(folder: Path, facts: ModelFacts, tensors: dict[str, Held]) -> None:
    """What makes even naming the tensors slow where it is wrong: thousands of layers, millions of experts."""
    layers = getattr(facts.architecture, "layers", ())
    if not isinstance(layers, tuple):
        return
    if len(layers) > len(tensors):
        raise ValueError(f"{folder / 'config.json'} says {len(layers)} layers; the folder holds {len(tensors)} tensors")
    experts = sum(layer.experts.num_experts for layer in layers if layer.experts is not None)
    if experts > MAX_EXPERTS:
        raise ValueError(f"{folder / 'config.json'} says {experts} experts in all layers, more than {MAX_EXPERTS}")


def _doubled(family: Family, facts: ModelFacts, tensors: dict[str, Held]) -> Places:
    """The head of a tied checkpoint that stores it all the same: a second tensor for the embedding's place."""
    if not isinstance(facts.architecture, Architecture) or not facts.architecture.tied:
        return {}
    untied = family.places(replace(facts.architecture, tied=False))
    heads = [name for name, place in untied.items() if place.parameter == "head.weight"]
    return {name: Place("embed.weight") for name in heads if name in tensors}


def _check_names(folder: Path, family: Family, places: Places, tensors: dict[str, Held]) -> None:
    missing = sorted(places.keys() - tensors.keys())
    unknown = sorted(n for n in tensors.keys() - places.keys() if not n.startswith(family.ignored))
    _raise(folder, [f"missing {n}" for n in missing] + [f"unknown {n}" for n in unknown])


def _check_shapes(checkpoint: Checkpoint, network: nn.Module) -> None:
    parameters = dict(network.named_parameters())
    problems = []
    for name, place in checkpoint.places.items():
        held = checkpoint.tensors[name]
        wanted = tuple(place.view(parameters[place.parameter]).shape)
        if wanted != held.shape:
            problems.append(f"{name} is {list(held.shape)}, not {list(wanted)}")
        elif held.dtype not in WEIGHTS:
            problems.append(f"{name} is stored as {held.dtype}, not as one of {', '.join(WEIGHTS)}")
    _raise(checkpoint.folder, problems)


def _raise(folder: Path, problems: list[str]) -> None:
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        raise ValueError(f"{folder} does not fit its config.json: {'; '.join(problems[:5])}{more}")
