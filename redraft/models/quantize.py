"""Quantising: a network's matrices become int8 or int4, its arithmetic stays as it was (weights alone, torchao).

    int8    a scale per row, symmetric
    int4    a scale and a zero point per 128 numbers of a row (64 or 32 where the row does not divide), asymmetric

Quantised are the matrices of the layers, experts included. Left in full precision, and counted in what is returned: the
embedding and the head (a rounding there is a rounding of every logit), routers (one there is another expert), norms,
biases, and matrices whose sides no kernel takes. On the CPU both run; int4 is fast in bfloat16 alone.
Unchecked: int4 on a GPU, which uses another packing.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import Tensor, nn

from redraft.models.moe import Experts

Kind = Literal["int8", "int4"]
KINDS = ("int8", "int4")
FULL = ("head", "score", "shared_gate")  # the last part of the names of matrices that keep their precision
GROUPS = (128, 64, 32)


@dataclass(frozen=True, slots=True)
class Quantised:
    """What became of a network: numbers quantised and left, and the matrices that no kernel takes."""

    kind: str
    num_quantised: int
    num_left: int
    misfits: tuple[str, ...]


@torch.no_grad()
def quantize(network: nn.Module, kind: str) -> Quantised:
    """Quantise in place, matrix by matrix. Raises ValueError for an unknown kind, or without torchao."""
    if kind not in KINDS:
        raise ValueError(f"unknown quantisation {kind!r}; choose from {', '.join(KINDS)}")
    device, dtype = _home(network)
    if kind == "int4" and device.type != "cpu" and dtype != torch.bfloat16:
        raise ValueError(f"int4 on {device.type} needs bfloat16 weights, not {dtype}")
    turn = _converter(kind, device)
    plain: Callable[[], None] | None = getattr(network, "make_plain", None)
    if plain is not None:
        plain()
    whole = sum(p.numel() for p in network.parameters())
    done, misfits = 0, []
    for name, owner, field in list(_matrices(network)):
        count = _convert(owner, field, turn)
        done += count
        misfits += [] if count else [name]
    return Quantised(kind, done, whole - done, tuple(misfits))


class Stack(nn.ParameterList):
    """Quantised matrices of one shape, read by number as the one stacked parameter that they were."""

    @property
    def shape(self) -> torch.Size:
        return torch.Size((len(self), *self[0].shape))


def _home(network: nn.Module) -> tuple[torch.device, torch.dtype]:
    first = next(network.parameters())
    return first.device, first.dtype


def _matrices(network: nn.Module) -> Iterator[tuple[str, nn.Module, str]]:
    """Name, owner and field of everything to quantise."""
    for name, module in network.named_modules():
        if isinstance(module, Experts):
            yield from ((f"{name}.{field}", module, field) for field in ("gate_up", "down"))
        elif isinstance(module, nn.Linear) and name.split(".")[-1] not in FULL:
            yield f"{name}.weight", module, "weight"


def _convert(owner: nn.Module, field: str, turn: Callable[[Tensor], nn.Parameter | None]) -> int:
    """Quantise one matrix, or one stack of them. How many numbers that were; 0 where no kernel takes their shape."""
    weight = getattr(owner, field)
    if weight.dim() == 2:
        new: Any = turn(weight.data)
    else:
        turned = [turn(matrix) for matrix in weight.data]
        new = None if any(matrix is None for matrix in turned) else Stack(turned)
    if new is None:
        return 0
    delattr(owner, field)
    setattr(owner, field, new)
    return int(weight.numel())


def _converter(kind: str, device: torch.device) -> Callable[[Tensor], nn.Parameter | None]:
    """A function that makes a quantised parameter of a matrix [out, in], or None where its sides do not fit."""
    with _quiet():
        torchao = _torchao()

    def turn(weight: Tensor) -> nn.Parameter | None:
        config = _config(torchao, kind, weight.shape, device)
        if config is None:
            return None
        holder = nn.Linear(weight.shape[1], weight.shape[0], bias=False, device="meta")
        holder.weight = nn.Parameter(weight.clone(), requires_grad=False)
        torchao.quantize_(holder, config)
        return holder.weight

    return turn


def _config(torchao: Any, kind: str, shape: torch.Size, device: torch.device) -> Any | None:
    if kind == "int8":
        return torchao.Int8WeightOnlyConfig(set_inductor_config=False)
    rows, columns = shape
    group = next((group for group in GROUPS if columns % group == 0), None)
    if group is None or rows % 16:
        return None
    if device.type == "cpu":  # the stable configuration has no packing for CPUs
        from torchao.prototype.quantization.int4 import PrototypeInt4WeightOnlyConfig

        return PrototypeInt4WeightOnlyConfig(group_size=group, set_inductor_config=False)
    packing = "tile_packed_to_4d"
    return torchao.Int4WeightOnlyConfig(group_size=group, int4_packing_format=packing, set_inductor_config=False)


def _torchao() -> Any:
    try:
        import torchao.quantization
    except ImportError:
        raise ValueError("quantising needs torchao: pip install 'redraft[quant]'") from None
    return torchao.quantization


@contextmanager
def _quiet() -> Iterator[None]:
    """torchao warns at import of every kernel that this machine has no use for."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
