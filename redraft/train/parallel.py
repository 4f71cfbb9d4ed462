"""Parallel: FSDP2 over the processes that torchrun started. Knows processes and shards, no loop.

    torchrun --nproc-per-node 8 ...

Without torchrun there is one process, nothing is sharded, and everything here gives back what it was given. Every
process calls the same functions in the same order: most of them wait for the others.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from redraft.models.three_mode import ThreeModeModel
from redraft.train.optim import Optimizer

KeyT = TypeVar("KeyT")


@dataclass(frozen=True, slots=True)
class World:
    """All processes of a run. `mesh` is None where torchrun did not start this one."""

    rank: int = 0
    size: int = 1
    mesh: DeviceMesh | None = None

    def shard(self, model: ThreeModeModel) -> None:
        """Spread parameters, gradients and optimiser state over the processes, layer by layer, in place."""
        if self.mesh is None:
            return
        for layer in model.transformer.layers:
            fully_shard(layer, mesh=self.mesh)
        fully_shard(model, mesh=self.mesh)
        register_fsdp_forward_method(model, "packed")

    def mean(self, value: Tensor) -> Tensor:
        """The mean over processes, without gradient."""
        if self.mesh is None:
            return value
        total = value.detach().float().clone()
        dist.all_reduce(total)
        return total / self.size

    def any(self, flag: bool) -> bool:
        """Whether any process says so: what all of them must decide alike."""
        if self.mesh is None:
            return flag
        return bool(self.mean(torch.tensor(float(flag), device=self.mesh.device_type)) > 0)

    @contextmanager
    def first(self) -> Iterator[None]:
        """The first process goes through alone, the others after it."""
        if self.rank > 0:
            self._wait()
        yield
        if self.rank == 0:
            self._wait()

    def _wait(self) -> None:
        if self.mesh is not None:
            dist.barrier()


def join_world() -> World:
    """This process among those that torchrun started; a world of its own without torchrun."""
    if not dist.is_torchelastic_launched():
        return World()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda":
        torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))
    if not dist.is_initialized():
        dist.init_process_group("nccl" if device == "cuda" else "gloo")
    return World(dist.get_rank(), dist.get_world_size(), init_device_mesh(device, (dist.get_world_size(),)))


def gather(state: Any) -> Any:
    """A nested state with every shard made whole."""
    if isinstance(state, DTensor):
        return state.full_tensor()
    if isinstance(state, Mapping):
        return {key: gather(value) for key, value in state.items()}
    return [gather(value) for value in state] if isinstance(state, list) else state


def scatter(whole: Mapping[KeyT, Tensor], like: Mapping[KeyT, Tensor]) -> dict[KeyT, Tensor]:
    """Whole tensors sharded like the parameters of the same names."""
    return {key: _like(value, like[key]) for key, value in whole.items()}


def scatter_optimizer(whole: list[dict[str, Any]], optimizer: Optimizer) -> list[dict[str, Any]]:
    """An optimiser's whole state sharded like its parameters, which torch numbers in order."""
    parts = []
    for part, (inner, _) in zip(whole, optimizer.parts, strict=True):
        own = [p for group in inner.param_groups for p in group["params"]]
        state = {n: {key: _like(v, own[n]) for key, v in held.items()} for n, held in part["state"].items()}
        parts.append(part | {"state": state})
    return parts


def _like(whole: Any, parameter: Tensor) -> Any:
    """A tensor of a parameter's shape, sharded as it is; step counters and the like stay as they are."""
    if not isinstance(parameter, DTensor) or not isinstance(whole, Tensor) or whole.shape != parameter.shape:
        return whole
    return distribute_tensor(whole.to(parameter.device), parameter.device_mesh, parameter.placements)
