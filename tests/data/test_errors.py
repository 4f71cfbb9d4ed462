"""Mistakes are of the kinds people make, as many as asked for, and harm no text they do not understand."""

import statistics
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from redraft.data import lexicon, phrases
from redraft.data.errors import KINDS, WEIGHTS, WORD, ErrorModel, make_errors

TEXT = (
    "Yesterday my friends and I went to the new library, because they wanted to discuss an important problem. "
    "It's true that she doesn't like the food there, but the children have always enjoyed reading these books. "
    "Many people believe that advertisements make products seem much better than they really are. "
    "However, if you travel to other countries, you will quickly learn that life is different in every city. "
    "He said he would rather stay at home than wait for the bus with his younger brother. "
    "There are several reasons why students should choose a university near their family. "
)

LANDMARKS = {  # kind: (clean words, all the edits it may make at the given place)
    "misspelling": ("it is definitely so", 2, {"definately", "definatly", "definitly", "defiantly"}),
    "letters_swapped": ("they want more", 2, {"mroe", "moer"}),
    "split_or_merged": ("I like it a lot", 3, {"alot"}),
    "space_lost": ("if they go", 0, {"ifthey"}),
    "word_missing": ("they are going", 1, {"going"}),
    "word_doubled": ("to go", 0, {"to to"}),
    "words_swapped": ("I know how to swim", 2, {"to how"}),
    "article_dropped": ("The cat slept", 0, {"Cat"}),
    "article_swapped": ("eat an apple", 1, {"a", "the"}),
    "article_added": ("look for information", 2, {"the information", "a information"}),
    "preposition_dropped": ("we listen to music", 2, {"music"}),
    "preposition_added": ("we discuss politics", 1, {"discuss about"}),
    "verb_form": ("they have gone home", 2, {"go", "went", "going", "goed"}),
    "to_dropped_or_added": ("we must go", 1, {"must to"}),
    "agreement": ("they have", 1, {"has"}),
    "verb_number": ("she goes home", 1, {"go"}),
    "auxiliary_dropped": ("they are going", 1, {"going"}),
    "auxiliary_added": ("they agree now", 1, {"are agree", "can agree", "will agree", "do agree", "have agree"}),
    "auxiliary_swapped": ("they will go", 1, {"would", "can", "shall"}),
    "pronoun_dropped": ("say it is so", 1, {"is"}),
    "pronoun_added": ("my friends are here", 1, {"friends they"}),
    "joiner_dropped": ("it rained and stopped", 2, {"stopped"}),
    "joiner_swapped": ("it rained and stopped", 2, {"or", "but", "so", "also", "then"}),
    "joiner_added": ("it rained , they left", 3, {"so they", "but they", "and they", "then they", "that they"}),
    "emphasis_dropped": ("it is very good", 2, {"good"}),
    "determiner_added": (
        "look for information",
        2,
        {f"{word} information" for word in ("some", "any", "other", "all", "own", "these", "such", "many", "one")},
    ),
    "phrase": (
        "In my opinion it is",
        0,
        {f"{phrase} opinion" for phrase in ("On my", "To my", "For my", "According to my")} | {"In my opinions"},
    ),
    "word_class": ("a great success", 2, {"succeed", "successful", "successfully"}),
    "tense": ("She went home", 1, {"goes", "had gone", "has gone", "will go"}),
    "noun_singular": ("many countries agree", 1, {"country"}),
    "noun_plural": ("much information", 1, {"informations"}),
    "noun_irregular": ("two women spoke", 1, {"womans", "womens", "woman"}),
    "homophone": ("Their house", 0, {"There", "They're", "They"}),
    "confusable": ("do not say that", 2, {"tell", "speak"}),
    "pronoun": ("with him alone", 1, {"he"}),
    "adverb": ("drive easily now", 1, {"easy"}),
    "comparison": ("a bigger house", 1, {"more bigger", "more big", "big"}),
    "capital_lost": ("Then I left", 1, {"i"}),
    "comma_dropped": ("Well , yes", 1, {""}),
    "comma_added": ("I think that he left", 2, {"that,"}),
    "final_mark_lost": ("It rained .", 2, {""}),
    "sentences_run_on": ("It rained . They left", 2, {", they", " they", " and they", ", They", " They", " and They"}),
    "sentence_broken": ("It rained , but we left", 2, {". But"}),
    "apostrophe": ("They don't know", 1, {"dont"}),
    "spacing": ("Well , yes", 1, {",yes", " ,"}),
}


