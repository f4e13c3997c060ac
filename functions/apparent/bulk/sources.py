"""Paths -> the photos to answer."""

from collections.abc import Iterable, Iterator
from pathlib import Path


def find_photos(paths: Iterable[Path]) -> Iterator[Path]:
    """The files named, and every file below the folders named, sorted, hidden ones left out."""
    for path in paths:
        if not path.is_dir():
            yield path
            continue
        for inside in sorted(path.rglob("*")):
            hidden = any(part.startswith(".") for part in inside.relative_to(path).parts)
            if inside.is_file() and not hidden:
                yield inside
