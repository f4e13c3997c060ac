import numpy as np
import pytest

from apparent.ages import AGES
from apparent.model.bundle import AgeRegion, GenderPolicy, Interval
from training.metrics import Answers, gender_reliability, report, score

PLAIN = Interval(coverage=0.9, regions=(AgeRegion(first_age=0, lowest=0.04, highest=0.96),))
POLICY = GenderPolicy(uncertain_below=0.7)


def answers(ages: list[int], guesses: list[int | None]) -> Answers:
    """Certain guesses, all female and right about it; None is a missed face."""
    n = len(ages)
    probabilities = np.full((n, AGES), 1 / AGES, np.float32)
    for row, guess in zip(probabilities, guesses, strict=True):
        if guess is not None:
            row[:] = np.arange(AGES) == guess
    missed = np.array([guess is None for guess in guesses])
    return Answers(
        ages=np.array(ages),
        is_female=np.ones(n, bool),
        races=np.array(["a", "b"] * n)[:n],
        age_probabilities=probabilities,
        female_probability=np.where(missed, 0, 1).astype(np.float32),
        missed=missed,
    )


def test_figures_follow_their_definitions() -> None:
    figures = score(answers([30, 40, 50], [31, 40, 46]), PLAIN, POLICY)
    assert figures["n"] == 3
    assert figures["age_mae"] == pytest.approx(5 / 3, abs=1e-3)
    assert figures["age_bias"] == pytest.approx(-1, abs=1e-3)
    assert figures["gender_accuracy"] == 1
    assert figures["interval_coverage"] == pytest.approx(1 / 3, abs=1e-3)
    assert figures["interval_width"] == 0


def test_a_missed_face_counts_as_an_error_in_everything() -> None:
    figures = score(answers([30, 30], [30, None]), PLAIN, POLICY)
    assert figures["misses"] == 1
    assert figures["age_mae"] == pytest.approx(10)  # |50 - 30| / 2
    assert figures["gender_accuracy"] == 0.5
    assert figures["interval_coverage"] == 0.5


def test_the_protocol_knows_only_ages_21_to_60() -> None:
    half = answers([25], [10])
    half.age_probabilities[0, 30] = 1e-6  # all that is left after renormalising
    figures = score(half, PLAIN, POLICY)
    assert figures["age_mae"] == pytest.approx(15, abs=1e-3)
    assert figures["age_mae_protocol"] == pytest.approx(5, abs=1e-3)
    assert score(answers([10], [10]), PLAIN, POLICY)["age_mae_protocol"] is None


def test_groups_partition_the_faces() -> None:
    figures = report(answers([5, 25, 33, 71], [5, 25, 33, 71]), PLAIN, POLICY)
    assert {band: group["n"] for band, group in figures["by_age_band"].items()} == {
        "0-9": 1, "20-29": 1, "30-39": 1, "70-100": 1,
    }  # fmt: skip
    assert {race: group["n"] for race, group in figures["by_race"].items()} == {"a": 2, "b": 2}
    assert list(figures["by_gender"]) == ["female"]


def test_groups_are_also_crossed() -> None:
    crossed = report(answers([5, 25, 28, 71], [5, 25, 33, 71]), PLAIN, POLICY)["by_age_gender_race"]
    assert {name: group["n"] for name, group in crossed.items()} == {
        "0-9 female a": 1, "20-29 female a": 1, "20-29 female b": 1, "70-100 female b": 1,
    }  # fmt: skip
    assert crossed["20-29 female a"]["age_mae"] == pytest.approx(5, abs=1e-3)


def test_a_figure_lies_in_its_interval_which_narrows_with_more_faces() -> None:
    guesses = [20, 24, 30, 33] * 10
    few, many = (score(answers([25] * n, [*guesses[:n]]), PLAIN, POLICY) for n in (8, 40))
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
    assert score(faces, PLAIN, POLICY)["gender_ece"] == pytest.approx(0.05)


def test_a_missed_face_is_a_confident_error_of_gender() -> None:
    assert gender_reliability(answers([30], [None])) == [{"n": 1, "confidence": 1, "accuracy": 0}]


def test_uncertain_answers_are_counted_apart() -> None:
    faces = answers([30] * 4, [30] * 4)
    faces.female_probability[:] = [0.9, 0.6, 0.35, 0.2]
    figures = score(faces, PLAIN, POLICY)
    assert figures["gender_accuracy"] == 0.5
    assert figures["gender_uncertain"] == 0.5
    assert figures["gender_accuracy_answered"] == 0.5
