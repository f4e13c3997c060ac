"""Whether the same face gets the same answer: crops of one picture, a few pixels apart."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from apparent import photo as photos
from apparent.ages import median_age
from apparent.arrays import Pixels
from apparent.model import store
from training.data.labels import read_labels
from training.data.prepare import MAX_PIXELS
from training.release.answers import Answer, Source, Through, asked, asker

SHIFTS = (0, 2, 5)
"""Pixels, in x and y: nine crops."""


def crops(picture: Pixels) -> list[Pixels]:
    """Nine crops of `[height, width, 3]`, all smaller by the largest shift."""
    height, width = (side - max(SHIFTS) for side in picture.shape[:2])
    return [
        np.ascontiguousarray(picture[y : y + height, x : x + width])
        for y, x in itertools.product(SHIFTS, SHIFTS)
    ]


def stability(
    bundle: store.Bundle, sources: Sequence[Source], splits: Sequence[str], through: Through
) -> dict[str, float | int]:
    """Over faces found in at least two crops: the standard deviation of the years answered, its
    median and 95th percentile, and the share whose label turns from female to male or back; and
    the share of all crops in which the face was missed.
    """
    ask = asker(bundle, through)

    def ask_crops(data: bytes) -> list[Answer | None]:
        return [ask(crop) for crop in crops(photos.read(data, MAX_PIXELS).pixels())]

    spreads, turns = [], []
    missed = total = 0
    for source in sources:
        labels = read_labels(source.labels)
        files = labels[labels.rows(splits)].files
        for answers in asked(ask_crops, source, files):
            found = [answer for answer in answers or () if answer is not None]
            total += len(SHIFTS) ** 2
            missed += len(SHIFTS) ** 2 - len(found)
            if len(found) > 1:
                years = median_age(np.stack([answer.age_probabilities for answer in found]))
                spreads.append(float(years.std()))
                female = np.array([answer.female_probability for answer in found])
                turns.append(_turns(female, bundle.manifest.policy.gender.uncertain_below))
    if not spreads:
        raise ValueError("No face was found in two crops of a picture: nothing can be compared.")
    return {
        "stability_n": len(spreads),
        "stability_sd_median": round(float(np.median(spreads)), 4),
        "stability_sd_p95": round(float(np.quantile(spreads, 0.95)), 4),
        "stability_label_turns": round(float(np.mean(turns)), 4),
        "stability_crops_missed": round(missed / total, 4),
    }


def _turns(female: NDArray[np.float64], uncertain_below: float) -> bool:
    """Whether both labels are answered."""
    return bool((female >= uncertain_below).any() and (female <= 1 - uncertain_below).any())
