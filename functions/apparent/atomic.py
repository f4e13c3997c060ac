"""Files that are whole at any moment."""

import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_PARTIAL: Final = "{}.{}.partial{}"
"""Name of a file that is being written: stem, eight hexadecimal digits, suffix."""


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """An empty file beside `path` to write to, renamed to it once the block ends well.

    It keeps the suffix, by which some libraries choose the format. A link stays one, and its target
    is replaced; a file that is replaced leaves its mode to the new one. What was written is on the
    disk before it has its name, so that no power loss leaves an empty file. Where `path` cannot be
    replaced, the whole file stays beside it, and the `OSError` says so.
    """
    target = Path(os.path.realpath(path))
    partial = target.with_name(_PARTIAL.format(target.stem, secrets.token_hex(4), target.suffix))
    partial.touch(exist_ok=False)
    try:
        if target.exists():
            partial.chmod(target.stat().st_mode & 0o7777)
        yield partial
        with partial.open("ab") as written:
            os.fsync(written.fileno())
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    try:
        partial.replace(target)
    except OSError as error:  # it is mounted, in use or a folder by now, perhaps after hours
        told = f"{error.strerror}; what it should hold is in {partial}"
        raise OSError(error.errno, told, str(target)) from error


def abandoned(path: Path) -> list[Path]:
    """What writes to `path` left beside it whose process was killed, or that are under way."""
    target = Path(os.path.realpath(path))
    stem, suffix = glob.escape(target.stem), glob.escape(target.suffix)
    return sorted(target.parent.glob(_PARTIAL.format(stem, "[0-9a-f]" * 8, suffix)))


def remove_abandoned(path: Path) -> None:
    """Removes what is `abandoned`; not to be called while another process writes there."""
    for partial in abandoned(path):
        partial.unlink(missing_ok=True)


def names_of(path: str) -> str:
    """A regular expression: the path, and what a killed process may have left beside it."""
    stem, suffix = os.path.splitext(path)  # noqa: PTH122 -- which may be a URI
    return rf"{re.escape(stem)}(\.[0-9a-f]{{8}}\.partial)?{re.escape(suffix)}"


def write_text(path: Path, text: str) -> None:
    """Writes a text file as UTF-8, in which JSON is read, whatever the locale's encoding is."""
    with atomic_write(path) as partial:
        partial.write_text(text, encoding="utf-8")
