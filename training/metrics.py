"""Figures for a set of labelled answers, overall and by group."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from functions.predict.estimator import AGES, interval, median_age
from functions.predict.manifest import Interval

PROTOCOL_AGES = slice(21, 61)
"""Published UTKFace figures are of models that know only ages 21 to 60."""

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

    def where(self, chosen: NDArray[np.bool_]) -> "Answers":
        """The answers for some of the faces."""
        return Answers(**{name: values[chosen] for name, values in vars(self).items()})


def score(answers: Answers, recipe: Interval) -> dict[str, float | int | None]:
    """The figures of a results file for one group; None where the group has no face for one."""
    found = ~answers.missed
    error = median_age(answers.age_probabilities) - answers.ages
    low, high = interval(answers.age_probabilities, recipe)
    covered = found & (low <= answers.ages) & (answers.ages <= high)
    correct = found & ((answers.female_probability > 0.5) == answers.is_female)
    in_protocol = (PROTOCOL_AGES.start <= answers.ages) & (answers.ages < PROTOCOL_AGES.stop)
    protocol_age = PROTOCOL_AGES.start + median_age(answers.age_probabilities[:, PROTOCOL_AGES])
    protocol_error = np.abs(protocol_age - answers.ages)[in_protocol]
    return {
        "n": len(error),
        "misses": int(answers.missed.sum()),
        "age_mae": _mean(np.abs(error)),
        "age_mae_protocol": _mean(protocol_error),
        "age_bias": _mean(error),
        "gender_accuracy": _mean(correct),
        "interval_coverage": _mean(covered),
        "interval_width": _mean((high - low)[found]),
    }


def report(answers: Answers, recipe: Interval) -> dict[str, Any]:
    """`score` of all faces, and of each age band, gender and race."""
    bands = {
        f"{low}-{high}": (low <= answers.ages) & (answers.ages <= high) for low, high in AGE_BANDS
    }
    genders = {"female": answers.is_female, "male": ~answers.is_female}
    races = {race: answers.races == race for race in sorted(set(answers.races.tolist()) - {""})}
    groups = {"by_age_band": bands, "by_gender": genders, "by_race": races}
    return {
        **score(answers, recipe),
        **{
            title: {
                name: score(answers.where(chosen), recipe)
                for name, chosen in group.items()
                if chosen.any()
            }
            for title, group in groups.items()
        },
    }


def _mean(values: NDArray[Any]) -> float | None:
    return round(float(values.mean()), 4) if len(values) else None
