"""The layering holds, importing starts nothing, and no file outgrows a reader.

Reads the source with `ast`, so lazy imports inside functions count as much as those at the top of a file.
"""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# What each package may import of this project, besides itself. FACADE stands for the modules directly under redraft/
# (the names a user needs); they gather what lies below and are imported by what lies above.
FACADE = "redraft"
BELOW = {"core", "sampling", "models", "families", "data", "train", "engine", "evals", "instant"}
MAY_IMPORT = {
    "core": set(),
    "sampling": {"core"},
    "models": {"core", "families"},
    "families": {"core", "models"},
    "data": {"core"},
    "train": {"core", "models", "data"},
    "engine": {"core", "sampling", "models"},
    "instant": {"core", "sampling", "models", "data"},
    "server": {"core", "sampling", "engine", "instant", FACADE},
    "evals": BELOW | {FACADE},
    FACADE: BELOW,
    "recipes": BELOW | {FACADE},
    "cli": BELOW | {FACADE, "server", "recipes"},
}
MAX_LINES = 900


def layer(module: str) -> str | None:
    """The package of this project that a dotted module belongs to, or None for everybody else's."""
    head, *rest = module.split(".")
    if head == "recipes":
        return "recipes"
    if head != "redraft":
        return None
    return rest[0] if rest and rest[0] in MAY_IMPORT else FACADE


def imported(source: str, package: str) -> Iterator[str]:
    """Dotted names of every module a file imports, relative imports resolved against its package."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parents = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*parents, *([node.module] if node.module else [])])
            # `from redraft import cli` names a package, `from redraft.core import Canvas` a thing in one.
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(root: Path) -> list[str]:
    found = []
    for path in sources(root, "redraft", "recipes"):
        parts = path.relative_to(root).with_suffix("").parts
        here = layer(".".join(parts)) or FACADE
        for module in imported(path.read_text(), ".".join(parts[:-1])):
            there = layer(module)
            if there is not None and there != here and there not in MAY_IMPORT[here]:
                found.append(f"{path.relative_to(root)} imports {module}: {here} may not import {there}")
    return found


def sources(root: Path, *folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (root / folder).rglob("*.py"))


def test_every_package_imports_only_what_lies_below_it() -> None:
    assert violations(ROOT) == []


def test_every_package_has_a_place_in_the_layering() -> None:
    packages = {path.relative_to(ROOT / "redraft").parts[0] for path in (ROOT / "redraft").rglob("*/*.py")}
    assert packages <= set(MAY_IMPORT), f"give {packages - set(MAY_IMPORT)} a row in MAY_IMPORT"


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("redraft/core/a.py", "from redraft.sampling import policies"),
        ("redraft/core/a.py", "def f():\n    import redraft.models.transformer"),
        ("redraft/core/a.py", "from ..models import transformer"),
        ("redraft/core/a.py", "from redraft import load"),
        ("redraft/sampling/a.py", "from redraft.models.transformer import Transformer"),
        ("redraft/models/a.py", "from redraft.sampling.step import step"),
        ("redraft/train/a.py", "import recipes.tiny"),
        ("redraft/library.py", "from redraft import cli"),
        ("recipes/a.py", "from redraft.server import app"),
    ],
)
def test_an_import_against_the_layering_is_found(tmp_path: Path, path: str, line: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert len(violations(tmp_path)) == 1


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("redraft/core/a.py", "from redraft.core.canvas import Canvas"),
        ("redraft/core/a.py", "from .canvas import Canvas"),
        ("redraft/sampling/a.py", "import torch\nfrom redraft.core import canvas"),
        ("redraft/__init__.py", "from redraft.sampling.policies import Threshold"),
        ("redraft/__init__.py", "from redraft.library import load"),
        ("redraft/cli/a.py", "from recipes.tiny import config"),
    ],
)
def test_an_import_along_the_layering_passes(tmp_path: Path, path: str, line: str) -> None:
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text(line)
    assert violations(tmp_path) == []


def test_core_needs_nothing_but_torch() -> None:
    outside = {
        module.split(".")[0]
        for path in sources(ROOT, "redraft/core")
        for module in imported(path.read_text(), "redraft.core")
    }
    assert outside - set(sys.stdlib_module_names) <= {"torch", "redraft"}


PROBE = """
import json, sys, threading, time
import torch
before, threads = set(sys.modules), torch.get_num_threads()
start = time.perf_counter()
import redraft
seconds = time.perf_counter() - start
state = {
    "new": sorted({name for name in sys.modules if name not in before}),
    "seconds": seconds,
    "python_threads": threading.active_count(),
    "same_torch_threads": torch.get_num_threads() == threads,
    "default_dtype": str(torch.get_default_dtype()),
    "grad": torch.is_grad_enabled(),
    "cuda": torch.cuda.is_initialized(),
}
print("PROBE" + json.dumps(state))
"""


@pytest.fixture(scope="module")
def probe() -> dict[str, object]:
    """What `import redraft` does to a fresh interpreter that has already imported torch."""
    done = subprocess.run([sys.executable, "-c", PROBE], cwd=ROOT, capture_output=True, text=True, check=True)
    said, _, state = done.stdout.partition("PROBE")
    return {"said": said + done.stderr, **json.loads(state)}


def test_importing_redraft_loads_nothing_heavy(probe: dict[str, object]) -> None:
    new = probe["new"]
    assert isinstance(new, list)
    heavy = ("torch._inductor", "torch._dynamo", "rich", "transformers", "matplotlib", "huggingface_hub", "recipes")
    assert [name for name in new if name.startswith(tuple(f"{h}." for h in heavy)) or name in heavy] == []


def test_importing_redraft_is_fast(probe: dict[str, object]) -> None:
    assert probe["seconds"] < 2.0  # type: ignore[operator]  # torch itself not counted


def test_importing_redraft_starts_nothing_and_says_nothing(probe: dict[str, object]) -> None:
    expected = {
        "said": "",
        "python_threads": 1,
        "same_torch_threads": True,
        "default_dtype": "torch.float32",
        "grad": True,
        "cuda": False,
    }
    assert {key: probe[key] for key in expected} == expected


def test_no_file_is_longer_than_a_reader_can_hold() -> None:
    lengths = {
        path: len(path.read_text().splitlines()) for path in sources(ROOT, "redraft", "recipes", "tests", "benchmarks")
    }
    assert {str(path.relative_to(ROOT)): n for path, n in lengths.items() if n >= MAX_LINES} == {}
