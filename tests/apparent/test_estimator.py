import numpy as np
import pytest

from apparent.ages import AGES
from apparent.errors import ModelError
from apparent.estimator import Estimator
from apparent.model import EMBEDDED, store


@pytest.fixture(scope="module")
def estimator() -> Estimator:
    return Estimator(store.load(EMBEDDED.as_uri()).estimator)


def test_a_face_s_answer_does_not_depend_on_the_others(
    estimator: Estimator, rng: np.random.Generator
) -> None:
    chips = rng.integers(0, 256, (3, estimator.chip_size, estimator.chip_size, 3), dtype=np.uint8)
    together, alone = estimator.estimate(chips), estimator.estimate(chips[1:2])
    np.testing.assert_array_equal(together.age_probabilities[1:2], alone.age_probabilities)
    np.testing.assert_array_equal(together.female_probability[1:2], alone.female_probability)


def test_probabilities_are_probabilities(estimator: Estimator, rng: np.random.Generator) -> None:
    size = estimator.chip_size
    estimates = estimator.estimate(rng.integers(0, 256, (2, size, size, 3), np.uint8))
    assert estimates.age_probabilities.shape == (2, AGES)
    assert estimates.age_probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert ((estimates.female_probability >= 0) & (estimates.female_probability <= 1)).all()


def test_no_chips_have_no_answers(estimator: Estimator) -> None:
    size = estimator.chip_size
    estimates = estimator.estimate(np.empty((0, size, size, 3), np.uint8))
    assert estimates.age_probabilities.shape == (0, AGES)


def test_another_chip_size_than_the_graph_s_is_refused() -> None:
    with pytest.raises(ModelError, match="takes chips of 140 pixels"):
        Estimator(store.load(EMBEDDED.as_uri()).estimator, chip_size=224)
