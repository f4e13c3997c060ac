import json
from pathlib import Path

import pytest

from apparent.model import store
from apparent.pipeline import Pipeline
from tests.conftest import SAMPLES
from tests.training.conftest import PRETRAINING, recipe
from tests.training.release.conftest import photos
from training.__main__ import main

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
