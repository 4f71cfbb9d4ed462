"""The library on a tiny random checkpoint: contracts that hold whatever the weights are."""

import itertools
import json
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import redraft
from redraft.core.canvas import Status
from redraft.library import Defaults, Model
from redraft.sampling import Correct, Decoding, Revising, Settled, Threshold, TopK

PROMPT = "The quick brown fox"


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> Model:
    return redraft.load(checkpoint)


@pytest.mark.parametrize("mode", ["diffusion", "ar", "verify"])
def test_the_same_seed_gives_the_same_text_and_another_seed_another(model: Model, mode: str) -> None:
    texts = [
        model.generate(PROMPT, max_tokens=24, temperature=1.0, seed=seed, mode=mode, canvas=8).text
        for seed in (3, 3, 4)
    ]
    assert texts[0] == texts[1] != texts[2]


def test_greedy_verification_writes_the_autoregressive_text(model: Model) -> None:
    plain = model.generate(PROMPT, max_tokens=40, mode="ar")
    verified = model.generate(PROMPT, max_tokens=40, mode="verify")
    assert verified.tokens == plain.tokens
    assert plain.nfe == len(plain.tokens)


def test_committed_text_only_grows_and_the_last_view_is_the_result(model: Model) -> None:
    views = list(model.stream(PROMPT, max_tokens=30, canvas=8, seed=1))
    for before, after in itertools.pairwise(views):
        assert after.committed.startswith(before.committed)
        assert after.nfe > before.nfe
    assert views[-1].draft == ()
    assert model.generate(PROMPT, max_tokens=30, canvas=8, seed=1).tokens == views[-1].tokens


def test_accepted_tokens_stay_accepted_under_a_policy_that_never_renoises(model: Model) -> None:
    views = [v for v in model.stream(PROMPT, max_tokens=8, canvas=8) if v.draft]
    noisy = [sum(piece.status == Status.NOISY for piece in view.draft) for view in views]
    assert noisy == sorted(noisy, reverse=True)


def test_a_schedule_of_four_steps_takes_four_forwards_a_canvas(model: Model) -> None:
    result = model.generate(PROMPT, max_tokens=32, canvas=16, decoding=_never_ending(model, TopK(num_steps=4)))
    assert len(result.tokens) == 32
    assert result.nfe == 1 + 2 * 4 + 1  # the prompt, two canvases, one commit


def _never_ending(model: Model, policy: object) -> Decoding:
    return Decoding(policy=policy, banned_ids=(model.eos_id,))  # type: ignore[arg-type]


def test_stop_strings_end_the_text_and_are_not_part_of_it(model: Model) -> None:
    whole = model.generate(PROMPT, max_tokens=40, mode="ar", temperature=1.0, seed=2).text
    stop = whole[5:7]
    assert (
        model.generate(PROMPT, max_tokens=40, mode="ar", temperature=1.0, seed=2, stop=[stop]).text
        == whole[: whole.index(stop)]
    )


def test_labels_and_guidance_change_the_prediction(model: Model) -> None:
    def text(**options: object) -> str:
        return model.generate("", max_tokens=24, mode="diffusion", seed=5, temperature=1.0, **options).text

    guided = Decoding(policy=Threshold(0.9), guidance=4.0)
    assert len({text(), text(label="story"), text(label="dialogue"), text(label="story", decoding=guided)}) == 4
    with pytest.raises(ValueError, match="unknown label 'novel'; this model knows story, dialogue"):
        text(label="novel")


def test_infill_keeps_both_sides_and_joins_with_single_spaces(model: Model) -> None:
    result = model.infill("He has a ", "ball.", gap=6, decoding=Decoding(policy=Threshold(0.9)))
    whole = "He has a " + result.text + "ball."
    assert whole.endswith(" ball.")
    assert (
        model.infill("He has a", " ball.", gap=6, decoding=Decoding(policy=Threshold(0.9)))
        .text.rstrip(" ")
        .endswith(result.text.rstrip(" "))
    )
    with pytest.raises(ValueError, match="gap=0"):
        model.infill("a", "b", gap=0)


LOOSE = Decoding(policy=Correct(0.0), stop=Settled(), indels=True, max_steps=3)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet="abc .é😀\u0301\n", min_size=1, max_size=60), st.data())
def test_a_locked_string_survives_any_edit_byte_for_byte(model: Model, text: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(text) - 1))
    lock = text[start : data.draw(st.integers(start + 1, len(text)))]
    strength = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    edited = model.edit(text, locks=[lock], strength=strength, decoding=LOOSE, seed=start).text
    assert edited.count(lock) >= text.count(lock)


