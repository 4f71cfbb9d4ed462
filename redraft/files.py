"""Files: text as it lies on disk, and replacing a file in one go. Knows bytes and folders, no model.

A model reads and writes plain "\\n" line ends. `TextFile` remembers what the file really held (byte order mark,
"\\r\\n", a missing last line end) and brings edits back to it, so that what was not edited keeps every byte.
"""

import os
import re
import stat
import tempfile
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from redraft.instant.diffs import Edit, apply_edits

__all__ = ["TextFile", "apply_edits", "decode_text", "read_text_file", "replace_file"]

LINE_END = re.compile(r"\r\n?")
BOM = "\ufeff"


@dataclass(frozen=True, slots=True)
class TextFile:
    """A text as read: `raw` with its own line ends, `bom` whether a byte order mark stood before it."""

    raw: str
    bom: bool = False

    @property
    def text(self) -> str:
        """The text with "\\n" at every line end: what a model is shown."""
        return LINE_END.sub("\n", self.raw)

    @property
    def line_end(self) -> str:
        """The first line end there is; new lines get it too."""
        found = re.search(r"\r\n?|\n", self.raw)
        return found[0] if found else "\n"

    def localise(self, edits: Sequence[Edit]) -> tuple[Edit, ...]:
        """Edits of `text` as edits of `raw`: raw[start:end] == before."""
        pairs = [match.end() for match in re.finditer("\r\n", self.raw)]
        folded = [end - n - 1 for n, end in enumerate(pairs)]  # where the "\n" of each pair ends in `text`

        def place(offset: int) -> int:
            return offset + bisect_right(folded, offset)

        found = []
        for edit in edits:
            start, end = place(edit.start), place(edit.end)
            after = edit.after.replace("\n", self.line_end)
            found.append(replace(edit, start=start, end=end, before=self.raw[start:end], after=after))
        return tuple(found)

    def encoded(self, raw: str) -> bytes:
        """Bytes of a new version of this file."""
        return ((BOM if self.bom else "") + raw).encode()


def decode_text(data: bytes, name: str) -> TextFile:
    """Bytes as text. Raises ValueError when they are not UTF-8 or not text at all."""
    if b"\0" in data:
        raise ValueError(f"{name} is a binary file, not text")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{name} is not UTF-8 (byte {data[error.start]:#04x} at offset {error.start}); convert it first"
        ) from None
    return TextFile(text.removeprefix(BOM), text.startswith(BOM))


def read_text_file(path: Path) -> TextFile:
    """A text file. Raises ValueError when it cannot be read or is not UTF-8 text."""
    try:
        return decode_text(path.read_bytes(), str(path))
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None


def replace_file(path: Path, data: bytes) -> None:
    """Write a file so that a reader, or a crash, finds the old bytes or the new ones and nothing between.

    Follows symbolic links; keeps the permissions of a file that exists, and its owner where that is allowed.
    Raises ValueError when it cannot be written, the old file being untouched.
    """
    target = Path(os.path.realpath(path))
    try:
        handle, partial = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            _copy_rights(target, partial)
            os.replace(partial, target)
        except BaseException:
            os.unlink(partial)
            raise
    except OSError as error:
        raise ValueError(f"cannot write {path}: {error.strerror or error}") from None


def _copy_rights(target: Path, partial: str) -> None:
    """Owner and permissions of the file to be replaced; those of any new file where there is none."""
    try:
        held = target.stat()
    except FileNotFoundError:
        mask = os.umask(0)
        os.umask(mask)
        os.chmod(partial, 0o666 & ~mask)
        return
    if hasattr(os, "chown"):
        with suppress(PermissionError):  # only root may give files away; else the writer owns the new one
            os.chown(partial, held.st_uid, held.st_gid)
    os.chmod(partial, stat.S_IMODE(held.st_mode))
