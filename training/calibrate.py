"""Makes a model folder's numbers hold: temperatures and age intervals.

    python -m training calibrate --model runs/NAME/int8 --images images.zip --labels labels.csv

Everything is fitted on the answers of the served pipeline for the `calibration` split, so what is
calibrated is the very file that answers, quantisation and detection included.
"""

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from apparent.ages import AGES, interval, median_age, mid_cumulative
from apparent.atomic import atomic_write
from apparent.model import ESTIMATOR
from apparent.model.bundle import AgeRegion, GenderPolicy, Interval, Manifest
from training.metrics import AGE_BANDS, in_age_bands
from training.model_folder import describe, write_manifest

Floats = NDArray[np.floating]

UNCERTAIN_BELOW = 0.8
"""The lowest of 0.5, 0.6, 0.7, 0.75, 0.8, ... at which 98 % of the answers given were right on val:
98.1 %, with 89.9 % of all faces answered."""

REGIONS = tuple(low for low, _ in AGE_BANDS)
"""First ages of the regions whose intervals are fitted apart: those that figures are told by."""

REGION_SLACK = 0.02
"""By how much less than promised a region may be covered, so that all together are as promised."""

KNEE = 60
"""Years up to which `age_tilt` leaves the ages as likely as they are."""
TILTED = np.maximum(0, np.arange(AGES) - KNEE) / 10

_TILTS = np.linspace(0, 1, 41)
_TEMPERATURES = np.geomspace(0.25, 4, 401)
_MISS_RATE_STEP = 0.005
_TINY = 1e-30
_NEARLY_0 = 1e-7  # about float32's distance from 1 to its neighbour


def temper_ages(probabilities: Floats, temperature: float, tilt: float = 0) -> Floats:
    """softmax(log p / T + tilt * slope), `[n, ages] -> [n, ages]`; see `age_tilt`."""
    logits = np.log(np.maximum(probabilities, _TINY)) / temperature + tilt * TILTED
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    tempered: Floats = weights / weights.sum(axis=1, keepdims=True)
    return tempered


