"""Put shards together: a model folder to use, or a checkpoint to train on.

    python -m scripts.gpu_join results --tokenizer .gpu_data/tokenizer.json --model runs/small/model
    python -m scripts.gpu_join results --run runs/small

The checkpoint is resumable with `redraft train RECIPE --resume`; what did not fit into the shards starts afresh.
"""

import argparse
import shutil
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from recipes import recipe as find_recipe
from redraft.library import Defaults
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train.checkpoint import save_atomically
from redraft.train.loop import LOSSES
from redraft.train.metrics import plot_losses, read_metrics
from redraft.train.overrides import apply_overrides
from redraft.train.recipe import Recipe
from redraft.train.shards import read_shards, resumable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shards", type=Path)
    parser.add_argument("--model", type=Path, help="write a model folder with averaged weights")
    parser.add_argument("--run", type=Path, help="write a run's folder: checkpoint, metrics and loss plot")
    parser.add_argument("--tokenizer", type=Path, default=Path(".gpu_data/tokenizer.json"))
    parser.add_argument("--recipe", help="default: the one in the shards")
    parser.add_argument("--set", action="append", default=[], metavar="K=V", help="as in training")
    args = parser.parse_args()
    state, notes = read_shards(args.shards)
    recipe = apply_overrides(find_recipe(args.recipe or notes["recipe"]), args.set)
    print(f"step {state['step']} of {recipe.name}: {', '.join(name for name in state if name != 'step')}")
    if args.model is not None:
        save_checkpoint(
            averaged(recipe, state), args.model, tokenizer_file=args.tokenizer, generation=Defaults().to_json()
        )
    if args.run is not None:
        _write_run(recipe, state, args.shards, args.run)


def averaged(recipe: Recipe, state: dict[str, Any]) -> ThreeModeModel:
    """The recipe's model with averaged weights. Raises ValueError where they are another model's."""
    model = ThreeModeModel(recipe.model)
    named = dict(model.named_parameters())
    if {n: p.shape for n, p in named.items()} != {n: p.shape for n, p in state["ema"].items()}:
        raise ValueError(f"the shards hold another model than recipe {recipe.name!r}; name its recipe and --set values")
    with torch.no_grad():
        for name, parameter in named.items():
            parameter.copy_(state["ema"][name])
    return model.eval()


def _write_run(recipe: Recipe, state: dict[str, Any], shards: Path, run: Path) -> None:
    whole = resumable(state, averaged(recipe, state), recipe.train.optim)
    save_atomically(whole, run / "checkpoint.pt")
    metrics = shards / "metrics.jsonl"
    if metrics.exists():
        shutil.copyfile(metrics, run / "metrics.jsonl")
        if find_spec("matplotlib") is not None:
            plot_losses(read_metrics(metrics), run / "loss.png", LOSSES)


if __name__ == "__main__":
    main()
