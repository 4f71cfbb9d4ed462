"""Overrides: values are read by their declared type, names that are not there are refused with the nearest."""

from dataclasses import fields
from typing import Any

import pytest

from recipes import recipe
from redraft.train.overrides import apply_overrides
from redraft.train.recipe import Recipe

TINY = recipe("tiny")


def at(changed: Recipe, name: str) -> Any:
    value: Any = changed
    for part in name.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, part)
    return value


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("train.steps=10", 10), ("seed=7", 7), ("train.optim.matrix_lr=2e-3", 2e-3), ("train.optim.other_lr=1", 1.0),
        ("train.compile=false", False), ("train.compile=True", True), ("name=trial", "trial"),
        ("train.minutes=1.5", 1.5), ("train.minutes=none", None), ("train.minutes=None", None),
        ("mixture.text.fables=0", 0.0), ("mixture.labels.fables=story", "story"), ("characters.fables=1_000", 1000),
        ("model.labels=a,b, c", ("a", "b", "c")), ("model.labels=", ()), ("model.insert_token_ids=5,6", (5, 6)),
        (" train.steps = 10 ", 10), ("mixture.errors.rate=0.3", 0.3), ("name=a=b", "a=b"),
    ],
)  # fmt: skip
def test_a_value_is_read_by_its_declared_type(setting: str, expected: object) -> None:
    found = at(apply_overrides(TINY, [setting]), setting.partition("=")[0].strip())
    assert found == expected
    assert type(found) is type(expected)


def test_nothing_else_changes() -> None:
    changed = apply_overrides(TINY, ["train.optim.clip=2"])
    assert changed.train.optim.clip == 2.0
    assert changed != TINY
    assert apply_overrides(changed, [f"train.optim.clip={TINY.train.optim.clip}"]) == TINY
    for f in fields(Recipe):
        assert (getattr(changed, f.name) is getattr(TINY, f.name)) == (f.name != "train")


def test_no_settings_are_the_recipe_itself() -> None:
    assert apply_overrides(TINY, []) is TINY


def test_the_other_entries_of_a_mapping_stay() -> None:
    changed = apply_overrides(TINY, ["mixture.text.fables=0"])
    assert {**changed.mixture.text, "fables": TINY.mixture.text["fables"]} == dict(TINY.mixture.text)
    assert TINY.mixture.text["fables"] > 0  # the recipe that was given is as it was


def test_a_default_mapping_deep_inside_can_be_changed() -> None:
    assert apply_overrides(TINY, ["mixture.errors.weights.misspelling=0"]).mixture.errors.weights["misspelling"] == 0


def test_values_that_depend_on_one_another_change_together() -> None:
    changed = apply_overrides(TINY, ["mixture.block_lengths=4,8", "mixture.block_shares=0.5,0.5"])
    assert changed.mixture.block_lengths == (4, 8)
    with pytest.raises(ValueError, match="block_shares"):
        apply_overrides(TINY, ["mixture.block_lengths=4,8"])


def test_of_two_settings_the_later_counts() -> None:
    assert apply_overrides(TINY, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("train.steps=ten", r"train\.steps=ten must be a whole number"),
        ("train.steps=1e3", r"train\.steps=1e3 must be a whole number"),
        ("train.steps=", r"train\.steps= must be a whole number"),
        ("train.optim.clip=high", r"train\.optim\.clip=high must be a number"),
        ("train.optim.clip=nan", r"train\.optim\.clip=nan must be a number"),
        ("train.optim.clip=inf", r"train\.optim\.clip=inf must be a number"),
        ("train.compile=1", r"train\.compile=1 must be true or false"),
        ("train.minutes=soon", r"train\.minutes=soon must be a number, or none"),
        ("train.steps=none", r"train\.steps=none must be a whole number"),
        ("model.insert_token_ids=1,x", "must be a list separated by commas, each a whole number"),
        ("mixture.text.fables=much", r"mixture\.text\.fables=much must be a number"),
    ],
)
def test_a_value_of_another_type_is_refused_with_what_it_must_be(setting: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        apply_overrides(TINY, [setting])


@pytest.mark.parametrize(
    ("setting", "near"),
    [
        ("train.stepz=10", "train.steps"), ("optim.matrix_lr=1", "train.optim.matrix_lr"),
        ("mixture.text.fable=1", "mixture.text.fables"), ("modle.labels=a", "model.labels"),
        ("train.steps.more=1", "train.steps"),
    ],
)  # fmt: skip
def test_an_unknown_name_is_refused_with_the_nearest(setting: str, near: str) -> None:
    with pytest.raises(ValueError, match=f"has no '{setting.partition('=')[0]}'; did you mean '{near}'"):
        apply_overrides(TINY, [setting])


def test_a_name_that_is_near_to_nothing_is_refused_alone() -> None:
    with pytest.raises(ValueError, match=r"has no 'xyzzy'$"):
        apply_overrides(TINY, ["xyzzy=1"])


def test_a_group_is_refused_with_what_is_in_it() -> None:
    with pytest.raises(ValueError, match=r"'train\.optim' is a group of values; set one of train\.optim\.matrix_lr, "):
        apply_overrides(TINY, ["train.optim=fast"])


def test_a_setting_without_a_value_is_refused() -> None:
    with pytest.raises(ValueError, match=r"'train\.steps' is not of the form name=value"):
        apply_overrides(TINY, ["train.steps"])


def test_what_a_part_of_the_recipe_refuses_is_refused() -> None:
    with pytest.raises(ValueError, match="steps=0 must be at least 1"):
        apply_overrides(TINY, ["train.steps=0"])
