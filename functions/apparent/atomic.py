"""Files that are whole at any moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """A temporary name beside `path` to write to, renamed to it once the block ends well.

    It keeps the suffix, by which some libraries choose the format.
    """
    partial = path.with_name(f"{path.stem}.partial{path.suffix}")
    yield partial
    partial.replace(path)


def write_text(path: Path, text: str) -> None:
    """Writes a text file."""
    with atomic_write(path) as partial:
        partial.write_text(text)
