"""Registry: which tasks there are. A task is a folder of `redraft.evals.tasks`, found by name, with values of Task."""

import difflib
import functools
import importlib
import pkgutil

from redraft.evals.task import Task


@functools.cache
def tasks() -> tuple[Task, ...]:
    """Every task, by name. A folder may hold several: the sizes or splits of one benchmark."""
    import redraft.evals.tasks as folder

    modules = (
        importlib.import_module(f"{folder.__name__}.{module.name}.task")
        for module in pkgutil.iter_modules(folder.__path__)
        if module.ispkg
    )
    found = {value.name: value for module in modules for value in vars(module).values() if isinstance(value, Task)}
    return tuple(found[name] for name in sorted(found))


def get_task(name: str) -> Task:
    """The task called `name`. Raises ValueError with the nearest name, or all of them."""
    known = {task.name: task for task in tasks()}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, 1, 0.5)
    hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
    raise ValueError(f"unknown task {name!r}; {hint}")
