"""Makes a bundle's numbers hold: temperatures and age intervals.

    python -m training calibrate --model runs/NAME/int8 --images A.zip B.zip --labels A.csv B.csv

Everything is fitted on the answers of the served pipeline for the `calibration` split of some
collections, so what is calibrated is the very file that answers, quantisation and
detection included.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator

from apparent.ages import AGES, median_age, mid_cumulative
from apparent.model import store
from apparent.model.bundle import (
    SERVED,
    AgeRegion,
    File,
    GenderPolicy,
    Interval,
    Manifest,
    Policy,
    Role,
)
from apparent.model.writer import describe, write_card, write_manifest
from training.data.labels import FEMALE
from training.release.answers import Answers, Source, collect
from training.release.folders import changed
from training.release.metrics import in_age_bands, touched

Floats = NDArray[np.floating]

_TILTS = np.linspace(0, 1, 41)
_TEMPERATURES = np.geomspace(0.25, 4, 401)
_MISS_RATE_STEP = 0.005
_TELLING = 30
"""Faces from which a group has a say in how wide the intervals are."""
_TINY = 1e-30
_NO_AGE = "No calibration face has an exact age: add a collection that has some."
_NEARLY_0 = 1e-7  # about float32's distance from 1 to its neighbour


class Options(BaseModel):
    """What is chosen, not fitted; recorded in the bundle's provenance."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    coverage: float = Field(default=0.9, gt=0, lt=1)
    """Share of faces whose age the interval is to hold."""
    regions: tuple[int, ...] = (0, 10, 20, 30, 40, 50, 60, 70)
    """First ages of the regions whose levels are fitted apart."""
    region_slack: float = Field(default=0.05, ge=0)
    """By how much less than `coverage` a region of true ages, or a collection, may be covered."""
    knee: int = Field(default=60, ge=0, lt=AGES)
    """Years up to which `age_tilt` leaves the ages as likely as they are."""
    uncertain_below: float = Field(default=0.8, ge=0.5, le=1)
    """A gender less probable is answered as `uncertain`. 0.8 was the lowest of 0.5, 0.6, 0.7, 0.75,
    0.8 at which 98 % of the answers of the first model were right on val."""

    @field_validator("regions")
    @classmethod
    def _cover_all_ages(cls, regions: tuple[int, ...]) -> tuple[int, ...]:
        if regions != tuple(sorted({0, *regions})) or regions[-1] >= AGES:
            raise ValueError(f"regions rise from 0 and begin below {AGES}, as in 0 20 40")
        return regions


def temper_ages(
    probabilities: Floats, temperature: float, tilt: float = 0, knee: int = 0
) -> Floats:
    """softmax(log p / T + tilt * slope), `[n, ages] -> [n, ages]`; see `age_tilt`."""
    logits = np.log(np.maximum(probabilities, _TINY)) / temperature + tilt * slope(knee)
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    tempered: Floats = weights / weights.sum(axis=1, keepdims=True)
    return tempered


def slope(knee: int) -> NDArray[np.float64]:
    """Decades past `knee` of each age, `[ages]`."""
    decades: NDArray[np.float64] = np.maximum(0, np.arange(AGES) - knee) / 10
    return decades