@pytest.mark.parametrize("name", sorted(LANDMARKS))
def test_kind_makes_the_mistake_it_is_named_for(name: str) -> None:
    clean, place, allowed = LANDMARKS[name]
    words = clean.split()
    edits = {KINDS[name](words, place, Random(seed)) for seed in range(60)} - {None}
    assert edits
    texts = {text for _, text in edits if text != words[place]}
    assert texts
    assert texts <= allowed


@pytest.mark.parametrize("name", sorted(KINDS))
def test_every_kind_changes_ordinary_text(name: str) -> None:
    only = ErrorModel(rate=0.1, weights={name: 1.0})
    changed = sum(make_errors(TEXT, Random(seed), only) != TEXT for seed in range(20))
    assert changed > 10


@given(st.text(max_size=80), st.integers(0, 2**32))
@settings(max_examples=150)
def test_no_text_is_too_strange(text: str, seed: int) -> None:
    assert isinstance(make_errors(text, Random(seed), ErrorModel(rate=1.0)), str)


@given(st.text(alphabet="aA .,'\u2019\n\t1é漢", max_size=60), st.integers(0, 2**32))
@settings(max_examples=150)
def test_lines_stay_lines(text: str, seed: int) -> None:
    assert make_errors(text, Random(seed), ErrorModel(rate=1.0)).count("\n") == text.count("\n")


@given(st.text(max_size=60))
def test_words_and_spaces_are_the_whole_text(text: str) -> None:
    assert "".join(space + word for space, word in WORD.findall(text)) == text


def test_same_seed_makes_the_same_mistakes() -> None:
    assert make_errors(TEXT, Random(5)) == make_errors(TEXT, Random(5))
    assert len({make_errors(TEXT, Random(seed)) for seed in range(20)}) > 15


def test_rate_zero_leaves_the_text_alone() -> None:
    assert make_errors(TEXT, Random(0), ErrorModel(rate=0.0)) == TEXT


def test_texts_range_from_clean_to_terrible_around_the_rate() -> None:
    clean = [word for _, word in WORD.findall(TEXT)]
    distances = []
    for seed in range(400):
        noisy = [word for _, word in WORD.findall(make_errors(TEXT, Random(seed)))]
        distances.append(Levenshtein.distance(clean, noisy) / sum(word.isalpha() for word in clean))
    assert statistics.mean(distances) == pytest.approx(0.12, abs=0.02)
    deciles = statistics.quantiles(distances, n=10)
    assert deciles[0] < 0.04
    assert deciles[-1] > 0.22


def test_no_group_of_mistakes_rules() -> None:
    spelling = {"misspelling", "sound", "letter_dropped", "letter_doubled", "letters_swapped", "neighbour_key", "vowel"}
    share = sum(WEIGHTS[name] for name in spelling) / sum(WEIGHTS.values())
    assert 0.07 < share < 0.25
    assert max(WEIGHTS.values()) < 0.1 * sum(WEIGHTS.values())


def test_no_phrase_is_its_own_mistake() -> None:
    for table in (phrases.PHRASES, phrases.FAMILIES, phrases.MODALS, phrases.JOINERS):
        assert not [right for right, wrong in table.items() if not wrong or right in wrong or "" in wrong]


def test_addresses_and_numbers_are_left_alone() -> None:
    text = "https://example.org/there/their someone@example.org 1995 3.14 U.S.A."
    assert all(make_errors(text, Random(seed), ErrorModel(rate=1.0)) == text for seed in range(200))


def test_casing_follows_the_word_replaced() -> None:
    words = ["BECAUSE", "Because", "because"]
    spelt = [KINDS["misspelling"](words, i, Random(1)) for i in range(3)]
    assert [edit and edit[1] for edit in spelt] == [spelt[2][1].upper(), spelt[2][1].title(), spelt[2][1]]


def test_wrong_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"self.rate=1.5"):
        ErrorModel(rate=1.5)
    with pytest.raises(ValueError, match="typoes"):
        ErrorModel(weights={"typoes": 1.0})
    with pytest.raises(ValueError, match="negative"):
        ErrorModel(weights={"pronoun": -1.0})


@pytest.mark.parametrize("table", ["MISSPELLINGS", "IRREGULAR_PLURALS", "PRONOUNS", "AGREEMENT", "SPLITS", "SOUNDS"])
def test_no_table_maps_a_word_to_itself(table: str) -> None:
    entries: dict[str, tuple[str, ...]] = getattr(lexicon, table)
    assert not [right for right, wrong in entries.items() if not wrong or right in wrong or "" in wrong]
