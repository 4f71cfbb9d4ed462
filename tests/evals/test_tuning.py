"""Tuning: the race finds the fastest that agrees, with known texts and speeds and then with a real model."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch

from redraft.defaults import Defaults, read_defaults, recommend
from redraft.evals import tuning
from redraft.evals.tuning import Candidate, Job, Output, Search, Trial, differing, gap_in, grid, slow, tune
from redraft.library import Model, load
from redraft.sampling.decoding import Decoding
from redraft.sampling.policies import Correct, Threshold, TopK

PROMPTS = ("The quick brown fox", "She went to", "He has a", "The lazy dog")


@dataclass
class Kind:
    """How a made-up decoding writes: nats above the reference, tokens per forward, entropy."""

    worse: float
    rate: int
    entropy: float = 3.0


class Made:
    """A job whose outputs are known; with some noise in the nats, the same for every decoding and prompt."""

    use = "generate"

    def __init__(self, kinds: dict[str, Kind], prompts: int = 32) -> None:
        self.kinds, self.prompts, self.calls = kinds, range(prompts), []  # type: ignore[var-annotated]

    def write(self, candidate: Candidate, number: int) -> Output:
        kind = self.kinds[candidate.name]
        self.calls.append(candidate.name)
        noise = Random(f"{candidate.name}{number}").gauss(0, 0.05)
        return Output((), 64, 64 // kind.rate, 64 / kind.rate * 0.01, 2 + kind.worse + noise, kind.entropy)


def race(kinds: dict[str, Kind], **options: Any) -> tuple[Search, Made, str | None]:
    job = Made({"slow": Kind(0, 1)} | kinds)
    trials = [Trial(Candidate(name, Decoding())) for name in kinds]
    search = Search(job, Trial(Candidate("slow", Decoding())), trials, "nats", 0.05, **options)  # type: ignore[arg-type]
    found = search.run()
    return search, job, None if found is None else found.name


def test_the_fastest_that_agrees_is_found_and_the_rest_costs_little() -> None:
    kinds = {"same": Kind(0, 2), "close": Kind(0.01, 4), "bad": Kind(0.4, 8), "edge": Kind(0.12, 6)}
    search, job, found = race(kinds)
    assert found == "close"
    assert {trial.candidate.name: trial.verdict for trial in search.trials} == {
        "same": "slower", "close": "fastest that agrees", "bad": "differs", "edge": "differs"
    }  # fmt: skip
    assert [job.calls.count(name) for name in ("same", "bad", "close", "slow")] == [8, 8, 32, 32]
    assert search.row(search.trials[1]).tokens_per_forward == 4
    assert search.row(search.trials[1]).tokens_per_second == pytest.approx(400)


def test_a_text_that_repeats_itself_does_not_agree_however_cheap_it_is_to_predict() -> None:
    kinds = {"loop": Kind(-1, 8, entropy=1.0), "fine": Kind(0, 2)}
    assert race(kinds)[2] == "fine"


def test_where_none_agrees_none_is_chosen() -> None:
    search, job, found = race({"bad": Kind(0.4, 8), "worse": Kind(2, 8)})
    assert found is None
    assert [trial.verdict for trial in search.trials] == ["differs"] * 2
    assert job.calls.count("slow") == 8


def test_the_search_ends_when_its_time_is_over() -> None:
    search, _, found = race({"fine": Kind(0, 2), "other": Kind(0, 1)}, deadline=0.0)
    assert found is None
    assert search.trials[0].verdict == "out of time"


def test_a_slow_moment_of_the_machine_decides_nothing() -> None:
    job = Made({"slow": Kind(0, 1), "one": Kind(0, 2), "two": Kind(0, 4)})
    hurt = job.write

    def write(candidate: Candidate, number: int) -> Output:
        found = hurt(candidate, number)
        return replace(found, seconds=found.seconds * (50 if candidate.name == "two" and number < 3 else 1))

    job.write = write  # type: ignore[method-assign]
    trials = [Trial(Candidate(name, Decoding())) for name in ("one", "two")]
    search = Search(job, Trial(Candidate("slow", Decoding())), trials, "nats", 0.05)  # type: ignore[arg-type]
    found = search.run()
    assert found is not None
    assert found.name == "two"


def test_how_far_apart_two_outputs_are() -> None:
    assert differing((1, 2, 3, 4), (1, 3, 4), "generate") == 0.25
    assert differing((1, 2), (1, 2), "infill") == 0
    assert differing((), (), "generate") == 0
    one, two, three = (0, 1, "a"), (4, 5, "b"), (4, 5, "c")
    assert differing((one, two), (one, three), "edit") == 0.5
    assert differing((), (), "edit") == 0
    assert differing((one,), (), "edit") == 1


def test_a_gap_leaves_text_on_both_sides() -> None:
    for seed in range(20):
        ids = list(range(9))
        prefix, suffix, gap = gap_in(ids, lambda part: ",".join(map(str, part)), seed)
        assert gap == 3
        assert prefix
        assert suffix
        assert len(prefix.split(",")) + gap + len(suffix.split(",")) == 9
    with pytest.raises(ValueError, match="too short"):
        gap_in([1, 2], str, 0)


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return load(checkpoint)


def test_what_is_tried_and_against_what(model: Model) -> None:
    found = grid(model, "generate", 64)
    assert found[0].decoding == model.defaults.generate
    own = model.defaults.block_length
    assert own is not None
    assert {c.block_length for c in found} == {own // 2, own, own * 2}
    assert len({(c.decoding, c.block_length) for c in found}) == len(found) >= 3 * len(tuning.TAUS) - 1
    only = grid(model, "generate", 64, {"top_k:count=2": TopK(count=2)}, [8])
    assert [(c.name, c.block_length) for c in only] == [("recommended", own), ("top_k:count=2", 8)]
    assert slow(model, "generate").decoding.policy == TopK(count=1)
    assert slow(model, "infill").decoding.indels
    edits = grid(model, "edit", 64, {"correct:0.5": Correct(0.5)})
    assert {c.decoding.policy for c in edits[1:]} == {Correct(0.5)}
    assert slow(model, "edit").decoding.max_steps > max(c.decoding.max_steps for c in edits)


@pytest.mark.parametrize("use", ["generate", "infill"])
def test_the_reference_agrees_with_itself_exactly(model: Model, use: Any) -> None:
    texts = [f"{prompt} jumps over the lazy dog. He has a big red ball." for prompt in PROMPTS]
    job, reference = Job(model, use, texts, max_tokens=8), slow(model, use)
    fast = Candidate("fast", replace(reference.decoding, policy=Threshold(1e-9)), reference.block_length)
    same = tune(job, [replace(reference, name="same")], reference)
    assert same.chosen is not None
    row = next(row for row in same.rows if row.name == "same")
    assert (row.excess, row.standard_error, row.verdict) == (0, 0, "fastest that agrees")
    by_text = tune(job, [fast], reference, measure="text", tolerance=0.0)
    assert by_text.chosen is None
    assert by_text.rows[-1].tokens_per_forward > by_text.rows[0].tokens_per_forward
    if use == "generate":
        assert [r.name for r in by_text.rows][:2] == ["reference", "autoregressive"]


def test_nats_are_those_of_the_exact_mode(model: Model) -> None:
    job = Job(model, "generate", PROMPTS, max_tokens=6)
    output = job.write(slow(model, "generate"), 1)
    ids = [*model.voice.start, *model.tokenizer.encode(PROMPTS[1]), *output.unit]
    logits_TV = model.network.score(torch.tensor([ids]))[0][0, -7:-1].clone()
    logits_TV[:, list(model.network.controls.ids)] = -torch.inf  # no text
    nats = torch.nn.functional.cross_entropy(logits_TV, torch.tensor(output.unit))
    assert output.nats == pytest.approx(float(nats), abs=1e-4)
    assert output.tokens == 6


def test_what_cannot_be_tuned_is_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="too few"):
        Job(model, "generate", PROMPTS[:1])
    mute = Model(model.network, model.tokenizer, model.defaults, replace(model.voice, edit_id=None), "mute")
    with pytest.raises(ValueError, match="mute was not trained to correct"):
        Job(mute, "edit", PROMPTS)
    edits = Job(model, "edit", PROMPTS)
    with pytest.raises(ValueError, match="nats need"):
        tune(edits, grid(model, "edit", 8), slow(model, "edit"), measure="nats")
    with pytest.raises(ValueError, match="tolerance=-1"):
        tune(edits, grid(model, "edit", 8), slow(model, "edit"), tolerance=-1)


# ------------------------------------------------------------------ what is saved


def test_a_recommendation_keeps_the_rest_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "generation_config.json"
    path.write_text(json.dumps(Defaults(edit_gain=1.5).to_json() | {"block_length": 16}))
    recommend(tmp_path, generate=Decoding(policy=Threshold(0.25)), block_length=8)
    found = read_defaults(tmp_path)
    assert found == replace(Defaults(edit_gain=1.5), generate=Decoding(policy=Threshold(0.25)), block_length=8)
    assert [file.name for file in tmp_path.iterdir()] == ["generation_config.json"]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="unexpected keyword"):
        recommend(tmp_path, generates=Decoding())
    assert path.read_bytes() == before


def test_a_recommendation_stands_beside_another_programs_words(tmp_path: Path) -> None:
    path = tmp_path / "generation_config.json"
    path.write_text('{"eos_token_id": 3, "temperature": 0.6}')
    assert read_defaults(tmp_path, Defaults()) == Defaults()
    recommend(tmp_path, generate=Decoding(policy=Threshold(0.25)))
    assert json.loads(path.read_text())["eos_token_id"] == 3
    assert read_defaults(tmp_path, Defaults(block_length=4)).generate.policy == Threshold(0.25)
    assert read_defaults(tmp_path, Defaults(block_length=4)).block_length == 4


def test_a_folder_without_recommendations_gets_one(tmp_path: Path, checkpoint: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    recommend(folder, edit=Decoding(policy=Correct(0.4), indels=True))
    assert load(folder).defaults.edit.policy == Correct(0.4)
