import csv
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import ROOT, SAMPLES, encoded


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "predict"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_a_folder_is_answered_photo_by_photo_and_text_in_it_is_reported(tmp_path: Path) -> None:
    (tmp_path / "in" / ".hidden").mkdir(parents=True)
    for name in ("in/b.jpg", "in/a.jpg", "in/.c.jpg", "in/.hidden/d.jpg"):
        shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path / name)
    (tmp_path / "in" / "SOURCES.txt").write_text("Who took them.")
    result = run("in", "--format", "json", cwd=str(tmp_path))
    assert result.returncode == 1
    photos = json.loads(result.stdout)
    assert [photo["file"] for photo in photos] == ["in/a.jpg", "in/b.jpg"]
    assert [len(photo["faces"]) for photo in photos] == [1, 1]
    assert "skipped in/SOURCES.txt: The file is not an image" in result.stderr


def test_photos_alone_exit_0_from_any_folder(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path)
    result = run("grace_hopper.jpg", "--format", "jsonl", cwd=str(tmp_path))
    assert result.returncode == 0
    (line,) = result.stdout.splitlines()
    assert json.loads(line)["image"] == {"width": 512, "height": 600}


def test_csv_has_a_row_per_face() -> None:
    result = run(SAMPLES / "grace_hopper.jpg", SAMPLES / "eileen_collins.jpg", "--format", "csv")
    rows = list(csv.DictReader(result.stdout.splitlines()))
    assert [Path(row["file"]).name for row in rows] == ["grace_hopper.jpg", "eileen_collins.jpg"]
    assert all(float(row["low"]) <= float(row["years"]) <= float(row["high"]) for row in rows)


def test_the_table_says_what_people_want_to_know() -> None:
    result = run(SAMPLES / "grace_hopper.jpg")
    header, line = result.stdout.splitlines()
    assert "looks about" in header
    assert "grace_hopper.jpg" in line
    assert "%" in line


def test_a_name_that_a_spreadsheet_would_run_is_made_text(tmp_path: Path) -> None:
    name = "=HYPERLINK(A1).jpg"
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path / name)
    result = run(name, "--format", "csv", cwd=str(tmp_path))
    (row,) = csv.DictReader(result.stdout.splitlines())
    assert row["file"] == "'" + name


def test_a_name_for_people_stays_on_its_line_and_off_the_terminal(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path / "a\nb.jpg  1\x1b[2J")
    (tmp_path / "c\r\x9b.txt").write_text("no photo")
    result = run(".", cwd=str(tmp_path))
    _, line = result.stdout.splitlines()
    assert line.startswith(r"a\x0ab.jpg  1\x1b[2J  1 ")
    assert result.stderr.startswith(r"skipped c\x0d\x9b.txt: The file is not an image")


def test_a_photo_without_a_face_keeps_its_row(tmp_path: Path) -> None:
    (tmp_path / "grey.png").write_bytes(encoded(np.full((60, 50, 3), 127, np.uint8)))
    for kind, told in (("csv", "grey.png,,,"), ("table", "no face found")):
        assert told in run("grey.png", "--format", kind, cwd=str(tmp_path)).stdout


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("APPARENT_MAX_PIXELS", "many", "not a whole number"),
        ("APPARENT_MODEL_URI", "ftp://example.org/model", "file:///"),
    ],
)
def test_a_wrong_setting_ends_it_with_a_sentence(variable: str, value: str, told: str) -> None:
    environment = {**os.environ, variable: value}
    result = run(SAMPLES / "grace_hopper.jpg", env=environment)
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stderr


def test_an_empty_setting_is_none() -> None:
    environment = {**os.environ, "APPARENT_MODEL_URI": "", "APPARENT_MAX_PIXELS": ""}
    assert run(SAMPLES / "grace_hopper.jpg", env=environment).returncode == 0


def test_an_empty_name_is_not_the_current_folder(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path)
    for arguments in (("",), ("grace_hopper.jpg", "--output", "")):
        result = run(*arguments, cwd=str(tmp_path))
        assert (result.returncode, result.stdout) == (2, "")
        assert "an empty name is no path" in result.stderr


def test_the_limit_of_pixels_is_the_settings(tmp_path: Path) -> None:
    result = run(SAMPLES / "grace_hopper.jpg", "--max-pixels", "1000")
    assert result.returncode == 1
    assert "at most 1,000 pixels are read" in result.stderr


def test_output_goes_to_the_file_and_leaves_nothing_else(tmp_path: Path) -> None:
    out = tmp_path / "faces.json"
    result = run(SAMPLES / "grace_hopper.jpg", "--format", "json", "--output", out)
    assert result.stdout == ""
    assert len(json.loads(out.read_text())) == 1
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("path", ["missing.jpg", "site/samples/missing"])
def test_a_missing_file_is_reported(path: str) -> None:
    result = run(path, "--format", "json", cwd=str(ROOT))
    assert result.returncode == 1
    assert json.loads(result.stdout) == []
    assert f"skipped {path}: No such file" in result.stderr


def test_a_reader_that_has_enough_is_no_failure_to_explain() -> None:
    photos = " ".join([str(SAMPLES / "grace_hopper.jpg")] * 3)
    command = f"{ROOT / 'scripts' / 'predict'} --format json {photos} | head -1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert result.stdout == "[\n"
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "AVIF", "TIFF"])
def test_a_picture_is_not_taken_for_the_output(kind: str, tmp_path: Path) -> None:
    picture = tmp_path / "a.picture"
    Image.open(SAMPLES / "grace_hopper.jpg").save(picture, kind)
    before = picture.read_bytes()
    # As a shell makes it of --output *.picture.
    result = run("--output", picture, SAMPLES / "grace_hopper.jpg")
    assert result.returncode == 2
    assert "a.picture cannot be written: what is there is no text" in result.stderr
    assert picture.read_bytes() == before


