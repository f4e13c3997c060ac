"""A model bundle to change."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apparent.model import EMBEDDED, MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The embedded bundle under another name, so that its content hash is another, too."""
    shutil.copytree(EMBEDDED, tmp_path, dirs_exist_ok=True)
    edit(tmp_path, lambda manifest: manifest.update(name="a-copy"))
    return tmp_path


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    """Changes the manifest of a folder, as JSON."""
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))
