"""Puts a bundle in as the one that comes with the library, and tells of it.

python -m training install runs/NAME/int8
"""

from pathlib import Path
from typing import Final

from apparent.model import store
from apparent.model.bundle import SERVED
from apparent.model.writer import write_manifest
from apparent.pipeline import Pipeline
from training.release.card import reported, require_markers, write_card
from training.release.folders import replaced
from training.release.licences import may_be_shipped, weights_notice

NOTICE: Final = "LICENSE-WEIGHTS"


def install(folder: Path, target: Path, card: Path, readme: Path) -> store.Bundle:
    """Verifies a bundle, puts it at `target`, and writes model card, plots and README's table.

    Of the estimator only the variant that is served is taken. Installing `target` itself writes
    the texts again. Raises `ModelError` where the bundle is not sound, and `ValueError` where it
    has no figures or is of data whose terms are not known, `target` holds something else, or
    `readme` has no place for the table: before anything is replaced.
    """
    bundle = store.load(folder.resolve().as_uri())
    Pipeline(bundle).warm_up()
    require_markers(readme)
    if not reported(bundle.card.figures):
        raise ValueError(f"{folder} has no figures: run `evaluate --record` on it first.")
    if not may_be_shipped(bundle.manifest.provenance.data):
        raise ValueError(f"{folder} cannot be shipped. {bundle.manifest.licence}")
    if folder.resolve() != target.resolve():
        _put(bundle, target)
    installed = store.load(target.resolve().as_uri())
    notice = weights_notice(
        installed.manifest.estimator.path,
        installed.manifest.detector.path,
        installed.manifest.licence,
    )
    (target / NOTICE).write_text(notice)
    write_card(installed, card, readme)
    return installed


def _put(bundle: store.Bundle, target: Path) -> None:
    manifest = bundle.manifest
    estimator = {"estimator": {SERVED: manifest.estimator}}
    manifest = manifest.model_copy(update={"files": manifest.files | estimator})
    with replaced(target) as made:
        for file in manifest.listed():
            (made / file.path).write_bytes(bundle.read(file))
        write_manifest(made, manifest)
