"""inspect: what a checkpoint is and what it will take, from its configuration and headers; no weight is read."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from redraft.cli.arguments import print_json

if TYPE_CHECKING:
    from redraft.models.loading import Checkpoint

HELP = "say what a checkpoint is, what it needs and what is wrong with it"
EXAMPLES = """\
  redraft inspect checkpoints/LLaDA-8B-Instruct
  redraft inspect GSAI-ML/LLaDA-8B-Instruct --json

Names, shapes and sizes of every tensor are checked against the configuration, so a folder that passes will load."""

MEMORY = ("bfloat16", "int8", "int4")
SEES = {
    "full": "every token sees every other",
    "block_causal": "tokens see their block and those before it",
    "reordered": "causal, observed tokens before noisy ones",
    "causal_context": "a causal context, a canvas that sees all of itself",
    "causal": "causal",
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", metavar="PATH", help="checkpoint folder or hub name")
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")


def run(args: argparse.Namespace) -> int:
    from redraft.models.folders import find_folder

    folder = find_folder(args.path)
    values = describe(folder)
    if args.json:
        print_json(values)
    elif values["family"] is None:
        from redraft.cli.models import told

        print(told(values))
    else:
        print(told_of(values))
    return 0


def describe(folder: Path) -> dict[str, Any]:
    """What a folder is; `family` is None for a model of our own."""
    from redraft.cli.models import describe as describe_own
    from redraft.models.checkpoint import MODEL_TYPE
    from redraft.models.headers import read_json
    from redraft.models.loading import inspect

    if read_json(folder / "config.json").get("model_type") == MODEL_TYPE:
        return {"family": None, **describe_own(folder)}
    checkpoint = inspect(folder)
    return _what(checkpoint) | _contract(checkpoint) | _stored(checkpoint) | _needs(checkpoint)


def _what(checkpoint: "Checkpoint") -> dict[str, Any]:
    facts = checkpoint.facts.architecture
    return {
        "path": str(checkpoint.folder),
        "family": checkpoint.family.name,
        "title": checkpoint.family.title,
        "parameters": checkpoint.num_parameters,
        "layers": len(facts.layers),
        "hidden_size": facts.hidden_size,
        "vocab_size": facts.vocab_size,
        "context": facts.max_positions,
        "experts": _experts(facts),
        "tied": facts.tied,
    }


def _experts(facts: Any) -> dict[str, int] | None:
    """Of the layers that have any: how many there are and how many a token is sent to."""
    routed = [layer.experts for layer in facts.layers if layer.experts is not None]
    if not routed:
        return None
    return {"layers": len(routed), "experts": routed[0].num_experts, "chosen": routed[0].num_chosen}


def _contract(checkpoint: "Checkpoint") -> dict[str, Any]:
    facts = checkpoint.facts
    return {
        "attention": facts.attention,
        "noise": facts.noise,
        "shifted": facts.shifted,
        "block_length": facts.block_length,
        "decide_length": facts.decide_length,
        "mask_id": facts.mask_id,
        "pad_id": facts.pad_id,
        "stop_ids": list(facts.stop_ids),
        "decoding": checkpoint.family.decoding,
    }


def _stored(checkpoint: "Checkpoint") -> dict[str, Any]:
    from redraft.models.loading import stored_dtype

    unused = [name for name in checkpoint.tensors if name not in checkpoint.places]
    return {
        "dtype": str(stored_dtype(checkpoint)).removeprefix("torch."),
        "bytes": checkpoint.num_bytes,
        "tensors": len(checkpoint.tensors),
        "unused_tensors": len(unused),
        "shards": len({held.file for held in checkpoint.tensors.values()}),
    }


def _needs(checkpoint: "Checkpoint") -> dict[str, Any]:
    """Arithmetic that only holds for decoders of the common kind; None for a network that a family brings itself."""
    from redraft.models import floors

    facts = checkpoint.facts.architecture
    if checkpoint.family.network is not None:
        return {"active_parameters": None, "weight_bytes": None, "kv_bytes_per_token": None}
    return {
        "active_parameters": floors.num_active(facts),
        "weight_bytes": {storage: floors.weight_bytes(facts, storage) for storage in MEMORY},
        "kv_bytes_per_token": floors.kv_bytes(facts),
    }


# ------------------------------------------------------------------ for people


def told_of(values: dict[str, Any]) -> str:
    rows = {
        "parameters": _parameters(values),
        "layers": f"{values['layers']}, {values['hidden_size']} wide, vocabulary {values['vocab_size']}",
        "attention": f"{values['attention']}: {SEES[values['attention']]}",
        "noise": values["noise"] + (", logits predict the next token" if values["shifted"] else ""),
        "block": _block(values),
        "ids": _ids(values),
        "context": f"{values['context']} tokens" + _kept(values),
        "stored": f"{values['dtype']}, {_size(values['bytes'])} in {values['shards']} file(s)" + _unused(values),
        "needs": _weights(values),
        "decoding": " ".join(f"{name}={value}" for name, value in values["decoding"].items()),
    }
    lines = [f"  {name:<11} {value}" for name, value in rows.items() if value]
    return "\n".join([f"{values['path']}: {values['title']}", *lines])


def _parameters(values: dict[str, Any]) -> str:
    text = _count(values["parameters"])
    experts = values["experts"]
    if experts is None:
        return text
    return f"{text}, {_count(values['active_parameters'])} active: {experts['chosen']} of {experts['experts']} experts"


def _ids(values: dict[str, Any]) -> str:
    named = {
        "mask": values["mask_id"],
        "pad": values["pad_id"],
        "stop": ", ".join(map(str, values["stop_ids"])) or None,
    }
    return ", ".join(f"{name} {token}" for name, token in named.items() if token is not None)


def _block(values: dict[str, Any]) -> str:
    if values["block_length"] is None:
        return ""
    decided = "" if values["decide_length"] is None else f", decided {values['decide_length']} at a time"
    return f"{values['block_length']} tokens{decided}"


def _kept(values: dict[str, Any]) -> str:
    each = values["kv_bytes_per_token"]
    if each is None:
        return ""
    exact = " where a cache is kept, which is not exact" if values["attention"] == "full" else ""
    return f", {_size(each)} of keys and values each{exact}"


def _unused(values: dict[str, Any]) -> str:
    return f", {values['unused_tensors']} tensors that text needs none of" if values["unused_tensors"] else ""


def _weights(values: dict[str, Any]) -> str:
    sizes = values["weight_bytes"] or {}
    return ", ".join(f"{_size(size)} in {storage}" for storage, size in sizes.items())


def _count(number: int) -> str:
    return f"{number / 1e9:.2f} B" if number >= 1e9 else f"{number / 1e6:.2f} M"


def _size(number: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if number >= scale:
            return f"{number / scale:.2f} {unit}"
    return f"{number} bytes"
