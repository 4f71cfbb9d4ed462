"""Overrides: `train.optim.matrix_lr=2e-3` sets one value of a recipe. Knows the types of dataclass fields, no recipe.

All settings are applied together, so that values which depend on one another can change in one go.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from difflib import get_close_matches
from types import NoneType, UnionType
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from redraft.train.recipe import Recipe

ValueT = TypeVar("ValueT")
Names = tuple[str, ...]


def apply_overrides(recipe: Recipe, settings: Iterable[str]) -> Recipe:
    """The recipe with every `name=value` of `settings` in place; of two for one name the later counts.

    Values are read as the field's annotation says: whole numbers, numbers, `true` and `false`, text, `none` where
    that is allowed, and lists separated by commas. An entry of a mapping is named like a field.

    Raises ValueError for a setting without `=`, a name that is not there (with the nearest one), a group of values
    in place of one, a value of another type, and whatever the recipe's own parts refuse.
    """
    kinds = dict(_leaves(recipe, type(recipe)))
    return _with(recipe, dict(_read(setting, kinds) for setting in settings))


def _leaves(value: Any, kind: Any, names: Names = ()) -> Iterator[tuple[Names, Any]]:
    """Every single value inside, with the type it is declared with."""
    inside = _inside(value, kind)
    if inside is None:
        yield names, kind
        return
    for name, (held, its_kind) in inside.items():
        yield from _leaves(held, its_kind, (*names, name))


def _inside(value: Any, kind: Any) -> dict[str, tuple[Any, Any]] | None:
    """Fields of a dataclass or entries of a mapping, each with its type; None for a single value."""
    if is_dataclass(value):
        kinds = get_type_hints(type(value))
        return {f.name: (getattr(value, f.name), kinds[f.name]) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): (held, get_args(kind)[1]) for name, held in value.items()}
    return None


def _with(value: ValueT, changes: Mapping[Names, Any]) -> ValueT:
    """The value with what stands under each name replaced; untouched parts stay the same objects."""
    if not changes:
        return value
    if () in changes:
        return changes[()]  # type: ignore[no-any-return]
    first = dict.fromkeys(names[0] for names in changes)
    deeper = {name: {names[1:]: new for names, new in changes.items() if names[0] == name} for name in first}
    if isinstance(value, Mapping):
        return {**value, **{name: _with(value[name], new) for name, new in deeper.items()}}  # type: ignore[return-value]
    return replace(value, **{name: _with(getattr(value, name), new) for name, new in deeper.items()})  # type: ignore[type-var]


def _read(setting: str, kinds: Mapping[Names, Any]) -> tuple[Names, Any]:
    name, found, text = setting.partition("=")
    if not found:
        raise ValueError(f"{setting!r} is not of the form name=value")
    name, names = name.strip(), tuple(name.strip().split("."))
    if names not in kinds:
        raise ValueError(_unknown(name, [".".join(known) for known in kinds]))
    return names, _parse(text.strip(), kinds[names], name)


def _unknown(name: str, known: list[str]) -> str:
    inside = [k for k in known if k.startswith(f"{name}.")]
    if inside:
        return f"{name!r} is a group of values; set one of {', '.join(inside[:4])}{', ...' if len(inside) > 4 else ''}"
    near = get_close_matches(name, known, 1)
    return f"the recipe has no {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")


# ------------------------------------------------------------------ values


def _parse(text: str, kind: Any, name: str) -> Any:
    """A value of the declared type. Raises ValueError naming the setting, its text and what it must be."""
    try:
        return _value(text, kind)
    except ValueError:
        raise ValueError(f"{name}={text} must be {_meaning(kind)}") from None


def _value(text: str, kind: Any) -> Any:
    if get_origin(kind) in (Union, UnionType):
        return None if text.lower() == "none" else _value(text, _but_none(kind))
    if get_origin(kind) is tuple:
        return tuple(_value(item.strip(), get_args(kind)[0]) for item in text.split(",")) if text else ()
    if kind is bool:
        return {"true": True, "false": False}[text.lower()] if text.lower() in ("true", "false") else _refuse()
    if kind is float:
        return float(text) if math.isfinite(float(text)) else _refuse()
    return kind(text)


def _refuse() -> Any:
    raise ValueError


def _but_none(kind: Any) -> Any:
    """X of `X | None`."""
    return next(k for k in get_args(kind) if k is not NoneType)


def _meaning(kind: Any) -> str:
    if get_origin(kind) in (Union, UnionType):
        return f"{_meaning(_but_none(kind))}, or none"
    if get_origin(kind) is tuple:
        return f"a list separated by commas, each {_meaning(get_args(kind)[0])}"
    return {int: "a whole number", float: "a number", bool: "true or false"}.get(kind, "text")
