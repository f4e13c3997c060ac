"""Model bundle -> verified bytes. Nothing is used whose sha256 differs from the manifest's."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from pydantic import ValidationError

from apparent.errors import ModelError
from apparent.model import DETECTOR, EMBEDDED, MANIFEST, bundle
from apparent.model.bundle import SCHEMA_VERSION, Card, File, Manifest

Read = Callable[[str], bytes]
"""A file's name -> its bytes; raises `OSError`."""


@dataclass(frozen=True)
class Bundle:
    """A model bundle whose networks were checked against its manifest."""

    manifest: Manifest
    content_hash: str
    """sha256 of the manifest, which holds that of every other file: 64 hex digits."""
    estimator: bytes
    detector: bytes
    read: Callable[[File], bytes] = field(repr=False, compare=False)
    """The verified bytes of a file that the manifest lists; raises `ModelError`."""

    @cached_property
    def card(self) -> Card:
        """Figures, data and intended use, read when first asked for; raises `ModelError`."""
        data = self.read(self.manifest.card)
        try:
            return Card.model_validate_json(data)
        except ValidationError as error:
            path = self.manifest.card.path
            raise ModelError(f"{path} is not a valid card at {_sentence(error)}.") from error

    def public(self) -> dict[str, Any]:
        """What `GET /api/v1/model` answers; raises `ModelError` where the card cannot be read."""
        return bundle.public(self.manifest, self.card)


def uri_of(where: str | Path | None) -> str:
    """The URI of a bundle named by a path or a URI; of the embedded one where none is named."""
    where = EMBEDDED if where is None else where
    if isinstance(where, str) and "://" in where:
        return where
    return Path(os.path.realpath(where)).as_uri()  # `resolve` may raise


def load(uri: str, seconds: float | None = None) -> Bundle:
    """Reads and verifies a model bundle named by a `file://` or `s3://` URI.

    Where it is named by a sha256, as `scripts/publish` names it, its manifest must have that. If
    the embedded bundle has it, that is read instead: no bytes are fetched that are here already.
    `seconds` bounds the time that S3 may take in all. Raises `ModelError`.
    """
    name = uri.rstrip("/").rpartition("/")[2]
    named_by_hash = re.fullmatch(r"[0-9a-f]{64}", name) is not None
    if named_by_hash and uri.startswith("s3://") and name == _embedded_hash():
        uri = EMBEDDED.as_uri()
    read = _reader(uri, seconds)
    data = _bytes_of(MANIFEST, uri, read)
    if named_by_hash:
        _check(MANIFEST, uri, data, name)
    manifest = _parsed(data, uri)

    def verified(file: File, read: Read = read) -> bytes:
        try:
            content = _bytes_of(file.path, uri, read)
        except ModelError:
            # The detector is not ours to copy into every folder; the embedded one serves them all.
            embedded = EMBEDDED / DETECTOR
            if file != manifest.detector or not embedded.exists():
                raise
            content = embedded.read_bytes()
        _check(file.path, uri, content, file.sha256)
        return content

    return Bundle(
        manifest,
        hashlib.sha256(data).hexdigest(),
        estimator=verified(manifest.estimator),
        detector=verified(manifest.detector),
        read=lambda file: verified(file, _reader(uri, seconds)),
    )


def manifest_of(folder: Path) -> Manifest:
    """The manifest of a folder whose files are not looked at; raises `ModelError`."""
    uri = uri_of(folder)
    return _parsed(_bytes_of(MANIFEST, uri, _reader(uri)), uri)


def _embedded_hash() -> str:
    return hashlib.sha256((EMBEDDED / MANIFEST).read_bytes()).hexdigest()


def _parsed(data: bytes, uri: str) -> Manifest:
    """Raises `ModelError` with a sentence, first of all where it is of an unknown version."""
    try:
        content = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{MANIFEST} in {uri} is not JSON: {error}.") from error
    version = content.get("schema_version") if isinstance(content, dict) else None
    if version != SCHEMA_VERSION:
        raise ModelError(
            f"{MANIFEST} in {uri} has schema_version {version}; this release reads "
            f"{SCHEMA_VERSION}. Export the model again, or use another release of Apparent."
        )
    try:
        return Manifest.model_validate_json(data)
    except ValidationError as error:
        wrong = _sentence(error)
        raise ModelError(f"{MANIFEST} in {uri} is not a valid manifest at {wrong}.") from error


def _sentence(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, entry['loc'])) or 'top level'}: {entry['msg']}"
        for entry in error.errors()
    )


def _reader(uri: str, seconds: float | None = None) -> Read:
    try:
        parts = urlsplit(uri)
        if parts.scheme == "file" and parts.netloc in ("", "localhost"):
            path = unquote(parts.path, errors="surrogateescape")  # not all names are UTF-8
            folder = Path(path.lstrip("/") if os.name == "nt" else path)  # /C:/models
            return lambda name: (folder / name).read_bytes()
        if parts.scheme == "s3" and parts.netloc:
            from apparent.model.s3 import S3Folder  # its import costs more than a local model

            return S3Folder(parts.netloc, parts.path, seconds).read
    except ImportError as error:
        raise ModelError(f"{uri} needs boto3. Install apparent with the extra 's3'.") from error
    except (OSError, ValueError) as error:
        raise ModelError(f"{uri} cannot be read: {error}.") from error
    raise ModelError(
        f"The model URI {uri} is not of a kind that can be read: use file:///path/to/folder or "
        "s3://bucket/path."
    )


def _check(name: str, uri: str, data: bytes, expected: str) -> None:
    digest = hashlib.sha256(data).hexdigest()
    if digest != expected:
        raise ModelError(
            f"{name} in {uri} has sha256 {digest} where {expected} is expected. "
            "Publish the bundle again, or fetch it again."
        )


def _bytes_of(name: str, uri: str, read: Read) -> bytes:
    try:
        return read(name)
    except FileNotFoundError as error:
        hint = " Run scripts/setup to fetch it." if name == DETECTOR else ""
        reason = f": {error}" if uri.startswith("s3://") else ""
        raise ModelError(f"There is no {name} in {uri}{reason}.{hint}") from error
    except OSError as error:
        raise ModelError(f"{name} in {uri} cannot be read: {error}.") from error
