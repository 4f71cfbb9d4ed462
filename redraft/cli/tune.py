"""tune: of many decodings the fastest that agrees with a slow one, saved as what the checkpoint recommends."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import add_common, load_asked, one_of, print_json
from redraft.cli.eval import count, finite, print_table
from redraft.cli.sweep import lengths

if TYPE_CHECKING:
    from redraft.evals.tuning import Tuned, Use
    from redraft.library import Model

HELP = "find the fastest decoding that agrees with a slow one"
EXAMPLES = """\
  redraft tune generate --model runs/tiny/model --prompts prompts.txt
  redraft tune generate --model runs/tiny/model --prompts prompts.txt --tolerance 0.1 --limit 64 --write
  redraft tune infill --model runs/tiny/model --prompts passages.txt --write
  redraft tune edit --model runs/tiny/model --prompts mistakes.txt --write

A prompt is a line of FILE, or the "prompt" or "text" of a JSON line. The reference writes one token per forward, in
order of confidence. Agreement is measured in nats per token by the exact autoregressive mode where there is one
(default tolerance 0.05), else as the share of tokens or edits that differ (0.05); a standard error is added before it
is compared. --write puts what was found into the folder's generation_config.json and keeps whatever else it says."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use", type=one_of("use", "generate", "infill", "edit"), metavar="USE", help=_uses())
    parser.add_argument("--prompts", type=Path, required=True, metavar="FILE", help="texts, one a line; .jsonl too")
    parser.add_argument("--tolerance", type=float, metavar="X", help="nats per token, or a share (default: 0.05)")
    parser.add_argument("--by", type=one_of("measure", "nats", "text"), metavar="M", help="nats or text (see below)")
    parser.add_argument("--policy", nargs="+", metavar="P", help="what to try, such as threshold:{0.9,0.5}")
    parser.add_argument("--canvas", type=lengths, metavar="L[,L]", help="tokens denoised at once, for generate")
    parser.add_argument("--reference", metavar="P", help="another policy of the reference")
    parser.add_argument("--max-tokens", type=count, default=64, metavar="N", help="of an answer (64)")
    parser.add_argument("--limit", type=count, default=32, metavar="N", help="so many prompts at most (32)")
    parser.add_argument("--seconds", type=float, default=600.0, metavar="S", help="then the search is over (600)")
    parser.add_argument("--out", type=Path, metavar="FILE", help="the record (default: runs/tune/MODEL.USE.json)")
    parser.add_argument("--write", action="store_true", help="recommend it: write the model's generation_config.json")
    add_common(parser)


def _uses() -> str:
    return "generate, infill or edit"


def run(args: argparse.Namespace) -> int:
    from redraft.evals.tuning import Job, grid, slow, tune

    prompts = read_prompts(args.prompts)[: args.limit]
    model = load_asked(args)
    job = Job(model, args.use, prompts, args.max_tokens, args.seed)
    candidates = grid(model, args.use, args.max_tokens, _policies(args.policy), args.canvas)
    slowest = slow(model, args.use, None if args.reference is None else _policy(args.reference))
    with _progress(len(candidates)) as tell:
        found = tune(
            job, candidates, slowest, measure=args.by, tolerance=args.tolerance, seconds=args.seconds, tell=tell
        )
    path = args.out or Path("runs/tune") / f"{Path(model.name).name}.{args.use}.json"
    values = finite(told(found, args, model))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(values, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if args.json:
        print_json({"file": str(path)} | values)
    else:
        show(found)
        print(f"written: {path}", file=sys.stderr)
    if found.chosen is None:
        late = any(row.verdict == "out of time" for row in found.rows)
        why = f"none agreed within {args.seconds:g} s" if late else "none agrees within the tolerance"
        raise ValueError(f"{why}, so nothing is recommended")
    if args.write:
        _save(found, args)
    return 0


def _save(found: "Tuned", args: argparse.Namespace) -> None:
    from redraft.defaults import recommend
    from redraft.library import find

    assert found.chosen is not None
    changes: dict[str, Any] = {found.use: found.chosen.decoding}
    if found.use == "generate" and found.chosen.block_length is not None:
        changes["block_length"] = found.chosen.block_length
    folder = find(args.model)
    recommend(folder, **changes)
    print(f"recommended for {found.use}: {found.chosen.name}, in {folder / 'generation_config.json'}", file=sys.stderr)


def read_prompts(path: Path) -> list[str]:
    """Lines of a text, or the prompts of JSON lines. Raises ValueError for a file without any."""
    try:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8: {error.reason}") from None
    found = [_prompt(path, line) for line in lines] if path.suffix == ".jsonl" else lines
    if not found:
        raise ValueError(f"{path} holds no prompts")
    return found


def _prompt(path: Path, line: str) -> str:
    try:
        values = json.loads(line)
    except json.JSONDecodeError as error:
        raise ValueError(f"{path} is not JSON lines: {error}") from None
    found = values.get("prompt", values.get("text")) if isinstance(values, dict) else values
    if not isinstance(found, str):
        raise ValueError(f"{path}: {line[:60]} has no prompt and no text")
    return found


def _policies(given: list[str] | None) -> dict[str, Any] | None:
    from redraft.evals.sweep import expand

    return None if given is None else {spec: _policy(spec) for each in given for spec in expand(each)}


def _policy(spec: str) -> Any:
    from redraft.sampling.decoding import parse_policy

    return parse_policy(spec)


def _progress(total: int) -> Any:
    """A line on standard error that says what is being tried."""
    from contextlib import contextmanager

    from rich.console import Console

    @contextmanager
    def telling() -> Any:
        console = Console(stderr=True)
        with console.status("reference") as status:
            yield lambda trial: status.update(f"{trial.candidate.name}: {len(trial.outputs)} prompts, of {total}")

    return telling()


def told(found: "Tuned", args: argparse.Namespace, model: "Model") -> dict[str, Any]:
    """The record: what was tried, with what result, and what was chosen."""
    from dataclasses import asdict
    from datetime import UTC, datetime

    from redraft import __version__
    from redraft.cli.eval import machine

    use: Use = found.use
    return {
        "use": use, "model": model.name, "measure": found.measure, "tolerance": found.tolerance, "seed": found.seed,
        "prompts": args.prompts.name, "max_tokens": found.max_tokens, "seconds": round(found.seconds, 1),
        "date": datetime.now(UTC).isoformat(timespec="seconds"), "redraft": __version__, "machine": machine(),
        "chosen": None if found.chosen is None else found.chosen.name, "tried": [asdict(row) for row in found.rows],
    }  # fmt: skip


def show(found: "Tuned") -> None:
    """The table of what was tried, slowest first."""
    from rich.table import Table

    apart = "nats/token above" if found.measure == "nats" else "differing"
    table = Table(box=None, pad_edge=False, header_style="bold")
    names = ("decoding", "prompts", apart, "variety lost", "tokens/forward", "tokens/s", "")
    for number, name in enumerate(names):
        table.add_column(name, justify="left" if number in (0, len(names) - 1) else "right")
    for row in found.rows:
        speed = f"{row.tokens_per_second:.1f} ({row.tokens_per_second / found.rows[0].tokens_per_second:.2f}x)"
        table.add_row(
            row.name, str(row.prompts), f"{row.excess:+.3f} ± {row.standard_error:.3f}", f"{row.lost_variety:+.2f}",
            f"{row.tokens_per_forward:.2f}", speed, row.verdict,
            style="bold" if found.chosen is not None and row.name == found.chosen.name else "",
        )  # fmt: skip
    print_table(table)
