"""Every benchmark runs on a tiny random model and writes what it promises; the arithmetic behind them is right."""

import json
from collections.abc import Callable
from math import log
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch

import redraft
from benchmarks import adaptive, jfleg, likelihood, modes, puzzles, run, self_correction, texts
from benchmarks.correction import Corrected, repair, word_edits
from benchmarks.record import parser
from benchmarks.statistics import mean, ratio
from benchmarks.writing import Setting, distinct_pairs, nats, prompt_ids, unigram_entropy, write
from redraft.data.passages import build_passages
from redraft.data.tokenizer import train_tokenizer
from redraft.instant.acceptance import Acceptance, Change
from redraft.instant.diffs import Edit
from redraft.library import Model
from redraft.models.checkpoint import save_checkpoint
from redraft.models.three_mode import ThreeModeModel
from redraft.sampling.policies import Threshold
from redraft.train.recipe import model_config

VOCABULARY = 300
PEOPLE, THINGS = ("Anna", "Tom", "The old fox", "A small bird"), ("a red ball", "the big house", "some warm bread")
JFLEG = {
    "src": "She go to school with all her friends .",
    "refs": ["She went to school with all her friends .", "She goes to school with her friends ."],
}


def story(rng: Random) -> str:
    return " ".join(f"{rng.choice(PEOPLE)} found {rng.choice(THINGS)} near the river." for _ in range(12))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint, held-out passages of every source with their tokenizer, and two sentences of JFLEG."""
    torch.set_num_threads(1)
    folder, rng = tmp_path_factory.mktemp("data"), Random(0)
    sources = dict.fromkeys([*texts.GROUPS, *jfleg.CLEAN_SOURCES])
    pairs = [(source, story(rng)) for source in sources for _ in range(2)]
    tokenizer = train_tokenizer((text for _, text in pairs), VOCABULARY)
    tokenizer.save(folder / "tokenizer.json")
    build_passages(pairs, tokenizer, 400).save(folder / "held_out.npz")
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1}
    torch.manual_seed(0)
    network = ThreeModeModel(model_config(tokenizer.vocab_size, head_dim=8, intermediate_size=16, **sizes))
    save_checkpoint(network, folder / "model", tokenizer_file=folder / "tokenizer.json")
    (folder / "jfleg_dev.jsonl").write_text(f"{json.dumps(JFLEG)}\n" * 2)
    return folder


@pytest.fixture(scope="module")
def model(data: Path) -> Model:
    return redraft.load(data / "model")


@pytest.fixture
def call(data: Path, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Run a benchmark's main with small sizes and read its record."""

    def run_it(main: Callable[[list[str]], Path], *more: str, held_out: bool = True) -> dict[str, Any]:
        reading = ["--held-out", str(data / "held_out.npz")] if held_out else []
        shared = ["--model", str(data / "model"), "--limit", "2", "--out", str(tmp_path), "--docs", str(tmp_path)]
        record: dict[str, Any] = json.loads(main([*shared, *reading, *more]).read_text())
        assert {"command", "commit", "machine", "seed", "date"} <= set(record)
        assert str(tmp_path) not in record["command"]
        return record["results"]

    return run_it


# ------------------------------------------------------------------ every benchmark runs


