"""Registry: which family a config.json belongs to. Families are the modules of `redraft.families`, found by name."""

import functools
import importlib
import pkgutil

from redraft.models.family import Family, Values


@functools.cache
def families() -> tuple[Family, ...]:
    """Every family, by name. Imports their files, which hold facts alone."""
    import redraft.families as folder

    modules = (importlib.import_module(f"{folder.__name__}.{m.name}") for m in pkgutil.iter_modules(folder.__path__))
    found = (family for module in modules for family in _families_of(module))
    return tuple(sorted(found, key=lambda family: family.name))


def _families_of(module: object) -> list[Family]:
    return [value for value in vars(module).values() if isinstance(value, Family)]


def find_family(values: Values) -> Family:
    """The family of a config.json. Raises ValueError, listing what there is, when it is none's."""
    for family in families():
        if family.matches(values):
            return family
    kind, named = values.get("model_type"), values.get("architectures")
    raise ValueError(
        f"config.json says model_type={kind!r}, architectures={named!r}, which no family reads. Families: {listed()}"
    )


def get_family(name: str) -> Family:
    """The family called `name`. Raises ValueError listing the names."""
    for family in families():
        if family.name == name:
            return family
    raise ValueError(f"unknown family {name!r}; choose from {', '.join(f.name for f in families())}")


def listed() -> str:
    """Families and the model types they read, in one line."""
    return ", ".join(f"{family.name} ({family.model_type})" for family in families())