def test_edits_lead_from_the_original_to_the_text(model: Model) -> None:
    text = "The quick fox.\n\n  He has ball. She go.\n"
    result = model.edit(text, decoding=LOOSE)
    rebuilt, last = "", 0
    for edit in result.edits:
        assert text[edit.start : edit.end] == edit.before
        rebuilt, last = rebuilt + text[last : edit.start] + edit.after, edit.end
    assert rebuilt + text[last:] == result.text
    assert result.forwards <= LOOSE.max_steps
    assert bool(result.diff()) == bool(result.edits)


def test_white_space_between_windows_is_untouched_by_any_edit(model: Model) -> None:
    edited = model.edit("\n\n\t The fox.\n   \n The dog.  \n", decoding=LOOSE).text
    assert edited.startswith("\n\n\t ")
    assert edited.endswith("  \n")
    assert "\n   \n" in edited


@pytest.mark.parametrize("text", ["", "\n \n"])
def test_editing_nothing_gives_nothing_back_unchanged(model: Model, text: str) -> None:
    result = model.edit(text)
    assert (result.text, result.edits, result.nfe) == (text, (), 0)


def test_an_impossible_margin_refuses_every_edit(checkpoint: Path) -> None:
    strict = redraft.load(checkpoint)
    strict.defaults = Defaults(edit=LOOSE, edit_gain=1e9)
    text = "The fox jumps over the dog."
    assert strict.edit(text).text == text
    strict.defaults = Defaults(edit=LOOSE)
    assert strict.edit(text).text != text


def test_score_of_blocks_of_one_token_is_near_the_exact_sum_of_one_step_predictions(model: Model) -> None:
    text = "He has a big red ball."
    score = model.score(text, block_length=1, num_samples=2)
    ids = [model.eos_id, *model.tokenizer.encode(text)]
    exact = 0.0
    for place in range(1, len(ids)):
        context = model.network.encode(torch.tensor([ids[:place]]))
        logits, _ = model.network.score(torch.tensor([ids[place - 1 : place]]), context.truncate(place - 1))
        exact -= float(
            redraft.sampling.prediction.forbid(logits, model.network.controls.ids).log_softmax(-1)[0, 0, ids[place]]
        )
    assert score.autoregressive_nats == pytest.approx(exact, rel=1e-4)
    assert score.nelbo_standard_error == pytest.approx(0, abs=1e-6)  # one masked token leaves nothing to chance


def test_bits_per_byte_are_nats_over_bytes_and_log_two(model: Model) -> None:
    values = model.score("He has a ball.", num_samples=2).to_json()
    assert values["autoregressive_bits_per_byte"] == pytest.approx(
        values["autoregressive_nats"] / 14 / 0.693147, rel=1e-5
    )
    with pytest.raises(ValueError, match="empty text"):
        model.score("")


def test_bad_requests_name_the_value(model: Model) -> None:
    for options, said in [
        ({"mode": "magic"}, "unknown mode 'magic'"),
        ({"max_tokens": 0}, "max_tokens=0"),
        ({"canvas": 0}, "canvas=0"),
        ({"max_tokens": 10_000}, "more than the model's 256"),
        ({"temperature": float("nan")}, "nan"),
    ]:
        with pytest.raises(ValueError, match=said):
            model.generate(PROMPT, **options)
    with pytest.raises(ValueError, match="strength=2"):
        model.edit("a fox", strength=2.0)


def test_defaults_survive_json_and_unknown_ones_are_refused(checkpoint: Path, tmp_path: Path) -> None:
    defaults = Defaults(
        generate=Decoding(policy=Revising(Threshold(0.8), 0.9)), edit_gain=2.0, instructions=("fix", "a")
    )
    assert Defaults.from_json(json.loads(json.dumps(defaults.to_json()))) == defaults
    with pytest.raises(ValueError, match="edit_gian"):
        Defaults.from_json({"edit_gian": 1})


def test_loading_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="not a hub name"):
        redraft.load(tmp_path / "nothing")


def test_an_instruction_the_model_does_not_know_is_noted(model: Model) -> None:
    assert model.edit("a fox", "fix grammar").notes == ()
    assert "may do nothing useful" in model.edit("a fox", "translate to Latin").notes[0]
