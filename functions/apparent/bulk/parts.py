"""Where a run's parts are: a folder, or an S3 prefix."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from apparent.atomic import atomic_write, remove_abandoned

PART: Final = "part-"
"""What the name of a part with answers begins with."""


class Parts(ABC):
    """Named files, each there whole or not at all. All methods raise `OSError`."""

    @abstractmethod
    def names(self) -> set[str]:
        """Of what is there."""

    @abstractmethod
    def read(self, name: str) -> bytes:
        """Raises `FileNotFoundError` where there is none."""

    @abstractmethod
    def write(self, name: str, data: bytes) -> None:
        """Replaces what has that name."""


class FolderParts(Parts):
    """Files of a folder, made where it is not there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> set[str]:
        """Of what is there."""
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()

    def read(self, name: str) -> bytes:
        """Raises `FileNotFoundError` where there is none."""
        return (self.folder / name).read_bytes()

    def write(self, name: str, data: bytes) -> None:
        """Replaces what has that name."""
        path = self.folder / name
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_bytes(data)
        if name.startswith(PART):  # the plan is written by all machines at once
            remove_abandoned(path)  # of a worker that was killed over the same part

    def remove(self, names: Iterable[str]) -> None:
        """Of these, what is there, and the folder where nothing else is in it."""
        for name in names:
            remove_abandoned(self.folder / name)
            (self.folder / name).unlink(missing_ok=True)
        with suppress(OSError):
            self.folder.rmdir()


class S3Parts(Parts):
    """Objects below a prefix."""

    def __init__(self, uri: str) -> None:
        self._uri = uri.rstrip("/") + "/"

    def names(self) -> set[str]:
        """Of what is there."""
        from apparent.bulk import s3

        return {found.removeprefix(self._uri) for found in s3.listed(self._uri)}

    def read(self, name: str) -> bytes:
        """Raises `FileNotFoundError` where there is none."""
        from apparent.bulk import s3

        return s3.read(self._uri + name)

    def write(self, name: str, data: bytes) -> None:
        """Replaces what has that name."""
        from apparent.bulk import s3

        s3.write(self._uri + name, data)


def parts_at(where: str) -> Parts:
    """The parts at a folder's path or an `s3://` URI."""
    return S3Parts(where) if where.startswith("s3://") else FolderParts(Path(where))