def age_temperature(probabilities: Floats, ages: NDArray[np.int64]) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), on a grid."""
    rows = np.arange(len(ages))

    def loss(temperature: float) -> float:
        likelihood = temper_ages(probabilities, temperature)[rows, ages]
        return float(-np.log(np.maximum(likelihood, _TINY)).mean())

    return float(min(_TEMPERATURES, key=loss))


def age_tilt(probabilities: Floats, ages: NDArray[np.int64], knee: int) -> float:
    """How much likelier the old are made, per decade past `knee`, than their few labels made them.

    A correction for the prior of the training set (Saerens, Latinne, Decaestecker 2002) in one
    parameter: that with the least absolute error of the median, averaged over age bands, in which
    the old count for as much as the many young.
    """
    bands = [band for band in in_age_bands(ages) if band.any()]

    def error(tilt: float) -> float:
        distance = np.abs(median_age(temper_ages(probabilities, 1, tilt, knee)) - ages)
        return float(np.mean([distance[band].mean() for band in bands]))

    return float(min(_TILTS, key=error))


def gender_temperature(female: Floats, is_female: NDArray[np.bool_]) -> float:
    """As `age_temperature`, for the binary answer; 1 where nobody told a gender."""
    if not len(female):
        return 1.0
    clipped = female.astype(np.float64).clip(_NEARLY_0, 1 - _NEARLY_0)
    logits = np.log(clipped / (1 - clipped))
    towards_truth = np.where(is_female, logits, -logits)

    def loss(temperature: float) -> float:
        return float(np.logaddexp(0, -towards_truth / temperature).mean())

    return float(min(_TEMPERATURES, key=loss))


def conformal_regions(
    probabilities: Floats, ages: NDArray[np.int64], miss_rate: float, firsts: Sequence[int]
) -> tuple[AgeRegion, ...]:
    """The levels between which true ages lie but for `miss_rate` of faces, half of it either side.

    Split conformal prediction by group (Vovk, Gammerman, Shafer 2005, section 4.5), the group being
    the region that the answered age falls in, which is known when a face is answered. Within a
    group each region of true ages weighs the same, or the few old would be outvoted.
    """
    below = np.take_along_axis(mid_cumulative(probabilities), ages[:, None], axis=1)[:, 0]
    answered = _region(np.rint(median_age(probabilities)), firsts)
    true = _region(ages, firsts)
    weights = 1 / np.bincount(true, minlength=len(firsts))[true]
    tail = miss_rate / 2
    anywhere = _levels(below, weights, tail) or (tail, 1 - tail)  # where a group is too small
    regions = []
    for i, first in enumerate(firsts):
        chosen = answered == i
        lowest, highest = _levels(below[chosen], weights[chosen], tail) or anywhere
        regions.append(AgeRegion(first_age=first, lowest=lowest, highest=highest))
    return tuple(regions)


def _levels(shares: Floats, weights: Floats, tail: float) -> tuple[float, float] | None:
    """The shares `[n]` that leave a weight of `tail` beyond them, on either side.

    With equal weights the floor((n + 1) * tail)-th smallest and largest. None where the faces are
    too few to tell.
    """
    order = np.argsort(shares)
    shares, weights = shares[order], weights[order]
    total = weights.sum() + (weights.mean() if len(weights) else 0)
    under, over = (int((np.cumsum(w) <= tail * total).sum()) for w in (weights, weights[::-1]))
    if not under or not over:
        return None
    return float(shares[under - 1]), float(shares[-over])


def _region(ages: NDArray[Any], firsts: Sequence[int]) -> NDArray[np.int64]:
    return np.searchsorted(firsts, ages, side="right") - 1


def conformal_interval(answers: Answers, options: Options) -> Interval:
    """The narrowest interval that covers the faces with exact ages as often as promised.

    Levels are fitted on exact ages alone. The miss rate, one for all regions, is the highest at
    which all faces together are covered as promised and no region of true ages and no collection
    falls short by more than `region_slack`; of faces with a range the interval has to touch it.
    Chosen on the faces it was fitted on, so conformal prediction's guarantee is approximate: what
    is reached elsewhere is measured. Raises `ValueError` where no face has an exact age.
    """
    aged = answers.where(answers.exact)
    if not len(aged):
        raise ValueError(_NO_AGE)
    told = answers.where(answers.exact | answers.ranged)
    true = np.where(told.exact, _region(told.age_low, options.regions), -1)
    groups = [told.sources == name for name in np.unique(told.sources)]
    groups += [true == region for region in range(len(options.regions))]
    groups = [group for group in groups if group.sum() >= _TELLING]

    def covers(policy: Interval) -> bool:
        covered = touched(told, policy)
        least = min((covered[group].mean() for group in groups), default=1)
        together = covered[told.exact].mean() >= options.coverage
        return bool(together and least >= options.coverage - options.region_slack)

    def fitted(miss_rate: float) -> Interval:
        return Interval(
            coverage=options.coverage,
            regions=conformal_regions(
                aged.age_probabilities, aged.age_low, miss_rate, options.regions
            ),
        )

    rates = np.arange(2 * (1 - options.coverage), 0, -_MISS_RATE_STEP)
    policies = [fitted(float(rate)) for rate in rates]
    return next(filter(covers, policies), policies[-1])


def calibrate(
    folder: Path,
    sources: Sequence[Source],
    split: str,
    options: Options,
    *,
    intervals_only: bool = False,
) -> Manifest:
    """Fits on a bundle's own answers, then puts one with other graphs and another manifest in its
    place; returns the latter. A bundle that was calibrated before is calibrated as if it was not.

    With `intervals_only` the graphs, and with them the version and the figures of ages and genders,
    stay as they are, and so do the options `knee` and `uncertain_below`.
    """
    bundle = store.load(folder.resolve().as_uri())
    answers = collect(bundle, sources, (split,), "photos")
    answers = answers.where(~answers.missed)
    if not answers.exact.any():
        raise ValueError(_NO_AGE)
    manifest = bundle.manifest
    fitted: JsonValue = manifest.provenance.calibration.get("fitted")
    graphs: dict[str, onnx.ModelProto] = {}
    if intervals_only:
        options = _with_networks_as_they_are(options, manifest)
    else:
        answers, temperatures, graphs = _tempered(bundle, answers, options)
        fitted = dict(temperatures)
    interval = conformal_interval(answers, options)
    # Figures were measured with the old answers.
    card = bundle.card.model_copy(update={"figures": []})
    calibration = {
        "data": {
            source.name: {
                "split": split,
                "labels_sha256": source.labels_sha256,
                "faces": int((answers.sources == source.name).sum()),
            }
            for source in sources
        },
        "options": options.model_dump(mode="json"),
        "fitted": fitted,
        "covered": coverage_by_source(answers, interval),
    }
    gender = GenderPolicy(uncertain_below=options.uncertain_below)
    with changed(folder) as made:
        manifest = _with_graphs(made, manifest, graphs)
        manifest = manifest.model_copy(
            update={
                "policy": Policy(interval=interval, gender=gender),
                "card": write_card(made, card),
                "provenance": manifest.provenance.model_copy(update={"calibration": calibration}),
            }
        )
        write_manifest(made, manifest)
    return manifest


def _with_networks_as_they_are(options: Options, manifest: Manifest) -> Options:
    before = manifest.provenance.calibration.get("options")
    knee = before.get("knee", options.knee) if isinstance(before, dict) else options.knee
    kept = {"knee": knee, "uncertain_below": manifest.policy.gender.uncertain_below}
    return Options.model_validate(options.model_dump() | kept)


def coverage_by_source(answers: Answers, policy: Interval) -> dict[str, float]:
    """Share of each collection's aged faces whose interval holds the age or touches the range."""
    told = answers.where(answers.exact | answers.ranged)
    covered = touched(told, policy)
    return {
        str(name): round(float(covered[told.sources == name].mean()), 4)
        for name in np.unique(told.sources)
    }


