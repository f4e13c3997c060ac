from pathlib import Path

import numpy as np
import pytest

from tests.training.conftest import prepared
from training.data.dataset import CHIPS, merged_duplicates, read_faces, soft_targets
from training.data.labels import UNKNOWN, read_labels
from training.recipe import Source


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = ["40,male,train,7", "44,male,train,7", "20,female,train,8", "45,female,train,7"]
    prepared(tmp_path / "copies", [*rows, "30,male,val,9"])
    prepared(
        tmp_path / "many",
        [f"{age},male,train,{i}" for i, age in enumerate(["20-36"] * 50 + ["3-7"] * 5 + [""] * 5)],
        seed=1,
    )
    return tmp_path


def faces(data: Path, *sources: Source, merge: bool = False) -> list[int]:
    """Lowest ages of an epoch's draw."""
    read = read_faces(data, sources, ("train",), merge=merge)
    ages: list[int] = read.age_low[read.epoch(1, 0)].tolist()
    return ages


def test_copies_of_one_image_are_merged_where_asked(data: Path) -> None:
    assert sorted(faces(data, Source(name="copies"))) == [20, 40, 44, 45]
    merged = read_faces(data, (Source(name="copies"),), ("train",), merge=True)
    assert merged.age_low.tolist() == merged.age_high.tolist() == [43, 43, 20, 43]
    assert merged.genders.tolist() == [0, 0, 1, 0]


def test_copies_that_disagree_evenly_keep_their_gender_and_unknown_ones_their_ranges(
    tmp_path: Path,
) -> None:
    rows = [
        "30,female,train,1",
        "31,male,train,1",
        "20-36,,train,2",
        "40,male,train,2",
        ",,train,2",
    ]
    folder = prepared(tmp_path / "set", rows)
    merged = merged_duplicates(read_labels(folder / "labels.csv"))
    assert merged.genders.tolist() == [1, 0, UNKNOWN, 0, UNKNOWN]
    assert merged.age_low.tolist() == [30, 30, 20, 40, UNKNOWN]
    assert merged.age_high.tolist() == [30, 30, 36, 40, UNKNOWN]


def test_chips_go_with_their_labels_whichever_set_they_are_of(data: Path) -> None:
    read = read_faces(data, (Source(name="many"), Source(name="copies")), ("train",))
    assert len(read) == 64
    assert read.counts == {"many": 60, "copies": 4}
    order = np.array([62, 3])
    expected = np.load(data / "copies" / CHIPS)[2], np.load(data / "many" / CHIPS)[3]
    assert np.array_equal(read.chips(order), np.stack(expected))
    assert read.age_low[order].tolist() == [20, 20]
    assert read.age_high[order].tolist() == [20, 36]


def test_a_cap_holds_for_its_range_and_is_drawn_anew_each_epoch(data: Path) -> None:
    source = Source(name="many", caps={"20-36": 10})
    assert sorted(faces(data, source)) == [UNKNOWN] * 5 + [3] * 5 + [20] * 10
    read = read_faces(data, (source,), ("train",))
    one, other = (set(read.epoch(1, epoch).tolist()) for epoch in (0, 1))
    assert one != other
    assert read.per_epoch == len(one) == len(other) == 20
    assert np.array_equal(read.epoch(1, 0), read.epoch(1, 0))


def test_a_limit_and_a_weight_count_in_all(data: Path) -> None:
    assert len(faces(data, Source(name="many", faces=7))) == 7
    half = faces(data, Source(name="many", caps={"20-36": 10}, weight=0.5))
    assert len(half) == 10
    twice = faces(data, Source(name="copies", weight=2.25))
    assert sorted({age: twice.count(age) for age in twice}.values()) == [2, 2, 2, 3]


def test_a_teacher_s_answers_go_with_their_faces(data: Path) -> None:
    answers = np.arange(5, dtype=np.float16)[:, None] * np.ones((102,), np.float16)
    np.save(soft_targets(data, data / "copies"), answers)
    val = read_faces(data, (Source(name="copies"),), ("val",), teacher=data)
    assert val.soft is not None
    assert val.soft[:, 0].tolist() == [4]
