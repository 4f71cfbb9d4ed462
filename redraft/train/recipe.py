"""A recipe: everything that defines a run, as one value; and running it.

Knows the order of work: tokenizer, passages, mixture, training, exported model. Recipes themselves are
functions in `recipes/` that return a `Recipe`.
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Protocol

from redraft.core.corruption import Hybrid
from redraft.data.mixture import Mixture, MixtureConfig
from redraft.data.passages import Passages, build_passages, corpus, held_out, load_passages
from redraft.data.tokenizer import SPECIALS, TextTokenizer, load_tokenizer, train_tokenizer
from redraft.models.checkpoint import load_checkpoint
from redraft.models.config import ModelConfig
from redraft.models.three_mode import ThreeModeModel
from redraft.train.feeding import Batches
from redraft.train.loop import Progress, TrainConfig, resumes, train
from redraft.train.parallel import join_world


class Generated(Protocol):
    """Data that is made rather than read. A kind of it is a frozen dataclass in a file of its own."""

    def open(self, folder: Path, seed: int) -> Batches:
        """The batches of a run; whatever takes time is made once and kept in `folder`, with the tokenizer.json."""
        ...

    def trial(self, folder: Path) -> tuple[str, int]:
        """A prompt to try a trained model with, and how many tokens answer it: one canvas."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A full run. `characters` limits what is read of each source, of a mixture of texts."""

    name: str
    model: ModelConfig
    mixture: MixtureConfig | Generated
    train: TrainConfig
    characters: Mapping[str, int] = field(default_factory=dict)
    passage_tokens: int = 380
    seed: int = 0

    @property
    def reads_texts(self) -> bool:
        """Whether there must be a folder of texts to train from."""
        return isinstance(self.mixture, MixtureConfig)


def special_ids(vocab_size: int) -> dict[str, int]:
    """Where Redraft's specials sit in a vocabulary of this size."""
    return {name: vocab_size - len(SPECIALS) + n for n, name in enumerate(SPECIALS)}


def model_config(vocab_size: int, **sizes: object) -> ModelConfig:
    """A ModelConfig with the special ids of a Redraft tokenizer of `vocab_size` entries."""
    ids = special_ids(vocab_size)
    inserts = tuple(i for name, i in ids.items() if name.startswith("<|insert_"))
    return ModelConfig.from_json(
        {
            "vocab_size": vocab_size,
            "text_size": vocab_size - len(SPECIALS),
            "eos_token_id": ids["<|endoftext|>"],
            "mask_token_id": ids["<|mask|>"],
            "delete_token_id": ids["<|delete|>"],
            "insert_token_ids": inserts,
            **sizes,
        }
    )


def prepare(recipe: Recipe, data_dir: Path, cache: Path) -> tuple[TextTokenizer, Passages, Passages]:
    """Tokenizer, training and held-out passages: read from `cache`, or made once and kept there.

    A tokenizer that lies there already is taken as it is, so that models of several sizes can share one.
    """
    cache.mkdir(parents=True, exist_ok=True)
    files = [cache / name for name in ("tokenizer.json", "train.npz", "held_out.npz")]
    if not all(file.exists() for file in files):
        fresh = [file.with_name(f"partial.{file.name}") for file in files]
        shared = load_tokenizer(files[0], recipe.model.text_size) if files[0].exists() else None
        _make(recipe, data_dir, shared, *fresh)
        for made, file in zip(fresh, files, strict=True):
            made.replace(file)
    tokenizer = load_tokenizer(files[0], recipe.model.text_size)
    return tokenizer, load_passages(files[1]), load_passages(files[2])


def _make(recipe: Recipe, data_dir: Path, shared: TextTokenizer | None, *files: Path) -> None:
    """Write tokenizer, training and held-out passages to three files."""
    pairs = list(corpus(data_dir, recipe.characters))
    kept = [(name, text) for name, text in pairs if not held_out(text)]
    tokenizer = shared or train_tokenizer((text for _, text in kept), recipe.model.vocab_size)
    tokenizer.save(files[0])
    build_passages(kept, tokenizer, recipe.passage_tokens).save(files[1])
    held = [(name, text) for name, text in pairs if held_out(text)]
    build_passages(held, tokenizer, recipe.passage_tokens).save(files[2])


def mixture_of(recipe: Recipe, tokenizer: TextTokenizer, passages: Passages) -> Mixture:
    assert isinstance(recipe.mixture, MixtureConfig)
    model = recipe.model
    corruption = Hybrid(
        mask_id=model.mask_token_id,
        vocab_size=model.vocab_size,
        uniform_share=model.uniform_share,
        text_size=model.text_size,
    )
    return Mixture(recipe.mixture, passages, tokenizer, corruption, model.controls, recipe.seed)


def batches_of(recipe: Recipe, data_dir: Path, cache: Path) -> Batches:
    """The batches of a run, and in `cache` what they are made of."""
    if not isinstance(recipe.mixture, MixtureConfig):
        return recipe.mixture.open(cache, recipe.seed)
    tokenizer, passages, _ = prepare(recipe, data_dir, cache)
    return mixture_of(recipe, tokenizer, passages)


def run(
    recipe: Recipe, data_dir: Path, folder: Path, *, start: Path | None = None, resume: bool = False,
    progress: Progress = lambda record: None,
) -> ThreeModeModel:  # fmt: skip
    """Prepare, train and return the model with averaged weights. The recipe is saved beside the checkpoint.

    With `start`, a checkpoint folder of the same sizes, training begins from its weights and keeps its tokenizer.
    """
    import torch

    resumes(folder, resume)  # before anything of another run is overwritten
    torch.manual_seed(recipe.seed)
    model = ThreeModeModel(recipe.model) if start is None or resume else started(recipe, start)
    with join_world().first():
        if start is not None and not (folder / "data" / "tokenizer.json").exists():
            (folder / "data").mkdir(parents=True, exist_ok=True)
            shutil.copy(start / "tokenizer.json", folder / "data" / "tokenizer.json")
        data = batches_of(recipe, data_dir, folder / "data")
        (folder / "recipe.json").write_text(json.dumps(plain(recipe) | _origin(start), indent=2) + "\n")
    return train(model, data, recipe.train, folder, resume=resume, progress=progress)


def started(recipe: Recipe, start: Path) -> ThreeModeModel:
    """The checkpoint's model, for a recipe of the same sizes. Raises ValueError, naming the fields that differ."""
    model = load_checkpoint(start)
    pairs = ((f.name, getattr(recipe.model, f.name), getattr(model.config, f.name)) for f in fields(recipe.model))
    differ = [f"{name} {mine!r} and {held!r}" for name, mine, held in pairs if mine != held]
    if differ:
        raise ValueError(f"{start} is not the model of recipe {recipe.name!r}: {'; '.join(differ)}")
    return model.train().requires_grad_(True)


def _origin(start: Path | None) -> dict[str, str]:
    return {} if start is None else {"start": str(start)}


def plain(value: Any) -> Any:
    """Dataclasses, mappings and tuples as JSON values, for the record beside a checkpoint."""
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value
