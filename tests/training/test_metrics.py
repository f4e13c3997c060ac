import numpy as np
import pytest

from functions.predict.estimator import AGES
from functions.predict.manifest import Interval
from training.metrics import Answers, report, score

PLAIN = Interval(coverage=0.9, lower_quantile=0.05, upper_quantile=0.95, offset=2)


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
    figures = score(answers([30, 40, 50], [31, 40, 46]), PLAIN)
    assert figures["n"] == 3
    assert figures["age_mae"] == pytest.approx(5 / 3, abs=1e-3)
    assert figures["age_bias"] == pytest.approx(-1, abs=1e-3)
    assert figures["gender_accuracy"] == 1
    assert figures["interval_coverage"] == pytest.approx(2 / 3, abs=1e-3)
    assert figures["interval_width"] == 4


def test_a_missed_face_counts_as_an_error_in_everything() -> None:
    figures = score(answers([30, 30], [30, None]), PLAIN)
    assert figures["misses"] == 1
    assert figures["age_mae"] == pytest.approx(10)  # |50 - 30| / 2
    assert figures["gender_accuracy"] == 0.5
    assert figures["interval_coverage"] == 0.5


def test_the_protocol_knows_only_ages_21_to_60() -> None:
    half = answers([25], [10])
    half.age_probabilities[0, 30] = 1e-6  # all that is left after renormalising
    figures = score(half, PLAIN)
    assert figures["age_mae"] == pytest.approx(15, abs=1e-3)
    assert figures["age_mae_protocol"] == pytest.approx(5, abs=1e-3)
    assert score(answers([10], [10]), PLAIN)["age_mae_protocol"] is None


def test_groups_partition_the_faces() -> None:
    figures = report(answers([5, 25, 33, 71], [5, 25, 33, 71]), PLAIN)
    assert {band: group["n"] for band, group in figures["by_age_band"].items()} == {
        "0-9": 1, "20-29": 1, "30-39": 1, "70-100": 1,
    }  # fmt: skip
    assert {race: group["n"] for race, group in figures["by_race"].items()} == {"a": 2, "b": 2}
    assert list(figures["by_gender"]) == ["female"]
