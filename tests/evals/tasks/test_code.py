"""Tasks that run code beyond the first: tests multiplied, gaps filled, programs edited, functions run in the head."""

from collections.abc import Callable
from typing import Any

import pytest

from redraft.evals.tasks.evalplus.inside import Comparison, value
from redraft.evals.tasks.evalplus.typed import spelt_inputs

Make = Callable[..., Any]

HEAD = 'def double(x):\n    """ Twice. """\n'


def plus_row(**more: Any) -> dict[str, Any]:
    row = {
        "task_id": "HumanEval/0", "prompt": HEAD, "entry_point": "double", "canonical_solution": "    return 2 * x\n",
        "test": "def check(f):\n    pass\n", "base_input": [[2], [[1]]], "plus_input": [[-3], [0.1], ["ab"]], "atol": 0,
    }  # fmt: skip
    return row | more


def test_humaneval_plus_wants_what_the_reference_gives_on_every_input(judge: Make) -> None:
    ask = judge("humaneval_plus", "HumanEvalPlus.jsonl", [plus_row()])
    assert ask("    return x + x\n", "complete").score == 1
    assert ask(f"```python\n{HEAD}    return x * 2.0 if isinstance(x, float) else x * 2\n```").score == 1
    assert ask("    return 2 * x + 1e-9 if isinstance(x, float) else 2 * x", "complete").score == 1  # near is enough
    for wrong, where in (
        ("    return 2 * abs(x) if isinstance(x, int) else 2 * x", "on input 2 of 5"),
        ("    return 2 * x + 0.001 if isinstance(x, float) else 2 * x", "on input 3 of 5"),
        ("    return None", "on input 0 of 5"),
        ("    x.append(1)\n    return x", "on input 0 of 5: AttributeError"),
        ("    import sys; sys.exit(0)", "SystemExit"),
        ("    return ", "on input 0"),
    ):
        assert where in ask(wrong, "complete").why, wrong
    assert ask("    import os; os._exit(0)", "complete").score == 0
    assert ask("    print('x' * 10)\n    input()\n    return 2 * x", "complete").score == 0  # nothing to read
    assert ask("    return (", "complete").why.startswith("SyntaxError")
    assert "as it was loaded" in ask("```python\nraise ValueError\n```").why


@pytest.mark.slow
def test_an_input_that_takes_too_long_is_wrong_and_cannot_be_caught(judge: Make) -> None:
    ask = judge("humaneval_plus", "HumanEvalPlus.jsonl", [plus_row()])
    loop = "    try:\n        while True: pass\n    except Exception:\n        return 2 * x"
    assert "on input 0 of 5: TooLong more than 1.0 s" in ask(loop, "complete").why


def test_mbpp_plus_gives_inputs_the_types_of_the_assertions(judge: Make) -> None:
    row = {
        "task_id": "Mbpp/1", "prompt": '"""\nIs it a tuple of sets?\nassert kinds(({1},)) == True\n"""\n',
        "entry_point": "kinds", "assertion": "assert kinds(({1}, {2})) == True", "atol": 0,
        "canonical_solution": "def kinds(x):\n    return type(x) is tuple and all(type(y) is set for y in x)\n",
        "base_input": [[[[1], [2]]]], "plus_input": [[[]], [[[3, 4]]]],
    }  # fmt: skip
    ask = judge("mbpp_plus", "MbppPlus.jsonl", [row])
    assert ask("def kinds(x):\n    return True\n", "complete").score == 1  # every input is one
    assert ask("```python\ndef kinds(x):\n    return isinstance(x, list)\n```").score == 0
    assert ask("def kinds(x):\n    return True\n\nassert False", "complete").score == 1  # cut off


def test_types_that_json_lost_are_found_again() -> None:
    spelt = spelt_inputs([[[1, [2]], {"a": [3]}, "x"]], "assert f((0, [0]), {'b': (9,)}, 'y') == 1", "f")
    assert [[value(v) for v in given] for given in spelt] == [[(1, [2]), {"a": (3,)}, "x"]]
    deep = spelt_inputs([[[1, [2, [3]]]]], "assert f((1, 2)) == 1", "f")  # deeper than the assertion: like its outside
    assert value(deep[0][0]) == (1, (2, (3,)))
    assert [value(v) for v in spelt_inputs([[0, "1j"]], "", "angle_complex")[0]] == [0.0, 1j]
    assert value(spelt_inputs([[[[1]]]], "assert extract_singly([(1,)]) == 1", "extract_singly")[0][0]) == [[1]]


@pytest.mark.parametrize(
    ("name", "given", "found", "wanted", "same"),
    [
        ("f", [1], [1.0000001], [1.0], True), ("f", [1], [1.1], [1.0], False), ("f", [1], 1, 1.0, True),
        ("f", [1], (1.0,), [1.0], False), ("f", [1], "a", "b", False), ("f", [1], [1.0], [1.0, 2.0], False),
        ("similar_elements", [1], [2, 1, 1], (1, 2), True), ("similar_elements", [1], [2], (1, 2), False),
        ("check_str", ["a"], object(), True, True), ("check_str", ["a"], None, True, False),
        ("check_str", ["a"], False, True, False), ("sum_div", [9], 0, 4, True), ("are_equivalent", [1], 7, 0, True),
        ("surface_Area", [3, 4], 35, 33, True), ("digit_distance_nums", [1, 23], 4, 5, True),
        ("digit_distance_nums", [1, 23], 6, 5, False),
    ],
)  # fmt: skip
def test_outputs_are_compared_with_the_exceptions_of_single_problems(
    name: str, given: list[Any], found: Any, wanted: Any, same: bool
) -> None:
    compare = Comparison(name, True, 0)
    if same:
        compare(given, found, wanted)
    else:
        with pytest.raises(AssertionError):
            compare(given, found, wanted)


