"""serve: models behind HTTP, in the dialects of OpenAI's and Mercury's APIs."""

import argparse
import logging
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import add_loading, load_asked

if TYPE_CHECKING:
    from redraft.server.served import Served

HELP = "serve models over HTTP: chat, completions, fill-in-the-middle, edits, scores"
EXAMPLES = """\
  redraft serve
  redraft serve --port 8080 --api-key-file keys.txt
  redraft serve --model tiny=runs/tiny/model --model coder=checkpoints/Dream-Coder-v0-Instruct-7B --dtype bfloat16

Answers at http://127.0.0.1:8000/v1 as OpenAI's API does; docs/server.md tells more. Ctrl-C or SIGTERM lets what is at
work finish first. Needs: pip install 'redraft[serve]'"""

LOOPBACK = ("127.0.0.1", "localhost", "::1")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_models(parser)
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument("--port", type=_port, default=8000, metavar="P", help="0 takes a free one (default: 8000)")
    parser.add_argument("--api-key-file", type=Path, metavar="FILE", help="keys that are let in, one per line")
    parser.add_argument("--origin", action="append", default=[], metavar="URL", help="a web page that may ask")
    parser.add_argument("--per-minute", type=count, metavar="N", help="requests of one key in a minute at most")
    parser.add_argument("--concurrent", type=count, default=256, metavar="N", help="requests of one key at once")
    parser.add_argument("--drain", type=float, default=30.0, metavar="S", help="seconds to finish in at the end (30)")
    parser.add_argument("--quiet", action="store_true", help="no log of requests")
    parser.add_argument("--replicas", type=count, metavar="N", help="so many processes through Ray Serve: extra [ray]")


def add_models(parser: argparse.ArgumentParser) -> None:
    """Which models, and what their engines may use."""
    parser.add_argument(
        "--model", action="append", default=[], metavar="[NAME=]M",
        help="checkpoint folder or hub name, under a name; repeatable (default: the model in the package)",
    )  # fmt: skip
    parser.add_argument("--rows", type=count, default=16, metavar="N", help="requests in one forward (default: 16)")
    parser.add_argument("--pages", type=count, metavar="N", help="pages of 16 tokens that are kept (default: by room)")
    parser.add_argument("--waiting", type=count, default=256, metavar="N", help="requests that wait at most (256)")
    parser.add_argument(
        "--threads", type=count, metavar="N",
        help="processor threads of a forward (default: the cores, shared among the models)",
    )  # fmt: skip
    add_loading(parser)


def run(args: argparse.Namespace) -> int:
    try:
        import uvicorn

        from redraft.server.app import create_app
        from redraft.server.security import read_keys
        from redraft.server.service import Limits
    except ModuleNotFoundError as error:
        raise ValueError(f"serving needs {error.name}: pip install 'redraft[serve]'") from None

    keys = [] if args.api_key_file is None else read_keys(args.api_key_file)
    limits = Limits(requests_per_minute=args.per_minute, concurrent=args.concurrent)
    options: dict[str, Any] = {"limits": limits, "keys": keys, "origins": args.origin, "drain": args.drain}
    if args.replicas is not None:
        return _serve_replicas(args, options)
    served = served_models(args)
    app = create_app(served, **options)
    _log(args.quiet)
    config = uvicorn.Config(
        app, host=args.host, port=args.port, log_config=None, access_log=False, server_header=False,
        ws_max_size=2 * limits.body_bytes,  # what is longer is not even read; up to it, the session says so itself
        timeout_graceful_shutdown=max(1, round(args.drain)),
    )  # fmt: skip
    return _serve(uvicorn.Server(config), [each.name for each in served], open_to_all=not keys)


def _serve_replicas(args: argparse.Namespace, options: dict[str, Any]) -> int:
    """Until a signal, as processes of Ray Serve that load the models themselves."""
    from redraft.server.app import create_app
    from redraft.server.replicas import run

    if not args.port:
        raise ValueError("--replicas needs a --port other than 0")
    names = [_named(text)[0] for text in args.model or [""]]
    host, port = args.host, args.port

    def tell() -> None:
        print(f"serving {', '.join(names)} on http://{host}:{port}/v1, {args.replicas} replicas", flush=True)

    gpus = float(args.device.startswith("cuda"))

    def make() -> Any:
        return create_app(served_models(args), **options)

    run(make, args.replicas, host, port, tell, gpus=gpus, drain=args.drain)
    return 0


def served_models(args: argparse.Namespace) -> "list[Served]":
    """The models that `add_models`' options ask for, none of them at work yet."""
    import torch

    texts = args.model or [""]
    # Threads that wait for each other on cores that others use are far slower than one alone.
    torch.set_num_threads(args.threads or max(1, torch.get_num_threads() // len(texts)))
    return [_served(args, text) for text in texts]


def _named(text: str) -> tuple[str, str]:
    """NAME=PATH, or a path under its own name, or nothing: the model in the package."""
    name, _, path = text.rpartition("=")
    return name or (Path(path).name if path else "redraft-tiny"), path


def _served(args: argparse.Namespace, text: str) -> "Served":
    from redraft.engine.engine import EngineConfig
    from redraft.server.served import serve

    name, path = _named(text)
    model = load_asked(argparse.Namespace(**vars(args) | {"model": path or None}))
    tokens = min(args.rows * model.voice.room, 2**15)
    pages = args.pages or -(-tokens // 16)
    return serve(model, name, EngineConfig(num_pages=pages, max_rows=args.rows, max_waiting=args.waiting))


def _serve(server: Any, names: list[str], *, open_to_all: bool) -> int:
    """Until a signal; then what is at work is finished."""
    begin = server.startup

    async def startup(sockets: Any = None) -> None:
        await begin(sockets)
        if server.started:
            _tell(server, names, open_to_all)

    server.startup = startup
    before = signal.signal(signal.SIGTERM, lambda number, frame: None)  # the server raises it again when it is done
    try:
        server.run()
    except SystemExit:  # its way to say that it could not listen, and why is in the log
        raise ValueError(f"cannot listen on {server.config.host}, port {server.config.port}") from None
    finally:
        signal.signal(signal.SIGTERM, before)
    return 0


def _tell(server: Any, names: list[str], open_to_all: bool) -> None:
    host, port = server.servers[0].sockets[0].getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"serving {', '.join(names)} on http://{shown}:{port}/v1", flush=True)
    print(f"the playground is at http://{shown}:{port}/", flush=True)
    if open_to_all and host not in LOOPBACK:
        print("everyone who reaches this address may ask; --api-key-file lets in whom you know", file=sys.stderr)


def _log(quiet: bool) -> None:
    from redraft.server.gate import JsonLines

    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, level in (("redraft.server", logging.WARNING if quiet else logging.INFO), ("uvicorn", logging.WARNING)):
        logger = logging.getLogger(name)
        logger.addHandler(handler)
        logger.setLevel(level)
        logger.propagate = False


def count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number of at least 1")
    return int(text)


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"{text!r} is no port")
    return int(text)
