"""Where answers are written to as text: standard output, a file, or whatever else has that name."""

import codecs
import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path
from typing import Any, Final, Protocol, TextIO

from apparent.atomic import atomic_write

_HEAD: Final = 1024
"""Bytes of a file among which every format of pictures has a zero, and no text has one."""
_KEEP_BYTES: Final = "surrogateescape"
"""Names of files that are not UTF-8 keep the bytes that they have."""


_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}


def on_one_line(name: object) -> str:
    """A file's name for people to read: it ends no line, and tells a terminal nothing."""
    return str(name).translate(_CONTROLS)


class Output(Protocol):
    """What a sink needs of a text file."""

    def write(self, text: str, /) -> int:
        """Takes text."""
        ...

    def flush(self) -> None:
        """Hands all of it on."""
        ...

    def isatty(self) -> bool:
        """Whether a person reads it as it comes."""
        ...


class Forgiving:
    """A text file whose writes may fail: a log that is full costs no answers."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, text: str, /) -> int:
        """Takes text, or not."""
        with suppress(OSError, ValueError):  # it is full, or closed
            self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Hands on what it can."""
        with suppress(OSError, ValueError):
            self._file.flush()

    def __getattr__(self, name: str) -> Any:
        """Whatever else the file has."""
        return getattr(self._file, name)


class Unbuffered:
    """Text to a raw file: each `flush` hands on at once all that was written since the last.

    Where that fails, it raises `OSError` once; what is written later is handed on if it can be.
    """

    def __init__(self, file: FileIO, encoding: str = "utf-8", errors: str = _KEEP_BYTES) -> None:
        self._file, self._encoding, self._errors = file, encoding, errors
        self._pending: list[str] = []
        self._broken = False

    def write(self, text: str, /) -> int:
        """Takes text for the next `flush`."""
        self._pending.append(text)
        return len(text)

    def flush(self) -> None:
        """Raises `OSError`."""
        data = memoryview("".join(self._pending).encode(self._encoding, self._errors))
        self._pending.clear()
        try:
            while data:
                data = data[self._file.write(data) :]
        except OSError:
            self.undo()
            if not self._broken:
                self._broken = True
                raise

    def isatty(self) -> bool:
        """Whether a person reads it as it comes."""
        return self._file.isatty()

    def undo(self) -> None:
        """After a `flush` that failed."""


class WholeRows(Unbuffered):
    """A regular file of our own, which has all of a `flush` or nothing of it."""

    _size = 0

    def flush(self) -> None:
        """Raises `OSError`."""
        super().flush()
        self._size = self._file.tell()

    def undo(self) -> None:
        """After a `flush` that failed."""
        self._file.truncate(self._size)
        self._file.seek(self._size)


@contextmanager
def opened(path: Path | None) -> Iterator[Output]:
    """What to write to: standard output where `path` is None.

    A regular file is replaced once the block ends well, behind a link if there is one, but not
    where it is no text. Pipes and devices are written to as they are. Raises `OSError`.
    """
    if path is None:
        yield _standard_output()
    elif path.exists() and not path.is_file() and not path.is_dir():
        with FileIO(path, "w") as file:
            yield Unbuffered(file)
    else:
        _require_text_in_folder(path)
        with atomic_write(path) as partial, FileIO(partial, "w") as file:
            yield WholeRows(file)


def _standard_output() -> Output:
    if sys.stdout is None:  # it was closed before the program began
        raise OSError(errno.EBADF, os.strerror(errno.EBADF))
    buffer = getattr(sys.stdout, "buffer", None)
    raw = getattr(buffer, "raw", buffer)  # with PYTHONUNBUFFERED there is one layer less
    if not isinstance(raw, FileIO):  # somebody else's
        return sys.stdout
    utf8 = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    # A name that cannot be written must not take the other rows with it.
    return Unbuffered(raw, sys.stdout.encoding, _KEEP_BYTES if utf8 else "backslashreplace")


def _require_text_in_folder(path: Path) -> None:
    if path.is_dir() or not Path(os.path.realpath(path)).parent.is_dir():
        raise OSError(0, "name a file in a folder", str(path))
    if path.exists():
        with path.open("rb") as file:
            if b"\0" in file.read(_HEAD):  # as where --output *.jpg took the first photo
                raise OSError(0, "what is there is no text; name another file", str(path))
