import numpy as np
import pytest

from apparent.ages import AGES, interval
from training.calibrate import (
    KNEE,
    REGIONS,
    age_temperature,
    age_tilt,
    conformal_interval,
    conformal_regions,
    gender_temperature,
    temper_ages,
)


def faces(rng: np.random.Generator, n: int):  # type: ignore[no-untyped-def]
    """True distributions over ages, and an age drawn from each."""
    centres, widths = rng.uniform(15, 85, n), rng.uniform(3, 7, n)
    density = np.exp(-((np.arange(101) - centres[:, None]) ** 2) / (2 * widths[:, None] ** 2))
    density /= density.sum(axis=1, keepdims=True)
    ages = np.array([rng.choice(101, p=row) for row in density])
    return density, ages


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_over_and_under_confidence(
    rng: np.random.Generator, sharpness: float
) -> None:
    density, ages = faces(rng, 3000)
    wrong = temper_ages(density, 1 / sharpness)
    assert age_temperature(wrong, ages) == pytest.approx(sharpness, rel=0.08)


def test_the_old_who_were_rare_in_training_are_made_likelier(rng: np.random.Generator) -> None:
    density, ages = faces(rng, 3000)
    for_rare = np.exp(-0.5 * np.maximum(0, np.arange(AGES) - KNEE) / 10)
    shrunk = density * for_rare
    shrunk /= shrunk.sum(axis=1, keepdims=True)
    tilt = age_tilt(shrunk, ages)
    assert tilt == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(temper_ages(shrunk, 1, 0.5), density, atol=1e-6)
    assert age_tilt(density, ages) == pytest.approx(0, abs=0.15)


def test_the_gender_temperature_undoes_overconfidence(rng: np.random.Generator) -> None:
    logits = rng.normal(0, 3, 20_000)
    female = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    twice_as_sure = 1 / (1 + np.exp(-2 * logits))
    assert gender_temperature(twice_as_sure, female) == pytest.approx(2, rel=0.08)


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 3.0])
def test_intervals_cover_as_promised_however_wrong_the_distributions(
    rng: np.random.Generator, sharpness: float
) -> None:
    density, ages = faces(rng, 12_000)
    answered = temper_ages(density, 1 / sharpness)
    fitted = conformal_interval(answered[:2000], ages[:2000], 0.9)
    low, high = interval(answered[2000:], fitted)
    covered = (low <= ages[2000:]) & (ages[2000:] <= high)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)


def test_intervals_hold_for_the_old_whose_ages_are_guessed_too_low(
    rng: np.random.Generator,
) -> None:
    density, ages = faces(rng, 12_000)
    old = ages >= 60
    density[old] = np.roll(density[old], -8, axis=1)
    fitted = conformal_interval(density[:3000], ages[:3000], 0.9)
    low, high = interval(density[3000:], fitted)
    covered = (low <= ages[3000:]) & (ages[3000:] <= high)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)
    assert covered[old[3000:]].mean() > 0.86


def test_a_region_s_bounds_are_order_statistics_with_the_finite_sample_correction() -> None:
    ages = np.repeat(np.arange(20, 30), 4)[:39]
    even = np.full((39, AGES), 1 / AGES)
    regions = conformal_regions(even, ages, 0.2)
    assert [region.first_age for region in regions] == list(REGIONS)
    twenties = regions[2]  # floor(40 * 0.1) = 4: the fourth smallest and largest
    assert (twenties.lowest, twenties.highest) == pytest.approx((20.5 / AGES, 28.5 / AGES))
    assert (regions[0].lowest, regions[0].highest) == (0, 1)  # no child: everything is let in