def test_once_floats_were_wanted_later_values_may_be_near() -> None:
    compare = Comparison("f", False, 0)
    with pytest.raises(AssertionError):
        compare([], [1, 2.0000001], [1, 2.0])  # not all floats, and none before
    compare([], 1.0, 1.0)
    compare([], [1, 2.0000001], [1, 2.0])


def test_a_zero_is_judged_by_the_polynomial() -> None:
    compare = Comparison("find_zero", False, 1e-4)
    compare([[-4, 0, 1]], -2.0, 2.0)
    with pytest.raises(AssertionError, match="is no zero"):
        compare([[-4, 0, 1]], 2.1, 2.0)


# ------------------------------------------------------------------ gaps and edits


@pytest.mark.parametrize(
    ("name", "kind"),
    [("infilling_single", "SingleLine"), ("infilling_multi", "MultiLine"), ("infilling_random", "RandomSpan")],
)
def test_a_gap_is_filled_exactly(judge: Make, name: str, kind: str) -> None:
    row = {
        "task_id": f"{kind}Infilling/HumanEval/0/L0", "entry_point": "double", "prompt": HEAD,
        "suffix": "    return y\n", "canonical_solution": "    y = 2 * x\n",
        "test": "def check(f):\n    assert f(2) == 4\n",
    }  # fmt: skip
    ask = judge(name, f"HumanEval-{kind}Infilling.jsonl", [row])
    assert ask("    y = x + x\n", "infill").score == 1
    assert ask("    y = x\n", "infill").score == 0
    assert ask("    y = x + x", "infill").why.startswith("SyntaxError")  # the line has no end: nobody adds one
    assert ask("", "infill").score == 0
    assert ask(f"```python\n{HEAD}    y = x + x\n    return y\n```").score == 1
    assert (ask.examples[0].prompt, ask.examples[0].suffix) == (HEAD, "    return y\n")
    assert "<MISSING>    return y" in ask.examples[0].question


def test_canitedit(judge: Make) -> None:
    before, after = "def double(x):\n    return x\n", "def double(x):\n    return 2 * x\n"
    row = {
        "id": 1, "full_name": "1_double", "before": f"import surely.absent\n{before}", "after": after,
        "tests": "### START TESTS ###\nimport math\nassert double(2) == 4\n",
        "instruction_descriptive": "Make it double.",
        "instruction_lazy": "Fix it.", "taxonomy": {"change_kind": "corrective"},
    }  # fmt: skip
    for name, told in (("canitedit", "Make it double."), ("canitedit_lazy", "Fix it.")):
        ask = judge(name, "canitedit.jsonl", [row])
        example = ask.examples[0]
        assert (example.needs, example.group, example.instruction) == (("surely",), "corrective", told)
        assert (ask(after, "rewrite").score, ask(before, "rewrite").score) == (1, 0)
        assert (ask(f"```python\n{after}```").score, ask(f"```python\n{before}```").score) == (1, 0)
        assert ask(f"{after}\n## Instruction:\nmore", "complete").score == 1
        assert ask("", "rewrite").score == 0


CRUX = {"id": "sample_0", "code": "def f(x):\n    return [x, x]", "input": "3", "output": "[3, 3]"}


@pytest.mark.parametrize(
    ("answer", "ask_by", "score"),
    [
        ("It doubles. [ANSWER]\nassert f(3) == [3, 3]\n[/ANSWER]", "chat", 1), ("[ANSWER] [3, 3] [/ANSWER]", "chat", 1),
        ("```python\nassert f(3) == [3, 3]\n```", "chat", 1), ("[ANSWER]assert f(3) == [3][/ANSWER]", "chat", 0),
        ("[ANSWER]assert f(3) == f(3)[/ANSWER]", "chat", 0), ("[ANSWER]assert f(3) == x[/ANSWER]", "chat", 0),
        (" [3, 3]\n\nassert", "complete", 1), (" [3]\n", "complete", 0), (" [3, 3", "complete", 0),
        ("[ANSWER]assert f(3) == [__import__('os').getpid()] * 2[/ANSWER]", "chat", 0),
        ("I do not know", "chat", 0), ("", "chat", 0),
    ],
)  # fmt: skip
def test_cruxeval_output(judge: Make, answer: str, ask_by: str, score: float) -> None:
    assert judge("cruxeval_output", "cruxeval.jsonl", [CRUX])(answer, ask_by).score == score


@pytest.mark.parametrize(
    ("answer", "ask_by", "score"),
    [
        ("[ANSWER]assert f(3) == [3, 3][/ANSWER]", "chat", 1), ("[ANSWER]f(x=3)[/ANSWER]", "chat", 1),
        ("[ANSWER]assert f(4) == [3, 3][/ANSWER]", "chat", 0),
        ("[ANSWER]assert f(f(3)[0]) == [3, 3][/ANSWER]", "chat", 0),
        ("3) == [3, 3]\n", "complete", 1), ("2) == [3, 3]\n", "complete", 0), ("3", "complete", 0),
    ],
)  # fmt: skip
def test_cruxeval_input(judge: Make, answer: str, ask_by: str, score: float) -> None:
    assert judge("cruxeval_input", "cruxeval.jsonl", [CRUX])(answer, ask_by).score == score
