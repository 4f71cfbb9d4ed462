"""Golden: one folder of golden vectors, read; and checks, the comparisons made with it."""

import importlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from redraft.core.canvas import Canvas, Status, make_canvas
from redraft.models.assemble import FamilyDenoiser
from redraft.models.loading import Checkpoint, load

BOUND = 1e-3  # absolute, at logits of standard deviation 5, float32
Tensors = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Case:
    """One run of a reference sampler: its arguments and what it returned."""

    id: str
    name: str
    args: dict[str, Any]
    arrays: Tensors  # without the id: "prompt", "output", ...
    told: dict[str, Any]  # everything else that was recorded of it


@dataclass(frozen=True, slots=True)
class Golden:
    """A folder of golden vectors with our denoiser of its checkpoint."""

    folder: Path
    denoiser: Any
    checkpoint: Checkpoint
    inputs: Tensors
    expected: Tensors
    cases: tuple[Case, ...] = ()

    def again(self, **options: Any) -> FamilyDenoiser:
        """The same network under another choice of context."""
        from redraft.models.assemble import assemble

        return assemble(self.denoiser.network, self.checkpoint.facts, **options)


class Check(NamedTuple):
    """Ours beside theirs. Floats are compared by largest difference, integers by agreement.

    where    the positions that mean anything
    differs  theirs was computed wrongly on purpose, so ours must not agree
    """

    ours: Tensor
    theirs: Tensor
    where: Tensor | None = None
    differs: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """How one check went."""

    name: str
    agrees: bool
    told: str


Arrays = dict[str, Callable[[Golden], Check | list[Check]]]
Cases = dict[str, Callable[[Golden, Case], Check | list[Check]]]
Others = Callable[[Golden], Iterator[tuple[str, list[Check]]]]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How one family's arrays and cases are computed: the ARRAYS and CASES of a file beside this one.

    Its `others`, where it has them, are named checks of what else a folder may hold: single decisions of a sampler.
    """

    arrays: Arrays = field(default_factory=dict)
    cases: Cases = field(default_factory=dict)
    others: Others | None = None


def read_golden(folder: Path) -> Golden:
    """Raises ValueError when the folder is no golden folder."""
    denoiser, checkpoint = load(folder, dtype=torch.float32)
    return Golden(
        folder, denoiser, checkpoint, read_arrays(folder / "inputs.npz"), read_arrays(folder / "expected.npz"),
        tuple(_cases(folder)),
    )  # fmt: skip


def read_arrays(path: Path) -> Tensors:
    if not path.is_file():
        raise ValueError(f"{path} is missing")
    with np.load(path) as arrays:
        return {name: torch.from_numpy(np.ascontiguousarray(arrays[name])) for name in arrays.files}


def _cases(folder: Path) -> Iterator[Case]:
    listing = folder / "generate.json"
    if not listing.is_file():
        return
    arrays = read_arrays(folder / "generate.npz")
    for entry in json.loads(listing.read_text()):
        own = {n.removeprefix(f"{entry['id']}_"): a for n, a in arrays.items() if n.startswith(f"{entry['id']}_")}
        told = {name: value for name, value in entry.items() if name not in ("id", "name", "args")}
        yield Case(entry["id"], entry["name"], entry.get("args", {}), own, told)


def recipe_of(golden: Golden) -> Recipe:
    """The family's recipe. Raises ValueError when there is none."""
    name = golden.checkpoint.family.name
    try:
        module = importlib.import_module(f"benchmarks.parity.{name}")
    except ModuleNotFoundError:
        raise ValueError(f"{golden.folder}: nothing says how to compare the family {name!r}") from None
    return Recipe(module.ARRAYS, getattr(module, "CASES", {}), getattr(module, "others", None))


@torch.inference_mode()
def verdicts(golden: Golden) -> Iterator[Verdict]:
    """Every array and every case of a folder, one after another. What no recipe knows is a failure."""
    recipe = recipe_of(golden)
    for name in golden.expected:
        known = name in recipe.arrays
        yield judge(name, _listed(recipe.arrays[name](golden))) if known else Verdict(name, False, "no recipe")
    for case in golden.cases:
        name = f"{case.id} {case.name}"
        known = case.name in recipe.cases
        yield (
            judge(name, _listed(recipe.cases[case.name](golden, case))) if known else Verdict(name, False, "no recipe")
        )
    if recipe.others is not None:
        yield from (judge(name, checks) for name, checks in recipe.others(golden))


def _listed(found: Check | list[Check]) -> list[Check]:
    return found if isinstance(found, list) else [found]


def judge(name: str, checks: list[Check]) -> Verdict:
    """All checks of one name together."""
    each = [_judge(check) for check in checks]
    return Verdict(name, all(ok for ok, _ in each), "; ".join(dict.fromkeys(told for _, told in each)))


def _judge(check: Check) -> tuple[bool, str]:
    ours, theirs = check.ours, check.theirs
    if ours.shape != theirs.shape:
        return False, f"shape {list(ours.shape)}, not {list(theirs.shape)}"
    if check.where is not None:
        ours, theirs = ours[check.where], theirs[check.where]
    if not theirs.is_floating_point():
        same = int((ours == theirs).sum())
        return same == theirs.numel(), f"{same} of {theirs.numel()} agree"
    gap = float((ours.double() - theirs.double()).abs().nan_to_num(torch.inf).max())
    if check.differs:
        return gap > 100 * BOUND, f"differs by {gap:.2g}, as it must"
    return gap <= BOUND, f"largest difference {gap:.2g}"


def whole(tokens_BL: Tensor, held_BL: Tensor | None = None) -> Canvas:
    """A canvas that holds a sequence as it stands; where nothing is held it is EMPTY."""
    status_BL = torch.full_like(tokens_BL, int(Status.NOISY))
    if held_BL is not None:
        status_BL = torch.where(held_BL.bool(), status_BL, int(Status.EMPTY))
    return make_canvas(tokens_BL, status_BL)
