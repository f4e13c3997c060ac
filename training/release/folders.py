"""Folders of model bundles: made beside the place where they will be, and put there by renaming."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from apparent.model import MANIFEST


def require_place(folder: Path) -> None:
    """Raises `ValueError` where a bundle put at `folder` would replace something else."""
    if not folder.exists() or (folder / MANIFEST).exists():
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise ValueError(f"{folder} holds something else than a model bundle. Name another.")


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """An empty folder that takes the place of the bundle at `folder` once the block ends well."""
    require_place(folder)
    made, old = (folder.with_name(f"{folder.name}.{kind}") for kind in ("partial", "previous"))
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    yield made
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    made.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


@contextmanager
def changed(folder: Path) -> Iterator[Path]:
    """A copy of the bundle at `folder`, to change, that takes its place as in `replaced`."""
    with replaced(folder) as made:
        shutil.copytree(folder, made, dirs_exist_ok=True)
        yield made
