"""Peak memory of loading: a checkpoint of random weights in shards, loaded in a process of its own.

Knows the process's largest resident set, from /proc. Prints one JSON object; Linux alone.

    python -m benchmarks.peak_memory --megabytes 300
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from redraft.models.headers import Held
from redraft.models.loading import load
from redraft.models.registry import get_family
from redraft.models.writing import write_tensors

HIDDEN, LAYERS, VOCAB = 512, 4, 8192


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peak_memory", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("--megabytes", type=int, default=300, help="size of the checkpoint (300)")
    parser.add_argument("--dtype", default=None, help="dtype to load in (default: the checkpoint's, bfloat16)")
    parser.add_argument("--folder", type=Path, help="where to write it (default: a temporary folder)")
    parser.add_argument("--load", action="store_true", help="measure one loading of FOLDER, in this process")
    options = parser.parse_args(arguments)
    if options.load:
        print(json.dumps(measure(options.folder, options.dtype)))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder or Path(temporary)
        write_random(folder, options.megabytes * 1_000_000)
        command = [sys.executable, "-m", "benchmarks.peak_memory", "--load", "--folder", str(folder)]
        return subprocess.run(command + (["--dtype", options.dtype] if options.dtype else []), check=True).returncode


def write_random(folder: Path, size: int) -> None:
    """A LLaDA of about `size` bytes in bfloat16, in six shards or so."""
    folder.mkdir(parents=True, exist_ok=True)
    rest = 2 * VOCAB * HIDDEN + LAYERS * 4 * HIDDEN * HIDDEN
    width = max(64, (size // 2 - rest) // (LAYERS * 3 * HIDDEN))
    values = get_family("llada").presets["llada-8b"] | {
        "d_model": HIDDEN, "n_heads": 8, "n_kv_heads": 8, "n_layers": LAYERS, "mlp_hidden_size": width,
        "vocab_size": VOCAB, "embedding_size": VOCAB, "mask_token_id": 1, "eos_token_id": 0, "pad_token_id": 0,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(values))
    shapes = shapes_of(values)
    sizes = {name: 2 * shape.numel() for name, shape in shapes.items()}
    generator = torch.Generator().manual_seed(0)
    write_tensors(folder, sizes, lambda name: torch.randn(shapes[name], generator=generator).bfloat16(), size // 6)


def shapes_of(values: dict[str, Any]) -> dict[str, torch.Size]:
    """Shapes of every tensor that a configuration asks for."""
    from redraft.models.loading import build

    family = get_family("llada")
    facts = family.read(values)
    parameters = dict(build(family, facts, "meta", torch.bfloat16).named_parameters())
    places = family.places(facts.architecture)
    return {name: place.view(parameters[place.parameter]).shape for name, place in places.items()}


def measure(folder: Path, dtype: str | None) -> dict[str, Any]:
    """Peak beyond what the process had before, against the bytes of the model it holds afterwards."""
    _warm(folder)
    before, began = resident("VmHWM"), time.perf_counter()
    denoiser, checkpoint = load(folder, dtype=getattr(torch, dtype) if dtype else None)
    seconds = time.perf_counter() - began
    model = sum(p.nbytes for p in denoiser.network.parameters())
    peak = resident("VmHWM") - before
    return {
        "model_mb": model / 1e6,
        "checkpoint_mb": checkpoint.num_bytes / 1e6,
        "peak_mb": peak / 1e6,
        "peak_over_model": peak / model,
        "seconds": seconds,
    }


def _warm(folder: Path) -> None:
    """What the first use of anything allocates, once and for every size of model."""
    from redraft.models.loading import copy_into, inspect

    held: Held = min(inspect(folder).tensors.values(), key=lambda held: held.numel)
    copy_into(torch.empty(held.shape), held)


def resident(field: str) -> int:
    """Bytes of a line of /proc/self/status; VmHWM is the largest resident set so far."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


if __name__ == "__main__":
    raise SystemExit(main())