def test_likelihood_of_a_random_model_is_near_uniform_in_both_modes(
    call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(likelihood, "BLOCK_LENGTHS", (16, 64))
    found = call(likelihood.main, "--times", "2")["all"]
    assert found["autoregressive_nats_per_token"]["value"] == pytest.approx(log(VOCABULARY - 10), rel=0.05)
    assert all(0.95 < found["blocks"][length]["ratio"]["value"] < 1.05 for length in ("16", "64"))
    assert (tmp_path / "images" / "likelihood.png").stat().st_size > 1000


def test_jfleg_reports_score_and_clean_text(call: Any, data: Path) -> None:
    found = call(jfleg.main, "--data-dir", str(data))
    assert 0 < found["baselines"]["unchanged"] < 100
    assert 0 <= found["clean_left_alone"]["value"] <= 1
    assert set(found["clean_left_alone_by_source"]) == set(jfleg.CLEAN_SOURCES)


def test_the_sweep_decodes_once_per_threshold(call: Any, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[float | None] = []
    decode = jfleg.decode
    monkeypatch.setattr(jfleg, "TAUS", (0.3, 0.9))
    monkeypatch.setattr(jfleg, "decode", lambda m, material, tau: decoded.append(tau) or decode(m, material, tau))
    points = call(jfleg.main, "--data-dir", str(data), "--sweep")["sweep"]
    assert decoded == [0.3, 0.9]
    assert [(p["tau"], p["accept"]) for p in points] == [(t, name) for t in (0.3, 0.9) for name in jfleg.ACCEPTED]
    for tau in (0.3, 0.9):
        left = {p["accept"]: p["clean_left_alone"]["value"] for p in points if p["tau"] == tau}
        assert left["every change"] == min(left.values())  # whatever is refused, less is changed


def test_modes_compares_equal_numbers_of_tokens(call: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modes, "CANVASES", (32,))
    found = call(modes.main, "--thresholds", "0", "0.9", "--tokens", "16", "--repeats", "1", held_out=False)["settings"]
    by_name = {r["setting"]: r for r in found}
    assert by_name["ar, temperature 0"]["speed_ratio"]["median"] == 1.0
    assert by_name["ar, temperature 0"]["tokens_per_forward"]["value"] == 1.0
    assert by_name["verify, temperature 0"]["nats_per_token"] == by_name["ar, temperature 0"]["nats_per_token"]
    page = (tmp_path / "samples.md").read_text()
    assert all(f"**{name}**" in page for name in by_name)


def test_self_correction_without_revising_changes_nothing(call: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(self_correction, "TAUS", (0.0, 0.9))
    monkeypatch.setattr(self_correction, "DRAFT_POLICIES", (Threshold(0.0),))
    found = call(self_correction.main, "--rows", "1")
    nothing = [r for r in found["mending"] if r["tau"] is None]
    assert [r["wrong_tokens"] for r in nothing] == list(self_correction.KINDS)
    assert all(
        r[name]["value"] == 0 for r in nothing for name in ("mended", "changed_otherwise", "right_tokens_broken")
    )


def test_adaptive_counts_forwards_of_writing_and_editing(call: Any) -> None:
    found = call(adaptive.main)
    assert set(found["writing"]) == {"predictable", "seen before", "open"}
    counts = [n for part in found.values() for held in part.values() for n in held["forwards"]]
    assert all(1 <= n <= 64 for n in counts)


def test_run_names_what_it_leaves_out(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    monkeypatch.setattr(modes, "main", lambda arguments: tmp_path / "modes.json")
    monkeypatch.setattr(puzzles, "main", lambda given: tmp_path / "puzzles.json")
    written = [tmp_path / "modes.json", tmp_path / "puzzles.json"]
    assert run.main(["--held-out", str(tmp_path / "none.npz")]) == written
    assert "left out: likelihood" in capsys.readouterr().err


# ------------------------------------------------------------------ and its arithmetic is right


def test_the_shared_context_gives_the_bound_that_the_library_estimates(model: Model, data: Path) -> None:
    rows = texts.token_rows(texts.held_out(data / "held_out.npz", ["fables"]), model.tokenizer, 32)[:1]
    [scored] = likelihood.score(model, rows, [16], times=16, seed=0)
    reference = model.score(model.tokenizer.decode(rows[0][1]), block_length=16, num_samples=16)
    assert scored.autoregressive == pytest.approx(reference.autoregressive_nats, rel=1e-5)
    assert scored.bound[16] == pytest.approx(reference.nelbo_nats, abs=6 * reference.nelbo_standard_error)


def test_writing_is_scored_by_the_chain_rule_given_the_prompt(model: Model) -> None:
    written = write(model, "Anna found", Setting("ar", 0.7), num_tokens=5)
    ids = prompt_ids(model, "Anna found")
    whole, prompt = model._nats([ids[1:] + written.rows[0]]), model._nats([ids[1:]])
    assert nats(model, "Anna found", written.rows)[0] == pytest.approx(float(whole - prompt) / 5, rel=1e-4)


def test_no_mode_ends_a_text_early(model: Model) -> None:
    for mode in ("ar", "verify", "diffusion"):
        rows = write(model, "Tom", Setting(mode, 1.0, 16), num_tokens=40).rows
        assert [len(row) for row in rows] == [40]
        assert model.eos_id not in rows[0]


def test_wrong_tokens_are_wrong_and_the_others_untouched(model: Model) -> None:
    true_BL = torch.randint(0, 250, (8, self_correction.CANVAS), generator=torch.Generator().manual_seed(0))
    wrong_BL = self_correction.places(8, seed=1)
    context = model.network.encode(torch.full((8, 1), model.eos_id))
    for kind in self_correction.KINDS:
        with torch.inference_mode():
            tokens_BL = self_correction.wrong_tokens(model, true_BL, wrong_BL, context, kind, seed=1)
        assert torch.equal(tokens_BL != true_BL, wrong_BL)
        assert int(tokens_BL.max()) < model.network.config.text_size
    assert wrong_BL.sum(-1).tolist() == [self_correction.NUM_WRONG] * 8


def test_entropy_and_pairs_of_texts_counted_by_hand() -> None:
    assert unigram_entropy([1, 1, 1, 1]) == 0
    assert unigram_entropy([1, 2, 3, 4]) == pytest.approx(log(4))
    assert distinct_pairs([1, 2, 1, 2, 1]) == 2 / 4


def test_words_are_compared_one_by_one() -> None:
    edits, touched, count = word_edits("She go to a school .", "She went to school .")
    assert edits == {(1, 2, ("went",)), (3, 4, ())}
    assert (touched, count) == ({1, 3}, 6)


def test_a_repair_counts_what_was_needed_made_and_broken() -> None:
    found = repair("She go to a school now .", "She went to a school then .", "She went to school now .")
    assert (found.needed, found.made, found.mended) == (2, 2, 1)
    assert (found.right, found.broken, found.whole) == (5, 1, False)
    assert repair("Teh cat .", "The cat .", "The cat .").whole


def test_an_acceptance_takes_the_changes_that_gain_enough() -> None:
    def change(start: int, end: int, after: str, gain: float) -> Change:
        before = "one two"[start:end]
        edit = Edit(start, end, before, after, 0.9)
        return Change(edit, lost=(before,), made=(after,), written=0.9, settled=-0.1, gain=gain)

    changes = (change(0, 3, "1", 2.0), change(4, 7, "2", 3.0))
    found = Corrected("one two", changes, forwards=2, milliseconds=1.0, words=None)
    accepted = [None, *(Acceptance(gain=gain) for gain in (1.0, 2.5, 4.0))]
    assert [found.after(each) for each in accepted] == ["1 2", "1 2", "one 2", "one two"]


def test_the_error_of_a_mean_and_of_a_ratio_is_that_of_repeated_samples() -> None:
    rng = np.random.default_rng(0)
    below = rng.uniform(1, 3, (2000, 50))
    above = 2 * below + rng.normal(0, 0.5, below.shape)
    ratios = above.sum(1) / below.sum(1)
    stated = [ratio(a.tolist(), b.tolist())["standard_error"] for a, b in zip(above[:200], below[:200], strict=True)]
    assert np.mean(stated) == pytest.approx(ratios.std(), rel=0.1)
    assert np.isnan(mean([1.0])["standard_error"])
    assert np.isnan(ratio([0.0, 0.0], [0.0, 0.0])["value"])
    assert mean([1.0, 3.0]) == {"value": 2.0, "standard_error": pytest.approx(1.0), "examples": 2}


def test_missing_data_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"none\.npz is missing"):
        texts.held_out(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"github\.com/keisks/jfleg"):
        texts.read_jfleg(tmp_path)


def test_jfleg_is_read_from_its_own_layout_too(tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    for name, line in (("src", "a b"), ("ref0", "c"), ("ref1", "d"), ("ref2", "e"), ("ref3", "f")):
        (tmp_path / "dev" / f"dev.{name}").write_text(f"{line}\n")
    assert texts.read_jfleg(tmp_path) == [texts.Corrections("a b", ["c", "d", "e", "f"])]


def test_whole_sentences_only() -> None:
    passage = texts.Pair("fables", "and went home. The fox ran away. It was late")
    assert texts.sentences([passage], 5) == [texts.Pair("fables", "The fox ran away.")]


def test_every_benchmark_explains_itself() -> None:
    for module in (adaptive, jfleg, likelihood, modes, self_correction):
        assert parser("x", module.__doc__).description


# ------------------------------------------------------------------ puzzles


def test_puzzles_trains_asks_and_goes_on_where_it_was(tmp_path: Path) -> None:
    torch.set_num_threads(1)
    small = ["model.hidden_size=16", "model.head_dim=8", "model.num_hidden_layers=1", "train.steps=2"]
    small += ["train.compile=false", "mixture.train=60", "mixture.test=4", "mixture.rows=4"]
    options = ["--recipes", "sudoku", "--seeds", "1", "--processes", "1", "--runs", str(tmp_path / "runs")]
    options += [part for value in small for part in ("--set", value)]
    options += ["--out", str(tmp_path), "--docs", str(tmp_path)]
    record = json.loads(puzzles.main(options).read_text())
    found = record["results"]["puzzles"]["sudoku"]
    assert set(found["orders"]) == {*puzzles.ORDERS, puzzles.CAUSAL}
    assert found["orders"]["random"]["forwards"] == 16
    assert all(told["solved"]["examples"] == 4 for told in found["orders"].values())
    assert "model" not in record
    assert (tmp_path / "images" / "puzzles.png").stat().st_size > 1000
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.*")}
    puzzles.main(options)
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "runs").rglob("*.*")} == times


def test_what_the_margin_gains_is_counted_per_puzzle_over_seeds() -> None:
    def model(**solved: list[int]) -> dict[str, Any]:
        told = {"characters": 0.5, "forwards": 2.0}
        names = {"ltr": "left to right", "ar": puzzles.CAUSAL}
        answers = {names.get(name, name): {"solved": held} | told for name, held in solved.items()}
        return {"answers": answers, "parameters": 1, "seconds": {}, "recipe": {}}

    first = model(margin=[1, 1, 1, 0], random=[0, 0, 1, 0], ltr=[0, 0, 0, 0], ar=[1, 1, 1, 0])
    second = model(margin=[1, 1, 0, 0], random=[0, 1, 0, 0], ltr=[0, 0, 0, 0], ar=[1, 1, 0, 0])
    found = puzzles.summarise([first, second])
    assert found["orders"]["margin"]["solved"]["value"] == pytest.approx(5 / 8)
    assert [seed["value"] for seed in found["orders"]["random"]["per_seed"]] == [0.25, 0.25]
    assert found["margin_minus"]["random"]["value"] == pytest.approx(3 / 8)
    assert found["margin_minus"][puzzles.CAUSAL]["value"] == 0
