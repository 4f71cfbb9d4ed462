"""CRUXEval: what a short Python function gives for an input, or an input for which it gives what is wanted."""

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from redraft.evals.programs import fenced, passes
from redraft.evals.task import Ask, Bench, Example, Hub, Row, Task, Verdict

OUTPUT = (
    "```python\n{code}\n```\n\nWhich value makes this assertion true?\n\n```python\nassert f({given}) == ??\n```\n\n"
    "End with the whole assertion, the value in place of ??, between [ANSWER] and [/ANSWER]. The value is a literal."
)
INPUT = (
    "```python\n{code}\n```\n\nWhich arguments make this assertion true? Any that do are right.\n\n```python\n"
    "assert f(??) == {wanted}\n```\n\nEnd with the whole assertion, the arguments in place of ??, between [ANSWER] and "
    "[/ANSWER]. The arguments are literals."
)
TAGGED = re.compile(r"\[ANSWER\](.*?)(?:\[/ANSWER\]|\Z)", re.S)
STOP = ("\n",)


def output_examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(row, OUTPUT, f"assert f({row['input']}) ==") for row in rows]


def input_examples(rows: Sequence[Row]) -> list[Example]:
    return [_example(row, INPUT, f"# f gives {row['output']}\nassert f(") for row in rows]


def _example(row: Row, question: str, end: str) -> Example:
    return Example(
        id=row["id"],
        prompt=f"{row['code']}\n\n{end}",
        question=question.format(code=row["code"], given=row["input"], wanted=row["output"]),
        target={"code": row["code"], "input": row["input"], "output": row["output"]},
    )


def judge_output(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    said = _said(answer, ask, f"assert f({example.target['input']}) ==", _right_side)
    return _check(example, f"f({example.target['input']}) == ({said})", said, bench)


def judge_input(example: Example, answer: str, ask: Ask, bench: Bench) -> Verdict:
    said = _said(answer, ask, "assert f(", _arguments)
    return _check(example, f"f({said}) == ({example.target['output']})", said, bench)


def _check(example: Example, assertion: str, said: str | None, bench: Bench) -> Verdict:
    if said is None:
        return Verdict(0.0, "no assertion in the answer")
    return passes(example.target["code"], f"assert {assertion}", bench)


def _said(answer: str, ask: Ask, start: str, part: Callable[[ast.expr], str | None]) -> str | None:
    """What an answer says, as source; a value that names the function is none: it would let Python answer."""
    if ask == "complete":
        return part(_expression(f"{start}{answer.partition(chr(10))[0]}"))
    tagged = TAGGED.findall(answer) or fenced(answer) or [answer]
    return part(_expression(tagged[-1]))


def _expression(text: str) -> ast.expr:
    """The last assertion in a text or, without one, what the text is."""
    lines = [line.strip() for line in "\n".join(fenced(text) or [text]).strip().split("\n")]
    asserted = [line for line in lines if line.startswith("assert ")]
    source = (asserted or [" ".join(lines)])[-1].removeprefix("assert ")
    try:
        return ast.parse(source.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ast.Name("nothing")


def _right_side(found: ast.expr) -> str | None:
    return _literal(found.comparators[-1] if isinstance(found, ast.Compare) else found)


def _arguments(found: ast.expr) -> str | None:
    call = found.left if isinstance(found, ast.Compare) else found
    if not isinstance(call, ast.Call):
        return _literal(call)
    parts = [_literal(node) for node in [*call.args, *(word.value for word in call.keywords)]]
    return None if None in parts else ast.unparse(call).removeprefix("f(").removesuffix(")")


def _literal(node: ast.expr) -> str | None:
    """The source of a value, unless it calls the function."""
    named = {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}
    return None if named & {"f", "nothing"} else ast.unparse(node)


OUTPUT_PREDICTION = Task(
    name="cruxeval_output",
    title="CRUXEval, output",
    version="1",
    split="test, 800 functions, output from input",
    source="https://github.com/facebookresearch/cruxeval",
    licence="MIT",
    files=("cruxeval.jsonl", "test.jsonl"),
    hub=Hub("cruxeval-org/cruxeval", "test.jsonl"),
    examples=output_examples,
    judge=judge_output,
    asks=("chat", "complete"),
    max_tokens=1024,
    stop=STOP,
    runs_code=True,
)
INPUT_PREDICTION = replace(
    OUTPUT_PREDICTION,
    name="cruxeval_input",
    title="CRUXEval, input",
    split="test, 800 functions, input from output",
    examples=input_examples,
    judge=judge_input,
)
