"""Options that commands share, and what they mean. Knows strings from a shell; torch only inside functions."""

import argparse
import difflib
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redraft.library import Model
    from redraft.sampling.decoding import Decoding
    from redraft.sampling.policies import Policy

DTYPES = ("bfloat16", "float16", "float32")


def unknown(kind: str, name: str, known: Sequence[str]) -> str:
    """The message for a name nobody knows, with the nearest one that somebody does."""
    near = difflib.get_close_matches(name, known, 1, 0.5)
    return f"unknown {kind} {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}")


def one_of(kind: str, *names: str) -> Callable[[str], str]:
    """An argparse type: one of some names."""

    def check(text: str) -> str:
        if text not in names:
            raise argparse.ArgumentTypeError(unknown(kind, text, names))
        return text

    return check


def seed(text: str) -> int:
    """An argparse type: a seed, which must fit a signed 64-bit integer."""
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError(f"{text!r} must be a whole number from 0 to 2**63 - 1")
    return int(text)


def add_common(parser: argparse.ArgumentParser, *, seeded: bool = True) -> None:
    """--model and how to load it, --json and --seed."""
    parser.add_argument(
        "--model", metavar="M", help="checkpoint folder or hub name (default: the model in the package)"
    )
    add_loading(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    if seeded:
        parser.add_argument("--seed", type=seed, default=0, metavar="N", help="same seed, same text (default: 0)")


def add_loading(parser: argparse.ArgumentParser) -> None:
    """How a model is loaded."""
    parser.add_argument(
        "--dtype", type=one_of("dtype", *DTYPES), metavar="DTYPE", help=f"{', '.join(DTYPES)} (default: as stored)"
    )
    parser.add_argument("--device", default="cpu", metavar="D", help="cpu (default), cuda, ...")
    parser.add_argument(
        "--cache",
        type=one_of("cache", "none", "prefix", "dual"),
        metavar="C",
        help="none (default), prefix or dual: what a bidirectional model keeps between forwards, approximately",
    )
    parser.add_argument(
        "--quantize", type=one_of("quantisation", "int8", "int4"), metavar="Q", help="int8 or int4 weights"
    )
    parser.add_argument(
        "--tokenizer", metavar="M", help="folder or hub name to take the tokenizer from (default: the model's)"
    )


def add_decoding(parser: argparse.ArgumentParser) -> None:
    """How to decode: each option replaces a part of what the checkpoint recommends."""
    parser.add_argument("--policy", metavar="P", help="which tokens to write in a step, such as threshold:0.9")
    parser.add_argument("--steps", type=int, metavar="N", help="forwards per canvas at most")
    parser.add_argument("--temperature", type=float, metavar="T", help="0 takes the likeliest token, 1 draws")
    parser.add_argument(
        "--decoding", metavar="JSON", help='a whole decoding, such as \'{"policy": "top_k:num_steps=8"}\''
    )


def decoding_of(args: argparse.Namespace, recommended: "Decoding") -> "Decoding":
    """The recommended decoding with what the command line says instead."""
    from dataclasses import replace

    from redraft.sampling.decoding import from_json, parse_policy

    decoding = recommended if args.decoding is None else from_json(_json_object("--decoding", args.decoding))
    policy = decoding.policy if args.policy is None else parse_policy(args.policy)
    steps = decoding.max_steps
    if args.steps is not None:
        policy, steps = _in_steps(policy, args.steps), args.steps
    heat = decoding.temperature if args.temperature is None else args.temperature
    guidance = getattr(args, "guidance", None)
    scale = decoding.guidance if guidance is None else guidance
    return replace(decoding, policy=policy, max_steps=steps, temperature=heat, guidance=scale)


def _in_steps(policy: "Policy", steps: int) -> "Policy":
    """A policy that follows a schedule follows it in that many steps; others are merely cut short."""
    from dataclasses import replace

    if getattr(policy, "num_steps", None) is None:
        return policy
    return replace(policy, num_steps=steps)  # type: ignore[type-var]


def _json_object(option: str, text: str) -> dict[str, Any]:
    try:
        values = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"{option} is not JSON: {error}") from None
    if not isinstance(values, dict):
        raise ValueError(f"{option} must be a JSON object, not {text}")
    return values


def read_argument(text: str | None) -> str:
    """A text given as an argument; "-", or nothing when something is piped in, reads standard input."""
    piped = sys.stdin is not None and not sys.stdin.isatty()
    if text == "-" or (text is None and piped):
        from redraft.files import decode_text

        return decode_text(read_stdin(), "standard input").text.removesuffix("\n")
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ValueError(f"{text!r} is not UTF-8") from None
    return text or ""


def read_stdin() -> bytes:
    """Bytes, because text would lose its line ends."""
    return sys.stdin.buffer.read()


def load_model(name: str | None, **options: Any) -> "Model":
    from redraft.library import load

    return load(name, **options)


def load_asked(args: argparse.Namespace) -> "Model":
    """The model that `add_common`'s options ask for."""
    import torch

    dtype = None if args.dtype is None else getattr(torch, args.dtype)
    options = {"device": args.device, "cache": args.cache, "quantize": args.quantize, "tokenizer": args.tokenizer}
    try:
        return load_model(args.model, dtype=dtype, **options)
    except (RuntimeError, AssertionError) as error:  # torch's ways to say that there is no such device
        if args.device == "cpu":
            raise
        raise ValueError(f"--device {args.device}: {str(error).splitlines()[0]}") from None


def print_json(values: dict[str, Any]) -> None:
    print(json.dumps(values, ensure_ascii=False))
