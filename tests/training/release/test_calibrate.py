import shutil
from pathlib import Path

import numpy as np
import pytest

from apparent.ages import AGES, interval
from apparent.estimator import Estimator
from apparent.model import EMBEDDED, store
from apparent.model.bundle import Interval
from tests.training.release.conftest import photos
from training.data.labels import UNKNOWN
from training.release.answers import Answers, Source
from training.release.calibrate import (
    Options,
    age_temperature,
    age_tilt,
    calibrate,
    conformal_interval,
    conformal_regions,
    gender_temperature,
    temper_ages,
)
from training.release.metrics import touched

OPTIONS = Options()
KNEE = OPTIONS.knee


def faces(rng: np.random.Generator, n: int):  # type: ignore[no-untyped-def]
    """True distributions over ages, and an age drawn from each."""
    centres, widths = rng.uniform(15, 85, n), rng.uniform(3, 7, n)
    density = np.exp(-((np.arange(101) - centres[:, None]) ** 2) / (2 * widths[:, None] ** 2))
    density /= density.sum(axis=1, keepdims=True)
    ages = np.array([rng.choice(101, p=row) for row in density])
    return density, ages


def answers(density, low, high=None, source="utkface") -> Answers:  # type: ignore[no-untyped-def]
    """Answers with labelled ages, or ranges of ages."""
    n, high = len(low), low if high is None else high
    return Answers(
        age_low=low,
        age_high=high,
        near_low=low,
        near_high=high,
        genders=np.full(n, UNKNOWN),
        races=np.full(n, ""),
        sources=np.full(n, source),
        splits=np.full(n, "calibration"),
        age_probabilities=density,
        female_probability=np.full(n, 0.5, np.float32),
        missed=np.zeros(n, bool),
    )


def covered(density, ages, policy: Interval):  # type: ignore[no-untyped-def]
    low, high = interval(density, policy)
    return (low <= ages) & (ages <= high)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.5])
def test_the_temperature_undoes_over_and_under_confidence(
    rng: np.random.Generator, sharpness: float
) -> None:
    density, ages = faces(rng, 600)
    wrong = temper_ages(density, 1 / sharpness)
    assert age_temperature(wrong, ages) == pytest.approx(sharpness, rel=0.12)


@pytest.mark.parametrize("knee", [60, 50])
def test_the_old_who_were_rare_in_training_are_made_likelier(
    rng: np.random.Generator, knee: int
) -> None:
    density, ages = faces(rng, 3000)
    for_rare = np.exp(-0.5 * np.maximum(0, np.arange(AGES) - knee) / 10)
    shrunk = density * for_rare
    shrunk /= shrunk.sum(axis=1, keepdims=True)
    tilt = age_tilt(shrunk, ages, knee)
    assert tilt == pytest.approx(0.5, abs=0.15)
    np.testing.assert_allclose(temper_ages(shrunk, 1, 0.5, knee), density, atol=1e-6)
    assert age_tilt(density, ages, knee) == pytest.approx(0, abs=0.15)


def test_the_gender_temperature_undoes_overconfidence(rng: np.random.Generator) -> None:
    logits = rng.normal(0, 3, 20_000)
    female = rng.random(20_000) < 1 / (1 + np.exp(-logits))
    twice_as_sure = 1 / (1 + np.exp(-2 * logits))
    assert gender_temperature(twice_as_sure, female) == pytest.approx(2, rel=0.08)


@pytest.mark.parametrize("sharpness", [0.6, 1.0, 3.0])
def test_intervals_cover_as_promised_however_wrong_the_distributions(
    rng: np.random.Generator, sharpness: float
) -> None:
    density, ages = faces(rng, 6000)
    answered = temper_ages(density, 1 / sharpness)
    fitted = conformal_interval(answers(answered[:2000], ages[:2000]), OPTIONS)
    assert covered(answered[2000:], ages[2000:], fitted).mean() == pytest.approx(0.9, abs=0.03)


def test_intervals_hold_for_the_old_whose_ages_are_guessed_too_low(
    rng: np.random.Generator,
) -> None:
    density, ages = faces(rng, 6000)
    old = ages >= 60
    density[old] = np.roll(density[old], -8, axis=1)
    fitted = conformal_interval(answers(density[:3000], ages[:3000]), OPTIONS)
    held = covered(density[3000:], ages[3000:], fitted)
    assert 0.88 < held.mean() < 0.95
    assert held[old[3000:]].mean() > 0.83


def test_a_collection_with_ranges_alone_is_covered_too(rng: np.random.Generator) -> None:
    """Its faces look 7 years younger than they are, which the exact ages do not tell."""
    density, ages = faces(rng, 2000)
    shifted = np.roll(density, -7, axis=1)
    low = ages // 5 * 5
    told = answers(density[:1000], ages[:1000])
    groups = answers(shifted[1000:], low[1000:], low[1000:] + 4, "groups")
    pairs = {name: (getattr(told, name), getattr(groups, name)) for name in vars(told)}
    both = Answers(**{name: np.concatenate(pair) for name, pair in pairs.items()})
    alone, together = (conformal_interval(which, OPTIONS) for which in (told, both))
    assert touched(groups, alone).mean() < 0.8
    assert touched(groups, together).mean() >= 0.85
    assert covered(density[:1000], ages[:1000], together).mean() >= 0.9


def test_without_an_exact_age_nothing_can_be_fitted(rng: np.random.Generator) -> None:
    density, ages = faces(rng, 10)
    with pytest.raises(ValueError, match="exact age"):
        conformal_interval(answers(density, ages, ages + 3), OPTIONS)


