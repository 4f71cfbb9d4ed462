"""Stories are whole, hold to their names, pronouns and things, and are the same for the same seed."""

import re
import subprocess
import sys
from collections import Counter
from itertools import islice
from random import Random

import pytest

from redraft.data import plots, world
from redraft.data.prompts import content_words, prompted, request
from redraft.data.talks import QUESTIONS, TALKS

STORIES = [world.story(seed) for seed in range(600)]
NAMES = set(world.BOYS + world.GIRLS + world.PETS)


def test_a_seed_has_one_story_also_in_another_process() -> None:
    program = "from redraft.data import world; print(world.story(7).text, world.talk(7), world.question(7), sep='')"
    said = [
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        ).stdout
        for seed in ("1", "2")
    ]  # fmt: skip
    assert said[0] == said[1] == f"{world.story(7).text}{world.talk(7)}{world.question(7)}\n"


def test_no_two_stories_are_alike() -> None:
    assert len({made.text for made in STORIES}) == len(STORIES)


def test_stories_are_of_a_readable_length() -> None:
    lengths = [len(made.text.split()) for made in STORIES]
    assert min(lengths) > 50
    assert max(lengths) < 280


def test_everything_is_filled_in_and_written_as_sentences() -> None:
    for made in STORIES:
        assert not re.search(r"[{}\[\]|]|  |\ba [aeio]|\.[A-Za-z]", made.text), made.text
        for line in made.text.split("\n"):
            assert re.match(r'"?[A-Z]', line), line
            assert re.search(r'[.!?]"?$', line), line
        assert not re.search(r"[.!?] [a-z]", made.text), made.text
        assert made.text.count('"') % 2 == 0


def test_nobody_but_hero_friend_and_pet_is_named() -> None:
    for made in STORIES:
        named = {word for word in re.findall(r"[A-Z][a-z]+", made.text) if word in NAMES}
        assert made.slots["hero"] in named
        assert named <= {made.slots["hero"], made.slots["friend"], made.slots["pet_name"]}


def test_hero_and_friend_have_different_names() -> None:
    assert all(made.slots["hero"] != made.slots["friend"] for made in STORIES)


def test_pronouns_of_a_lone_hero_are_the_heros() -> None:
    """A story of one person and no relatives has pronouns of one gender only."""
    others = {"he": {"she", "her", "herself"}, "she": {"he", "him", "his", "himself"}}
    seen = 0
    for made in map(world.story, range(3000)):
        alone = made.slots["friend"] not in made.text
        elders = {made.slots["parent"], made.slots["relative"], "lost its mother"}
        if alone and not any(elder in made.text for elder in elders):
            words = set(re.findall(r"[a-z]+", made.text.lower()))
            assert not words & others[made.slots["he"]], made.text
            seen += 1
    assert seen > 12


def test_names_fit_pronouns() -> None:
    for made in STORIES:
        name, sort = made.slots["hero"], made.slots["sort"]
        if not sort:
            assert (name in world.BOYS) == (made.slots["he"] == "he")
            assert ("girl" in made.slots["hero_kind"]) == (made.slots["he"] == "she")


def test_a_thing_keeps_its_looks() -> None:
    for made in STORIES:
        thing = re.escape(made.slots["thing"])
        looks = set(re.findall(rf"\b(?:a|an|the) (\w+) {thing}\b", made.text)) - {"broken", "best"}
        assert looks <= {made.slots["adj"], *made.slots["thing"].split()}


def test_a_friend_is_introduced_where_first_named() -> None:
    for made in STORIES:
        friend = made.slots["friend"]
        if made.plot != "newcomer" and friend in made.text:
            before = made.text[: made.text.index(friend)]
            assert re.search(r"(friend|friend named|friend called|friend was) $", before), made.text


def test_every_plot_and_wording_is_told_sooner_or_later() -> None:
    assert set(Counter(made.plot for made in STORIES)) == set(plots.PLOTS)
    for beats in [*plots.PLOTS.values(), plots.OPENINGS, plots.ENDINGS, [plots.ALONE], [plots.TOGETHER]]:
        for wording in (way for beat in beats for way in beat if way != "?"):
            for seed in range(3):
                text = world.told(wording, world._slots(Random(seed), "lost"), Random(seed))
                assert not re.search(r"[{}\[\]|]", text)


def test_questions_are_answered_by_a_fact_that_stands_there() -> None:
    for seed in range(200):
        asked, answer = world.question(seed).split("\nAssistant: ")
        assert answer.rstrip(".").split()[-1] in asked
        assert asked.startswith("User: ")


def test_talks_take_turns() -> None:
    for seed in range(200):
        who = [line.split(": ")[0] for line in world.talk(seed).split("\n")]
        assert who == [("User", "Assistant")[n % 2] for n in range(len(who))]
    assert len(TALKS) > 10
    assert len(QUESTIONS) > 10


def test_documents_of_a_seed_go_on_without_repeating() -> None:
    first, second = (list(islice(world.documents(seed), 300)) for seed in (0, 1))
    assert first == list(islice(world.documents(0), 300))
    assert len(set(first) | set(second)) > 560
    assert 0.15 < sum(text.startswith("User: ") for text in first) / 300 < 0.75


# ------------------------------------------------------------------ prompts


def test_words_asked_for_are_in_the_story() -> None:
    asked = 0
    for seed in range(200):
        text = STORIES[seed].text
        words = request(text, Random(seed))
        found = re.search(r"words?,? \"?(\w+)\"?, \"?(\w+)\"? and \"?(\w+)", words)
        if found:
            asked += 1
            assert len(set(found.groups())) == 3
            assert all(re.search(rf"\b{word}\b", text) for word in found.groups())
    assert asked > 100


def test_a_prompted_story_is_a_turn_each() -> None:
    text = prompted(STORIES[0].text, Random(0))
    assert text.startswith("User: ")
    assert text.endswith(f"\nAssistant: {STORIES[0].text}")


@pytest.mark.parametrize("text", ["", "No.", "Tom ran. He is big."])
def test_a_text_of_few_words_is_asked_for_plainly(text: str) -> None:
    assert len(content_words(text)) < 3
    assert "words" not in request(text, Random(0))
