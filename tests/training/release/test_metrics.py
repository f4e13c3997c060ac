import numpy as np
import pytest

from apparent.ages import AGES
from apparent.model.bundle import AgeRegion, GenderPolicy, Interval, Policy
from training.data.labels import FEMALE, UNKNOWN
from training.release.answers import Answers
from training.release.metrics import gender_reliability, report, score

PLAIN = Interval(coverage=0.9, regions=(AgeRegion(first_age=0, lowest=0.04, highest=0.96),))
POLICY = Policy(interval=PLAIN, gender=GenderPolicy(uncertain_below=0.7))


def answers(
    ages: list[int] | list[tuple[int, int]],
    guesses: list[int | None],
    near: list[tuple[int, int]] | None = None,
) -> Answers:
    """Certain guesses, all female and right about it; None is a missed face."""
    n = len(ages)
    bounds = np.array([age if isinstance(age, tuple) else (age, age) for age in ages])
    probabilities = np.full((n, AGES), 1 / AGES, np.float32)
    for row, guess in zip(probabilities, guesses, strict=True):
        if guess is not None:
            row[:] = np.arange(AGES) == guess
    missed = np.array([guess is None for guess in guesses])
    around = np.array(bounds if near is None else near)
    return Answers(
        age_low=bounds[:, 0],
        age_high=bounds[:, 1],
        near_low=around[:, 0],
        near_high=around[:, 1],
        genders=np.full(n, FEMALE),
        races=np.array(["a", "b"] * n)[:n],
        sources=np.array(["one", "other", "one"] * n)[:n],
        splits=np.full(n, "test"),
        age_probabilities=probabilities,
        female_probability=np.where(missed, 0, 1).astype(np.float32),
        missed=missed,
    )


