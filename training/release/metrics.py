"""Figures for a set of labelled answers, overall and by group."""

import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apparent.ages import AGES, interval, median_age
from apparent.model.bundle import GenderPolicy, Interval, Policy
from training.data.labels import FEMALE, MALE
from training.release.answers import Answers

PROTOCOL_AGES = slice(21, 61)
"""Published UTKFace figures are of models that know only ages 21 to 60."""

RESAMPLES = 1000
"""Of the bootstrap behind each 95 % interval (Efron 1979)."""

CONFIDENCE_BINS = 10

CLOSE = 5
"""Years: the share of answers within it, CS@5, is the field's second figure."""

AGE_BANDS = ((0, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, AGES - 1))


Figure = float | int | None | tuple[float, float]


def score(answers: Answers, policy: Policy) -> dict[str, Figure]:
    """The figures for one group of faces; None where it has no face for one.

    Those of age are of faces whose age is labelled as one year, those that begin with `range` of
    faces with a range, those of gender of faces with a gender: `n_ages`, `n_ranges`, `n_genders`.
    Each `..._ci` is the 95 % interval of the figure before it, by resampling the faces.
    """
    return {
        "n": len(answers),
        "misses": int(answers.missed.sum()),
        **_of_ages(answers.where(answers.exact), policy.interval),
        **_of_ranges(answers.where(answers.ranged), policy.interval),
        **_of_genders(answers.where(answers.gendered), policy.gender),
        "interval_width": _mean(_width(answers, policy.interval)[~answers.missed]),
    }


def _of_ages(answers: Answers, policy: Interval) -> dict[str, Figure]:
    ages, probabilities = answers.age_low, answers.age_probabilities
    error = median_age(probabilities) - ages
    in_protocol = (PROTOCOL_AGES.start <= ages) & (ages < PROTOCOL_AGES.stop)
    protocol_age = PROTOCOL_AGES.start + median_age(probabilities[:, PROTOCOL_AGES])
    protocol_error = np.abs(protocol_age - ages)[in_protocol]
    close = ~answers.missed & (np.abs(error) <= CLOSE)
    holds = touched(answers, policy)
    return {
        "n_ages": len(ages),
        "age_mae": _mean(np.abs(error)),
        "age_mae_ci": _bootstrap(np.abs(error)),
        "age_mae_protocol": _mean(protocol_error),
        "age_mae_protocol_ci": _bootstrap(protocol_error),
        "age_bias": _mean(error),
        "age_cs5": _mean(close),
        "age_cs5_ci": _bootstrap(close),
        "interval_coverage": _mean(holds),
        "interval_coverage_ci": _bootstrap(holds),
    }


def _of_ranges(answers: Answers, policy: Interval) -> dict[str, Figure]:
    found = ~answers.missed
    years = median_age(answers.age_probabilities)
    year = np.rint(years)
    right = found & (answers.age_low <= year) & (year <= answers.age_high)
    near = found & (answers.near_low <= year) & (year <= answers.near_high)
    touches = touched(answers, policy)
    outside = np.maximum(0, np.maximum(answers.age_low - years, years - answers.age_high))
    return {
        "n_ranges": len(years),
        "range_exact": _mean(right),
        "range_exact_ci": _bootstrap(right),
        "range_within_one": _mean(near),
        "range_within_one_ci": _bootstrap(near),
        "range_years_outside": _mean(outside),
        "range_touched": _mean(touches),
        "range_touched_ci": _bootstrap(touches),
    }


def _of_genders(answers: Answers, policy: GenderPolicy) -> dict[str, Figure]:
    correct = answers.gender_correct
    answered = answers.gender_confidence >= policy.uncertain_below
    return {
        "n_genders": len(correct),
        "gender_accuracy": _mean(correct),
        "gender_accuracy_ci": _bootstrap(correct),
        "gender_uncertain": _mean(~answered),
        "gender_accuracy_answered": _mean(correct[answered]),
        "gender_ece": expected_calibration_error(gender_reliability(answers)),
    }


