"""Folders: where a checkpoint lies, here or on the hub, and how a new one is put in place whole.

Knows names of files. Refuses to know what is in them.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

EXTRAS = ("*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken", "*.py", "README.md", "LICENSE*")


def find_folder(path: str | Path) -> Path:
    """A checkpoint folder, or the local copy of what the hub has by that name. Raises ValueError where neither is."""
    folder = Path(path)
    return folder if folder.exists() else _from_hub(str(path))


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError, RepositoryNotFoundError

    if name.count("/") != 1 or name.startswith((".", "/")):
        raise ValueError(f"no checkpoint folder {name!r}, and it is not a hub name (owner/name)")
    try:
        wanted = ["*.json", "*.safetensors", "*.txt", "*.model", "*.jinja", "README.md"]
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (RepositoryNotFoundError, LocalEntryNotFoundError, HFValidationError, OSError) as error:
        raise ValueError(f"cannot fetch {name!r} from the hub: {error}") from None


def extras(folder: Path) -> list[Path]:
    """What belongs to a checkpoint but holds neither its facts nor its weights: tokenizer, card, code, licence."""
    return [file for file in sorted(folder.iterdir()) if file.is_file() and _is_extra(file)]


def _is_extra(file: Path) -> bool:
    ours = file.name == "config.json" or is_weights(file)
    return not ours and any(file.match(pattern) for pattern in EXTRAS)


def is_weights(file: Path) -> bool:
    """Whether a file is one that `loading.write_tensors` writes."""
    return file.match("model*.safetensors") or file.name == "model.safetensors.index.json"


def replace_folder(folder: Path, fill: Callable[[Path], None], belongs: Callable[[Path], bool]) -> None:
    """Fill a folder beside `folder`, then put it in place; a reader never sees half of one.

    Raises ValueError, and writes nothing, where `folder` holds anything that does not belong.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; nothing was written")
    others = sorted(file.name for file in folder.iterdir() if not belongs(file)) if folder.exists() else []
    if others:
        raise ValueError(f"{folder} holds {others[0]!r}, which is no part of a checkpoint; nothing was written")
    partial, old = (folder.with_name(folder.name + end) for end in (".partial", ".old"))
    for left_over in (partial, old):
        shutil.rmtree(left_over, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        fill(partial)
    except BaseException:
        shutil.rmtree(partial)
        raise
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)
