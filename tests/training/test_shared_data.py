"""The embedded model on labelled faces that never enter the repository."""

from pathlib import Path

import numpy as np
import pytest

from apparent.model import EMBEDDED
from training import evaluate
from training.metrics import Answers, score

FACES = 300


@pytest.fixture(scope="module")
def sample(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Labels of a part of `test`, evenly spread."""
    header, *rows = (shared_data / "labels.csv").read_text().splitlines()
    test = [row for row in rows if row.split(",")[4] == "test"]
    path = tmp_path_factory.mktemp("sample") / "labels.csv"
    path.write_text("\n".join([header, *test[:: len(test) // FACES]]) + "\n")
    return path


@pytest.fixture(scope="module")
def found(shared_data: Path, sample: Path) -> dict[str, Answers]:
    images = shared_data / "images.zip"
    return {
        through: evaluate.answers(EMBEDDED, images, sample, ("test",), through)[1]
        for through in ("photos", "chips")
    }


def test_the_embedded_model_is_as_good_as_it_says(found: dict[str, Answers]) -> None:
    from apparent.model import store

    manifest = store.load(EMBEDDED.as_uri()).manifest
    figures = score(found["photos"], manifest.interval, manifest.gender)
    promised = manifest.metrics["test"]
    assert figures["misses"] == 0
    # Wide enough for a sample of 300: three standard errors of the mean.
    for name, slack in (("age_mae", 0.8), ("age_mae_protocol", 0.8), ("gender_accuracy", 0.03),
                        ("interval_coverage", 0.06)):  # fmt: skip
        assert figures[name] == pytest.approx(promised[name], abs=slack)


def test_training_and_serving_see_the_same_crop(found: dict[str, Answers]) -> None:
    from apparent.ages import median_age

    photos, chips = (median_age(found[way].age_probabilities) for way in ("photos", "chips"))
    assert abs(np.mean(photos - chips)) < 0.5
    assert np.mean(np.abs(photos - chips)) < 2
