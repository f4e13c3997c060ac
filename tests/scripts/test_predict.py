import csv
import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, SAMPLES


def run(*arguments: str | Path, **options: str) -> subprocess.CompletedProcess[str]:
    command = [str(ROOT / "scripts" / "predict"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_a_folder_is_answered_photo_by_photo_and_text_in_it_is_reported() -> None:
    result = run("site/samples", "--format", "json", cwd=str(ROOT))
    assert result.returncode == 1
    photos = json.loads(result.stdout)
    assert [photo["file"] for photo in photos] == [
        "site/samples/eileen_collins.jpg",
        "site/samples/grace_hopper.jpg",
    ]
    assert [len(photo["faces"]) for photo in photos] == [1, 1]
    assert "skipped site/samples/SOURCES.txt: The file is not an image" in result.stderr


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


def test_output_goes_to_the_file_whole(tmp_path: Path) -> None:
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
