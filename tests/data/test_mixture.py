"""The mixture: a pure function of (seed, step); its targets are the truth and its weights the published ones."""

import hashlib
import os
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from redraft.data.mixture import ASKED, Mixture, MixtureConfig, _Levels, _Shares
from redraft.data.packing import Batch, Example, Part
from redraft.data.passages import build_passages
from tests.data.test_alignment import distance
from tests.data.tiny import TEXT, controls, corruption, passages, stories, story, tokenizer

EOS, MASK = TEXT, TEXT + 1
DELETE = controls().delete_id
INSERTS = controls().insert_ids
CONFIG = MixtureConfig(
    text={"tales": 0.7, "fables": 0.3}, edits={"tales": 1.0}, labels={"tales": "tale", "fables": "fable"},
    row_length=192, text_rows=3, edit_rows=2, infill_rows=2, block_lengths=(4, 8), block_shares=(0.5, 0.5),
)  # fmt: skip


def mixture(seed: int = 0, config: MixtureConfig = CONFIG) -> Mixture:
    return Mixture(config, passages(), tokenizer(), corruption(), controls(), seed)


def digest(batch: Batch) -> str:
    tensors = [getattr(batch, f.name) for f in fields(batch) if f.name != "facts_BT"]
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in [*tensors, *batch.facts_BT])).hexdigest()


# ------------------------------------------------------------------ a pure function of the step


def test_a_step_has_one_batch_in_any_order_and_in_a_fresh_object() -> None:
    forwards = mixture()
    expected = [digest(forwards.batch(step)) for step in range(6)]
    backwards = mixture()
    assert [digest(backwards.batch(step)) for step in reversed(range(6))][::-1] == expected
    assert [digest(mixture().batch(step)) for step in (3, 3)] == [expected[3]] * 2


def test_a_step_has_one_batch_in_another_process() -> None:
    """Python hashes strings differently in every process; no batch may follow the order of a set."""
    program = "from tests.data.test_mixture import *; print(*(digest(mixture().batch(step)) for step in range(8)))"
    said = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONHASHSEED": "12345", "OMP_NUM_THREADS": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert said.split() == [digest(mixture().batch(step)) for step in range(8)]


def test_other_steps_and_other_seeds_have_other_batches() -> None:
    found = {digest(mixture(seed).batch(step)) for seed in range(3) for step in range(4)}
    assert len(found) == 12


def test_torch_and_python_randomness_play_no_part() -> None:
    torch.manual_seed(1)
    np.random.seed(1)
    first = digest(mixture().batch(2))
    torch.manual_seed(2)
    np.random.seed(2)
    assert digest(mixture().batch(2)) == first


# ------------------------------------------------------------------ the whole batch


def test_a_batch_has_the_rows_and_parts_that_were_asked_for() -> None:
    batch = mixture().batch(0)
    assert batch.tokens_BT.shape == (7, 192)
    canvas_parts = [set(row[held].tolist()) for row, held in zip(batch.part_BT, batch.facts_BT.canvas, strict=True)]
    assert canvas_parts == [{Part.BLOCK}] * 3 + [{Part.EDIT}] * 2 + [{Part.GAP}] * 2
    assert {int(p) for p in batch.part_BT[~batch.facts_BT.canvas].unique()} == {Part.NONE, Part.NEXT}


def test_rows_are_well_filled() -> None:
    filled = torch.stack([(mixture().batch(step).facts_BT.document >= 0).float().mean(1) for step in range(10)])
    assert (filled.mean(0) > 0.75).all()


def test_targets_can_be_predicted() -> None:
    """Text, the end, and the controls; never the mask or another special, which score -inf."""
    spoken = torch.tensor([*range(TEXT + 1), *controls().ids])
    for step in range(10):
        batch = mixture().batch(step)
        assert torch.isin(batch.targets_BT[batch.weight_BT > 0], spoken).all()
        controls_at = torch.isin(batch.targets_BT, torch.tensor(controls().ids)) & (batch.weight_BT > 0)
        assert torch.isin(batch.part_BT[controls_at], torch.tensor([Part.EDIT, Part.GAP])).all()


def test_masks_stand_on_canvases_alone() -> None:
    for step in range(10):
        batch = mixture().batch(step)
        assert batch.facts_BT.canvas[batch.tokens_BT == MASK].all()


# ------------------------------------------------------------------ running text


def sides(example: Example) -> tuple[slice, slice]:
    clean = int((~example.canvas).sum())
    return slice(0, clean), slice(clean, None)


class Level:
    """Every block at one noise level."""

    def __init__(self, level: float) -> None:
        self.level = level

    def take(self, count: int) -> NDArray[np.float64]:
        return np.full(count, self.level)


