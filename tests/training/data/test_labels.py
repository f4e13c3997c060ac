from pathlib import Path

import pytest

from training.data.labels import FEMALE, MALE, UNKNOWN, read_labels


def written(folder: Path, text: str) -> Path:
    path = folder / "labels.csv"
    path.write_text(text)
    return path


def test_exact_ages_ranges_and_empty_fields_are_told_apart(tmp_path: Path) -> None:
    labels = read_labels(
        written(
            tmp_path,
            "file,age,gender,race,split,cluster\n"
            "a.jpg,34,female,asian,train,7\nb.jpg,20-36,male,,val,7\nc.jpg,66-100,,,train,\n"
            "d.jpg,,male,,test,\ne.jpg,116,female,,train,9\n",
        )
    )
    assert labels.age_low.tolist() == [34, 20, 66, UNKNOWN, 100]
    assert labels.age_high.tolist() == [34, 36, 100, UNKNOWN, 100]
    assert labels.genders.tolist() == [FEMALE, MALE, UNKNOWN, MALE, FEMALE]
    assert labels.races[:2] == ["asian", ""]
    assert labels.clusters[0] == labels.clusters[1]
    assert labels.clusters[2] != labels.clusters[3]
    assert labels.rows(("train",)).tolist() == [0, 2, 4]
    assert labels[labels.rows(("val",))].files == ["b.jpg"]


def test_columns_may_be_missing(tmp_path: Path) -> None:
    labels = read_labels(written(tmp_path, "file,gender,remark\na.jpg,female,x\n"))
    assert labels.age_low.tolist() == [UNKNOWN]
    assert labels.genders.tolist() == [FEMALE]
    with pytest.raises(ValueError, match=r"no row of split train; it has none"):
        labels.rows(("train",))


@pytest.mark.parametrize("gender", ["Female", "F", "f", " female", "0", "unknown"])
def test_another_gender_is_refused_with_file_and_row(tmp_path: Path, gender: str) -> None:
    path = written(tmp_path, f"file,age,gender\na.jpg,3,male\nb.jpg,4,{gender}\n")
    with pytest.raises(ValueError, match=rf"labels\.csv, row 3 has the gender '{gender}'"):
        read_labels(path)


@pytest.mark.parametrize("age", ["34.5", "-1", "20-", "36-20", "young", "20 - 36", "1000"])
def test_another_age_is_refused_with_file_and_row(tmp_path: Path, age: str) -> None:
    path = written(tmp_path, f"file,age,gender\na.jpg,{age},male\n")
    with pytest.raises(ValueError, match=rf"labels\.csv, row 2 has the age '{age}'"):
        read_labels(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("age,gender\n3,male\n", "no column 'file'"),
        ("file,Age\na.jpg,3\n", "column 'Age'; write it 'age'"),
        ("file,age\na.jpg,3,male\n", "row 2 has no file or more fields"),
        ("file,age\n,3\n", "row 2 has no file"),
        ("", "no column 'file'"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_labels(written(tmp_path, text))
