"""demo: three things a diffusion language model does, and what they cost, in under a minute."""

import argparse
import time
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import load_model, print_json, seed

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.results import EditResult, Result, View

HELP = "see it work: a story, a gap, a correction, and what they cost"
EXAMPLES = """\
  redraft demo
  redraft demo --seed 3
  redraft demo --json

Every time shown is measured in that run, on that machine. The story is made at full speed and then played slowly
enough to be seen."""

PROMPT = "Once upon a time, there was a little fox"
GAP = ("The little dog was very hungry.", "Then he was happy and went to sleep.")
LETTER = (
    "Yesterday I goes to the park with my freind . We was playing ball and then a dog come and taked it . "
    "I has never saw such a fast dog !"
)
TRY = (
    ('redraft generate "One day, a girl found a key" --temperature 0.8 --seed 2', "another story"),
    ("redraft edit FILE", "see what it would correct in a text of yours"),
    (
        'redraft generate "One day" --trace day.jsonl && redraft replay day.jsonl --html day.html',
        "watch it in a browser",
    ),
)
STORY_TOKENS = 96
PLAY_SECONDS = 6.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", metavar="M", help="checkpoint folder or hub name (default: the model in the package)"
    )
    parser.add_argument("--seed", type=seed, default=0, metavar="N", help="same seed, same texts (default: 0)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    began = time.perf_counter()
    model = load_model(args.model)
    loaded = time.perf_counter() - began
    _warm(model)
    story, views = _story(model, args.seed)
    if not args.json:
        _tell_story(story, views, loaded, model)
    gap = model.infill(*GAP, gap=20, seed=args.seed)
    if not args.json:
        _tell_gap(gap)
    edit = model.edit(LETTER, seed=args.seed)
    if not args.json:
        _tell_edit(edit)
    plain = model.generate(PROMPT, mode="ar", **_options(model, args.seed))
    ratio = story.tokens_per_second / max(plain.tokens_per_second, 1e-9)
    if args.json:
        parts = {"story": story, "infill": gap, "edit": edit, "autoregressive": plain}
        figures: dict[str, Any] = {name: part.to_json() for name, part in parts.items()}
        wall = time.perf_counter() - began
        print_json({"model": model.name, "load_s": loaded, **figures, "speed_ratio": ratio, "wall_s": wall})
    else:
        _tell_speed(story, plain, ratio)
    return 0


def _options(model: "Model", seed: int) -> dict[str, Any]:
    label = "story" if "story" in model.voice.labels else None
    return {"max_tokens": STORY_TOKENS, "label": label, "seed": seed}


def _warm(model: "Model") -> None:
    """The first forwards of a process are slow, whichever mode they are in; no figure should hold them."""
    for mode in ("diffusion", "ar"):
        model.generate("The", max_tokens=4, mode=mode)


def _story(model: "Model", seed: int) -> "tuple[Result, list[View]]":
    from redraft.results import summarise

    views = list(model.stream(PROMPT, **_options(model, seed)))
    return summarise(views, seed=seed, mode="diffusion", model=model.name), views


def _tell_story(story: "Result", views: "list[View]", loaded: float, model: "Model") -> None:
    from redraft.cli import terminal

    print(f"model {model.name}, loaded in {loaded:.1f} s")
    terminal.heading("1. Noise becomes a story")
    speed = min(story.wall_s / PLAY_SECONDS, 1.0)
    terminal.play(views, PROMPT, max(speed, 1e-3))
    slowed = f" (shown {1 / speed:.0f} times slower)" if terminal.interactive() and 0 < speed < 0.7 else ""
    _figure(f"{terminal.figures(story)}{slowed}")


def _tell_gap(gap: "Result") -> None:
    from redraft.cli import terminal

    terminal.heading("2. What happened in between?")
    before, after = GAP
    if terminal.interactive():
        terminal.show(
            terminal.painted((before, terminal.GIVEN), (gap.text, terminal.ACCEPTED), (after, terminal.GIVEN))
        )
    else:
        print(f"{before}[{gap.text}]{after}")
    _figure(f"{gap.nfe} forwards · {gap.wall_s:.2f} s")


def _tell_edit(edit: "EditResult") -> None:
    from redraft.cli import terminal

    terminal.heading("3. A letter, corrected where it was wrong")
    if terminal.interactive():
        terminal.show(terminal.paint_edits(edit.original, edit.edits))
    else:
        print(terminal.plain_edits(edit.original, edit.edits))
    _figure(f"{len(edit.edits)} edits · {edit.nfe} forwards · {edit.wall_s:.2f} s")


def _tell_speed(story: "Result", plain: "Result", ratio: float) -> None:
    from redraft.cli import terminal

    terminal.heading("The same weights, one token at a time")
    _figure(f"autoregressive: {terminal.figures(plain)}")
    _figure(f"diffusion was {ratio:.1f} times as fast, in this run on this machine")
    terminal.heading("Try next")
    for command, why in TRY:
        print(f"  {command}\n      {why}")


def _figure(line: str) -> None:
    from redraft.cli import terminal

    terminal.show(terminal.painted((line, "dim")))