def test_figures_follow_their_definitions() -> None:
    figures = score(answers([30, 40, 50], [31, 40, 44]), POLICY)
    assert figures["n"] == figures["n_ages"] == figures["n_genders"] == 3
    assert figures["age_mae"] == pytest.approx(7 / 3, abs=1e-3)
    assert figures["age_bias"] == pytest.approx(-5 / 3, abs=1e-3)
    assert figures["age_cs5"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["gender_accuracy"] == 1
    assert figures["interval_coverage"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["interval_width"] == 0
    assert figures["n_ranges"] == 0
    assert figures["range_exact"] is None


def test_an_error_of_five_years_is_within_five_years() -> None:
    assert score(answers([30, 30], [35, 36]), POLICY)["age_cs5"] == 0.5


def test_ranges_are_scored_by_ranges() -> None:
    labels = [(20, 36)] * 5
    figures = score(answers(labels, [20, 36, 37, 70, None], [(13, 65)] * 5), POLICY)
    assert figures["n_ranges"] == 5
    assert figures["n_ages"] == 0
    assert figures["age_mae"] is None
    assert figures["interval_coverage"] is None
    assert figures["range_exact"] == 0.4
    assert figures["range_within_one"] == 0.6
    assert figures["range_years_outside"] == pytest.approx((1 + 34 + 14) / 5)  # a miss says 50
    assert figures["range_touched"] == 0.4


def test_an_interval_that_reaches_into_the_range_touches_it() -> None:
    faces = answers([(20, 36)] * 2, [None, None])
    faces.missed[:] = False
    faces.age_probabilities[:] = 0
    faces.age_probabilities[0, 35:60] = 1 / 25  # about 36 to 58
    faces.age_probabilities[1, 40:60] = 1 / 20
    assert score(faces, POLICY)["range_touched"] == 0.5


def test_faces_without_an_age_or_a_gender_count_for_the_rest() -> None:
    faces = answers([30, UNKNOWN], [30, 60])
    faces.genders[0] = UNKNOWN
    faces.female_probability[:] = [0, 1]
    figures = score(faces, POLICY)
    assert figures["n"] == 2
    assert figures["n_ages"] == figures["n_genders"] == 1
    assert figures["age_mae"] == pytest.approx(0, abs=1e-3)
    assert figures["gender_accuracy"] == 1


def test_a_missed_face_counts_as_an_error_in_everything() -> None:
    figures = score(answers([30, 30], [30, None]), POLICY)
    assert figures["misses"] == 1
    assert figures["age_mae"] == pytest.approx(10)  # |50 - 30| / 2
    assert figures["gender_accuracy"] == 0.5
    assert figures["interval_coverage"] == 0.5
    assert score(answers([48], [None]), POLICY)["age_cs5"] == 0  # not by chance either


def test_the_protocol_knows_only_ages_21_to_60() -> None:
    half = answers([25], [10])
    half.age_probabilities[0, 30] = 1e-6  # all that is left after renormalising
    figures = score(half, POLICY)
    assert figures["age_mae"] == pytest.approx(15, abs=1e-3)
    assert figures["age_mae_protocol"] == pytest.approx(5, abs=1e-3)
    assert score(answers([10], [10]), POLICY)["age_mae_protocol"] is None


def test_groups_partition_the_faces() -> None:
    ages: list[int] = [5, 25, 33, 71]
    figures = report(answers(ages, [5, 25, 33, 71]), POLICY)
    assert {band: group["n"] for band, group in figures["by_age_band"].items()} == {
        "0-9": 1, "20-29": 1, "30-39": 1, "70-100": 1,
    }  # fmt: skip
    assert {race: group["n"] for race, group in figures["by_race"].items()} == {"a": 2, "b": 2}
    assert list(figures["by_gender"]) == ["female"]
    assert figures["by_range"] == {}


def test_coverage_is_told_by_collection_and_range() -> None:
    figures = report(answers([(0, 2), (3, 7), (0, 2)], [1, 9, 5]), POLICY)
    assert {r: one["range_exact"] for r, one in figures["by_range"].items()} == {
        "0-2": 0.5, "3-7": 0,
    }  # fmt: skip
    assert {s: one["range_touched"] for s, one in figures["by_source"].items()} == {
        "one test": 0.5, "other test": 0,
    }  # fmt: skip
    assert figures["by_age_band"] == {}


def test_groups_are_also_crossed() -> None:
    crossed = report(answers([5, 25, 28, 71], [5, 25, 33, 71]), POLICY)["by_age_gender_race"]
    assert {name: group["n"] for name, group in crossed.items()} == {
        "0-9 female a": 1, "20-29 female a": 1, "20-29 female b": 1, "70-100 female b": 1,
    }  # fmt: skip
    assert crossed["20-29 female a"]["age_mae"] == pytest.approx(5, abs=1e-3)


def test_a_figure_lies_in_its_interval_which_narrows_with_more_faces() -> None:
    guesses: list[int | None] = [20, 24, 30, 33] * 10
    few, many = (score(answers([25] * n, [*guesses[:n]]), POLICY) for n in (8, 40))
    widths = []
    for figures in (few, many):
        low, high = figures["age_mae_ci"]  # type: ignore[misc]
        assert low < figures["age_mae"] < high  # type: ignore[operator]
        widths.append(high - low)
    assert widths[1] < 0.6 * widths[0]


def test_reliability_compares_confidence_with_accuracy() -> None:
    faces = answers([30] * 4, [30] * 4)
    faces.female_probability[:] = [0.8, 0.8, 0.8, 0.2]  # three right of four
    (row,) = gender_reliability(faces)
    assert row == {"n": 4, "confidence": 0.8, "accuracy": 0.75}
    assert score(faces, POLICY)["gender_ece"] == pytest.approx(0.05)


def test_a_missed_face_is_a_confident_error_of_gender() -> None:
    assert gender_reliability(answers([30], [None])) == [{"n": 1, "confidence": 1, "accuracy": 0}]


def test_uncertain_answers_are_counted_apart() -> None:
    faces = answers([30] * 4, [30] * 4)
    faces.female_probability[:] = [0.9, 0.6, 0.35, 0.2]
    figures = score(faces, POLICY)
    assert figures["gender_accuracy"] == 0.5
    assert figures["gender_uncertain"] == 0.5
    assert figures["gender_accuracy_answered"] == 0.5
