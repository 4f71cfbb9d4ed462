"""Checkouts: what the files that a patch touches said before it, from clones of the repositories.

Knows git. Refuses to know questions and answers.
"""

import subprocess
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

FOLDER = "repositories"  # in the data folder
CLONE = "git clone --bare https://github.com/{0} {1}/{0}.git"


def touched(patch: str) -> list[str]:
    """Paths of the files that a unified diff changes or deletes; those it makes have no text before it."""
    found = []
    lines = patch.split("\n")
    for line, following in pairwise(lines):
        if line.startswith("--- ") and following.startswith("+++ ") and not line.startswith("--- /dev/null"):
            found.append(line[4:].split("\t")[0].strip().removeprefix("a/"))
    return list(dict.fromkeys(found))


def find_clone(folder: Path, repository: str) -> Path | None:
    """A clone of owner/name under any of the names that people give one, bare or with its files."""
    owner, _, name = repository.partition("/")
    for place in (f"{owner}/{name}", f"{owner}__{name}", f"{owner}+{name}", name):
        for path in (folder / f"{place}.git", folder / place):
            if path.is_dir():
                return path
    return None


def read_files(clone: Path, commit: str, patch: str) -> Mapping[str, str]:
    """Path -> text at a commit, of the files that a patch touches. Raises ValueError where git does not have them."""
    return {path: _show(clone, commit, path) for path in touched(patch)}


def _show(clone: Path, commit: str, path: str) -> str:
    command = ["git", "-C", str(clone), "show", f"{commit}:{path}"]
    try:
        found = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        raise ValueError("files are read from clones by git, and there is no git here") from None
    if found.returncode:
        said = found.stderr.decode("utf-8", "replace").strip().splitlines()
        raise ValueError(f"{clone} has no {path} at {commit}: {said[-1] if said else found.returncode}")
    return found.stdout.decode("utf-8")
