import numpy as np
import pytest

from functions.predict.estimator import interval
from functions.predict.manifest import Interval
from training.calibrate import (
    age_temperature,
    conformal_offset,
    gender_temperature,
    temper_ages,
)

PLAIN = Interval(coverage=0.9, lower_quantile=0.05, upper_quantile=0.95, offset=0)


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
    offset = conformal_offset(answered[:2000], ages[:2000], PLAIN)
    low, high = interval(answered[2000:], PLAIN.model_copy(update={"offset": offset}))
    covered = (low <= ages[2000:]) & (ages[2000:] <= high)
    assert covered.mean() == pytest.approx(0.9, abs=0.02)


def test_the_offset_is_the_quantile_with_the_finite_sample_correction() -> None:
    certain = np.zeros((9, 101))
    certain[:, 50] = 1  # quantiles 49.55 and 50.45
    ages = np.array([50, 51, 52, 53, 54, 55, 56, 57, 58])
    assert conformal_offset(certain, ages, PLAIN) == pytest.approx(58 - 50.45)
    with pytest.raises(ValueError, match="too few"):
        conformal_offset(certain[:8], ages[:8], PLAIN)