def test_answers_of_an_earlier_run_among_the_photos_are_no_photo(tmp_path: Path) -> None:
    shutil.copy(SAMPLES / "grace_hopper.jpg", tmp_path)
    for _ in range(2):
        result = run(".", "--output", tmp_path / "faces.csv", cwd=str(tmp_path))
        assert (result.returncode, result.stderr) == (0, "")
    assert len((tmp_path / "faces.csv").read_text().splitlines()) == 2


def test_an_output_that_cannot_be_a_file_is_told_before_the_work(tmp_path: Path) -> None:
    for out in (tmp_path, tmp_path / "missing" / "faces.csv"):
        result = run(SAMPLES / "grace_hopper.jpg", "--format", "csv", "--output", out)
        assert result.returncode == 2
        assert "cannot be written" in result.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two portraits."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for name, sample in (("a.jpg", "eileen_collins.jpg"), ("b.jpg", "grace_hopper.jpg")):
        shutil.copy(SAMPLES / sample, photos / name)
    return photos


def test_photos_in_a_zip_and_below_a_prefix_are_answered(tmp_path: Path, s3: Any) -> None:
    photo = (SAMPLES / "grace_hopper.jpg").read_bytes()
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        archive.writestr("in/b.jpg", photo)
        archive.writestr("in/notes.txt", "no photo")
    s3.put_object(Bucket="bucket", Key="in/c.jpg", Body=photo)
    result = run("photos.zip", "s3://bucket/in/", "--format", "jsonl", cwd=str(tmp_path))
    assert result.returncode == 1
    answers = [json.loads(line) for line in result.stdout.splitlines()]
    assert [told["file"] for told in answers] == ["photos.zip!/in/b.jpg", "s3://bucket/in/c.jpg"]
    assert [len(told["faces"]) for told in answers] == [1, 1]
    assert "skipped photos.zip!/in/notes.txt: The file is not an image" in result.stderr


def test_a_zip_or_prefix_that_cannot_be_listed_costs_no_other_its_answer(
    folder: Path, s3: Any
) -> None:
    (folder / "broken.zip").write_bytes(b"PK no more")
    paths = ("broken.zip", "s3://no-such-bucket/in/", "a.jpg")
    result = run(*paths, "--format", "jsonl", cwd=str(folder))
    assert result.returncode == 1
    assert json.loads(result.stdout)["file"] == "a.jpg"
    assert "skipped broken.zip: " in result.stderr
    assert "skipped s3://no-such-bucket/in/: " in result.stderr


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_what_is_answered_is_not_answered_again(folder: Path, tmp_path: Path, kind: str) -> None:
    (folder / "b.jpg").rename(folder / "=b.jpg")  # which CSV tells in another way
    out, whole = tmp_path / f"faces.{kind}", tmp_path / f"whole.{kind}"
    run(".", "--output", whole, cwd=str(folder))
    assert run("=b.jpg", "--output", out, "--resume", cwd=str(folder)).returncode == 0
    (folder / "=b.jpg").write_bytes(b"no photo any more")
    result = run(".", "--output", out, "--resume", cwd=str(folder))
    assert (result.returncode, result.stderr) == (0, "answered already: 1\n")
    read = [sorted(map(_without_times, path.read_text().splitlines())) for path in (out, whole)]
    assert read[0] == read[1]


def _without_times(line: str) -> str:
    return line.partition(', "timing_ms"')[0]


def test_what_a_killed_run_left_is_gone_on_with(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.csv"
    run("a.jpg", "--output", out, cwd=str(folder))
    answered = out.read_bytes()
    out.unlink()
    partial = tmp_path / "faces.0123abcd.partial.csv"
    partial.write_bytes(answered + b"b.jpg,1,8")
    result = run(".", "--output", out, "--resume", cwd=str(folder))
    assert (result.returncode, result.stderr) == (0, "answered already: 1\n")
    rows = list(csv.DictReader(out.read_text().splitlines()))
    assert [(row["file"], bool(row["detection_score"])) for row in rows] == [
        ("a.jpg", True),
        ("b.jpg", True),
    ]
    assert not partial.exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--resume",), "--resume wants --output NAME.jsonl, NAME.csv or NAME.parquet"),
        (("--resume", "--output", "faces.json"), "--resume wants --output"),
        (("--resume", "--output", "other.csv"), "holds no answers that can be gone on with"),
        (("--resume", "--output", "other.jsonl"), "holds no answers that can be gone on with"),
        (("--format", "parquet"), "Parquet wants a file: --output NAME.parquet"),
        (("--plot", "a.jpg"), "a.jpg is there, and is no plot"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused(
    folder: Path, arguments: tuple[str, ...], told: str
) -> None:
    for name in ("other.csv", "other.jsonl"):
        (folder / name).write_text("1,2\n3,4\n")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run("a.jpg", *arguments, cwd=str(folder))
    assert result.returncode == 2
    assert told in result.stderr
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_ages_are_plotted_and_the_plot_is_no_photo(folder: Path) -> None:
    for _ in range(2):
        result = run(".", "--plot", "ages.png", cwd=str(folder))
        assert (result.returncode, result.stdout.count("\n")) == (0, 3)
    with Image.open(folder / "ages.png") as plot:
        assert plot.format == "PNG"


def test_parquet_is_that_of_a_collection(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "faces.parquet"
    result = run(".", "--output", out, "--resume", cwd=str(folder))
    assert result.returncode == 0, result.stderr
    assert pq.read_table(out).column("file").to_pylist() == ["./a.jpg", "./b.jpg"]