def of_one_text(text: str, config: MixtureConfig = CONFIG, max_tokens: int = 1000) -> Mixture:
    """A mixture that has nothing else to draw."""
    held = build_passages([("tales", text), ("fables", text)], tokenizer(), max_tokens)
    return Mixture(config, held, tokenizer(), corruption(), controls())


def text_examples(level: float, *, most: int = 1000, count: int = 200, block_length: int = 8) -> list[Example]:
    made = of_one_text(story(0))
    rng = np.random.default_rng(0)
    return [made.text_example(rng, "tales", block_length, most, Level(level)) for _ in range(count)]  # type: ignore[arg-type]


STORY = [*tokenizer().encode(story(0)), EOS]
SHORT = len(STORY) // 8 * 8 - 3  # cut within a block


def test_a_text_example_holds_the_text_clean_and_as_targets() -> None:
    for example in text_examples(0.5, count=10):
        clean, canvas = sides(example)
        assert example.tokens[clean].tolist()[-len(STORY) :] == STORY
        assert example.tokens[clean].tolist()[-len(STORY) - 1] == EOS  # the start of a text
        assert example.targets[canvas].tolist()[: len(STORY)] == STORY


def test_positions_of_the_canvas_are_those_of_its_clean_copy() -> None:
    for example in text_examples(0.5, count=10):
        clean, canvas = sides(example)
        place = dict(zip(example.position[clean].tolist(), example.tokens[clean].tolist(), strict=True))
        for position, target in zip(example.position[canvas].tolist(), example.targets[canvas].tolist(), strict=True):
            assert place.get(position, EOS) == target  # behind the end there is only the end


def test_hit_tokens_weigh_one_over_the_noise_level() -> None:
    level, share, seen = 0.25, 0.2, []
    for example in text_examples(level):
        _, canvas = sides(example)
        weight = example.weight[canvas][: len(STORY)]
        hit = np.isclose(weight, 1 / level)
        held, wanted = example.tokens[canvas][: len(STORY)], example.targets[canvas][: len(STORY)]
        assert np.array_equal(held[~hit], wanted[~hit])  # where noise did not hit, the clean token stands
        assert np.isin(weight[~hit], np.float32([0, CONFIG.visible_weight / share])).all()
        seen.append(np.stack([hit, (held == MASK) & hit, weight * ~hit]))
    hits, masks, visible = np.concatenate(seen, 1)
    spread = 4 * (level * (1 - level) / hits.size) ** 0.5
    assert abs(hits.mean() - level) < spread
    assert abs(masks.sum() / hits.sum() - 0.9) < 4 * (0.09 / hits.sum()) ** 0.5  # the rest is random text
    assert abs(visible.sum() / (1 - hits).sum() - CONFIG.visible_weight) < 0.1 * CONFIG.visible_weight


def test_pure_noise_hits_everything() -> None:
    for example in text_examples(1.0, count=5):
        _, canvas = sides(example)
        assert np.allclose(example.weight[canvas][: len(STORY)], 1.0)


