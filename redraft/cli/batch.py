"""batch: a file of requests answered into another file, as OpenAI's batch API does it, without a server."""

import argparse
import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.serve import add_models, count, served_models

if TYPE_CHECKING:
    from fastapi import FastAPI

    from redraft.server.batch import Line, Task

Tasks = Iterator[tuple["Line", "Task | str"]]
Write = Callable[[dict[str, Any]], None]

HELP = "answer a file of requests: OpenAI's batch format, resumable"
EXAMPLES = """\
  redraft batch requests.jsonl answers.jsonl
  redraft batch requests.jsonl answers.jsonl --model coder=checkpoints/Dream-Coder-v0-Instruct-7B --at-once 32

A line of the first file: {"custom_id": "1", "method": "POST", "url": "/v1/completions", "body": {"model":
"redraft-tiny", "prompt": "Once upon a time"}}. Every path of `redraft serve` is answered. Run it again after it was
stopped, and it does what is left. Needs: pip install 'redraft[serve]'"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("input", type=Path, metavar="IN", help="requests, one JSON object per line")
    parser.add_argument("output", type=Path, metavar="OUT", help="answers, appended as they come, in any order")
    parser.add_argument("--at-once", type=count, metavar="N", help="requests at work at once (default: --rows)")
    parser.add_argument("--ray", type=count, metavar="N", help="so many processes through Ray Data: extra [ray]")
    add_models(parser)
    parser.set_defaults(waiting=4096)


def run(args: argparse.Namespace) -> int:
    try:
        from redraft.server.batch import Answers, open_answers, read_lines, waiting
    except ModuleNotFoundError as error:
        raise ValueError(f"a batch needs {error.name}: pip install 'redraft[serve]'") from None

    if args.output.exists() and args.output.samefile(args.input):
        raise ValueError(f"{args.input} cannot be both the requests and the answers")
    answered = open_answers(args.output)
    number = sum(1 for _ in waiting(read_lines(args.input), answered))
    answers = Answers(args.output)
    try:
        refused = _answer(args, waiting(read_lines(args.input), answered), number, answers.write)
    finally:
        answers.close()
    before = len(answered.ids) + len(answered.lines)
    print(f"{number} answered, {refused} of them refused; {before} were there before")
    return 0


def _answer(args: argparse.Namespace, tasks: Tasks, number: int, write: Write) -> int:
    """Answer and show how far it is; how many were refused."""
    from rich.console import Console
    from rich.progress import Progress

    refused = 0
    with Progress(console=Console(stderr=True), transient=True) as progress:
        bar = progress.add_task(args.input.name, total=number)

        def written(answer: dict[str, Any]) -> None:
            nonlocal refused
            write(answer)
            refused += answer["response"] is None or answer["response"]["status_code"] != 200
            progress.advance(bar)

        if number and args.ray is not None:
            from redraft.server.batch_ray import answer_with_ray

            answer_with_ray(lambda: _app(args), tasks, written, args.ray, args.at_once or args.rows)
        elif number:
            asyncio.run(_run(_app(args), tasks, written, args.at_once or args.rows))
    return refused


def _app(args: argparse.Namespace) -> "FastAPI":
    from redraft.server.app import create_app
    from redraft.server.service import Limits

    return create_app(served_models(args), limits=Limits(concurrent=None), drain=1.0)


async def _run(app: "FastAPI", tasks: Tasks, write: Write, at_once: int) -> None:
    from redraft.server.batch import answer_all, started

    async with started(app):
        await answer_all(app, tasks, write, at_once)
