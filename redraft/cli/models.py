"""models: what checkpoints there are and which families can be read, from small files alone. No weights are loaded."""

import argparse
from pathlib import Path
from typing import Any

from redraft.cli.arguments import print_json

HELP = "list the model in the package and the families of open checkpoints that can be read"
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
    known = [] if args.folders else families()
    if args.json:
        print_json({"models": found} | ({} if args.folders else {"families": known}))
        return 0
    parts = [told(values) for values in found] or ["no model in this package; `redraft train` makes one"]
    print("\n\n".join([*parts, *([_families_told(known)] if known else [])]))
    return 0


def families() -> list[dict[str, Any]]:
    """Every family of open checkpoints: what it reads, and what the tests compare it with."""
    from redraft.models.registry import families as known

    return [
        {
            "name": family.name,
            "title": family.title,
            "model_type": family.model_type,
            "architectures": list(family.architectures),
            "checkpoints": list(family.checkpoints),
            "presets": list(family.presets),
            "decoding": family.decoding,
            "proven": family.proven,
        }
        for family in known()
    ]


def _families_told(known: list[dict[str, Any]]) -> str:
    """Proven is said of random weights: no published checkpoint has been run in the tests."""
    lines = ["Families of open checkpoints (compared on random weights; `redraft inspect` describes a folder):"]
    for family in known:
        lines += ["", f"  {family['name']:<16} {', '.join(family['checkpoints'])}", f"{'':<18} {family['proven']}"]
    return "\n".join(lines)


def describe(folder: Path) -> dict[str, Any]:
    """What a folder's files say. Raises ValueError, naming the file, when it is not a whole checkpoint."""
    from redraft.models.headers import read_header, read_json

    if not (folder / "config.json").is_file():
        raise ValueError(f"{folder} is not a checkpoint folder: it has no config.json")
    config = read_json(folder / "config.json")
    generation = folder / "generation_config.json"
    recommended = read_json(generation) if generation.exists() else {}
    return {
        "path": str(folder),
        "format": config.get("model_type"),
        "parameters": sum(held.numel for held in read_header(folder / "model.safetensors").values()),
        "context": config.get("max_position_embeddings"),
        "labels": config.get("labels", []),
        "instructions": recommended.get("instructions", []),
        "about": _about(folder / "README.md"),
        "bytes": sum(file.stat().st_size for file in folder.iterdir() if file.is_file()),
    }


def _about(card: Path) -> str:
    """The first paragraph of a model card."""
    if not card.exists():
        return ""
    paragraphs = card.read_text().split("\n\n")
    return next((" ".join(p.split()) for p in paragraphs if p.strip() and not p.startswith(("#", "---"))), "")


def told(values: dict[str, Any]) -> str:
    rows = {
        "parameters": f"{values['parameters'] / 1e6:.2f} M",
        "context": f"{values['context']} tokens",
        "labels": ", ".join(values["labels"]) or "none",
        "edits": ", ".join(values["instructions"]) or "not said",
        "on disk": f"{values['bytes'] / 1e6:.1f} MB ({values['format']})",
    }
    about = [values["about"]] if values["about"] else []
    return "\n".join([values["path"], *(f"  {name:<11} {value}" for name, value in rows.items()), *about])