def test_a_text_that_ends_is_padded_with_its_end_to_a_whole_block() -> None:
    assert len(STORY) % 8  # else there is nothing to see
    for example in text_examples(1.0, count=5):
        _, canvas = sides(example)
        wanted = example.targets[canvas].tolist()
        assert len(wanted) == -(-len(STORY) // 8) * 8
        assert wanted[len(STORY) :] == [EOS] * (len(wanted) - len(STORY))
        assert np.allclose(example.weight[canvas][len(STORY) :], 0.2)


def test_a_text_cut_short_has_whole_blocks_and_no_end() -> None:
    for example in text_examples(1.0, most=SHORT, count=5):
        _, canvas = sides(example)
        assert example.targets[canvas].tolist() == STORY[: SHORT // 8 * 8]
        assert EOS not in example.targets[canvas]


def test_a_text_shorter_than_a_block_is_one_short_block() -> None:
    for example in text_examples(1.0, most=5, count=5):
        _, canvas = sides(example)
        assert example.targets[canvas].tolist() == STORY[:5]
        assert example.block[canvas].tolist() == [1] * 5


def test_blocks_are_numbered_alike_on_both_sides() -> None:
    for example in text_examples(0.5, count=5):
        clean, canvas = sides(example)
        number = dict(zip(example.position[canvas].tolist(), example.block[canvas].tolist(), strict=True))
        start = int(example.position[canvas][0])
        for position, block in zip(example.position[clean].tolist(), example.block[clean].tolist(), strict=True):
            assert block == (number[position] if position >= start else 0)


def test_labels_are_dropped_at_the_stated_rate_and_name_the_source() -> None:
    made, rng = mixture(), np.random.default_rng(0)
    assert made.label_names == ("tale", "fable")
    drawn = np.array([made.text_example(rng, "fables", 8, 20, Level(1.0)).label[0] for _ in range(1000)])  # type: ignore[arg-type]
    assert set(drawn.tolist()) == {-1, 1}
    assert abs((drawn == -1).mean() - CONFIG.label_dropout) < 4 * (0.21 / 1000) ** 0.5


def test_noise_levels_of_a_batch_cover_the_range_evenly() -> None:
    levels = _Levels(np.random.default_rng(0), 0.05)
    taken = np.concatenate([levels.take(10), levels.take(54)])
    assert taken.min() >= 0.05
    assert taken.max() <= 1.0
    assert np.histogram(taken, 16, (0.05, 1.0))[0].tolist() == [4] * 16


# ------------------------------------------------------------------ edits


def follow(held: list[int], wanted: list[int]) -> list[int]:
    """One step of a model that says exactly the targets."""
    after: list[int] = []
    for token, target in zip(held, wanted, strict=True):
        if target in INSERTS:
            after += [MASK] * (INSERTS.index(target) + 1) + [token]
        elif target != DELETE:
            after.append(target)
    return after


def canvas_of(example: Example) -> tuple[list[int], list[int]]:
    _, canvas = sides(example)
    return example.tokens[canvas].tolist(), example.targets[canvas].tolist()


SENTENCE = "The old friend finds the small garden."


def edit_examples(count: int = 150, tokenised_share: float = 0.0) -> tuple[list[int], list[Example]]:
    made = of_one_text(SENTENCE, replace(CONFIG, tokenised_share=tokenised_share))
    rng = np.random.default_rng(0)
    found = [made.edit_example(rng) for _ in range(count)]
    return [*tokenizer().encode(SENTENCE), EOS], [example for example in found if example is not None]


def test_edit_targets_lead_to_the_clean_text() -> None:
    clean, examples = edit_examples()
    kinds = set()
    for example in examples:
        held, wanted = canvas_of(example)
        after = follow(held, wanted)
        if any(target in INSERTS for target in wanted):
            assert distance(after, clean) <= distance(held, clean)
            kinds.add("insert")
        else:
            assert after == clean
        kinds |= {"delete"} & {"delete" for target in wanted if target == DELETE}
        kinds.add("clean" if held == clean else "changed")
        kinds |= {"open" for token in held if token == MASK}
    assert kinds == {"insert", "delete", "clean", "changed", "open"}


def test_a_share_of_edits_keeps_marks_apart_on_both_sides() -> None:
    spaced = [*tokenizer().encode("The old friend finds the small garden ."), EOS]
    _, examples = edit_examples(tokenised_share=1.0)
    ready = [w for w in map(canvas_of, examples) if not any(target in INSERTS for target in w[1])]
    assert ready
    assert all(follow(held, wanted) == spaced for held, wanted in ready)
    assert any(held == spaced for held, _ in ready)


def test_edit_examples_put_the_instruction_in_front_and_the_weight_on_changes() -> None:
    _, examples = edit_examples(120)
    words = [tokenizer().encode(f"{text}\n") for text in ("fix", "proofread", "fix grammar")]
    fronts = []
    for example in examples:
        clean, canvas = sides(example)
        front = example.tokens[clean].tolist()
        assert front[:2] == [EOS, tokenizer().special("<|edit|>")]
        fronts.append(front[2:])
        assert not example.weight[clean].any()
        changed = example.tokens[canvas] != example.targets[canvas]
        assert (example.weight[canvas][changed] == CONFIG.changed_weight).all()
        assert np.isin(example.weight[canvas][~changed], [0, 2]).all()
        assert (example.block[canvas] == 1).all()
        assert example.position[canvas][0] == len(front)
    assert all(word in fronts for word in words)


# ------------------------------------------------------------------ pairs


def of_pairs(kind: str, first: str, second: str, count: int = 40) -> list[Example]:
    """Examples of one pair, in a mixture that has no others."""
    config = replace(CONFIG, text={"tales": 1.0}, labels={}, pairs={kind: 1.0})
    held = build_passages([("tales", SENTENCE), (kind, f"{first}\n{second}")], tokenizer(), 1000)
    made, rng = Mixture(config, held, tokenizer(), corruption(), controls()), np.random.default_rng(0)
    return [example for example in (made.edit_example(rng) for _ in range(count)) if example is not None]


@pytest.mark.parametrize("kind", ["disfluent", "splits"])
def test_pairs_lead_from_their_first_line_to_their_second(kind: str) -> None:
    first, second = "The dog no the cat sees the bird.", "The cat sees the bird."
    examples = of_pairs(kind, first, second)
    starts = [*tokenizer().encode(first), EOS]
    clean = [*tokenizer().encode(second), EOS]
    asked = {tokenizer().decode(e.tokens[sides(e)[0]].tolist()) for e in examples}
    assert asked == {f"{words}\n" for words in ASKED[kind]}
    ends = [canvas_of(example) for example in examples]
    assert starts in [held for held, _ in ends]
    assert all(follow(*end) == clean for end in ends if not any(target in INSERTS for target in end[1]))


def test_speech_is_made_of_the_edit_sources() -> None:
    examples = of_pairs("spoken", "not", "used")
    bare = [*tokenizer().encode("the old friend finds the small garden"), EOS]
    clean = [*tokenizer().encode(SENTENCE), EOS]
    ends = [canvas_of(example) for example in examples]
    assert bare in [held for held, _ in ends]
    assert all(follow(*end) == clean for end in ends if not any(target in INSERTS for target in end[1]))


def test_a_translation_is_written_behind_what_is_given() -> None:
    for example in of_pairs("french", "The dog sees the bird.", "The bird sees the dog."):
        clean, canvas = sides(example)
        assert tokenizer().decode(example.tokens[clean].tolist()).endswith("\nThe dog sees the bird.\n")
        wanted = example.targets[canvas].tolist()
        text = [*tokenizer().encode("The bird sees the dog."), EOS]
        assert wanted[: len(text)] == text
        assert set(wanted[len(text) :]) <= {EOS}
        assert not example.weight[clean].any()


def test_a_pair_that_was_cut_is_left_out() -> None:
    assert not of_pairs("splits", "The dog\nsees", "The cat sees.")


# ------------------------------------------------------------------ infill


def test_a_gap_asks_for_its_text_and_to_delete_its_surplus() -> None:
    made, rng = of_one_text(story(0)), np.random.default_rng(0)
    surplus = 0
    for _ in range(100):
        example = made.infill_example(rng)
        assert example is not None
        held, wanted = canvas_of(example)
        clean, canvas = sides(example)
        text = example.tokens[clean].tolist()[1:] + [target for target in wanted if target != DELETE]
        assert " ".join(map(str, text)) in " ".join(map(str, STORY))  # nothing but a stretch of the text
        assert all(token == MASK for token, target in zip(held, wanted, strict=True) if target == DELETE)
        assert all(token in (target, MASK) for token, target in zip(held, wanted, strict=True))
        weight = example.weight[canvas]
        for token, target, heavy in zip(held, wanted, weight.tolist(), strict=True):
            if target == DELETE or token == MASK:
                assert heavy == (0.5 if target == DELETE else 1.0)
            else:
                assert heavy in (0.0, np.float32(CONFIG.visible_weight / 0.2))
        surplus += target_count(wanted)
    assert surplus > 100


def target_count(wanted: list[int]) -> int:
    return sum(target == DELETE for target in wanted)


def test_a_text_too_short_for_a_gap_is_left_out() -> None:
    assert of_one_text("The dog sees.").infill_example(np.random.default_rng(0)) is None


# ------------------------------------------------------------------ configuration


def test_a_source_with_share_zero_need_not_be_there() -> None:
    config = replace(CONFIG, text={"tales": 1.0, "sagas": 0.0})
    assert mixture(config=config).batch(0).tokens_BT.shape == (7, 192)


def test_a_source_that_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="no source 'sagas' among fables, tales"):
        mixture(config=replace(CONFIG, text={"sagas": 1.0}))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"block_lengths": (4,)}, "block_lengths"), ({"min_level": 1.0}, "min_level=1.0"), ({"text": {}}, "text={}"),

        ({"pairs": {"poems": 0.1}}, "poems"), ({"pairs": {"splits": 1.2}}, "1.2"),
        ({"tokenised_share": 1.5}, "share=1.5"),
        ({"edits": {"tales": 0.0}}, "'tales': 0.0"), ({"text": {"tales": 1, "fables": -0.5}}, "-0.5"),
    ],
)  # fmt: skip
def test_contradictory_configurations_are_refused(change: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(CONFIG, **change)  # type: ignore[arg-type]


def test_every_story_is_drawn_sooner_or_later() -> None:
    made = mixture()
    drawn = {tuple(row[:12].tolist()) for step in range(40) for row in made.batch(step).tokens_BT[:3]}
    assert len(drawn) > 0.8 * len(stories(40))


def test_shares_draw_what_numpys_choice_draws() -> None:
    items, shares = (4, 4, 8, 9), (3, 1, 0, 4)
    ours, numpys = np.random.default_rng(0), np.random.default_rng(0)
    drawn = _Shares(items, shares)
    p = np.array(shares) / sum(shares)
    assert [drawn.draw(ours) for _ in range(500)] == [int(numpys.choice(items, p=p)) for _ in range(500)]
