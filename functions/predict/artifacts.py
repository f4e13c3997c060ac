"""Model folder -> verified bytes. Nothing is used whose sha256 differs from the manifest's."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from functions.predict.manifest import DETECTOR, ESTIMATOR, MANIFEST, Manifest

EMBEDDED: Final = Path(__file__).parent / "models"


class ArtifactError(ValueError):
    """The model cannot be used; the message says which file is wrong and what to do."""


@dataclass(frozen=True)
class ModelFiles:
    """A model folder whose files were checked against its manifest."""

    manifest: Manifest
    estimator: bytes
    detector: bytes


def load(uri: str) -> ModelFiles:
    """Reads and verifies a model folder named by a `file://` URI; raises `ArtifactError`."""
    parts = urlsplit(uri)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost"):
        raise ArtifactError(
            f"The model URI {uri} is not of a kind that can be read: use file:///path/to/folder."
        )
    folder = Path(unquote(parts.path))
    try:
        manifest = Manifest.model_validate_json(_read(folder / MANIFEST))
    except ValidationError as error:
        raise ArtifactError(f"{folder / MANIFEST} is not a valid manifest: {error}") from error
    return ModelFiles(
        manifest,
        estimator=_verified(folder, ESTIMATOR, manifest),
        detector=_verified(folder, DETECTOR, manifest),
    )


def _verified(folder: Path, name: str, manifest: Manifest) -> bytes:
    if name not in manifest.files:
        raise ArtifactError(f"The manifest in {folder} does not list {name}.")
    # The detector is not ours to copy into every model folder; the embedded one serves them all.
    shared = name == DETECTOR and not (folder / name).exists()
    data = _read((EMBEDDED if shared else folder) / name)
    digest = hashlib.sha256(data).hexdigest()
    expected = manifest.files[name].sha256
    if digest != expected:
        raise ArtifactError(
            f"{name} in {folder} has sha256 {digest}, but its manifest says {expected}. "
            "Publish the folder again, or fetch it again."
        )
    return data


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        hint = " Run scripts/setup to fetch it." if path.name == DETECTOR else ""
        raise ArtifactError(f"{path} cannot be read: {error.strerror}.{hint}") from error
