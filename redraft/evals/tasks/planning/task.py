"""Planning: countdown (reach a number with the others) and sudoku of four by four, as Dream's authors ask them."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from redraft.evals.data import read_rows
from redraft.evals.task import Ask, Bench, Example, Row, Task, Verdict, right

SHOTS = 8  # the first rows of a file are shown solved and not asked
COUNTDOWN = (
    "Of the {count} numbers below, combine the first {first} with +, -, * and /, each once, so that the last number "
    "comes out. Write every step as an equation, steps apart by commas.\n\n"
)
SUDOKU = (
    "Replace every 0 in the grid of four by four with a digit from 1 to 4, so that every row, every column and every "
    "one of the four blocks of two by two has all four digits.\n\n"
)
NUMBER = re.compile(r"0|[1-9]\d*")
STEP = re.compile(rf"(?:{NUMBER.pattern})(?:[-+*/](?:{NUMBER.pattern}))+")
FILLED = (4, 5, 6, 7, 8, 9, 10, 11, 12)  # cells that are given


def countdown_examples(rows: Sequence[Row]) -> list[Example]:
    count = len(rows[0]["input"].split(","))
    return _examples(rows, COUNTDOWN.format(count=count, first=count - 1), "Input: {}\nOutput: {}")


def sudoku_examples(rows: Sequence[Row]) -> list[Example]:
    by_file: dict[str, list[Row]] = {}
    for row in rows:
        by_file.setdefault(row.get("given", ""), []).append(row)
    return [example for of in by_file.values() for example in _examples(of, SUDOKU, "Input:\n{}\nOutput:\n{}")]


def _examples(rows: Sequence[Row], told: str, form: str) -> list[Example]:
    shots = "".join(form.format(row["input"], row["output"]) + "\n\n" for row in rows[:SHOTS])
    return [
        Example(
            id=f"{row.get('given', 'puzzle')}/{number}",
            prompt=told + shots + form.format(row["input"], "").rstrip(" "),
            question=told + shots + form.format(row["input"], ""),
            target=row["input"],
            group=row.get("given", ""),
        )
        for number, row in enumerate(rows[SHOTS:])
    ]


def judge_countdown(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    *numbers, wanted = example.target.split(",")
    said = answer.strip().removeprefix("Output:").strip().partition("\n")[0]
    why = wrong_steps(numbers, wanted, said)
    return right(not why, why)


def wrong_steps(numbers: Sequence[str], wanted: str, said: str) -> str:
    """What is wrong with equations that should lead from numbers to one; "" where nothing is.

    As the authors count: every number and every result must be used once, whatever the order of the steps.
    """
    there = Counter(numbers)
    for step in said.split(","):
        left, equal, result = step.partition("=")
        if not STEP.fullmatch(left) or not NUMBER.fullmatch(result) or not equal:
            return f"{step[:40]!r} is no step"
        if calculated(left) != float(result):
            return f"{step} is not so"
        there.subtract(re.findall(r"\d+", left))
        there[result] += 1
    there[wanted] -= 1
    if result != wanted:
        return f"it ends on {result}, not {wanted}"
    off = [number for number, count in there.items() if count]
    return f"not used once: {', '.join(off)}" if off else ""


def calculated(expression: str) -> float:
    """The value of what STEP allows; not a number where something is divided by zero."""
    assert STEP.fullmatch(expression), "nothing but numbers and four operators"
    try:
        return float(eval(expression))
    except (ZeroDivisionError, OverflowError):
        return float("nan")


def judge_sudoku(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    said = answer.strip().removeprefix("Output:").strip() if ask == "chat" else answer
    why = wrong_grid(example.target, said.partition("\n\n")[0].replace(" ", "")[: len(example.target)].strip())
    return right(not why, why)


def wrong_grid(given: str, said: str) -> str:
    """What is wrong with a filled grid of four by four; "" where nothing is."""
    if not re.fullmatch(r"[1-4]{4}(\n[1-4]{4}){3}", said):
        return "that is no grid"
    grid, cells = said.split("\n"), given.split("\n")
    if any(cells[y][x] not in ("0", grid[y][x]) for y in range(4) for x in range(4)):
        return "a given digit was changed"
    columns = ["".join(row[x] for row in grid) for x in range(4)]
    blocks = [grid[y][x : x + 2] + grid[y + 1][x : x + 2] for y in (0, 2) for x in (0, 2)]
    return "" if all(len(set(part)) == 4 for part in [*grid, *columns, *blocks]) else "a digit is there twice"


def all_grids(rows: Sequence[Row], folder: Path | None) -> Sequence[Row]:
    """The puzzles with every number of given cells, from the files beside the first."""
    assert folder is not None, "the task has no place on the hub"
    paths = {number: folder / f"dream_sudoku_4x4_{number}.jsonl" for number in FILLED}
    missing = [path.name for path in paths.values() if not path.is_file()]
    if missing:
        raise ValueError(f"sudoku_4x4_all needs {', '.join(missing)} in {folder}")
    return [row | {"given": f"{n:02} given"} for n, path in paths.items() for row in read_rows(path)]


COUNTDOWN_3 = Task(
    name="countdown_3",
    title="Countdown, three numbers",
    version="1",
    split="test, 992 of 1000 (eight are shown)",
    source="https://github.com/DreamLM/Dream/tree/main/eval/data",
    licence="Apache-2.0",
    files=("dream_cd3_test.jsonl", "cd3_test.jsonl"),
    examples=countdown_examples,
    judge=judge_countdown,
    asks=("complete", "chat"),
    max_tokens=32,
    stop=("\n",),
)
COUNTDOWN_4 = replace(
    COUNTDOWN_3,
    name="countdown_4",
    title="Countdown, four numbers",
    files=("dream_cd4_test.jsonl", "cd4_test.jsonl"),
)
COUNTDOWN_5 = replace(
    COUNTDOWN_3,
    name="countdown_5",
    title="Countdown, five numbers",
    files=("dream_cd5_test.jsonl", "cd5_test.jsonl"),
    max_tokens=48,
)
SUDOKU_4X4 = replace(
    COUNTDOWN_3,
    name="sudoku_4x4",
    title="Sudoku, four by four",
    split="ten cells given, 100 of 108 (eight are shown)",
    files=("dream_sudoku_4x4_10.jsonl", "sudoku_4x4_10.jsonl"),
    examples=sudoku_examples,
    judge=judge_sudoku,
    max_tokens=24,
    stop=("\n\n",),
)
SUDOKU_4X4_ALL = replace(
    SUDOKU_4X4,
    name="sudoku_4x4_all",
    title="Sudoku, four by four, every difficulty",
    split="four to twelve cells given, 900 of 972 (eight of each are shown)",
    beside=all_grids,
)
