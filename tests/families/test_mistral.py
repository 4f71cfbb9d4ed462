"""Mistral against transformers, with and without its window."""

from collections.abc import Callable
from typing import Any

import pytest

from redraft.families.mistral import FAMILY, MISTRAL_V01, MISTRAL_V03
from tests.families.from_transformers import CLAIMS, Pair, make_pair, text

VARIANTS: dict[str, dict[str, Any]] = {
    "windows": {"sliding_window": 5},
    "a window of two": {"sliding_window": 2},
    "no window": {"sliding_window": None},
    "head of another size": {"head_dim": 12, "sliding_window": 11},
}


@pytest.fixture(scope="module", params=VARIANTS.values(), ids=VARIANTS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("mistral"), "Mistral", **request.param)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.__name__)
def test_it_agrees_with_transformers(pair: Pair, claim: Callable[[Pair], None]) -> None:
    claim(pair)


def windows(**changes: Any) -> set[int | None]:
    return {layer.attention.window for layer in FAMILY.read(MISTRAL_V01 | changes).architecture.layers}


def test_null_is_no_window_and_silence_the_usual_one() -> None:
    assert windows() == {4096}
    assert windows(sliding_window=None) == {None}
    silent = {name: value for name, value in MISTRAL_V03.items() if name != "sliding_window"}
    assert {layer.attention.window for layer in FAMILY.read(silent).architecture.layers} == {4096}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [({"sliding_window": 0}, "window=0"), ({"sliding_window": "all"}, "sliding_window='all', which is no int")],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        windows(**changes)


def test_three_layers_of_five_tokens_see_thirteen(tmp_path: Any) -> None:
    ours = make_pair(tmp_path, "Mistral", sliding_window=5).ours
    tokens_BL = text(1, 20)
    last_BV, _ = ours.next_logits(tokens_BL)
    for distance, reaches in ((12, True), (13, False)):
        changed_BL = tokens_BL.clone()
        changed_BL[0, 19 - distance] = changed_BL[0, 19 - distance] % 90 + 1
        changed_BV, _ = ours.next_logits(changed_BL)
        assert bool((changed_BV != last_BV).any()) is reaches
