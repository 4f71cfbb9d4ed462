"""LiveCodeBench: problems of programming contests, by the month they were set in; hidden tests decide.

Two kinds: programs that read standard input and write standard output, and methods of a class Solution.
"""

import base64
import io
import json
import pickle
import zlib
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from redraft.evals.data import download, read_rows
from redraft.evals.programs import best_block, passes, reason
from redraft.evals.sandbox import Limits
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

READS = "Write a Python program that reads from standard input and writes to standard output."
FILLS = "Finish this class.\n\n```python\n{}\n```"
QUESTION = "{question}\n\n{kind} Answer with the whole program in one fenced block of Python."
MOST = 1 << 28  # bytes that packed tests may unpack to
# What contest sites have imported already.
IMPORTS = """\
import bisect, collections, functools, heapq, itertools, json, math, operator, random, re, string, sys
from bisect import *
from collections import *
from functools import *
from heapq import *
from itertools import *
from math import *
from typing import *
from builtins import *
sys.setrecursionlimit(50000)
"""
REPOSITORY = "livecodebench/code_generation_lite"
RELEASES = ("test.jsonl", *(f"test{number}.jsonl" for number in range(2, 7)))
SECONDS = 6  # of one case
# As the authors: one object for all cases, and a tuple stands for a list.
CALLS = """\
import json as _json, signal as _signal
_solution = Solution()
for _given, _wanted in _json.loads({cases!r}):
    _signal.setitimer(_signal.ITIMER_PROF, {seconds})
    _found = _solution.{name}(*(_json.loads(_line) for _line in _given.split("\\n")))
    _signal.setitimer(_signal.ITIMER_PROF, 0)
    _found = list(_found) if isinstance(_found, tuple) else _found
    assert _found == _json.loads(_wanted), f"{{_given[:80]!r}} gave {{_found!r:.80}}, not {{_wanted[:80]}}"
"""


class _TextOnly(pickle.Unpickler):
    """Tests are packed as a pickled text. A pickle could do anything else as well: not this one."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"packed tests want {module}.{name}")


def examples(rows: Sequence[Row]) -> list[Example]:
    if rows and "question_content" not in rows[0]:
        raise KeyError("these rows have no hidden tests (question_content, private_test_cases)")
    return [_example(row) for row in rows]


def _example(row: Row) -> Example:
    starter = (row.get("starter_code") or "").strip()
    kind = FILLS.format(starter) if starter else READS
    question = QUESTION.format(question=row["question_content"].strip(), kind=kind)
    tests = [*_tests(row["public_test_cases"]), *_tests(row["private_test_cases"])]
    cases = [[test["input"], test["output"]] for test in tests]
    name = _values(row.get("metadata") or "{}").get("func_name", "") if starter else ""
    prompt = f"{question}\n\n```python\n"
    return Example(row["question_id"], prompt, question, {"name": name, "cases": cases}, str(row["contest_date"])[:7])


def _tests(text: Any) -> list[dict[str, Any]]:
    if not isinstance(text, str):
        return list(text)
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        found = json.loads(unpacked(text))
    return list(found)


def _values(text: Any) -> dict[str, Any]:
    return dict(json.loads(text) if isinstance(text, str) else text)


def unpacked(text: str) -> str:
    """Tests that were pickled, compressed and spelt in base 64. Raises ValueError for anything but a text."""
    packed = zlib.decompressobj()
    data = packed.decompress(base64.b64decode(text), MOST)
    if packed.unconsumed_tail:
        raise ValueError(f"packed tests unpack to more than {MOST} bytes")
    try:
        found = _TextOnly(io.BytesIO(data)).load()
    except pickle.UnpicklingError as error:
        raise ValueError(str(error)) from None
    if not isinstance(found, str):
        raise ValueError(f"packed tests are a {type(found).__name__}, not a text")
    return found


def all_releases(rows: Sequence[Row], folder: Path | None) -> Sequence[Row]:
    """The rows of the first release and of what every later one added, from the files beside it or the hub's."""
    if folder is None:
        paths = [download(Hub(REPOSITORY, name)) for name in RELEASES]
    else:
        paths = [folder / name for name in RELEASES]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise ValueError(f"livecodebench_release_v6 needs {', '.join(missing)} in {folder}")
    return [row for path in paths for row in read_rows(path)]


def judge(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    code = best_block(
        answer if ask == "chat" else f"```python\n{answer}", "Solution" if example.target["name"] else None
    )
    if example.target["name"]:
        cases = example.target["cases"]
        calls = CALLS.format(cases=json.dumps(cases), name=example.target["name"], seconds=SECONDS)
        together = SECONDS * len(cases)
        limits = replace(bench.limits, cpu_seconds=together, wall_seconds=together + bench.limits.wall_seconds)
        return passes(IMPORTS + code, calls, replace(bench, limits=limits))
    for given, wanted in example.target["cases"]:
        outcome = bench.runs.run(IMPORTS + code, stdin=given, limits=bench.limits)
        if outcome.status != "done":
            return Verdict(0.0, reason(outcome))
        if not same_output(outcome.stdout, wanted):
            return Verdict(0.0, f"wrote {outcome.stdout[:60]!r}, not {wanted[:60]!r}")
    return Verdict(1.0)


def same_output(found: str, wanted: str) -> bool:
    """Line by line, white space at the ends aside; numbers by their value."""
    lines, others = (text.strip().split("\n") for text in (found, wanted))
    pairs = zip(lines, others, strict=False)
    return len(lines) == len(others) and all(_same_line(one.strip(), other.strip()) for one, other in pairs)


def _same_line(found: str, wanted: str) -> bool:
    if found == wanted:
        return True
    try:
        return [Decimal(word) for word in found.split()] == [Decimal(word) for word in wanted.split()]
    except InvalidOperation:
        return False


LIVECODEBENCH = Task(
    name="livecodebench",
    title="LiveCodeBench",
    version="1",
    split="code generation, the file (test6.jsonl: 175 problems that release 6 added, January to April 2025)",
    source=f"https://huggingface.co/datasets/{REPOSITORY}",
    licence="CC (dataset card), MIT (code)",
    files=("livecodebench_v6.jsonl", "test6.jsonl"),
    hub=Hub(REPOSITORY, "test6.jsonl"),
    examples=examples,
    judge=judge,
    asks=("chat", "complete"),
    max_tokens=2048,
    stop=("\n```",),
    runs_code=True,
    limits=Limits(cpu_seconds=SECONDS, wall_seconds=20, memory=4 << 30),
)
RELEASE_V6 = replace(
    LIVECODEBENCH,
    name="livecodebench_release_v6",
    title="LiveCodeBench, release 6 as a whole",
    split="code generation, release_v6, 1055 problems, May 2023 to April 2025",
    files=("test.jsonl",),
    hub=Hub(REPOSITORY, "test.jsonl"),
    beside=all_releases,
)
