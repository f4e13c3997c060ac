"""Writes the description of a model bundle: card first, then the manifest that holds its hash."""

import hashlib
from pathlib import Path

from apparent.atomic import write_text
from apparent.model import CARD, MANIFEST
from apparent.model.bundle import Card, File, Manifest


def describe(path: Path) -> File:
    """A file's entry in the manifest."""
    data = path.read_bytes()
    return File(path=path.name, sha256=hashlib.sha256(data).hexdigest(), bytes=len(data))


def write_card(folder: Path, card: Card) -> File:
    """Writes `card.json` and returns its entry for the manifest."""
    write_text(folder / CARD, card.model_dump_json(indent=1) + "\n")
    return describe(folder / CARD)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json`: from then on the folder is a bundle."""
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")
