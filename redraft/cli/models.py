"""models: what checkpoints there are, from their small files alone. No weights are loaded, torch neither."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from redraft.cli.arguments import print_json

HELP = "list the model in the package, or describe checkpoint folders"
EXAMPLES = """\
  redraft models
  redraft models runs/tiny/model --json"""

WEIGHTS = Path(__file__).parents[1] / "weights"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "folders", nargs="*", type=Path, metavar="FOLDER", help="checkpoint folders (default: the package's)"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    shipped = sorted(file.parent for file in WEIGHTS.glob("*/config.json"))
    found = [describe(folder) for folder in args.folders or shipped]
    if args.json:
        print_json({"models": found})
    elif not found:
        print("no model in this package; `redraft train` makes one")
    else:
        print("\n\n".join(_told(values) for values in found))
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """What a folder's files say. Raises ValueError, naming the file, when it is not a whole checkpoint."""
    config = _json(folder / "config.json", f"{folder} is not a checkpoint folder: it has no config.json")
    generation = folder / "generation_config.json"
    recommended = _json(generation, "") if generation.exists() else {}
    return {
        "path": str(folder),
        "format": config.get("model_type"),
        "parameters": count_parameters(folder / "model.safetensors"),
        "context": config.get("max_position_embeddings"),
        "labels": config.get("labels", []),
        "instructions": recommended.get("instructions", []),
        "about": _about(folder / "README.md"),
        "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
    }


def count_parameters(path: Path) -> int:
    """From the header of a safetensors file: a length of 8 bytes, then JSON of that length, then the numbers."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(size, path.stat().st_size)))
        tensors = [value for name, value in header.items() if name != "__metadata__"]
        end = max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        if path.stat().st_size < 8 + size + end:
            raise ValueError("the file ends too early")
        return sum(math.prod(tensor["shape"]) for tensor in tensors)
    except FileNotFoundError:
        raise ValueError(f"{path} is missing") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is truncated or not a safetensors file: {error}") from None


def _json(path: Path, missing: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise ValueError(missing) from None
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{path} is not a JSON object")
    return values


def _about(card: Path) -> str:
    """The first paragraph of a model card."""
    if not card.exists():
        return ""
    paragraphs = card.read_text().split("\n\n")
    return next((" ".join(p.split()) for p in paragraphs if p.strip() and not p.startswith(("#", "---"))), "")


def _told(values: dict[str, Any]) -> str:
    rows = {
        "parameters": f"{values['parameters'] / 1e6:.2f} M",
        "context": f"{values['context']} tokens",
        "labels": ", ".join(values["labels"]) or "none",
        "edits": ", ".join(values["instructions"]) or "not said",
        "on disk": f"{values['bytes'] / 1e6:.1f} MB ({values['format']})",
    }
    about = [values["about"]] if values["about"] else []
    return "\n".join([values["path"], *(f"  {name:<11} {value}" for name, value in rows.items()), *about])
