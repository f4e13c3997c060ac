import csv
from pathlib import Path

import numpy as np
import pytest

from training import dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rows = [(40, "male", 7), (44, "male", 7), (20, "female", 8), (45, "female", 7), (30, "male", 9)]
    out = tmp_path / "faces"
    out.mkdir()
    with (out / dataset.LABELS).open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "age", "gender", "split", "cluster"])
        for i, (age, gender, cluster) in enumerate(rows):
            writer.writerow([f"{i}.jpg", age, gender, "val" if i == 4 else "train", cluster])
    np.save(
        out / dataset.CHIPS,
        np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((4, 4, 3), np.uint8),
    )
    return out


def test_copies_of_one_image_are_settled_for_training_alone(folder: Path) -> None:
    as_labelled = dataset.read(folder, ("train",))
    assert as_labelled.ages.tolist() == [40, 44, 20, 45]
    settled = dataset.read(folder, ("train",), settle=True)
    assert settled.ages.tolist() == [43, 43, 20, 43]
    assert settled.female.tolist() == [False, False, True, False]


def test_copies_that_disagree_evenly_keep_their_gender() -> None:
    ages, female = np.array([30, 31]), np.array([True, False])
    assert dataset.settled(ages, female, ["1", "1"])[1].tolist() == [True, False]


def test_a_teacher_s_answers_go_with_their_faces(folder: Path, tmp_path: Path) -> None:
    answers = np.arange(5, dtype=np.float16)[:, None] * np.ones((102,), np.float16)
    np.save(dataset.soft_targets(tmp_path, folder), answers)
    val = dataset.read(folder, ("val",), teacher=tmp_path)
    genders = dataset.read_genders(folder, 3, seed=1, teacher=tmp_path)
    both = dataset.joined(val, genders)
    assert both.taught is not None
    assert both.taught[:, 0].tolist() == both.chips[:, 0, 0, 0].tolist()
    assert (
        dataset.joined(dataset.read(folder, ("val",)), dataset.read_genders(folder, 3, 1)).taught
        is None
    )


def test_a_teacher_that_did_not_answer_is_a_sentence(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="training teach"):
        dataset.read(folder, ("val",), teacher=tmp_path / "nobody")
