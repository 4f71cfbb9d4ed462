"""What a text says in the end, as people and models write it."""

import pytest

from redraft.evals.answers import boxed, last_number, letter, same_mathematics, same_number
from redraft.evals.programs import best_block, completed, cut, fenced


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"so \boxed{7}.", "7"),
        (r"\boxed{1} or rather \boxed{\frac{1}{2}}", r"\frac{1}{2}"),
        (r"\fbox{a}", "a"),
        (r"\boxed{never closed", None),
        ("no box", None),
        ("", None),
    ],
)
def test_the_last_box_counts_with_its_braces(text: str, found: str | None) -> None:
    assert boxed(text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [("It is 1,234.50 dollars.", "1234.50"), ("$5 then $-7", "-7"), ("from 3 to 4.", "4"), ("none", None)],
)
def test_the_last_number_is_read_as_people_write_it(text: str, found: str | None) -> None:
    assert last_number(text) == found


def test_numbers_are_the_same_by_value() -> None:
    assert same_number("1,000", "1000.0")
    assert same_number("070", "70")
    assert not same_number("seven", "7")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (r"\boxed{C}", "C"),
        (r"\boxed{\text{(B)}}", "B"),
        (r"I say \boxed{A} ... no: \boxed{D}", "D"),
        ("The answer is (B).", "B"),
        ("**Answer: C**", "C"),
        ("The answer is A. Wait, the correct answer is D", "D"),
        ("b", None),
        (" B", "B"),
        ("C) because of that", "C"),
        ("A cat sat there and that is all", None),
        (r"\boxed{Cat}", None),
        (r"\boxed{E}", None),
        ("The answer is a cat", None),
        ("", None),
    ],
)
def test_the_letter_of_a_choice_is_found_or_it_is_none(text: str, found: str | None) -> None:
    assert letter(text, "ABCD") == found


def test_mathematics_is_compared_by_meaning() -> None:
    pytest.importorskip("math_verify", reason="needs pip install 'redraft[eval]'")
    assert same_mathematics(r"thus \boxed{\frac{1}{2}}", "0.5")
    assert same_mathematics(r"\boxed{2^{3}}", "8")
    assert not same_mathematics(r"\boxed{7}", "8")
    assert not same_mathematics("", "8")
    assert not same_mathematics(r"\boxed{\frac{", "8")


def test_fences_of_other_languages_are_not_python() -> None:
    text = "```bash\nls\n```\n```python\nx = 1\n```\n```\ny = 2\n```\n```py\nz = 3"
    assert fenced(text) == ["x = 1", "y = 2", "z = 3"]


def test_the_block_that_defines_the_function_is_taken() -> None:
    text = "```python\ndef f(x):\n    return x\n```\nFor example:\n```python\nprint(f(1))\n```"
    assert "return x" in best_block(text, "f")
    assert best_block(text) == "print(f(1))"
    assert best_block("x = 1") == "x = 1"


def test_a_completion_ends_before_the_first_stop() -> None:
    assert cut("a\ndef b\nclass c", ("\nclass", "\ndef")) == "a"
    assert cut("a", ("b",)) == "a"


def test_a_whole_function_keeps_the_imports_of_its_head_and_a_body_its_head() -> None:
    prompt = "from math import sqrt\n\ndef f(x):\n"
    whole = completed(prompt, "```python\ndef f(x):\n    return sqrt(x)\n```", "f", True, ())
    body = completed(prompt, "```python\n    return sqrt(x)\n```", "f", True, ())
    for program in (whole, body):
        space: dict = {}
        exec(program, space)
        assert space["f"](4) == 2
    assert whole.count("def f") == 1
