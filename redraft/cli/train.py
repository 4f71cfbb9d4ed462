"""train: a recipe becomes a checkpoint folder."""

import argparse
import shlex
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import print_json

if TYPE_CHECKING:
    from redraft.library import Defaults
    from redraft.train.loop import Progress
    from redraft.train.recipe import Recipe

HELP = "train a model from a recipe"
EXAMPLES = """\
  redraft train tiny --data-dir data
  redraft train tiny --data-dir data --out runs/short --set train.steps=200
  redraft train tiny --data-dir data --out runs/short --set train.steps=200 --resume
  redraft train tiny --data-dir data --out runs/more --from redraft/weights/tiny
  redraft train sudoku --set mixture.learns=next

A recipe is a function in recipes/; --set changes one of its values and --resume goes on from the last checkpoint, to
the same numbers. --from trains a model further: its sizes must be the recipe's, and its tokenizer is kept. At the end
OUT/model is a checkpoint folder with averaged weights, ready for --model."""

PLAIN_LINES = 20  # progress lines of a run that nobody watches
NOT_PARTS = ("step", "loss", "norm", "rate", "tokens_per_s")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help="name of a recipe, such as tiny")
    parser.add_argument("--data-dir", type=Path, default=Path("data"), metavar="D", help="where the texts are (data)")
    parser.add_argument("--out", type=Path, metavar="OUT", help="the run's folder (default: runs/RECIPE)")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="change a value; repeatable")
    parser.add_argument("--from", dest="start", metavar="MODEL", help="begin from this checkpoint's weights")
    parser.add_argument("--resume", action="store_true", help="go on from the last checkpoint in OUT")
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: what torch chooses)")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    from recipes import recipe as find_recipe
    from redraft.train.overrides import apply_overrides

    recipe = apply_overrides(find_recipe(args.recipe), args.set)
    out = args.out or Path("runs") / recipe.name
    _check(args, out, recipe.reads_texts)
    began = time.perf_counter()
    try:
        record = _train(recipe, args, out)
    except KeyboardInterrupt:
        print(f"redraft: interrupted; with --resume it goes on from the last checkpoint in {out}", file=sys.stderr)
        return 130
    except FloatingPointError as error:
        raise ValueError(f"{error}; a lower train.optim rate may help") from None
    values = {"out": str(out), "model": str(out / "model"), "recipe": recipe.name, **record}
    if args.json:
        print_json(values | {"wall_s": time.perf_counter() - began})
    else:
        print(f"{out / 'model'}: try `redraft generate --model {out / 'model'} {_trial(recipe, out)}`")
    return 0


def _trial(recipe: "Recipe", out: Path) -> str:
    """What to ask a trained model for, as a command line has it."""
    from redraft.data.mixture import MixtureConfig

    if isinstance(recipe.mixture, MixtureConfig):
        return '"Once upon a time"'
    prompt, tokens = recipe.mixture.trial(out / "data")
    return f"{shlex.quote(prompt)} --max-tokens {tokens}"


def _defaults(recipe: "Recipe", out: Path) -> "Defaults":
    """How to decode. What is not a text is one canvas, written place after place, the surest first."""
    from redraft.data.mixture import MixtureConfig
    from redraft.library import Defaults
    from redraft.sampling.decoding import Decoding
    from redraft.sampling.policies import Margin

    if isinstance(recipe.mixture, MixtureConfig):
        return Defaults()
    _, tokens = recipe.mixture.trial(out / "data")
    return Defaults(generate=Decoding(policy=Margin(), max_steps=tokens), block_length=tokens)


def _check(args: argparse.Namespace, out: Path, reads_texts: bool) -> None:
    if args.threads is not None and args.threads < 1:
        raise ValueError(f"--threads must be at least 1, not {args.threads}")
    if reads_texts and not args.data_dir.is_dir() and not (out / "data" / "train.npz").exists():
        raise ValueError(f"there is no folder {args.data_dir}; --data-dir says where the texts are")
    if args.resume and not (out / "checkpoint.pt").exists():
        raise ValueError(f"{out} holds no checkpoint to resume from")


def _train(recipe: "Recipe", args: argparse.Namespace, out: Path) -> dict[str, Any]:
    """Train and export; the last record of the run."""
    import torch

    from redraft.library import find
    from redraft.models.checkpoint import save_checkpoint
    from redraft.train.recipe import run as run_recipe

    if args.threads is not None:
        torch.set_num_threads(args.threads)
    last: dict[str, Any] = {}
    with _watched(recipe.train.steps) as progress:

        def keep(record: dict[str, Any]) -> None:
            last.update(record)
            progress(record)

        start = find(args.start) if args.start else None
        model = run_recipe(recipe, args.data_dir, out, start=start, resume=args.resume, progress=keep)
    tokenizer_file = out / "data" / "tokenizer.json"
    save_checkpoint(model, out / "model", tokenizer_file=tokenizer_file, generation=_defaults(recipe, out).to_json())
    return last


@contextmanager
def _watched(steps: int) -> "Iterator[Progress]":
    """A bar for a person, a few lines for a log; both on standard error."""
    if not sys.stderr.isatty():
        yield lambda record: _log(record, steps)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("preparing the data", total=steps)
        yield lambda record: bar.update(task, completed=record["step"] + 1, description=describe(record))


def _log(record: Mapping[str, Any], steps: int) -> None:
    step = record["step"] + 1
    if step == steps or step % max(steps // PLAIN_LINES, 1) == 0:
        print(f"step {step}/{steps}  {describe(record)}", file=sys.stderr, flush=True)


def describe(record: Mapping[str, Any]) -> str:
    """Loss, its parts and speed."""
    parts = " ".join(f"{name} {value:.2f}" for name, value in record.items() if name not in NOT_PARTS)
    return f"loss {record['loss']:.3f} ({parts}) {record['tokens_per_s']:.0f} tokens/s"
