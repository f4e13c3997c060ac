"""Model folder -> verified bytes. Nothing is used whose sha256 differs from the manifest's."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from apparent.errors import ModelError
from apparent.model import DETECTOR, EMBEDDED, ESTIMATOR, MANIFEST
from apparent.model.bundle import Manifest

Read = Callable[[str], bytes]
"""A file's name -> its bytes; raises `OSError`."""


@dataclass(frozen=True)
class ModelFiles:
    """A model folder whose files were checked against its manifest."""

    manifest: Manifest
    estimator: bytes
    detector: bytes


def load(uri: str) -> ModelFiles:
    """Reads and verifies a model folder named by a `file://` or `s3://` URI.

    Where the folder is named by a sha256, as `training publish` names it, its manifest must have
    that. Raises `ModelError`.
    """
    read = _reader(uri)
    data = _bytes_of(MANIFEST, uri, read)
    name = uri.rstrip("/").rpartition("/")[2]
    if re.fullmatch(r"[0-9a-f]{64}", name):
        _check(MANIFEST, uri, data, name)
    try:
        manifest = Manifest.model_validate_json(data)
    except ValidationError as error:
        raise ModelError(f"{MANIFEST} in {uri} is not a valid manifest: {error}") from error
    return ModelFiles(
        manifest,
        estimator=_verified(ESTIMATOR, uri, read, manifest),
        detector=_verified(DETECTOR, uri, read, manifest),
    )


def _reader(uri: str) -> Read:
    parts = urlsplit(uri)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        folder = Path(unquote(parts.path))
        return lambda name: (folder / name).read_bytes()
    if parts.scheme == "s3" and parts.netloc:
        from apparent.model.s3 import S3Folder  # its import costs more than a local model

        return S3Folder(parts.netloc, parts.path).read
    raise ModelError(
        f"The model URI {uri} is not of a kind that can be read: use file:///path/to/folder or "
        "s3://bucket/path."
    )


def _verified(name: str, uri: str, read: Read, manifest: Manifest) -> bytes:
    if name not in manifest.files:
        raise ModelError(f"The manifest in {uri} does not list {name}.")
    data = _bytes_of(name, uri, read)
    _check(name, uri, data, manifest.files[name].sha256)
    return data


def _check(name: str, uri: str, data: bytes, expected: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise ModelError(
            f"{name} in {uri} has sha256 {digest} where {expected} is expected. "
            "Publish the folder again, or fetch it again."
        )


def _bytes_of(name: str, uri: str, read: Read) -> bytes:
    try:
        return read(name)
    except FileNotFoundError as error:
        # The detector is not ours to copy into every folder; the embedded one serves them all.
        embedded = EMBEDDED / name
        if name == DETECTOR and embedded.exists():
            return embedded.read_bytes()
        hint = " Run scripts/setup to fetch it." if name == DETECTOR else ""
        raise ModelError(f"There is no {name} in {uri}.{hint}") from error
    except OSError as error:
        raise ModelError(f"{name} in {uri} cannot be read: {error}.") from error
