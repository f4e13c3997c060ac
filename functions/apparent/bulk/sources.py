"""Files, folders, zips and S3 prefixes -> the names of the photos to answer, and their bytes."""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final

from apparent.folders import visible_files

MAX_BYTES: Final = 64 * 1024 * 1024
"""Of one photo; larger files are not read."""
INSIDE: Final = "!/"
"""Between the path of a zip and the name of a file in it."""
_PIECE: Final = 1 << 16
"""Bytes of a zip's member that are unpacked at a time."""
_BOUNDED: Final = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
"""What `zipfile` unpacks piece by piece; of the rest, 200 bytes may fill the memory."""
_IN_A_ZIP: Final = re.compile(rf"(?is)(?P<archive>.*?\.zip){INSIDE}(?P<member>.*)")


class TooLarge(OSError):
    """The file is larger than photos are."""

    def __init__(self, size: int, limit: int) -> None:
        """Both in bytes."""
        super().__init__(f"It has {size:,} bytes; photos of up to {limit:,} are read.")


class Unavailable(OSError):
    """S3 throttles, is out of order or out of reach: a later attempt may succeed."""


def find_names(sources: Iterable[str]) -> list[str]:
    """What each source has, sorted, each once: `path`, `archive.zip!/name` or `s3://bucket/key`.

    Hidden files are left out. Raises `OSError` or `ValueError` where a source cannot be listed.
    """
    names: set[str] = set()
    for source in sources:
        if source.startswith("s3://"):
            from apparent.bulk import s3  # its import costs more than a local run's start

            found = s3.listed(source)
            names.update(name for name in found if not _is_hidden(name.removeprefix(source)))
        elif Path(source).is_dir():
            names.update(visible_files(Path(source), _raise))
        elif source.lower().endswith(".zip"):
            names.update(_in_zip(source))
        elif Path(source).exists():
            names.add(source)
        else:
            raise FileNotFoundError(f"There is no {source}.")
    return sorted(names)


def shards(names: Sequence[str], size: int) -> list[Sequence[str]]:
    """The names in runs of `size`, in their order."""
    return [names[start : start + size] for start in range(0, len(names), size)]


def read(name: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a photo by the name that `find_names` gave.

    Raises `OSError`: `TooLarge` before more than `max_bytes` are read, `FileNotFoundError`, or
    `Unavailable`.
    """
    if name.startswith("s3://"):
        from apparent.bulk import s3

        return s3.read(name, max_bytes)
    inside = _IN_A_ZIP.fullmatch(name)
    if inside and not Path(name).exists():
        return _read_member(inside["archive"], inside["member"], max_bytes)
    status = Path(name).stat()
    if not stat.S_ISREG(status.st_mode):  # opening a pipe would wait for its other end
        raise OSError("It is no regular file.")
    if status.st_size > max_bytes:
        raise TooLarge(status.st_size, max_bytes)
    with Path(name).open("rb") as file:
        return file.read(max_bytes)


def _raise(error: OSError) -> None:
    raise error


def _in_zip(path: str) -> Iterator[str]:
    for member in _archive(path).namelist():
        path_in_it = member.replace("\\", "/")  # as some programs of Windows write it
        if not path_in_it.endswith("/") and not _is_hidden(path_in_it):
            yield f"{path}{INSIDE}{member}"


def _is_hidden(path: str) -> bool:
    parts = (part for part in path.split("/") if part not in (".", ".."))
    return any(part.startswith((".", "__MACOSX")) for part in parts)


def _read_member(path: str, member: str, max_bytes: int) -> bytes:
    archive = _archive(path)
    try:
        info = archive.getinfo(member)
        if info.file_size > max_bytes:
            raise TooLarge(info.file_size, max_bytes)
        if info.compress_type not in _BOUNDED:
            raise OSError("It is packed by bzip2 or LZMA. Pack photos with deflate, or not at all.")
        with archive.open(member) as file:  # which ends at the size stated
            return b"".join(iter(lambda: file.read(_PIECE), b""))
    except KeyError as error:
        raise FileNotFoundError(f"There is no {member} in {path}.") from error
    except (
        zipfile.BadZipFile,
        zlib.error,
        RuntimeError,  # it is encrypted; or, a subclass, compressed in a way that is not known
        EOFError,
        UnicodeDecodeError,  # of its name, which is written twice
    ) as error:
        raise OSError(f"{member} in {path} cannot be read: {error}.") from error


@lru_cache(maxsize=8)
def _archive(path: str) -> zipfile.ZipFile:
    """Kept open: a zip's directory may list as many photos as the run has."""
    try:
        return zipfile.ZipFile(path)
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise OSError(f"{path} is no zip that can be read: {error}.") from error
