"""Recipes: one value that says everything, prepared once, run into a folder that says what it was."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import recipes
from recipes import recipe, recipe_names
from redraft.core.corruption import Hybrid
from redraft.data.passages import held_out
from redraft.data.puzzles.batches import PuzzleConfig
from redraft.data.sources import SOURCES
from redraft.data.tokenizer import CHARACTERS, SPECIALS, load_tokenizer
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.train import recipe as module
from redraft.train.checkpoint import load_state
from redraft.train.optim import OptimConfig
from redraft.train.recipe import Recipe, mixture_of, model_config, prepare, run, special_ids
from tests.data.tiny import VOCAB, stories
from tests.train.tiny_run import MIXTURE, config, model

RECIPE = Recipe(
    name="miniature",
    model=model().config,
    mixture=replace(MIXTURE, text={"fables": 1.0}, edits={"roleplay": 1.0}, labels={"fables": "fable"}),
    train=config(2),
    characters={"fables": 100_000, "roleplay": 100_000},
    passage_tokens=60,
)
STORIES = stories(420)


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    folder.mkdir()
    names = {source.name: source.file for source in SOURCES}
    for name, records in (
        ("fables", [{"text": text} for text in STORIES[:210]]),
        ("roleplay", [{"output": text} for text in STORIES[210:]]),
    ):
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / names[name]).write_bytes(gzip.compress(lines.encode()))
    return folder


# ------------------------------------------------------------------ the model's configuration


def test_special_ids_are_the_tokenizers(data_dir: Path, tmp_path: Path) -> None:
    tokenizer, _, _ = prepare(RECIPE, data_dir, tmp_path / "cache")
    assert special_ids(VOCAB) == {name: tokenizer.special(name) for name in SPECIALS}
    held = RECIPE.model
    assert (held.eos_token_id, held.mask_token_id) == (
        tokenizer.special("<|endoftext|>"),
        tokenizer.special("<|mask|>"),
    )
    assert held.text_size == tokenizer.text_size
    inserts = [tokenizer.special(f"<|insert_{n}|>") for n in range(1, 5)]
    assert (held.delete_token_id, [*held.insert_token_ids]) == (tokenizer.special("<|delete|>"), inserts)


def test_an_unknown_size_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="unknown model field 'hiden_size'; did you mean 'hidden_size'"):
        model_config(VOCAB, hiden_size=32)


def test_an_unknown_field_of_a_recipe_is_an_error() -> None:
    with pytest.raises(TypeError, match="step"):
        replace(RECIPE, step=3)  # type: ignore[call-arg]


# ------------------------------------------------------------------ preparation


def test_preparing_splits_documents_and_keeps_every_source(data_dir: Path, tmp_path: Path) -> None:
    tokenizer, passages, held = prepare(RECIPE, data_dir, tmp_path / "cache")
    aside = {text for text in STORIES if held_out(text)}
    assert aside  # else the split is not seen
    assert passages.names == ("fables", "roleplay")
    for kept, wanted in ((passages, set(STORIES) - aside), (held, aside)):
        text = "".join(tokenizer.decode(kept[n].tolist()) + ("\0" if kept[n][-1] == tokenizer.text_size else "")
                       for n in range(len(kept)))  # fmt: skip
        assert {document for document in text.split("\0") if document} == wanted


def test_what_was_prepared_is_read_and_not_made_again(data_dir: Path, tmp_path: Path) -> None:
    first = prepare(RECIPE, data_dir, tmp_path / "cache")
    for file in data_dir.iterdir():
        file.unlink()
    again = prepare(RECIPE, data_dir, tmp_path / "cache")
    assert again[0].inner.to_str() == first[0].inner.to_str()
    assert all((a.tokens == b.tokens).all() for a, b in zip(again[1:], first[1:], strict=True))


def test_a_preparation_that_fails_half_way_is_made_again(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: Counter[str] = Counter()
    build = module.build_passages

    def fail_once(*given: object) -> object:
        calls["build"] += 1
        if calls["build"] == 2:
            raise KeyboardInterrupt
        return build(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "build_passages", fail_once)
    with pytest.raises(KeyboardInterrupt):
        prepare(RECIPE, data_dir, tmp_path / "cache")
    _, passages, held = prepare(RECIPE, data_dir, tmp_path / "cache")
    assert calls["build"] == 4
    assert min(len(passages), len(held)) > 0
    assert {file.name for file in (tmp_path / "cache").iterdir()} == {"tokenizer.json", "train.npz", "held_out.npz"}


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"tinyfabulist_fables\.jsonl\.gz is missing"):
        prepare(RECIPE, tmp_path, tmp_path / "cache")


def test_what_was_prepared_for_another_vocabulary_is_refused(data_dir: Path, tmp_path: Path) -> None:
    prepare(RECIPE, data_dir, tmp_path / "cache")
    other = replace(RECIPE, model=replace(RECIPE.model, vocab_size=VOCAB - 8, text_size=RECIPE.model.text_size - 8,
                                          mask_token_id=VOCAB - 9, insert_token_ids=()))  # fmt: skip
    with pytest.raises(ValueError, match=r"tokenizer\.json has <\|endoftext\|> at"):
        prepare(other, data_dir, tmp_path / "cache")


def test_the_mixture_has_the_models_noise_and_controls(data_dir: Path, tmp_path: Path) -> None:
    tokenizer, passages, _ = prepare(RECIPE, data_dir, tmp_path / "cache")
    mixture = mixture_of(RECIPE, tokenizer, passages)
    assert mixture.controls == RECIPE.model.controls
    held = RECIPE.model
    assert mixture.corruption == Hybrid(held.mask_token_id, held.vocab_size, held.uniform_share, held.text_size)


# ------------------------------------------------------------------ running


def test_a_run_is_a_folder_with_its_recipe_and_resumes(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(RECIPE, data_dir, folder)
    assert {path.name for path in folder.iterdir()} == {
        "checkpoint.pt", "config.json", "data", "loss.png", "metrics.jsonl", "recipe.json",
    }  # fmt: skip
    record = json.loads((folder / "recipe.json").read_text())
    assert (record["name"], record["train"]["steps"], record["mixture"]["text"]) == ("miniature", 2, {"fables": 1.0})
    run(replace(RECIPE, train=config(3)), data_dir, folder, resume=True)
    assert load_state(folder / "checkpoint.pt")["step"] == 3


def test_a_refused_run_leaves_the_other_ones_recipe(data_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    run(RECIPE, data_dir, folder)
    before = (folder / "recipe.json").read_bytes()
    with pytest.raises(ValueError, match="already holds a run"):
        run(replace(RECIPE, name="another"), data_dir, folder)
    assert (folder / "recipe.json").read_bytes() == before


def test_seeds_give_other_weights_and_one_seed_the_same(data_dir: Path, tmp_path: Path) -> None:
    weights = [
        run(replace(RECIPE, seed=seed, train=config(1)), data_dir, tmp_path / name).embed.weight
        for seed, name in ((0, "one"), (0, "again"), (1, "other"))
    ]
    assert (weights[0] == weights[1]).all()
    assert not (weights[0] == weights[2]).all()


def test_a_run_may_begin_from_a_checkpoint_of_its_sizes(data_dir: Path, tmp_path: Path) -> None:
    """Its weights and tokenizer, and a step so small that nothing moved."""
    first = run(RECIPE, data_dir, tmp_path / "first")
    start = tmp_path / "model"
    tokenizer = tmp_path / "first" / "data" / "tokenizer.json"
    save_checkpoint(first, start, tokenizer_file=tokenizer, dtype=torch.float32)
    slow = replace(
        RECIPE, seed=7, train=replace(RECIPE.train, steps=1, optim=OptimConfig(matrix_lr=1e-9, other_lr=1e-9))
    )
    second = run(slow, data_dir, tmp_path / "second", start=start)
    torch.testing.assert_close(second.embed.weight, first.embed.weight)
    assert (tmp_path / "second" / "data" / "tokenizer.json").read_bytes() == tokenizer.read_bytes()
    assert json.loads((tmp_path / "second" / "recipe.json").read_text())["start"] == str(start)
    wider = replace(RECIPE, model=replace(RECIPE.model, intermediate_size=16))
    with pytest.raises(ValueError, match="intermediate_size 16 and"):
        run(wider, data_dir, tmp_path / "third", start=start)


# ------------------------------------------------------------------ the recipes of the project


TEXTS = [name for name in recipe_names() if recipe(name).reads_texts]


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_is_found_by_name(name: str) -> None:
    assert recipe(name).name == name


@pytest.mark.parametrize("name", [name for name in recipe_names() if name not in TEXTS])
def test_puzzles_fit_their_model_in_either_way_to_learn(name: str) -> None:
    made = recipe(name)
    assert isinstance(made.mixture, PuzzleConfig)
    kind = made.mixture.puzzle
    assert made.model.vocab_size == CHARACTERS
    assert made.model.uniform_share == 0  # what is accepted is never noise: orders differ in nothing else
    assert 1 + kind.question_length + kind.answer_length <= made.model.max_position_embeddings


@pytest.mark.parametrize("name", TEXTS)
def test_every_recipe_for_texts_names_real_sources(name: str) -> None:
    made = recipe(name)
    known = {source.name for source in SOURCES}
    used = {n for shares in (made.mixture.text, made.mixture.edits) for n, share in shares.items() if share > 0}
    assert used <= {n for n, most in made.characters.items() if most > 0} <= known
    assert set(made.mixture.labels) <= used
    assert set(made.mixture.labels.values()) == set(made.model.labels)
    assert made.model.max_position_embeddings >= made.mixture.row_length


@pytest.mark.parametrize("name", TEXTS)
def test_labels_have_the_same_numbers_in_model_and_mixture(name: str) -> None:
    made = recipe(name)
    assert tuple(dict.fromkeys(made.mixture.labels.values())) == made.model.labels


@pytest.mark.parametrize(("name", "millions"), [("tiny", 6), ("small", 35), ("base", 120)])
def test_a_recipe_is_about_as_large_as_it_says(name: str, millions: int) -> None:
    with torch.device("meta"):
        count = sum(p.numel() for p in ThreeModeModel(recipe(name).model).parameters())
    assert count / 1e6 == pytest.approx(millions, rel=0.06)


@pytest.mark.parametrize("name", ["small", "base"])
def test_recipes_for_a_gpu_have_rows_of_whole_attention_blocks(name: str) -> None:
    assert recipe(name).mixture.row_length % 128 == 0


def test_a_tokenizer_that_lies_there_is_shared(data_dir: Path, tmp_path: Path) -> None:
    first, passages, _ = prepare(RECIPE, data_dir, tmp_path / "first")
    (tmp_path / "second").mkdir()
    (tmp_path / "first" / "tokenizer.json").rename(tmp_path / "second" / "tokenizer.json")
    few = replace(RECIPE, characters={"fables": 8000, "roleplay": 8000})
    shared, fewer, _ = prepare(few, data_dir, tmp_path / "second")
    assert shared.inner.to_str() == first.inner.to_str()
    assert len(fewer) < len(passages)


def test_an_unknown_recipe_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match="no recipe 'tinny'; did you mean 'tiny'"):
        recipe("tinny")
    with pytest.raises(ValueError, match=r"there are .*tiny"):
        recipe("__init__")


def test_recipes_are_the_files_of_their_package() -> None:
    folder = Path(recipes.__file__).parent
    assert set(recipe_names()) == {path.stem for path in folder.glob("*.py")} - {"__init__"}


def test_a_tokenizer_of_a_run_can_be_loaded_alone(data_dir: Path, tmp_path: Path) -> None:
    prepare(RECIPE, data_dir, tmp_path / "cache")
    assert load_tokenizer(tmp_path / "cache" / "tokenizer.json", RECIPE.model.text_size).vocab_size == VOCAB
