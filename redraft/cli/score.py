"""score: how surprised the model is by a text."""

import argparse

from redraft.cli.arguments import add_common, load_asked, print_json, read_argument

HELP = "nats and bits per byte of a text, exact and as a diffusion bound"
EXAMPLES = """\
  redraft score "The cat sat on the mat."
  redraft score - < story.txt
  redraft score "The cat sat on the mat." --block-length 8 --samples 64 --json

The exact figure is the causal mode's, where a model has one. The bound (NELBO) is that of block diffusion, estimated
from random noise levels and given with its standard error; with blocks of 1 it is the causal figure of the denoising
mode."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("text", nargs="?", metavar="TEXT", help='the text; "-" or a pipe reads it from there')
    parser.add_argument("--block-length", type=int, metavar="L", help="tokens per block of the bound")
    parser.add_argument("--samples", type=int, default=16, metavar="N", help="noise levels per block (default: 16)")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    text = read_argument(args.text)
    for name in ("block_length", "samples"):
        value = getattr(args, name)
        if value is not None and value < 1:
            raise ValueError(f"--{name.replace('_', '-')} must be at least 1, not {value}")
    model = load_asked(args)
    score = model.score(text, block_length=args.block_length, num_samples=args.samples, seed=args.seed)
    values = score.to_json()
    if args.json:
        print_json(values)
        return 0
    exact, bound = values["autoregressive_bits_per_byte"], values["nelbo_bits_per_byte"]
    error = values["nelbo_bits_per_byte_standard_error"]
    print(f"{score.tokens} tokens, {score.num_bytes} bytes")
    if exact is not None:
        print(f"{'causal, exact':<20}{score.autoregressive_nats:10.2f} nats {'':<8} {exact:.3f} bits per byte")
    name, spread = f"NELBO, blocks of {score.block_length}", f"± {score.nelbo_standard_error:.2f}"
    print(f"{name:<20}{score.nelbo_nats:10.2f} nats {spread:<8} {bound:.3f} ± {error:.3f} bits per byte")
    return 0
