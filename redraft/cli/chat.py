"""chat: a conversation, turn by turn."""

import argparse
import sys
from typing import TYPE_CHECKING

from redraft.cli.arguments import add_common, add_decoding, decoding_of, load_asked, print_json

if TYPE_CHECKING:
    from redraft.chat import Message
    from redraft.library import Model
    from redraft.results import Result
    from redraft.sampling.decoding import Decoding

HELP = "talk with the model (a small one makes small talk)"
EXAMPLES = """\
  redraft chat
  redraft chat --temperature 0.8 --seed 3
  redraft chat GSAI-ML/LLaDA-8B-Instruct --system "Answer in one sentence."
  printf "Hello!\\nHow are you?\\n" | redraft chat --json

/reset forgets the conversation, /quit or Ctrl-D ends it, Ctrl-C cuts an answer short. The oldest turns are dropped
when the context is full."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", nargs="?", metavar="MODEL", help="the same as --model")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told before the conversation")
    parser.add_argument("--max-tokens", type=int, default=96, metavar="N", help="length of an answer at most (96)")
    add_decoding(parser)
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    model = _model(args)
    first: list[Message] = [] if args.system is None else [{"role": "system", "content": args.system}]
    told = list(first)
    said: list[tuple[str, str]] = []  # everything, for --json
    decoding = decoding_of(args, model.defaults.generate)
    while (line := _heard(args.json)) is not None:
        if line == "/quit":
            break
        if line == "/reset":
            told = list(first)
            continue
        told = model.fitting([*told, {"role": "user", "content": line}], args.max_tokens)
        answer = _answer(model, told, decoding, len(said), args).text.strip()
        told.append({"role": "assistant", "content": answer})
        said.append((line, answer))
    if args.json:
        print_json({"model": model.name, "turns": [{"user": user, "assistant": text} for user, text in said]})
    return 0


def _model(args: argparse.Namespace) -> "Model":
    if args.name is not None and args.model is not None:
        raise ValueError(f"two models are named: {args.name} and --model {args.model}")
    args.model = args.model if args.name is None else args.name
    model = load_asked(args)
    model.voice.check("chat")
    return model


def _heard(quiet: bool) -> str | None:
    """The next line that says something; None at the end of input."""
    while True:
        try:
            line = input("User: " if sys.stdin.isatty() and not quiet else "").strip()
        except EOFError:
            return None
        if line:
            return line


def _answer(
    model: "Model", told: "list[Message]", decoding: "Decoding", number: int, args: argparse.Namespace
) -> "Result":
    from redraft.cli import terminal
    from redraft.cli.generate import collect
    from redraft.results import summarise

    stream = model.stream_chat(told, max_tokens=args.max_tokens, decoding=decoding, seed=args.seed + number)
    live = terminal.interactive() and not args.json
    views, _ = collect(terminal.animate(stream, "Assistant:") if live else stream)
    result = summarise(views, seed=args.seed + number, mode="diffusion", model=model.name)
    if live:
        terminal.show(terminal.painted(("Assistant:", terminal.GIVEN), (result.text, "")))
    elif not args.json:
        print(f"Assistant: {result.text.strip()}", flush=True)
    return result
