"""Traffic: random requests of every kind, each of which can be served by an engine or carried out alone.

Knows how to draw a request and whom to ask for it. Refuses to know what is measured or compared.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

import torch

from redraft.core.canvas import Canvas
from redraft.engine import program
from redraft.sampling import samplers
from redraft.sampling.autoregressive import left_to_right, speculate
from redraft.sampling.decoding import Decoding, LinearTemperature
from redraft.sampling.policies import (
    Ancestral,
    Correct,
    EntropyBound,
    LeftToRight,
    Policy,
    Remasking,
    Renoising,
    Revising,
    Threshold,
    TopK,
)
from redraft.sampling.stops import Settled, StableAndConfident

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """What is asked of a program of that name, and how urgently."""

    name: str
    arguments: Arguments
    priority: int = 0

    def writer(self) -> program.Writer:
        made: program.Writer = getattr(program, self.name)(**self.arguments)
        return made

    def alone(self, denoiser: Any) -> list[int]:
        """The tokens that the plain sampler makes of it."""
        return ALONE[self.name](denoiser, dict(self.arguments))


def _generate(denoiser: Any, arguments: Arguments) -> list[int]:
    decoding, prompt = arguments.pop("decoding"), arguments.pop("prompt")
    *_, last = samplers.sample(denoiser, [prompt], decoding, **arguments)
    return last.committed[0]


def _autoregress(denoiser: Any, arguments: Arguments) -> list[int]:
    *_, last = left_to_right(denoiser, torch.tensor([arguments.pop("prompt")]), None, **arguments)
    return last.tokens[0]


def _speculate(denoiser: Any, arguments: Arguments) -> list[int]:
    *_, last = speculate(denoiser, torch.tensor([arguments.pop("prompt")]), None, **arguments)
    return last.tokens[0]


def _infill(denoiser: Any, arguments: Arguments) -> list[int]:
    prefix, suffix, decoding = (arguments.pop(name) for name in ("prefix", "suffix", "decoding"))
    context = _context(denoiser, decoding, arguments)
    return _last(samplers.infill(denoiser, [prefix], [suffix], decoding, context=context, **arguments))


def _edit(denoiser: Any, arguments: Arguments) -> list[int]:
    tokens, decoding, editable = (arguments.pop(name) for name in ("tokens", "decoding", "editable"))
    context = _context(denoiser, decoding, arguments)
    return _last(
        samplers.edit(denoiser, [tokens], decoding, editable=editable and [editable], context=context, **arguments)
    )


def _context(denoiser: Any, decoding: Decoding, arguments: Arguments) -> Any:
    tokens = arguments.pop("context")
    return samplers.shape(denoiser, decoding).encode(torch.tensor([tokens])) if tokens else None


def _last(canvases: Any) -> list[int]:
    canvas: Canvas
    *_, canvas = canvases
    return canvas.row_tokens(0)


ALONE: dict[str, Callable[[Any, Arguments], list[int]]] = {
    "generate": _generate,
    "autoregress": _autoregress,
    "speculate": _speculate,
    "infill": _infill,
    "edit": _edit,
}


@dataclass(frozen=True, slots=True)
class Asking:
    """What a denoiser can be asked for: `vocab` ids, blocks of its own length or any, and what else it can do."""

    vocab: int
    block: int | None = None
    canvases: bool = False
    indels: bool = False
    next_tokens: bool = False
    judges: bool = False
    longest: int = 56


def asking(denoiser: Any, longest: int = 56) -> Asking:
    """What to ask of a denoiser of this package."""
    block = getattr(denoiser, "block_length", None)
    network = getattr(denoiser, "network", None)
    return Asking(
        vocab=denoiser.config.text_size if network is None else network.vocab_size,
        block=block,
        canvases=block is None,
        indels=denoiser.controls is not None,
        next_tokens=hasattr(denoiser, "next_logits"),
        judges=hasattr(denoiser, "next_logits") and hasattr(denoiser, "score"),
        longest=longest,
    )


def draw_requests(what: Asking, number: int, rng: Random) -> list[Request]:
    """Random requests; half of the prompts share a beginning, as a system prompt would."""
    shared = _ids(what, what.longest, rng)
    return [_request(what, shared, rng) for _ in range(number)]


def _request(what: Asking, shared: list[int], rng: Random) -> Request:
    names = ["generate"] * 5 + ["infill", "edit"] * what.canvases + ["autoregress"] * what.next_tokens
    names += ["speculate"] * what.judges
    name, priority = rng.choice(names), rng.choice([0, 0, 0, 1, 2])
    return Request(name, DRAWN[name](what, shared, rng), priority)


def _a_generate(what: Asking, shared: list[int], rng: Random) -> Arguments:
    guided = rng.random() < 0.15
    prompt = _prompt(what, shared, rng, least=(what.block or 1) if guided else 0)
    return {
        "prompt": prompt, "decoding": _decoding(what, rng, guided), "max_tokens": rng.randrange(1, 40),
        "block_length": what.block or rng.choice([4, 8, 16]), "seed": rng.randrange(1000),
        "stop_ids": rng.choice([(), tuple(range(5, 5 + what.vocab // 25))]), "whole_blocks": rng.random() < 0.2,
    }  # fmt: skip


def _an_autoregress(what: Asking, shared: list[int], rng: Random) -> Arguments:
    return {
        "prompt": _prompt(what, shared, rng, least=1), "max_tokens": rng.randrange(1, 20),
        "temperature": rng.choice([0.0, 0.8]), "seed": rng.randrange(1000), "stop_ids": rng.choice([(), (5, 6, 7)]),
    }  # fmt: skip


def _a_speculate(what: Asking, shared: list[int], rng: Random) -> Arguments:
    return _an_autoregress(what, shared, rng) | {"draft_length": rng.randrange(1, 9)}


def _an_infill(what: Asking, shared: list[int], rng: Random) -> Arguments:
    context = _prompt(what, shared, rng) if rng.random() < 0.5 else []
    return {
        "prefix": _ids(what, rng.randrange(0, 10), rng), "suffix": _ids(what, rng.randrange(0, 10), rng),
        "gap": rng.randrange(1, 16), "decoding": _changing(what, rng), "seed": rng.randrange(1000),
        "context": tuple(context),
    }  # fmt: skip


def _an_edit(what: Asking, shared: list[int], rng: Random) -> Arguments:
    tokens = _ids(what, rng.randrange(1, 24), rng)
    locks = [rng.random() < 0.8 for _ in tokens] if rng.random() < 0.5 else None
    context = _prompt(what, shared, rng) if rng.random() < 0.5 else []
    return {
        "tokens": tokens, "decoding": _changing(what, rng), "editable": locks,
        "strength": rng.choice([0.0, 0.3, 0.7, 1.0]), "seed": rng.randrange(1000), "context": tuple(context),
    }  # fmt: skip


DRAWN: dict[str, Callable[[Asking, list[int], Random], Arguments]] = {
    "generate": _a_generate,
    "autoregress": _an_autoregress,
    "speculate": _a_speculate,
    "infill": _an_infill,
    "edit": _an_edit,
}


def _ids(what: Asking, number: int, rng: Random) -> list[int]:
    return [rng.randrange(what.vocab) for _ in range(number)]


def _prompt(what: Asking, shared: list[int], rng: Random, least: int = 0) -> list[int]:
    length = rng.randrange(least, what.longest)
    if rng.random() < 0.5:
        return shared[:length]
    return _ids(what, length, rng)


def _policy(rng: Random) -> Policy:
    return rng.choice(
        [
            Threshold(0.5), TopK(num_steps=3), LeftToRight(2), Revising(Threshold(0.3), 0.6), EntropyBound(0.5),
            Ancestral(4), Remasking(num_steps=6, eta=0.3),
        ]
    )  # fmt: skip


def _decoding(what: Asking, rng: Random, guided: bool) -> Decoding:
    return Decoding(
        policy=_policy(rng),
        temperature=rng.choice([0.0, 0.0, 0.7, 1.0, LinearTemperature()]),
        max_steps=rng.choice([8, 64]),
        top_p=rng.choice([None, None, 0.9]),
        top_k=rng.choice([None, None, 20]),
        min_p=rng.choice([None, None, 0.02]),
        repetition_penalty=rng.choice([1.0, 1.0, 1.0, 1.3]),
        logit_temperature=rng.choice([1.0, 1.0, 0.8, LinearTemperature()]),
        guidance=0.7 if guided else 0.0,
        null_id=rng.choice([None, what.vocab - 1]),
        banned_ids=rng.choice([(), (3, 4)]),
        bias=rng.choice([(), ((9, 2.0),)]),
        unsure_ids=rng.choice([(), (5,)]),
        emit=rng.choice(["canvas", "canvas", "best"]),
    )


def _changing(what: Asking, rng: Random) -> Decoding:
    """A decoding for a canvas inside given text; lengths change where they can."""
    if what.indels and rng.random() < 0.6:
        policy = Correct(rng.choice([0.2, 0.5]))
        stop = rng.choice([Settled(), Settled() | StableAndConfident()])
        return Decoding(policy=policy, stop=stop, indels=True, max_steps=rng.choice([4, 12]), temperature=0.0)
    policy = rng.choice([Renoising(Threshold(0.5), tau=0.05, num_steps=2), _policy(rng)])
    return Decoding(policy=policy, max_steps=12, temperature=rng.choice([0.0, 0.8]))
