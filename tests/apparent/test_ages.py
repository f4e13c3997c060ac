import numpy as np
import pytest

from apparent.ages import AGES, interval, median_age, quantile
from apparent.model.bundle import AgeRegion, Interval
from apparent.pipeline import Pipeline


def peaked(*ages: int) -> np.ndarray:
    probabilities = np.zeros((len(ages), AGES), np.float32)
    probabilities[np.arange(len(ages)), ages] = 1
    return probabilities


def even(first: int, last: int) -> np.ndarray:
    """All years from first to last, both included, equally likely."""
    probabilities = np.zeros((1, AGES), np.float32)
    probabilities[0, first : last + 1] = 1 / (last + 1 - first)
    return probabilities


def policy(*regions: tuple[int, float, float]) -> Interval:
    return Interval(
        coverage=0.9,
        regions=tuple(
            AgeRegion(first_age=first, lowest=lowest, highest=highest)
            for first, lowest, highest in regions
        ),
    )


def test_the_median_of_a_certain_age_is_that_age() -> None:
    np.testing.assert_allclose(median_age(peaked(0, 34, 100)), [0, 34, 100])


def test_the_median_lies_between_two_equally_likely_ages() -> None:
    np.testing.assert_allclose(median_age(peaked(30) / 2 + peaked(31) / 2), [30.5])


def test_quantiles_of_equally_likely_ages_are_evenly_spaced() -> None:
    uniform = np.full((1, 20), 0.05)
    np.testing.assert_allclose(quantile(uniform, 0.25), [4.5])
    np.testing.assert_allclose(quantile(uniform, 0.5), [9.5])


def test_scale_does_not_matter() -> None:
    probabilities = np.random.default_rng(0).random((5, 40))
    np.testing.assert_allclose(median_age(probabilities), median_age(probabilities * 7))


def test_the_interval_holds_the_years_between_two_levels() -> None:
    low, high = interval(even(20, 39), policy((0, 0.05, 0.95)))  # below 20: 0.025, 21: 0.075, ...
    assert (low.item(), high.item()) == (21, 38)


def test_the_levels_are_those_of_the_region_of_the_age_answered() -> None:
    two = policy((0, 0.05, 0.95), (25, 0.3, 0.7))
    low, high = interval(np.concatenate([even(10, 29), even(20, 39)]), two)  # medians 19.5, 29.5
    assert low.tolist() == [11, 26]
    assert high.tolist() == [28, 33]


def test_the_interval_is_never_empty_and_never_leaves_the_ages() -> None:
    low, high = interval(peaked(0, 50, 100), policy((0, 0.6, 0.6)))
    assert low.tolist() == high.tolist() == [0, 50, 100]
    low, high = interval(peaked(50), policy((0, 0, 1)))
    assert (low.item(), high.item()) == (0, 100)


@pytest.mark.parametrize("seed", range(5))
def test_the_interval_is_one_piece_and_no_year_wider_than_its_levels(seed: int) -> None:
    """Whatever levels neighbouring regions have: none lets in a year that others keep apart."""
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.full(AGES, 0.1), size=50)
    levels = np.sort(rng.uniform(size=(8, 2)), axis=1)
    regions = policy(*((10 * i, *pair) for i, pair in enumerate(levels.tolist())))
    low, high = interval(probabilities, regions)
    years = np.rint(median_age(probabilities)).astype(int)
    below = np.cumsum(probabilities, axis=1) - probabilities / 2
    for row, (first, last, year) in enumerate(zip(low, high, years, strict=True)):
        lowest, highest = levels[min(year // 10, 7)]
        inside = (below[row] >= lowest - 1e-9) & (below[row] <= highest + 1e-9)
        assert first <= year <= last
        between = [age for age in range(first, last + 1) if not inside[age] and age != year]
        # Only a median outside its levels may leave years between it and them.
        assert not between or not inside[year]
        assert not (inside[:first].any())
        assert not (inside[last + 1 :].any())


def test_a_portrait_s_interval_has_no_lone_year_at_its_end(
    pipeline: Pipeline, collins: bytes
) -> None:
    """She was answered '12 to 70' where 12 to 61 and 70 alone had been let in."""
    (face,) = pipeline(collins)
    levels = pipeline.manifest.policy.interval
    distribution = face.age.distribution[None].astype(float)
    (region,) = [r for r in levels.regions if r.first_age <= round(face.age.years)][-1:]
    below = np.cumsum(distribution) - distribution[0] / 2
    inside = np.flatnonzero((region.lowest <= below) & (below <= region.highest))
    assert inside.tolist() == list(range(face.age.low, face.age.high + 1))
