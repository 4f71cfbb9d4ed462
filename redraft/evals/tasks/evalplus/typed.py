"""Typed inputs: MBPP+ keeps its inputs as JSON, which has no tuples, sets and complex numbers.

What JSON lost is found again from the calls in a problem's own assertions. Knows values and how `inside.value` has them
spelt. Refuses to know what functions do with them.
"""

import ast
from collections.abc import Mapping, Sequence
from typing import Any

SEQUENCES = (list, tuple, set, frozenset)
# EvalPlus gives these lists, although their assertions have tuples.
LISTS = ("multiply_num", "sort_sublists", "extract_singly", "max_Abs_Diff")
# ... and these complex numbers, whatever the assertions have.
COMPLEX: Mapping[str, Sequence[str]] = {"angle_complex": ("float", "complex"), "convert": ("complex",)}


def spelt_inputs(inputs: Sequence[Sequence[Any]], assertion: str, name: str) -> list[list[Any]]:
    """Inputs with the types that the calls of `name` in assertions have, in a spelling that JSON can hold."""
    if name in COMPLEX:
        return [[_number(v, kind) for v, kind in zip(given, COMPLEX[name], strict=True)] for given in inputs]
    calls = [] if name in LISTS else called_with(assertion, name)
    return [[_spelt(v, [call[n] for call in calls if n < len(call)]) for n, v in enumerate(given)] for given in inputs]


def called_with(source: str, name: str) -> list[list[Any]]:
    """The arguments of every call of a function that are literals."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            found.append([_literal(argument) for argument in node.args])
    return found


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None  # an expression: it says nothing of types


def _number(value: Any, kind: str) -> Any:
    return {"kind": "complex", "of": str(value)} if kind == "complex" else float(value)


def _spelt(value: Any, like: Sequence[Any], parent: str = "list") -> Any:
    """A value of JSON with the types of values like it; where none reaches as deep, that of what it is in."""
    if isinstance(value, dict):
        inner = [item for one in like if isinstance(one, dict) for item in one.values()]
        return {"kind": "dict", "of": [[key, _spelt(item, inner)] for key, item in value.items()]}
    if not isinstance(value, list):
        return value
    alike = [one for one in like if isinstance(one, SEQUENCES)]
    kinds = {type(one).__name__ for one in alike}
    kind = parent if not kinds else kinds.pop() if len(kinds) == 1 else "list"
    items = [_spelt(item, [v for one in alike for v in one], kind) for item in value]
    return items if kind == "list" else {"kind": kind, "of": items}
