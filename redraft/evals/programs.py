"""Programs: code in an answer, and whether it passes tests in a sandbox.

Knows fences, Python's syntax and one secret per run. Refuses to know benchmarks.
"""

import ast
import re
import secrets

from redraft.evals.sandbox import Outcome
from redraft.evals.task import Bench, Verdict, right

FENCE = re.compile(r"```[ \t]*([\w+#.-]*)[^\n]*\n(.*?)(?:\n[ \t]*```|\Z)", re.S)
PYTHON = ("", "python", "py", "python3")


def fenced(text: str) -> list[str]:
    """Blocks of Python in a Markdown text, in order."""
    return [body for language, body in FENCE.findall(text) if language.lower() in PYTHON]


def defines(code: str, name: str) -> bool:
    return re.search(rf"^(?:async[ \t]+)?(?:def|class)[ \t]+{re.escape(name)}\b", code, re.M) is not None


def best_block(text: str, name: str | None = None) -> str:
    """The program in an answer: the last block that defines `name`, else the last block, else all of it."""
    blocks = fenced(text) or [text]
    named = [block for block in blocks if name and defines(block, name)]
    return (named or blocks)[-1]


def cut(text: str, stops: tuple[str, ...]) -> str:
    """A text up to the first of some strings."""
    return text[: min((place for stop in stops if (place := text.find(stop)) >= 0), default=len(text))]


def completed(prompt: str, answer: str, name: str, chat: bool, stops: tuple[str, ...]) -> str:
    """The program of an answer to a function's head: what was completed, or what a block holds.

    A block with the whole function stands behind the head, so that imports of the head hold; one without is its body.
    """
    if not chat:
        return prompt + cut(answer, stops)
    block = best_block(answer, name)
    return f"{head(prompt)}\n{block}" if defines(block, name) else prompt + block


def head(prompt: str) -> str:
    """What stands before the last function of a head: its imports and helpers."""
    starts = [match.start() for match in re.finditer(r"^(?:async[ \t]+)?def[ \t]", prompt, re.M)]
    return prompt[: starts[-1]] if starts else ""


def passes(program: str, tests: str, bench: Bench, *, stdin: str = "") -> Verdict:
    """Whether a program with its tests runs to its very end.

    The end prints a secret: a program that leaves early, by exit code 0 or otherwise, does not know it.
    """
    secret = secrets.token_hex(16)
    whole = f"{program}\n\n{tests}\n\nprint({secret!r}, flush=True)\n"
    try:
        ast.parse(whole)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        return Verdict(0.0, f"{type(error).__name__}: {error}")
    outcome = bench.runs.run(whole, stdin=stdin, limits=bench.limits)
    return right(outcome.status == "done" and outcome.stdout.rstrip().endswith(secret), reason(outcome))


def reason(outcome: Outcome) -> str:
    """Why a program did not pass, in a line."""
    if outcome.status not in ("failed", "done"):
        return f"too much {outcome.status}"
    lines = outcome.stderr.strip().splitlines()
    return lines[-1][:200] if lines else "it left before its tests were done"