def age_temperature(probabilities: Floats, ages: NDArray[np.int64]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), on a grid."""
    rows = np.arange(len(ages))

    def loss(temperature: float) -> float:
        likelihood = temper_ages(probabilities, temperature)[rows, ages]
        return float(-np.log(np.maximum(likelihood, _TINY)).mean())

    return float(min(_TEMPERATURES, key=loss))


def age_tilt(probabilities: Floats, ages: NDArray[np.int64]) -> float:
    """How much likelier the old are made, per decade past `KNEE`, than their few labels made them.

    A correction for the prior of the training set (Saerens, Latinne, Decaestecker 2002) in one
    parameter: that with the least absolute error of the median, averaged over age bands, in which
    the old count for as much as the many young.
    """
    bands = [band for band in in_age_bands(ages) if band.any()]

    def error(tilt: float) -> float:
        distance = np.abs(median_age(temper_ages(probabilities, 1, tilt)) - ages)
        return float(np.mean([distance[band].mean() for band in bands]))

    return float(min(_TILTS, key=error))


def gender_temperature(female: Floats, is_female: NDArray[np.bool_]) -> float:
    """As `age_temperature`, for the binary answer."""
    clipped = female.astype(np.float64).clip(_NEARLY_0, 1 - _NEARLY_0)
    logits = np.log(clipped / (1 - clipped))
    towards_truth = np.where(is_female, logits, -logits)

    def loss(temperature: float) -> float:
        return float(np.logaddexp(0, -towards_truth / temperature).mean())

    return float(min(_TEMPERATURES, key=loss))


def conformal_regions(
    probabilities: Floats, ages: NDArray[np.int64], miss_rate: float
) -> tuple[AgeRegion, ...]:
    """What the intervals let in, so that a new face of each region is missed with `miss_rate`.

    Label-conditional conformal prediction (Vovk, Gammerman, Shafer 2005, section 4.5), half of the
    misses on either side: the floor((n + 1) * miss_rate / 2)-th smallest and largest share of the
    distribution below the true age, over the n faces of the region.
    """
    below = np.take_along_axis(mid_cumulative(probabilities), ages[:, None], axis=1)[:, 0]
    regions = []
    for first, in_region in zip(REGIONS, in_age_bands(ages), strict=True):
        shares = np.sort(below[in_region])
        rank = math.floor((len(shares) + 1) * miss_rate / 2)
        # Of too few faces to tell, every age is let in, as the definition has it.
        lowest, highest = (shares[rank - 1], shares[-rank]) if rank else (0.0, 1.0)
        regions.append(AgeRegion(first_age=first, lowest=float(lowest), highest=float(highest)))
    return tuple(regions)


def conformal_interval(probabilities: Floats, ages: NDArray[np.int64], coverage: float) -> Interval:
    """The interval whose coverage over all faces is the least that is no less than `coverage`.

    Each region's own miss rate would be 1 - coverage, were it not that an interval has no gaps and
    so holds ages between two regions that neither lets in. The miss rate, one for all regions, is
    raised until that surplus is gone, or a region falls short by more than `REGION_SLACK`.
    """
    regions = [region for region in in_age_bands(ages) if region.any()]

    def fitted(miss_rate: float) -> Interval:
        bounds = conformal_regions(probabilities, ages, miss_rate)
        return Interval(coverage=coverage, regions=bounds)

    def covers(recipe: Interval) -> bool:
        low, high = interval(probabilities, recipe)
        covered = (low <= ages) & (ages <= high)
        by_region = [covered[region].mean() for region in regions]
        return bool(covered.mean() >= coverage and min(by_region) >= coverage - REGION_SLACK)

    promised = 1 - coverage
    steps = [fitted(rate) for rate in np.arange(promised, 2 * promised, _MISS_RATE_STEP)]
    return [steps[0], *itertools.takewhile(covers, steps[1:])][-1]


def calibrate(
    folder: Path,
    manifest: Manifest,
    age_probabilities: Floats,
    female_probability: Floats,
    ages: NDArray[np.int64],
    is_female: NDArray[np.bool_],
) -> Manifest:
    """Fits on a folder's own answers, then rewrites its graph and manifest; returns the latter."""
    for_age = age_temperature(age_probabilities, ages)
    for_gender = gender_temperature(female_probability, is_female)
    tilt = age_tilt(temper_ages(age_probabilities, for_age), ages)
    model = onnx.load(str(folder / ESTIMATOR))
    _change(model, "age_temperature", lambda old: old * for_age)
    _change(model, "gender_temperature", lambda old: old * for_gender)
    _change(model, "age_bias", lambda old: old / for_age + tilt * TILTED)
    fitted = {"n": len(ages), "age_temperature": for_age, "gender_temperature": for_gender}
    tempered = temper_ages(age_probabilities, for_age, tilt)

    with atomic_write(folder / ESTIMATOR) as partial:
        onnx.save(model, str(partial))
        estimator = describe(partial)
    calibrated = manifest.model_copy(
        update={
            "version": estimator.sha256[:12],
            "files": manifest.files | {ESTIMATOR: estimator},
            "interval": conformal_interval(tempered, ages, manifest.interval.coverage),
            "gender": GenderPolicy(uncertain_below=UNCERTAIN_BELOW),
            "metrics": {},
            "training": manifest.training | {"calibration": fitted | {"age_tilt": tilt}},
        }
    )
    write_manifest(folder, calibrated)
    return calibrated


def _change(
    model: onnx.ModelProto, name: str, change: Callable[[NDArray[np.float32]], Floats]
) -> None:
    """Changes an initialiser of the graph, from what it is: a folder may be calibrated again."""
    for tensor in model.graph.initializer:
        if tensor.name == name:
            value = change(numpy_helper.to_array(tensor)).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(value, name))
            return
    raise ValueError(f"The graph has no initialiser named {name}: export the weights again.")
