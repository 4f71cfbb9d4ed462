"""convert: a checkpoint in another form."""

import argparse
import json
from pathlib import Path

from redraft.cli.arguments import one_of, print_json

HELP = "write a checkpoint as Qwen3, for other programs, or in another precision"
EXAMPLES = """\
  redraft convert runs/tiny/model tiny-qwen3 --to qwen3
  redraft convert runs/tiny/model tiny-float32 --to redraft --dtype float32

The Qwen3 folder holds the causal mode alone: transformers, llama.cpp and vLLM read it as an autoregressive model."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="checkpoint folder or hub name")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder to write; an older checkpoint there is replaced")
    parser.add_argument(
        "--to", type=one_of("format", "qwen3", "redraft"), required=True, metavar="FORMAT", help="qwen3 or redraft"
    )
    parser.add_argument(
        "--dtype", type=one_of("dtype", "bfloat16", "float16", "float32"), default="bfloat16", metavar="DTYPE",
        help="bfloat16 (default), float16 or float32",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    import torch

    from redraft.library import find
    from redraft.models.checkpoint import load_checkpoint, save_checkpoint, to_qwen3

    folder = find(args.model)
    if folder.resolve() == args.out.resolve():
        raise ValueError(f"{args.out} is the checkpoint itself; name another folder")
    network, dtype = load_checkpoint(folder), getattr(torch, args.dtype)
    tokenizer_file = folder / "tokenizer.json"
    if args.to == "qwen3":
        to_qwen3(network, args.out, tokenizer_file=tokenizer_file, dtype=dtype)
    else:
        recommended, card = folder / "generation_config.json", folder / "README.md"
        generation = json.loads(recommended.read_text()) if recommended.exists() else None
        text = card.read_text() if card.exists() else None
        save_checkpoint(network, args.out, tokenizer_file=tokenizer_file, generation=generation, card=text, dtype=dtype)
    _tell(args)
    return 0


def _tell(args: argparse.Namespace) -> None:
    size = sum(file.stat().st_size for file in args.out.iterdir())
    if args.json:
        print_json({"path": str(args.out), "format": args.to, "dtype": args.dtype, "bytes": size})
    else:
        print(f"{args.out}: {args.to}, {args.dtype}, {size / 1e6:.1f} MB")
