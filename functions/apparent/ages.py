"""A distribution over ages -> the age answered, and its interval: pure numpy."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from apparent.model.bundle import Interval

Probabilities = NDArray[np.floating]

AGES: Final = 101
"""Ages told apart: 0 to 100 years."""


def quantile(age_probabilities: Probabilities, level: float) -> NDArray[np.float64]:
    """Ages below which `level` of each distribution lies, `[n, ages] -> [n]`, in years.

    Each probability is spread evenly over its year (age a covers a - 0.5 to a + 0.5), which makes
    the quantile continuous in the probabilities. Rows need not sum to 1.
    """
    cumulative = np.cumsum(age_probabilities, axis=1, dtype=np.float64)
    target = level * cumulative[:, -1:]
    index = (cumulative < target).sum(axis=1, keepdims=True)
    index = index.clip(0, age_probabilities.shape[1] - 1)
    mass = np.take_along_axis(age_probabilities, index, axis=1).astype(np.float64)
    missing = target - (np.take_along_axis(cumulative, index, axis=1) - mass)
    within = np.divide(missing, mass, out=np.full_like(mass, 0.5), where=mass > 0)
    years: NDArray[np.float64] = (index - 0.5 + within.clip(0, 1))[:, 0]
    return np.clip(years, 0, age_probabilities.shape[1] - 1)


def median_age(age_probabilities: Probabilities) -> NDArray[np.float64]:
    """The age answered: the distribution's median, `[n, ages] -> [n]`, in years."""
    return quantile(age_probabilities, 0.5)


def mid_cumulative(age_probabilities: Probabilities) -> NDArray[np.float64]:
    """Share of each distribution below the middle of each age, `[n, ages] -> [n, ages]`, 0 to 1."""
    shares: NDArray[np.float64] = np.cumsum(age_probabilities, axis=1, dtype=np.float64)
    return (shares - age_probabilities / 2) / shares[:, -1:]


def interval(
    age_probabilities: Probabilities, policy: Interval
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest and highest whole year of the interval answered, both included, `[n]` each.

    One piece by construction: the years whose place in the face's distribution lies between the two
    levels of the region that its median falls in, and the median's year itself.
    """
    ages = np.arange(age_probabilities.shape[1])
    year = np.rint(median_age(age_probabilities))
    firsts = [region.first_age for region in policy.regions]
    region = np.searchsorted(firsts, year, side="right") - 1
    lowest = np.array([region.lowest for region in policy.regions])[region, None]
    highest = np.array([region.highest for region in policy.regions])[region, None]
    below = mid_cumulative(age_probabilities)
    inside = (lowest <= below) & (below <= highest) | (ages == year[:, None])
    return inside.argmax(axis=1), ages[-1] - inside[:, ::-1].argmax(axis=1)
