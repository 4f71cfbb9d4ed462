"""Presets: instructions by name, and an honest word on who can follow them."""

import pytest

from redraft.instant.presets import PRESETS, find_preset, standing, worded


def test_a_preset_asks_for_what_it_needs() -> None:
    assert find_preset("translate").filled(language="Latin").endswith("into Latin.")
    with pytest.raises(ValueError, match="'translate' needs language"):
        find_preset("translate").filled()
    with pytest.raises(ValueError, match="takes nothing, not 'language'"):
        find_preset("fix").filled(language="Latin")
    with pytest.raises(ValueError, match="no preset 'polish'; choose from fix, punctuate"):
        find_preset("polish")


def test_a_model_is_told_the_word_it_was_trained_on() -> None:
    assert worded(PRESETS["fix"], ("fix",)) == "fix"
    assert worded(PRESETS["fix"], ()).startswith("Correct spelling")


def test_the_shipped_model_claims_its_one_preset_and_a_talking_one_none_for_sure() -> None:
    own = {name: standing(preset, ("fix",), converses=True) for name, preset in PRESETS.items()}
    assert [name for name, how in own.items() if how == "trained"] == ["fix"]
    assert set(own.values()) == {"trained", "unknown"}
    assert {standing(preset, (), converses=True) for preset in PRESETS.values()} == {"instructed"}
    assert {standing(preset, (), converses=False) for preset in PRESETS.values()} == {"unknown"}