@pytest.mark.parametrize("gender", ["", "male"])
def test_what_cannot_be_fitted_is_left_or_refused_before_anything_is_written(
    tmp_path: Path, gender: str
) -> None:
    bundle = tmp_path / "bundle"
    shutil.copytree(EMBEDDED, bundle)
    ages = ["30-40"] * 4 if gender else ["30", "40", "50", "60"]
    source = photos(tmp_path / "set", ages, [gender] * 4, ["calibration"] * 4)
    if gender:
        with pytest.raises(ValueError, match="exact age"):
            calibrate(bundle, [source], "calibration", Options())
    else:
        manifest = calibrate(bundle, [source], "calibration", Options())
        fitted = manifest.provenance.calibration["fitted"]
        assert isinstance(fitted, dict)
        assert fitted["gender_temperature"] == 1
    store.load(bundle.as_uri())  # whole


@pytest.mark.parametrize("regions", [(20, 40), (0, 40, 20), (0, 0, 40), (0, AGES), ()])
def test_regions_that_do_not_cover_all_ages_once_are_refused(regions: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="regions rise from 0"):
        Options(regions=regions)


def test_regions_and_coverage_are_what_was_chosen(rng: np.random.Generator) -> None:
    density, ages = faces(rng, 2000)
    chosen = Options(regions=(0, 40), coverage=0.8)
    fitted = conformal_interval(answers(density, ages), chosen)
    assert [region.first_age for region in fitted.regions] == [0, 40]
    assert fitted.coverage == 0.8
    assert covered(density, ages, fitted).mean() == pytest.approx(0.8, abs=0.02)


def test_a_region_s_bounds_are_order_statistics_with_the_finite_sample_correction() -> None:
    ages = np.repeat(np.arange(20, 30), 4)[:39]
    even = np.full((39, AGES), 1 / AGES)  # all are answered as 50
    regions = conformal_regions(even, ages, 0.2, OPTIONS.regions)
    assert [region.first_age for region in regions] == list(OPTIONS.regions)
    for region in regions:  # floor(40 * 0.1) = 4: the fourth smallest and largest; none elsewhere
        assert (region.lowest, region.highest) == pytest.approx((20.5 / AGES, 28.5 / AGES))


def test_the_few_old_among_those_answered_alike_are_not_outvoted() -> None:
    """90 true forties and 10 true seventies, all answered as 50."""
    ages = np.repeat([45, 75], [90, 10])
    even = np.full((100, AGES), 1 / AGES)
    (region,) = conformal_regions(even, ages, 0.1, (0,))
    assert region.highest == pytest.approx(75.5 / AGES)
    regions = conformal_regions(even, ages, 0.3, OPTIONS.regions)
    assert regions[5].highest == pytest.approx(75.5 / AGES)
    assert conformal_regions(even, ages, 0.3, (0,))[0].highest == pytest.approx(45.5 / AGES)


def test_calibration_rewrites_graphs_and_manifest_together(
    bundle: Path, exported: Path, aged: Source, ranged: Source
) -> None:
    before = store.load(bundle.as_uri()).manifest
    after = calibrate(bundle, [aged, ranged], "calibration", Options(knee=50, uncertain_below=0.7))
    loaded = store.load(bundle.as_uri())
    assert loaded.manifest == after
    assert after.version != before.version
    assert after.policy.gender.uncertain_below == 0.7
    calibration = after.provenance.calibration
    assert calibration["data"] == {
        name: {"split": "calibration", "labels_sha256": source.labels_sha256, "faces": n}
        for name, source, n in (("utkface", aged, 12), ("groups", ranged, 5))
    }
    assert calibration["options"]["knee"] == 50  # type: ignore[call-overload,index]
    assert set(calibration["covered"]) == {"utkface", "groups"}  # type: ignore[arg-type]
    temperature = calibration["fitted"]["age_temperature"]  # type: ignore[call-overload,index]
    chips = np.full((1, 32, 32, 3), 90, np.uint8)
    original = store.load(exported.as_uri())
    for variant in ("int8", "fp32"):
        plain, tempered = (
            np.log(
                Estimator(b.read(b.manifest.files["estimator"][variant]))
                .estimate(chips)
                .age_probabilities
            )[:, :50]  # untilted
            for b in (original, loaded)
        )
        ratio = (plain - plain.mean()) / (tempered - tempered.mean())
        assert np.median(ratio) == pytest.approx(temperature, rel=0.02)


def test_a_bundle_calibrated_twice_is_as_after_the_first_time(bundle: Path, aged: Source) -> None:
    once = calibrate(bundle, [aged], "calibration", Options(knee=40))
    again = calibrate(bundle, [aged], "calibration", Options(knee=40))
    assert again.provenance.calibration["fitted"] == once.provenance.calibration["fitted"]
    assert again.version == once.version
    assert not list(bundle.parent.glob("bundle.*"))


def test_intervals_alone_leave_the_networks_and_the_threshold_as_they_are(
    bundle: Path, aged: Source
) -> None:
    calibrate(bundle, [aged], "calibration", Options(knee=50, uncertain_below=0.7))
    before = store.load(bundle.as_uri())
    calibrate(bundle, [aged], "calibration", Options(coverage=0.5), intervals_only=True)
    after = store.load(bundle.as_uri())
    assert after.manifest.policy.gender == before.manifest.policy.gender
    assert after.manifest.provenance.calibration["options"]["knee"] == 50  # type: ignore[call-overload,index]
    assert after.estimator == before.estimator
    assert after.manifest.version == before.manifest.version
    assert after.manifest.policy.interval != before.manifest.policy.interval
