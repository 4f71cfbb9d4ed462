"""bench: what a forward of a published size costs on this machine, with random weights, beside what it cannot go below.

Knows presets, clocks and how few layers stand for many. The floors are `models.floors`' arithmetic with this machine's
measured rates: the time to read the weights once, and the time to multiply. Unchecked: everything on a GPU.
"""

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import median
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import one_of, print_json, unknown

if TYPE_CHECKING:
    import torch
    from torch import nn

    from redraft.models.architecture import Architecture
    from redraft.models.family import Family, ModelFacts
    from redraft.models.floors import Floor

HELP = "time the forwards of a published size with random weights, beside the machine's floors"
EXAMPLES = """\
  redraft bench --random llada-8b
  redraft bench --random llada2-mini --canvas 32,64 --json
  redraft bench --random sdar-8b --device cuda --quantize int4

On a CPU two layers are built and their time is scaled to all; what was scaled is said. The weights are random: the
times are the model's, its texts would be noise."""

LAYERS_ON_CPU = 2
PROBE_BYTES = 256 << 20
PROBE_SIZE = 2048


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--random", required=True, metavar="PRESET", help="which size, as `redraft models --json` lists"
    )
    parser.add_argument("--layers", type=int, metavar="N", help="layers to build (default: 2 on a CPU, all on a GPU)")
    parser.add_argument("--canvas", type=_lengths, default=(32, 64, 128, 256), metavar="N,...", help="canvas lengths")
    parser.add_argument("--context", type=int, default=256, metavar="N", help="tokens in front of the canvas (256)")
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="forwards timed per canvas (3)")
    parser.add_argument("--device", default="cpu", metavar="D", help="cpu (default) or cuda")
    parser.add_argument(
        "--dtype", type=one_of("dtype", "bfloat16", "float16", "float32"), default="bfloat16", metavar="DTYPE",
        help="bfloat16 (default), float16 or float32",
    )  # fmt: skip
    parser.add_argument("--quantize", type=one_of("kind", "int8", "int4"), metavar="KIND", help="int8 or int4 weights")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def _lengths(text: str) -> tuple[int, ...]:
    parts = text.split(",")
    if not all(part.isdecimal() and int(part) > 0 for part in parts):
        raise argparse.ArgumentTypeError(f"{text!r} must be lengths such as 32,64")
    return tuple(int(part) for part in parts)


def run(args: argparse.Namespace) -> int:
    import torch

    _check(args)
    family, facts = find_preset(args.random)
    number = args.layers or (LAYERS_ON_CPU if args.device == "cpu" else len(facts.architecture.layers))
    part = slice_of(facts, number)
    with torch.inference_mode():
        rates = [probe(args.device, getattr(torch, args.dtype))]
        network, storage = _network(family, part, args)
        rehearsal = Rehearsal(network, facts, part, storage, args.device, args.repeats)
        spent = []
        for length in args.canvas:
            spent.append(rehearsal.seconds(length, whole_blocks(args.context, facts, length)))
            rates.append(probe(args.device, getattr(torch, args.dtype)))
    machine = best(rates)
    rows = [
        rehearsal.row(length, whole_blocks(args.context, facts, length), *seconds, machine)
        for length, seconds in zip(args.canvas, spent, strict=True)
    ]
    values = {
        "preset": args.random,
        "family": family.name,
        "device": args.device,
        "threads": torch.get_num_threads(),
        "storage": storage,
        "layers": len(facts.architecture.layers),
        "layers_built": len(part.architecture.layers),
        "extrapolated": len(part.architecture.layers) < len(facts.architecture.layers),
        "context": args.context,
        "context_kept": facts.attention != "full",
        "machine": asdict(machine),
        "forwards": rows,
    }
    if args.json:
        print_json(values)
    else:
        print(told(values))
    return 0