def _tempered(
    bundle: store.Bundle, answers: Answers, options: Options
) -> tuple[Answers, dict[str, float], dict[str, onnx.ModelProto]]:
    """The answers with temperatures and tilt fitted on them, these, and every variant of the
    estimator that has them.
    """
    answers = _uncalibrated(answers, onnx.load_model_from_string(bundle.estimator))
    aged, gendered = answers.where(answers.exact), answers.where(answers.gendered)
    for_age = age_temperature(aged.age_probabilities, aged.age_low)
    for_gender = gender_temperature(gendered.female_probability, gendered.genders == FEMALE)
    tempered = temper_ages(aged.age_probabilities, for_age)
    tilt = age_tilt(tempered, aged.age_low, options.knee)
    fitted = {"age_temperature": for_age, "gender_temperature": for_gender, "age_tilt": tilt}
    graphs = {}
    for variant, file in bundle.manifest.files["estimator"].items():
        model = onnx.load_model_from_string(bundle.read(file))
        _set(model, "age_temperature", for_age)
        _set(model, "gender_temperature", for_gender)
        _set(model, "age_bias", tilt * slope(options.knee))
        graphs[variant] = model
    ages = temper_ages(answers.age_probabilities, for_age, tilt, options.knee)
    values: dict[str, Any] = vars(answers) | {"age_probabilities": ages}
    return Answers(**values), fitted, graphs


def _with_graphs(folder: Path, manifest: Manifest, graphs: dict[str, onnx.ModelProto]) -> Manifest:
    """Writes the variants of the estimator; the manifest that knows them."""
    variants = dict(manifest.files["estimator"])
    for variant, model in graphs.items():
        path = folder / variants[variant].path
        onnx.save(model, str(path))
        variants[variant] = describe(path)
    files: dict[Role, dict[str, File]] = {**manifest.files, "estimator": variants}
    return manifest.model_copy(update={"files": files, "version": variants[SERVED].sha256[:12]})


def _uncalibrated(answers: Answers, model: onnx.ModelProto) -> Answers:
    """The answers as the graph would give them without temperatures and bias."""
    temperature, bias, for_gender = (
        numpy_helper.to_array(_initialiser(model, name))
        for name in ("age_temperature", "age_bias", "gender_temperature")
    )
    ages = np.log(np.maximum(answers.age_probabilities, _TINY)) - bias
    weights = np.exp((ages - ages.max(axis=1, keepdims=True)) * temperature)
    clipped = answers.female_probability.astype(np.float64).clip(_NEARLY_0, 1 - _NEARLY_0)
    odds = (clipped / (1 - clipped)) ** for_gender
    values: dict[str, Any] = vars(answers) | {
        "age_probabilities": weights / weights.sum(axis=1, keepdims=True),
        "female_probability": odds / (1 + odds),
    }
    return Answers(**values)


def _set(model: onnx.ModelProto, name: str, value: Floats | float) -> None:
    array = np.asarray(value, np.float32)
    _initialiser(model, name).CopyFrom(numpy_helper.from_array(array, name))


def _initialiser(model: onnx.ModelProto, name: str) -> onnx.TensorProto:
    tensors: dict[str, onnx.TensorProto] = {it.name: it for it in model.graph.initializer}
    if name not in tensors:
        raise ValueError(f"The graph has no initialiser named {name}: export the weights again.")
    return tensors[name]
