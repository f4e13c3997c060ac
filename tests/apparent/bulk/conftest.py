"""A small collection with all that a collection has."""

import zipfile
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import encoded
from tests.golden.photos import photos


@pytest.fixture(scope="session")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight files: portraits, a group, grey without a face, a broken photo, a text, and a zip."""
    folder = tmp_path_factory.mktemp("collection")
    made = photos()
    grey = encoded(np.full((64, 64, 3), 127, np.uint8))
    below = folder / "below"
    below.mkdir()
    for name, data in {
        "b.jpg": made["collins.jpg"],
        "a.png": made["two_faces.png"],
        "below/c.jpg": made["hopper.jpg"],
        "below/grey.png": grey,
        "broken.jpg": made["collins.jpg"][:4000],
        "notes.txt": b"not a photo",
        ".hidden.jpg": made["collins.jpg"],
    }.items():
        (folder / name).write_bytes(data)
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        archive.writestr("in/d.jpg", made["hopper.jpg"])
        archive.writestr("in/grey.png", grey)
        archive.writestr("__MACOSX/in/d.jpg", b"")
    return folder