def touched(answers: Answers, policy: Interval) -> NDArray[np.bool_]:
    """Whose interval holds the labelled year, or a year of the labelled range; no missed face's."""
    low, high = interval(answers.age_probabilities, policy)
    holds: NDArray[np.bool_] = (low <= answers.age_high) & (answers.age_low <= high)
    return ~answers.missed & holds


def _width(answers: Answers, policy: Interval) -> NDArray[np.int64]:
    low, high = interval(answers.age_probabilities, policy)
    return high - low


def report(answers: Answers, policy: Policy) -> dict[str, Any]:
    """`score` of all faces, and of groups: collection and split, age band, range, gender and race,
    and the exactly aged by age band, gender and race crossed.
    """
    places = np.char.add(np.char.add(answers.sources, " "), answers.splits)
    of_age = answers.exact
    titles = [f"{low}-{high}" for low, high in AGE_BANDS]
    bands = dict(zip(titles, in_age_bands(answers.age_low, of_age), strict=True))
    ranges = sorted(set(zip(*(b[answers.ranged].tolist() for b in _bounds(answers)), strict=True)))
    genders = {"female": answers.genders == FEMALE, "male": answers.genders == MALE}
    races = {race: answers.races == race for race in sorted(set(answers.races.tolist()) - {""})}
    crossed = {
        " ".join(names): np.logical_and.reduce(chosen)
        for names, chosen in (
            zip(*parts, strict=True)
            for parts in itertools.product(bands.items(), genders.items(), races.items())
        )
    }
    groups = {
        "by_source": {place: places == place for place in dict.fromkeys(places.tolist())},
        "by_age_band": bands,
        "by_range": {
            f"{low}-{high}": (answers.age_low == low) & (answers.age_high == high)
            for low, high in ranges
        },
        "by_gender": genders,
        "by_race": races,
        "by_age_gender_race": crossed,
    }
    gendered = answers.where(answers.gendered)
    return {
        **score(answers, policy),
        **{
            title: {
                name: score(answers.where(chosen), policy)
                for name, chosen in group.items()
                if chosen.any()
            }
            for title, group in groups.items()
        },
        "gender_reliability": gender_reliability(gendered),
    }


def in_age_bands(
    ages: NDArray[np.int64], of_age: NDArray[np.bool_] | bool = True
) -> list[NDArray[np.bool_]]:
    """Which of the faces `[n]` are in each of `AGE_BANDS`."""
    return [of_age & (low <= ages) & (ages <= high) for low, high in AGE_BANDS]


def _bounds(answers: Answers) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return answers.age_low, answers.age_high


def gender_reliability(answers: Answers) -> list[dict[str, float | int]]:
    """How often answers of about equal confidence were right: bins over 0.5 to 1, none empty."""
    confidence, correct = answers.gender_confidence, answers.gender_correct
    place = np.minimum((confidence - 0.5) * 2 * CONFIDENCE_BINS, CONFIDENCE_BINS - 1).astype(int)
    return [
        {
            "n": int((place == i).sum()),
            "confidence": round(float(confidence[place == i].mean()), 4),
            "accuracy": round(float(correct[place == i].mean()), 4),
        }
        for i in np.unique(place)
    ]


def expected_calibration_error(bins: list[dict[str, float | int]]) -> float | None:
    """Mean distance of accuracy and confidence, bins weighted by n (Naeini et al. 2015)."""
    if not bins:
        return None
    distance = [abs(row["accuracy"] - row["confidence"]) for row in bins]
    return round(float(np.average(distance, weights=[row["n"] for row in bins])), 4)


def _mean(values: NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None


def _bootstrap(values: NDArray[Any]) -> tuple[float, float] | None:
    if not len(values):
        return None
    drawn = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[drawn].mean(axis=1), (0.025, 0.975))
    return round(float(low), 4), round(float(high), 4)
