"""What is counted of stories is what it says."""

import numpy as np
import pytest

from benchmarks import stories


def test_there_are_fifty_prompts_and_all_differ() -> None:
    found = stories.prompts()
    assert len(found) == len(set(found)) == 50


def test_repetition_and_variety_are_counted_in_words() -> None:
    words = stories.words_of("The cat sat. The cat sat! Don't stop.")
    assert words == ["the", "cat", "sat", "the", "cat", "sat", "don't", "stop"]
    assert stories.repeats(["a", "b", "c", "d"] * 2) == pytest.approx(1 / 5)
    assert stories.distinct([["a", "b", "a", "b"]], 2) == 2 / 3
    assert stories.repeats(["a"]) == 0


def test_the_longest_run_is_found_in_the_training_texts_and_nowhere_else() -> None:
    training = np.arange(1000, dtype=np.uint16)
    rows = [list(range(100, 113)), [5, 4, 3, 2, 1, 0, 9, 8], list(range(300, 400)), [1, 2, 3]]
    assert stories.longest_runs(rows, training) == [12, 0, 64, 0]