def _check(args: argparse.Namespace) -> None:
    for option in ("context", "repeats"):
        if getattr(args, option) < 1:
            raise ValueError(f"--{option} must be at least 1, not {getattr(args, option)}")
    if args.layers is not None and args.layers < 1:
        raise ValueError(f"--layers must be at least 1, not {args.layers}")
    if args.device != "cpu":
        import torch

        if not torch.cuda.is_available():
            raise ValueError(f"--device {args.device}: there is no GPU that torch can use")


# ------------------------------------------------------------------ what is built


def presets() -> "dict[str, Family]":
    """Every published size that a family lists and the floors hold for: decoders of the common kind."""
    from redraft.models.registry import families

    return {name: family for family in families() if family.network is None for name in family.presets}


def find_preset(name: str) -> "tuple[Family, ModelFacts]":
    known = presets()
    if name not in known:
        raise ValueError(unknown("preset", name, sorted(known)))
    facts = known[name].read(known[name].presets[name])
    if facts.attention == "causal":
        raise ValueError(f"{name} is autoregressive: it fills no canvas")
    return known[name], facts


def slice_of(facts: "ModelFacts", number: int) -> "ModelFacts":
    """The last layers alone: the first are often unlike the others."""
    architecture: Architecture = facts.architecture
    return replace(facts, architecture=replace(architecture, layers=architecture.layers[-number:]))


def _network(family: "Family", facts: "ModelFacts", args: argparse.Namespace) -> "tuple[nn.Module, str]":
    """The network with random weights, and how they are stored."""
    import torch

    from redraft.models.loading import build

    network = build(family, facts, args.device, getattr(torch, args.dtype)).eval().requires_grad_(False)
    for parameter in network.parameters():
        scatter(parameter.data) if parameter.dim() > 1 else parameter.data.fill_(1)
    if args.quantize is None:
        return network, args.dtype
    from redraft.models.quantize import quantize

    quantize(network, args.quantize)
    return network, args.quantize


def scatter(weight: "torch.Tensor") -> None:
    """Random numbers, a million of them over and over: drawing billions would take longer than all the forwards."""
    import torch

    flat = weight.view(-1)
    noise = torch.randn(min(flat.numel(), 1 << 20), device=weight.device).mul_(0.02).to(weight.dtype)
    for part in flat.split(noise.numel()):
        part.copy_(noise[: part.numel()])


# ------------------------------------------------------------------ what is measured


@dataclass(frozen=True, slots=True)
class Machine:
    """Rates measured just now: bytes read per second, and floating point operations per second of a large product."""

    bytes_per_second: float
    flops_per_second: float


def best(rates: Sequence[Machine]) -> Machine:
    """The highest of each: others may have had the machine while the rest were measured."""
    return Machine(max(m.bytes_per_second for m in rates), max(m.flops_per_second for m in rates))


def probe(device: str, dtype: "torch.dtype") -> Machine:
    """The best of a few tries each: a floor is what the machine can do, not what it did while it was disturbed."""
    import torch

    rows = PROBE_BYTES // (PROBE_SIZE * dtype.itemsize)
    tall = torch.ones(rows, PROBE_SIZE, dtype=dtype, device=device)
    vector = torch.ones(PROBE_SIZE, dtype=dtype, device=device)
    square = torch.ones(PROBE_SIZE, PROBE_SIZE, dtype=dtype, device=device)
    copy = torch.empty_like(tall)
    reads = PROBE_BYTES / min(timed(lambda: tall @ vector, 5, device))
    copies = 2 * PROBE_BYTES / min(timed(lambda: copy.copy_(tall), 5, device))
    return Machine(max(reads, copies), 2 * PROBE_SIZE**3 / min(timed(lambda: square @ square, 5, device)))


