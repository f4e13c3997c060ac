"""Figures for a set of labelled answers, overall and by group."""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apparent.ages import AGES, interval, median_age
from apparent.model.bundle import GenderPolicy, Interval

PROTOCOL_AGES = slice(21, 61)
"""Published UTKFace figures are of models that know only ages 21 to 60."""

RESAMPLES = 1000
"""Of the bootstrap behind each 95 % interval (Efron 1979)."""

CONFIDENCE_BINS = 10

LONG = ("by_age_gender_race", "gender_reliability")
"""Tables of a report that stay in the results file and out of the manifest."""

AGE_BANDS = ((0, 9), (10, 19), (20, 29), (30, 39), (40, 49), (50, 59), (60, 69), (70, AGES - 1))


@dataclass(frozen=True)
class Answers:
    """A model's answers beside the truth, n faces.

    A face that was missed is scored as the answer of someone who did not look: all ages equally
    likely, the wrong gender, not covered.
    """

    ages: NDArray[np.int64]
    is_female: NDArray[np.bool_]
    races: NDArray[np.str_]
    age_probabilities: NDArray[np.float32]
    female_probability: NDArray[np.float32]
    missed: NDArray[np.bool_]

    @property
    def gender_correct(self) -> NDArray[np.bool_]:
        """Whether the likelier gender is the labelled one; a missed face is not."""
        correct: NDArray[np.bool_] = (self.female_probability > 0.5) == self.is_female
        return ~self.missed & correct

    @property
    def gender_confidence(self) -> NDArray[np.float32]:
        """Probability of the likelier gender; a missed face is a confident error."""
        likelier: NDArray[np.float32] = np.maximum(
            self.female_probability, 1 - self.female_probability
        )
        return likelier

    def where(self, chosen: NDArray[np.bool_]) -> "Answers":
        """The answers for some of the faces."""
        return Answers(**{name: values[chosen] for name, values in vars(self).items()})


Figure = float | int | None | tuple[float, float]


def score(answers: Answers, recipe: Interval, policy: GenderPolicy) -> dict[str, Figure]:
    """The figures of a results file for one group; None where the group has no face for one.

    Each `..._ci` is the 95 % interval of the figure before it, by resampling the faces.
    """
    found = ~answers.missed
    error = median_age(answers.age_probabilities) - answers.ages
    low, high = interval(answers.age_probabilities, recipe)
    covered = found & (low <= answers.ages) & (answers.ages <= high)
    correct = answers.gender_correct
    answered = answers.gender_confidence >= policy.uncertain_below
    in_protocol = (PROTOCOL_AGES.start <= answers.ages) & (answers.ages < PROTOCOL_AGES.stop)
    protocol_age = PROTOCOL_AGES.start + median_age(answers.age_probabilities[:, PROTOCOL_AGES])
    protocol_error = np.abs(protocol_age - answers.ages)[in_protocol]
    return {
        "n": len(error),
        "misses": int(answers.missed.sum()),
        "age_mae": _mean(np.abs(error)),
        "age_mae_ci": _bootstrap(np.abs(error)),
        "age_mae_protocol": _mean(protocol_error),
        "age_mae_protocol_ci": _bootstrap(protocol_error),
        "age_bias": _mean(error),
        "gender_accuracy": _mean(correct),
        "gender_accuracy_ci": _bootstrap(correct),
        "gender_uncertain": _mean(~answered),
        "gender_accuracy_answered": _mean(correct[answered]),
        "gender_ece": expected_calibration_error(gender_reliability(answers)),
        "interval_coverage": _mean(covered),
        "interval_coverage_ci": _bootstrap(covered),
        "interval_width": _mean((high - low)[found]),
    }


def in_age_bands(ages: NDArray[np.int64]) -> list[NDArray[np.bool_]]:
    """Which of the faces `[n]` are in each of `AGE_BANDS`."""
    return [(low <= ages) & (ages <= high) for low, high in AGE_BANDS]


def report(answers: Answers, recipe: Interval, policy: GenderPolicy) -> dict[str, Any]:
    """`score` of all faces, and of each age band, gender and race, one by one and crossed."""
    titles = [f"{low}-{high}" for low, high in AGE_BANDS]
    bands = dict(zip(titles, in_age_bands(answers.ages), strict=True))
    genders = {"female": answers.is_female, "male": ~answers.is_female}
    races = {race: answers.races == race for race in sorted(set(answers.races.tolist()) - {""})}
    crossed = {
        " ".join(names): np.logical_and.reduce(chosen)
        for names, chosen in (
            zip(*parts, strict=True)
            for parts in itertools.product(bands.items(), genders.items(), races.items())
        )
    }
    groups = {
        "by_age_band": bands,
        "by_gender": genders,
        "by_race": races,
        "by_age_gender_race": crossed,
    }
    return {
        **score(answers, recipe, policy),
        **{
            title: {
                name: score(answers.where(chosen), recipe, policy)
                for name, chosen in group.items()
                if chosen.any()
            }
            for title, group in groups.items()
        },
        "gender_reliability": gender_reliability(answers),
    }


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
