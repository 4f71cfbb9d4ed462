"""generate: a prompt goes on."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import (
    add_common,
    add_decoding,
    decoding_of,
    load_asked,
    one_of,
    print_json,
    read_argument,
)

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.results import View
    from redraft.sampling.decoding import Decoding

HELP = "continue a prompt: watch a canvas of noise become text"
EXAMPLES = """\
  redraft generate "Once upon a time, there was a little fox"
  redraft generate --label story --temperature 0.8 --seed 7 --trace fox.jsonl
  echo "User: Hello! How are you?" | redraft generate --mode ar --json
  redraft generate --model GSAI-ML/LLaDA-8B-Instruct --cache dual --device cuda "def fib(n):"

The text goes to standard output, without the prompt. In a terminal the canvas is seen resolving: grey is noise, white
is accepted, yellow was accepted and then revised."""

# What says how a canvas is denoised says nothing where there is none.
IDLE = {
    "ar": ("policy", "steps", "guidance", "decoding", "canvas"),
    "verify": ("policy", "steps", "guidance", "decoding"),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("prompt", nargs="?", metavar="PROMPT", help='the beginning; "-" or a pipe reads it from there')
    parser.add_argument("--max-tokens", type=int, default=128, metavar="N", help="length at most (default: 128)")
    parser.add_argument("--canvas", type=int, metavar="L", help="tokens denoised at once")
    parser.add_argument(
        "--mode",
        type=one_of("mode", "diffusion", "ar", "verify"),
        metavar="MODE",
        help="diffusion (default if it can); ar: one token per forward; verify: drafts verified, the ar text exactly",
    )
    parser.add_argument("--label", metavar="NAME", help="a kind of text the model was trained on, such as story")
    parser.add_argument("--guidance", type=float, metavar="S", help="classifier-free guidance scale; 0 is off")
    parser.add_argument("--stop", action="append", default=[], metavar="TEXT", help="end before this text; repeatable")
    parser.add_argument("--trace", type=Path, metavar="FILE", help="write every view down, for `redraft replay`")
    add_decoding(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    from redraft.cli import terminal
    from redraft.results import summarise

    _check(args)
    prompt = read_argument(args.prompt)
    model = load_asked(args)
    args.mode = args.mode or model.voice.modes[0]
    _check_mode(args)
    decoding = decoding_of(args, model.defaults.generate)
    stream = model.stream(
        prompt,
        max_tokens=args.max_tokens,
        canvas=args.canvas,
        decoding=decoding,
        seed=args.seed,
        mode=args.mode,
        label=args.label,
        stop=args.stop,
    )
    live = terminal.interactive() and not args.json
    views, interrupted = collect(terminal.animate(stream, prompt) if live else stream)
    result = summarise(views, seed=args.seed, mode=args.mode, model=model.name)
    if args.trace is not None:
        _record(args.trace, model, prompt, decoding, args, views)
    if args.json:
        print_json(result.to_json() | ({"interrupted": True} if interrupted else {}))
    elif live:
        terminal.show(terminal.painted((prompt, terminal.GIVEN), (result.text, "")))
        terminal.note(terminal.figures(result))
    else:
        print(result.text)
    return 130 if interrupted else 0


def _check_mode(args: argparse.Namespace) -> None:
    for name in IDLE.get(args.mode, ()):
        if getattr(args, name) is not None:
            raise ValueError(f"--{name} does not apply to --mode {args.mode}")


def _check(args: argparse.Namespace) -> None:
    _check_mode(args)
    if args.trace is not None and not args.trace.absolute().parent.is_dir():
        raise ValueError(f"cannot write {args.trace}: there is no folder {args.trace.parent}")
    if "" in args.stop:
        raise ValueError("--stop must not be empty")


def collect(stream: "Iterator[View]") -> "tuple[list[View], bool]":
    """Every view, and whether somebody pressed Ctrl-C: what was committed by then is kept."""
    views: list[View] = []
    try:
        for view in stream:
            views.append(view)
    except KeyboardInterrupt:
        return views, True
    return views, False


def _record(
    path: Path, model: "Model", prompt: str, decoding: "Decoding", args: argparse.Namespace, views: "list[View]"
) -> None:
    from redraft import __version__
    from redraft.sampling.decoding import to_json
    from redraft.trace import Header, write_trace

    values: dict[str, Any] = json.loads(json.dumps(to_json(decoding)))
    header = Header(
        version=__version__, model=model.name, prompt=prompt, decoding=values, seed=args.seed, mode=args.mode
    )
    write_trace(path, header, views)