def timed(call: Callable[[], object], repeats: int, device: str) -> list[float]:
    """Seconds of each of some calls, after one that is not counted."""
    import torch

    def wait() -> None:
        if device != "cpu":
            torch.cuda.synchronize(device)

    call()
    seconds = []
    for _ in range(repeats):
        wait()
        began = time.perf_counter()
        call()
        wait()
        seconds.append(time.perf_counter() - began)
    return seconds


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A network of some layers (`part`) of a model (`facts`), to be timed."""

    network: Any
    facts: "ModelFacts"
    part: "ModelFacts"
    storage: str
    device: str
    repeats: int

    def row(self, length: int, context: int, measured: float, head: float, machine: Machine) -> dict[str, Any]:
        """One canvas: the forward, what of it is the head, the layers' share scaled to all of them, and the floors."""
        from redraft.models.floors import head_floor

        layers, built = (self._layers(facts, length, context) for facts in (self.facts, self.part))
        last = head_floor(self.facts.architecture, length, self.storage)
        rates = (machine.bytes_per_second, machine.flops_per_second)
        seconds = head + max(measured - head, 0.0) * layers.seconds(*rates) / built.seconds(*rates)
        return {
            "canvas": length,
            "measured_s": measured,
            "head_s": head,
            "seconds": seconds,
            "memory_floor_s": (layers.bytes + last.bytes) / rates[0],
            "compute_floor_s": (layers.flops + last.flops) / rates[1],
            "times_floor": seconds / (layers.seconds(*rates) + last.seconds(*rates)),
        }

    def _layers(self, facts: "ModelFacts", length: int, context: int) -> "Floor":
        from redraft.models.floors import layers_floor

        run = length + context if facts.attention == "full" else length
        return layers_floor(facts.architecture, run, length + context, self.storage)

    def seconds(self, length: int, context: int) -> tuple[float, float]:
        """Median seconds of a forward over a canvas of noise behind a context, and of the head's part in it."""
        import torch

        from redraft.core.canvas import Status, make_canvas
        from redraft.models.assemble import assemble

        # A model of other blocks is rehearsed as if the canvas were one: the same weights, the same multiplications.
        facts = replace(self.part, block_length=length) if self.part.block_length else self.part
        denoiser: Any = assemble(self.network, facts)
        tokens = torch.arange(context, device=self.device)[None] % self.network.vocab_size
        kept = denoiser.encode(tokens)
        noise = torch.full((1, length), self.part.mask_id or 0, device=self.device)
        canvas = make_canvas(noise, torch.full_like(noise, int(Status.NOISY)))
        hidden = torch.zeros(1, length, facts.architecture.hidden_size, device=self.device, dtype=self.network.dtype)
        whole = timed(lambda: denoiser.denoise(canvas, kept), self.repeats, self.device)
        return median(whole), median(timed(lambda: self.network.logits(hidden), self.repeats, self.device))


def whole_blocks(context: int, facts: "ModelFacts", length: int) -> int:
    """Block-causal models read whole blocks: the nearest number of tokens, at least one block."""
    return context if facts.attention != "block_causal" else max(1, round(context / length)) * length


# ------------------------------------------------------------------ for people


def told(values: dict[str, Any]) -> str:
    machine = values["machine"]
    built, layers = values["layers_built"], values["layers"]
    note = f"{built} of {layers} layers built; their time is EXTRAPOLATED to all" if values["extrapolated"] else "all"
    kept = "kept" if values["context_kept"] else "run again in every forward"
    lines = [
        f"{values['preset']} ({values['family']}), random weights in {values['storage']} on {values['device']}, "
        f"{values['threads']} thread(s)",
        f"layers: {note}; context of {values['context']} tokens, {kept}",
        f"machine: {machine['bytes_per_second'] / 1e9:.1f} GB/s, {machine['flops_per_second'] / 1e12:.3f} TFLOP/s",
        "",
        f"{'canvas':>7} {'ms/forward':>12} {'memory floor':>13} {'compute floor':>14} {'times floor':>12}",
    ]
    return "\n".join([*lines, *(_line(row) for row in values["forwards"])])


def _line(row: dict[str, Any]) -> str:
    seconds, memory, compute = (row[name] * 1e3 for name in ("seconds", "memory_floor_s", "compute_floor_s"))
    return f"{row['canvas']:>7} {seconds:>12.1f} {memory:>13.1f} {compute:>14.1f} {row['times_floor']:>12.2f}"
