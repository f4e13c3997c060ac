"""Paths -> the photos to answer."""

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path


def find_photos(
    paths: Iterable[Path], unreadable: Callable[[OSError], None], own: Iterable[Path] = ()
) -> Iterator[Path]:
    """The files named, and every file below the folders named, sorted, hidden ones left out, and
    what is our `own`, which an earlier run may have written among them.

    `unreadable` is told of each folder that cannot be listed.
    """
    ours = {os.path.realpath(path) for path in own}
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 -- Path's raises where a parent is locked
            yield path
            continue
        files = map(Path, visible_files(path, unreadable))
        found = sorted(filter(_is_regular, files))
        yield from (file for file in found if not ours or os.path.realpath(file) not in ours)


def _is_regular(file: Path) -> bool:
    """Also of what may not be looked at: reading it will tell."""
    try:
        return stat.S_ISREG(file.stat().st_mode)
    except FileNotFoundError:  # a link to nowhere
        return False
    except OSError:
        return True


def visible_files(folder: Path, unreadable: Callable[[OSError], None]) -> Iterator[str]:
    """The paths of all that lies below a folder and is neither folder nor hidden, unsorted.

    As text: of 100,000 names `Path` objects take longer than finding them.
    """
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            if not name.startswith("."):
                yield os.path.join(parent, name)  # noqa: PTH118 -- see above
