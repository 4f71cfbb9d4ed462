"""convert: a checkpoint in another form."""

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING

from redraft.cli.arguments import one_of, print_json

if TYPE_CHECKING:
    import torch

HELP = "write a checkpoint as other programs read it, or in another precision"
EXAMPLES = """\
  redraft convert runs/tiny/model tiny-qwen3 --to qwen3
  redraft convert runs/tiny/model tiny-float32 --to redraft --dtype float32
  redraft convert checkpoints/SDAR-8B-Chat sdar-float16 --to hf --dtype float16

The Qwen3 folder holds the causal mode of a model of our own: transformers, llama.cpp and vLLM read it as an
autoregressive model. `--to hf` writes a model of any other family as it came: its names, its config.json, its
tokenizer."""

FORMATS = ("qwen3", "redraft", "hf")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint folder or hub name")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; an older checkpoint there is replaced")
    parser.add_argument(
        "--to", type=one_of("format", *FORMATS), required=True, metavar="FORMAT", help=", ".join(FORMATS)
    )
    parser.add_argument(
        "--dtype", type=one_of("dtype", "bfloat16", "float16", "float32"), metavar="DTYPE",
        help="bfloat16, float16 or float32 (default: bfloat16; for hf, as each tensor is stored)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    import torch

    from redraft.models.folders import find_folder

    folder = find_folder(args.model)
    if folder.resolve() == args.out.resolve():
        raise ValueError(f"{args.out} is the checkpoint itself; name another folder")
    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    if args.to == "hf":
        _to_family(folder, args.out, dtype)
    else:
        _to_own(folder, args.out, args.to, dtype or torch.bfloat16)
    _tell(args)
    return 0


def _to_family(folder: Path, out: Path, dtype: "torch.dtype | None") -> None:
    """Through our network and back, at a precision that loses nothing before it is asked to."""
    from redraft.models.loading import inspect, load_network, widest_dtype
    from redraft.models.writing import write_folder

    checkpoint = inspect(folder)
    write_folder(load_network(checkpoint, widest_dtype(checkpoint)), checkpoint, out, dtype=dtype)


def _to_own(folder: Path, out: Path, kind: str, dtype: "torch.dtype") -> None:
    from redraft.models.checkpoint import load_checkpoint, save_checkpoint, to_qwen3

    network, tokenizer_file = load_checkpoint(folder), folder / "tokenizer.json"
    if kind == "qwen3":
        to_qwen3(network, out, tokenizer_file=tokenizer_file, dtype=dtype)
        return
    recommended, card = folder / "generation_config.json", folder / "README.md"
    generation = json.loads(recommended.read_text()) if recommended.exists() else None
    text = card.read_text() if card.exists() else None
    save_checkpoint(network, out, tokenizer_file=tokenizer_file, generation=generation, card=text, dtype=dtype)


def _tell(args: argparse.Namespace) -> None:
    size = sum(file.stat().st_size for file in args.out.iterdir())
    dtype = args.dtype or ("stored" if args.to == "hf" else "bfloat16")
    if args.json:
        print_json({"path": str(args.out), "format": args.to, "dtype": dtype, "bytes": size})
    else:
        print(f"{args.out}: {args.to}, {dtype}, {size / 1e6:.1f} MB")
