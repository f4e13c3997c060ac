"""The description in a model folder: written once at export, renewed at each later step."""

import hashlib
from pathlib import Path
from typing import Any

from apparent.alignment import TEMPLATE
from apparent.atomic import write_text
from apparent.model import DETECTOR, EMBEDDED, ESTIMATOR, MANIFEST
from apparent.model.bundle import AgeRegion, File, GenderPolicy, Input, Interval, Manifest

LICENCE = (
    "Weights: non-commercial research only, as the faces they were trained on (UTKFace, CelebA). "
    "Code: MIT."
)
INTENDED_USE = (
    "Aggregate, anonymous statistics and playful estimates of how old faces look and which gender "
    "they are perceived as. Not for age checks, identification, or any decision about a person."
)


def uncalibrated(name: str, folder: Path, chip_size: int, training: dict[str, Any]) -> Manifest:
    """The manifest of a folder whose intervals are still the plain quantiles."""
    detector = EMBEDDED / DETECTOR
    files = {ESTIMATOR: describe(folder / ESTIMATOR), DETECTOR: describe(detector)}
    return Manifest(
        name=name,
        version=files[ESTIMATOR].sha256[:12],
        files=files,
        input=Input(chip_size=chip_size, template=tuple(map(tuple, TEMPLATE.tolist()))),
        interval=Interval(
            coverage=0.9, regions=(AgeRegion(first_age=0, lowest=0.05, highest=0.95),)
        ),
        gender=GenderPolicy(uncertain_below=0.5),
        training=training,
        licence=LICENCE,
        intended_use=INTENDED_USE,
    )


def describe(path: Path) -> File:
    """A file's entry in the manifest."""
    return File(sha256=sha256(path), bytes=path.stat().st_size)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Writes `manifest.json`, whole or not at all."""
    write_text(folder / MANIFEST, manifest.model_dump_json(indent=2) + "\n")


def sha256(path: Path) -> str:
    """A file's digest in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
