"""Recipes: full configurations, each a function in a file of the same name that returns a `Recipe`.

Knows names alone; a recipe's file is imported when it is asked for. Adding one is adding a file.
"""

from collections.abc import Callable
from difflib import get_close_matches
from importlib import import_module
from pkgutil import iter_modules
from typing import cast

from redraft.train.recipe import Recipe


def recipe_names() -> tuple[str, ...]:
    """Every recipe there is, in alphabetical order."""
    return tuple(sorted(module.name for module in iter_modules(__path__)))


def recipe(name: str) -> Recipe:
    """The recipe of that name. Raises ValueError for an unknown one, with the nearest."""
    names = recipe_names()
    if name not in names:
        near = get_close_matches(name, names, 1)
        guess = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names)}"
        raise ValueError(f"no recipe {name!r}; {guess}")
    make = cast(Callable[[], Recipe], getattr(import_module(f"recipes.{name}"), name))
    return make()
