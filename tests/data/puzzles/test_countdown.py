"""Countdown: the checker is arithmetic and nothing else."""

import numpy as np
import pytest

from redraft.data.puzzles.countdown import Countdown, result

KIND = Countdown(most=40)


@pytest.mark.parametrize(
    "answer", ["12*05=60,60-40=20", "05*12=60,60-40=20", "40-12=28,28-05=23"][:2]
)  # fmt: skip
def test_any_answer_that_counts_right_is_right(answer: str) -> None:
    assert KIND.solved("12,05,40:20", answer)
    assert KIND.solved("40,12,05:20", answer)


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("12,05,40:20", "12*05=60,60-40=21"),  # wrong sum
        ("12,05,40:20", "12*05=61,61-40=21"),
        ("12,05,40:20", "12+08=20,20*01=20"),  # other numbers
        ("12,05,40:20", "40-12=28,28-05=23"),  # another target
        ("12,05,40:20", "40/02=20,20*01=20"),
        ("12,05,17:17", "12+05=17,17-17=00"),  # nothing is below 1
        ("12,05,17:34", "12+05=17,12+05=17"),  # the third number is left out
        ("05,05,05:15", "05+05=10,05+05=10"),
        ("05,10,05:10", "05+05=10,10+05=15"),
        ("12,05,40:20", "12*5=60,60-40=20 "),
        ("12,05,40:20", "60-40=20,12*05=60"),
    ],
)
def test_wrong_answers_are_refused(question: str, answer: str) -> None:
    assert not KIND.solved(question, answer)


def test_the_result_between_may_stand_on_either_side() -> None:
    assert KIND.solved("02,03,30:25", "02+03=05,30-05=25")
    assert KIND.solved("02,03,30:06", "02+03=05,30/05=06")
    assert not KIND.solved("02,03,30:06", "02+03=05,05/30=06")


def test_operations_agree_with_fractions_and_stay_between_1_and_99() -> None:
    from fractions import Fraction

    for left in range(1, 100, 7):
        for right in range(1, 100):
            exact = {"+": Fraction(left + right), "-": Fraction(left - right), "*": Fraction(left * right),
                     "/": Fraction(left, right)}  # fmt: skip
            for operation, value in exact.items():
                fits = value.denominator == 1 and 1 <= value <= 99
                assert result(left, operation, right) == (int(value) if fits else None)
    assert result(4, "/", 0) is None


def test_all_operations_and_both_sides_are_drawn() -> None:
    rng = np.random.default_rng(0)
    puzzles = [KIND.draw(rng) for _ in range(300)]
    assert {p.answer[2] for p in puzzles} == set("+-*/") == {p.answer[11] for p in puzzles}
    sides = {p.answer[6:8] == p.answer[9:11] for p in puzzles}
    assert sides == {True, False}
