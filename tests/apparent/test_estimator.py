import numpy as np
import pytest

from apparent.ages import AGES, interval, median_age, quantile
from apparent.model.bundle import AgeRegion, Interval
from apparent.pipeline import Pipeline


def peaked(*ages: int) -> np.ndarray:
    probabilities = np.zeros((len(ages), AGES), np.float32)
    probabilities[np.arange(len(ages)), ages] = 1
    return probabilities


def test_the_median_of_a_certain_age_is_that_age() -> None:
    np.testing.assert_allclose(median_age(peaked(0, 34, 100)), [0, 34, 100])


def test_the_median_lies_between_two_equally_likely_ages() -> None:
    probabilities = peaked(30) / 2 + peaked(31) / 2
    np.testing.assert_allclose(median_age(probabilities), [30.5])


def test_quantiles_of_equally_likely_ages_are_evenly_spaced() -> None:
    uniform = np.full((1, 20), 0.05)
    np.testing.assert_allclose(quantile(uniform, 0.25), [4.5])
    np.testing.assert_allclose(quantile(uniform, 0.5), [9.5])


def test_scale_does_not_matter() -> None:
    probabilities = np.random.default_rng(0).random((5, 40))
    np.testing.assert_allclose(median_age(probabilities), median_age(probabilities * 7))


def recipe(*regions: tuple[int, float, float]) -> Interval:
    return Interval(
        coverage=0.9,
        regions=tuple(
            AgeRegion(first_age=first, lowest=lowest, highest=highest)
            for first, lowest, highest in regions
        ),
    )


def test_the_interval_lets_in_ages_by_the_share_of_the_distribution_below_them() -> None:
    even = np.zeros((1, AGES), np.float32)
    even[0, 20:40] = 0.05  # below age 20: 0.025, below 21: 0.075, ...
    low, high = interval(even, recipe((0, 0.05, 0.95)))
    assert (low.item(), high.item()) == (21, 38)


def test_every_age_follows_the_rule_of_its_own_region() -> None:
    even = np.zeros((1, AGES), np.float32)
    even[0, 20:40] = 0.05
    low, high = interval(even, recipe((0, 0.3, 0.95), (25, 0.05, 0.7)))
    assert (low.item(), high.item()) == (25, 33)  # 20 to 24 lie below 0.3; 34 above 0.7


def test_the_interval_is_never_empty_and_never_leaves_the_ages() -> None:
    low, high = interval(peaked(0, 50, 100), recipe((0, 0.6, 0.6)))
    assert low.tolist() == high.tolist() == [0, 50, 100]
    low, high = interval(peaked(50), recipe((0, 0, 1)))
    assert (low.item(), high.item()) == (0, 100)


def test_a_face_s_answer_does_not_depend_on_the_others(
    pipeline: Pipeline, rng: np.random.Generator
) -> None:
    estimator = pipeline._estimator
    chips = rng.integers(0, 256, (3, estimator.chip_size, estimator.chip_size, 3), dtype=np.uint8)
    together, alone = estimator.estimate(chips), estimator.estimate(chips[1:2])
    np.testing.assert_array_equal(together.age_probabilities[1:2], alone.age_probabilities)
    np.testing.assert_array_equal(together.female_probability[1:2], alone.female_probability)


def test_probabilities_are_probabilities(pipeline: Pipeline, rng: np.random.Generator) -> None:
    size = pipeline.manifest.input.chip_size
    estimates = pipeline._estimator.estimate(rng.integers(0, 256, (2, size, size, 3), np.uint8))
    assert estimates.age_probabilities.shape == (2, AGES)
    assert estimates.age_probabilities.sum(axis=1) == pytest.approx(1, abs=1e-4)
    assert ((estimates.female_probability >= 0) & (estimates.female_probability <= 1)).all()
