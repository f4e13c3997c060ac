import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import SAMPLES, encoded
from training.__main__ import main
from training.data.dataset import CHIPS, LABELS
from training.data.labels import EXCLUDED, read_labels

GREY = encoded(Image.new("RGB", (80, 80), "grey"))


def prepare(folder: Path, photos: dict[str, bytes], *more: str, split: bool = True) -> int:
    """Runs the step on labelled photos; writes to `folder`/chips."""
    with zipfile.ZipFile(folder / "images.zip", "w") as images:
        for name, data in photos.items():
            images.writestr(name, data)
    header, row = ("file,age,split", "30,train") if split else ("file,age", "30")
    lines = [header, *(f"{name},{row}" for name in [*photos, *more])]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    arguments = ["--images", str(folder / "images.zip"), "--labels", str(folder / "labels.csv")]
    return main(["prepare", *arguments, "--out", str(folder / "chips"), "--size", "64"])


def test_faces_are_aligned_and_photos_without_one_keep_their_picture(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    portrait = (SAMPLES / "grace_hopper.jpg").read_bytes()
    assert prepare(tmp_path, {"hopper.jpg": portrait, "wall.png": GREY}) == 0
    assert "no face was found in 1 photos (wall.png)" in capsys.readouterr().out
    chips = np.load(tmp_path / "chips" / CHIPS)
    assert chips.shape == (2, 64, 64, 3)
    assert chips[0].std() > 20
    assert np.unique(chips[1]).tolist() == [128]
    assert (tmp_path / "chips" / LABELS).read_text() == (tmp_path / "labels.csv").read_text()


@pytest.mark.parametrize("split", [True, False])
def test_a_photo_that_cannot_be_decoded_is_named_and_excluded_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], split: bool
) -> None:
    photos = {"wall.png": GREY, "torn.png": GREY[:50], "note.jpg": b"not a photo", "z.png": GREY}
    assert prepare(tmp_path, photos, split=split) == 0
    assert "2 photos (note.jpg, torn.png) cannot be decoded" in capsys.readouterr().out
    labels = read_labels(tmp_path / "chips" / LABELS)
    kept = "train" if split else ""
    assert labels.splits == [kept, EXCLUDED, EXCLUDED, kept]
    assert np.load(tmp_path / "chips" / CHIPS)[1:3].max() == 0


def test_an_archive_of_other_photos_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert prepare(tmp_path, {"wall.png": GREY}, "elsewhere.png") == 1
    assert "images.zip is not the archive of these labels" in capsys.readouterr().err
    assert not (tmp_path / "chips").exists()


def test_a_damaged_archive_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(tmp_path, {"wall.png": GREY}) == 0
    (tmp_path / "chips").rename(tmp_path / "before")
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as images:
        images.writestr("wall.png", bytes(10_000))
    data = bytearray(archive.read_bytes())
    data[40:44] = b"\xff" * 4
    archive.write_bytes(data)
    step = ["prepare", "--images", str(archive), "--labels", str(tmp_path / "labels.csv")]
    assert main([*step, "--out", str(tmp_path / "chips")]) == 1
    assert "images.zip is not the archive of these labels" in capsys.readouterr().err


def test_a_folder_that_is_there_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "chips").mkdir()
    assert prepare(tmp_path, {"wall.png": GREY}) == 1
    assert "exists already" in capsys.readouterr().err
