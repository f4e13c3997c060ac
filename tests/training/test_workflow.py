import json
import threading
import zipfile
from pathlib import Path

import pytest

from apparent.alignment import TEMPLATE
from apparent.model import store
from apparent.pipeline import Pipeline
from tests.conftest import SAMPLES
from tests.training.conftest import PRETRAINING, recipe
from tests.training.release.conftest import photos
from training.__main__ import main
from training.workflow import prepare_sets

SPLITS = ["train"] * 8 + ["val"] * 4 + ["calibration"] * 6


@pytest.fixture(scope="module")
def collections(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Photos of two sets, as ../shared/data has them."""
    data = tmp_path_factory.mktemp("data")
    genders = ["female", "male"] * 9
    photos(data / "exact", [str(10 + 4 * i) for i in range(18)], genders, SPLITS)
    photos(data / "ranges", ["20-36"] * 9 + ["66-100"] * 9, genders, ["train"] * 18)
    return data


def test_a_recipe_becomes_a_scored_bundle_and_prepares_each_set_once(
    collections: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs = tmp_path / "runs"
    common = ["--data", str(collections), "--runs", str(runs)]
    pretraining = tmp_path / "mae.toml"
    pretraining.write_text(PRETRAINING.format(name="mae"))
    assert main(["run", str(pretraining), *common]) == 0
    printed = capsys.readouterr().out
    assert f"made: {runs / 'mae' / 'model.pt'}" in printed
    assert printed.count("no face was found in 0 photos") == 2
    start = runs / "mae" / "model.pt"
    assert main(["run", str(recipe(tmp_path, epochs=1, start=start)), *common]) == 0
    printed = capsys.readouterr().out
    assert "no face was found" not in printed
    bundle = store.load((runs / "tiny" / "bundle").as_uri())
    assert bundle.card.figures[0]["split"] == "val"
    assert bundle.manifest.provenance.data["ranges"].faces == 18
    assert json.loads((runs / "tiny" / "run.json").read_text())["start_sha256"]
    assert len(Pipeline(bundle)(SAMPLES / "grace_hopper.jpg")) == 1
    made = (runs / "tiny" / "bundle" / "manifest.json").stat().st_mtime_ns
    assert main(["run", str(tmp_path / "tiny.toml"), *common]) == 0
    assert (runs / "tiny" / "bundle" / "manifest.json").stat().st_mtime_ns == made


def test_sets_that_a_model_cannot_be_scored_on_are_refused_before_it_is_trained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("exact", "ranges"):
        photos(tmp_path / name, ["30"] * 4, ["male"] * 4, ["train"] * 3 + ["calibration"])
    runs = tmp_path / "runs"
    common = ["--data", str(tmp_path), "--runs", str(runs)]
    assert main(["run", str(recipe(tmp_path, epochs=1)), *common]) == 1
    assert "Of exact, ranges one needs ages in its split calibration" in capsys.readouterr().err
    assert not runs.exists()


@pytest.fixture
def one_set(tmp_path: Path) -> list[str]:
    """The name of a set that lies, with photos, below the folder."""
    ages, genders, splits = ["30"] * 4, ["male"] * 4, ["train"] * 3 + ["test"]
    photos(tmp_path / "utkface", ages, genders, splits)
    return ["utkface"]


def test_labels_that_changed_since_the_chips_were_made_are_refused(
    one_set: list[str], tmp_path: Path
) -> None:
    for _ in range(2):
        prepare_sets(one_set, tmp_path, tmp_path / "runs")
    labels = tmp_path / "utkface" / "labels.csv"
    labels.write_text(labels.read_text().replace("train", "test", 1))
    with pytest.raises(ValueError, match=r"is not what .* was made of"):
        prepare_sets(one_set, tmp_path, tmp_path / "runs")


def test_chips_of_another_alignment_are_refused(
    one_set: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare_sets(one_set, tmp_path, tmp_path / "runs")
    monkeypatch.setattr("training.data.prepare.TEMPLATE", TEMPLATE + 0.01)
    with pytest.raises(ValueError, match="cut by another alignment"):
        prepare_sets(one_set, tmp_path, tmp_path / "runs")


def test_labels_with_an_empty_line_and_a_photo_that_cannot_be_decoded_stay_the_same(
    one_set: list[str], tmp_path: Path
) -> None:
    labels = tmp_path / "utkface" / "labels.csv"
    header, *rows = labels.read_text().splitlines()
    labels.write_text("\n".join([header, *rows[:2], "", *rows[2:]]) + "\n")
    images = tmp_path / "utkface" / "images.zip"
    with zipfile.ZipFile(images) as archive:
        photos = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(images, "w") as archive:
        for name, data in photos.items():
            archive.writestr(name, b"" if name == "0.jpg" else data)
    for _ in range(2):
        prepare_sets(one_set, tmp_path, tmp_path / "runs")


def test_two_runs_at_once_prepare_a_set_once(
    one_set: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = (one_set, tmp_path, tmp_path / "runs")
    runs = [threading.Thread(target=prepare_sets, args=arguments) for _ in range(2)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert capsys.readouterr().out.count("no face was found") == 1
