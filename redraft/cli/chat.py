"""chat: a conversation, turn by turn."""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from redraft.cli.arguments import add_common, load_model, print_json

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.results import Result

HELP = "talk with the model (a small one makes small talk)"
EXAMPLES = """\
  redraft chat
  redraft chat --temperature 0.8 --seed 3
  printf "Hello!\\nHow are you?\\n" | redraft chat --json

/reset forgets the conversation, /quit or Ctrl-D ends it, Ctrl-C cuts an answer short. The oldest turns are dropped
when the context is full."""

STOPS = ("\nUser:", "\n")
Turns = list[tuple[str, str]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--max-tokens", type=int, default=96, metavar="N", help="length of an answer at most (96)")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 takes the likeliest token, 1 draws")
    add_common(parser)


def run(args: argparse.Namespace) -> int:
    model = load_model(args.model)
    turns: Turns = []
    said: Turns = []  # everything, for --json
    while (line := _heard(args.json)) is not None:
        if line == "/quit":
            break
        if line == "/reset":
            turns.clear()
            continue
        turns = fitting(turns, line, model, args.max_tokens)
        answer = _answer(model, prompt_of(turns, line), len(said), args).text.strip()
        turns.append((line, answer))
        said.append((line, answer))
    if args.json:
        print_json({"model": model.name, "turns": [{"user": user, "assistant": text} for user, text in said]})
    return 0


def _heard(quiet: bool) -> str | None:
    """The next line that says something; None at the end of input."""
    while True:
        try:
            line = input("User: " if sys.stdin.isatty() and not quiet else "").strip()
        except EOFError:
            return None
        if line:
            return line


def prompt_of(turns: Sequence[tuple[str, str]], line: str) -> str:
    """A conversation as the model was trained on it, up to the answer it owes."""
    told = "".join(f"User: {user}\nAssistant: {text}\n" for user, text in turns)
    return f"{told}User: {line}\nAssistant:"


def fitting(turns: Turns, line: str, model: "Model", max_tokens: int) -> Turns:
    """The newest turns that leave room for the answer."""
    room = model.network.config.max_position_embeddings - max_tokens - 2
    while turns and len(model.tokenizer.encode(prompt_of(turns, line))) > room:
        turns = turns[1:]
    return turns


def _answer(model: "Model", prompt: str, number: int, args: argparse.Namespace) -> "Result":
    from redraft.cli import terminal
    from redraft.cli.generate import collect
    from redraft.results import summarise

    label = "dialogue" if "dialogue" in model.network.config.labels else None
    stream = model.stream(
        prompt, max_tokens=args.max_tokens, temperature=args.temperature, seed=args.seed + number, label=label,
        stop=STOPS,
    )  # fmt: skip
    live = terminal.interactive() and not args.json
    views, _ = collect(terminal.animate(stream, "Assistant:") if live else stream)
    result = summarise(views, seed=args.seed + number, mode="diffusion", model=model.name)
    if live:
        terminal.show(terminal.painted(("Assistant:", terminal.GIVEN), (result.text, "")))
    elif not args.json:
        print(f"Assistant: {result.text.strip()}", flush=True)
    return result
