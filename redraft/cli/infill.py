"""infill: the text between two texts."""

import argparse

from redraft.cli.arguments import add_common, add_decoding, decoding_of, load_asked, print_json

HELP = "fill the gap between two texts"
EXAMPLES = """\
  redraft infill --prefix "The dog ran to the" --suffix "and drank some water."
  redraft infill --prefix "Tom was sad." --suffix "Then he was happy again." --gap 16 --seed 3
  redraft infill --prefix "I have a" --suffix "." --gap 4 --json

Prints the whole text, prefix and suffix included; in a terminal the new part is bright. With --json `text` is the new
part alone. The gap is in tokens; the model may leave it shorter or make it longer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--prefix", default="", metavar="P", help="the text before the gap")
    parser.add_argument("--suffix", default="", metavar="S", help="the text behind the gap")
    parser.add_argument("--gap", type=int, default=24, metavar="N", help="tokens of noise to start from (default: 24)")
    add_decoding(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.cli import terminal

    if not args.prefix and not args.suffix:
        raise ValueError("give --prefix, --suffix or both")
    model = load_asked(args)
    decoding = decoding_of(args, model.defaults.infill)
    result = model.infill(args.prefix, args.suffix, gap=args.gap, decoding=decoding, seed=args.seed)
    if args.json:
        print_json(result.to_json() | {"prefix": args.prefix, "suffix": args.suffix})
    elif terminal.interactive():
        given, new = terminal.GIVEN, terminal.ACCEPTED
        terminal.show(terminal.painted((args.prefix, given), (result.text, new), (args.suffix, given)))
        terminal.note(terminal.figures(result))
    else:
        print(args.prefix + result.text + args.suffix)
    return 0
