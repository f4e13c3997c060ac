"""The embedded model on labelled faces that never enter the repository."""

from pathlib import Path

import numpy as np
import pytest

from apparent.ages import median_age
from apparent.model import EMBEDDED, store
from training.release.answers import Answers, Source, Through, collect
from training.release.metrics import score

FACES = 300


@pytest.fixture(scope="module")
def bundle() -> store.Bundle:
    return store.load(EMBEDDED.as_uri())


@pytest.fixture(scope="module")
def found(
    shared_data: Path, bundle: store.Bundle, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Answers]:
    """Answers for a part of `test`, evenly spread."""
    header, *rows = (shared_data / "labels.csv").read_text().splitlines()
    test = [row for row in rows if row.split(",")[4] == "test"]
    labels = tmp_path_factory.mktemp("utkface") / "labels.csv"
    labels.write_text("\n".join([header, *test[:: len(test) // FACES]]) + "\n")
    sample = [Source(shared_data / "images.zip", labels)]
    ways: tuple[Through, ...] = ("photos", "chips")
    return {through: collect(bundle, sample, ("test",), through) for through in ways}


def test_the_embedded_model_is_as_good_as_its_card_says(
    found: dict[str, Answers], bundle: store.Bundle
) -> None:
    figures = score(found["photos"], bundle.manifest.policy)
    told = next(
        one for one in bundle.card.figures if (one["data"], one["split"]) == ("utkface", "test")
    )
    assert found["photos"].missed.sum() == 0
    # Wide enough for a sample of 300: three standard errors of the mean.
    for name, slack in (("age_mae", 0.8), ("age_mae_protocol", 0.8), ("gender_accuracy", 0.03),
                        ("interval_coverage", 0.06)):  # fmt: skip
        assert figures[name] == pytest.approx(told[name], abs=slack)


def test_training_and_serving_see_the_same_crop(found: dict[str, Answers]) -> None:
    photos, chips = (median_age(found[way].age_probabilities) for way in ("photos", "chips"))
    assert abs(np.mean(photos - chips)) < 0.5
    assert np.mean(np.abs(photos - chips)) < 2
