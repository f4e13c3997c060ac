import shutil
from pathlib import Path

import pytest

from apparent.model import store
from tests.training.conftest import PRETRAINING, recipe
from tests.training.release.conftest import photos
from training import release_recipe
from training.__main__ import main

ROOT = Path(__file__).parents[2]
RELEASE = """
name = "tiny-1"
ship = "mean"
calibrate_on = ["utkface"]
report_on = ["utkface"]
report_splits = ["test"]
[[steps]]
do = "train"
recipe = "mae.toml"
[[steps]]
do = "train"
recipe = "tiny.toml"
seeds = [1, 2]
[[steps]]
do = "average"
of = ["tiny-seed1", "tiny-seed2"]
out = "teachers"
[[steps]]
do = "teach"
teachers = ["tiny-seed1", "teachers"]
sets = ["utkface"]
jittered = 1
out = "answers"
[[steps]]
do = "train"
recipe = "student.toml"
[[steps]]
do = "average"
of = ["teachers", "student"]
out = "mean"
"""


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """The file of a release on made faces, beside its data."""
    splits = ["train"] * 8 + ["val"] * 2 + ["calibration"] * 4 + ["test"] * 4
    ages = [str(10 + 4 * i) for i in range(18)]
    photos(tmp_path / "data" / "utkface", ages, ["female", "male"] * 9, splits)
    (tmp_path / "mae.toml").write_text(_of_one_set(PRETRAINING.format(name="mae")))
    start = tmp_path / "runs" / "mae" / "model.pt"
    for name, teacher in (("tiny", ""), ("student", f'teacher = "{tmp_path}/runs/answers"\n')):
        made = recipe(tmp_path, name, epochs=1, start=start)
        made.write_text(teacher + _of_one_set(made.read_text()))
    path = tmp_path / "tiny-1.toml"
    path.write_text(RELEASE)
    return path


def _of_one_set(text: str) -> str:
    return text.split("[[sources]]", maxsplit=1)[0] + '[[sources]]\nname = "utkface"\n'


def test_a_release_ends_installed_and_scored_and_does_nothing_twice(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs, target = tmp_path / "runs", tmp_path / "target"
    command = ["release", str(release), "--data", str(tmp_path / "data"), "--runs", str(runs)]
    command += ["--target", str(target)]
    assert main(command) == 0, capsys.readouterr().err
    bundle = store.load((target / "embedded").as_uri())
    assert bundle.card.figures[0]["split"] == "test"
    assert bundle.manifest.provenance.data["utkface"].faces == 8
    assert bundle.manifest.version in (target / "MODEL_CARD.md").read_text()
    made = {path: path.stat().st_mtime_ns for path in runs.rglob("model.pt")}
    assert len(made) == 6
    shutil.rmtree(target)
    assert main(command) == 0
    assert {path: path.stat().st_mtime_ns for path in runs.rglob("model.pt")} == made
    again = store.load((target / "embedded").as_uri())
    assert again.manifest.version == bundle.manifest.version
    release.write_text("mirrored = true\n" + RELEASE)
    capsys.readouterr()
    assert main(command) == 1
    assert "bundle was made of what has changed since" in capsys.readouterr().err


def test_a_release_goes_by_its_name_or_its_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "other.toml"
    path.write_text("do = 'nothing'")
    assert main(["release", "faces-0"]) == main(["release", str(path)]) == 1
    by_name, *by_file = capsys.readouterr().err.splitlines()
    assert "training/releases/faces-0.toml cannot be read: No such file" in by_name
    assert any("do" in line for line in by_file)


def test_a_step_that_nobody_knows_is_a_sentence(
    release: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release.write_text(RELEASE.replace('do = "teach"', 'do = "tech"'))
    assert main(["release", str(release)]) == 1
    assert "steps.3" in capsys.readouterr().err


def test_weights_that_history_does_not_hold_are_a_sentence(
    release: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    step = f"""
[[steps]]
do = "history"
commit = "{"0" * 40}"
path = "functions/age_gender.onnx"
sha256 = "{"0" * 64}"
out = "weights/start.onnx"
"""
    release.write_text(RELEASE.split("[[steps]]", maxsplit=1)[0] + step)
    assert main(["release", str(release), "--runs", str(tmp_path)]) == 1
    assert "functions/age_gender.onnx of commit" in capsys.readouterr().err
    assert not (tmp_path / "weights").exists()


@pytest.mark.parametrize("path", sorted((ROOT / "training" / "releases").glob("*.toml")), ids=str)
def test_the_releases_of_this_repository_name_recipes_that_exist(path: Path) -> None:
    plan = release_recipe.load(path)
    for step in plan.steps:
        if isinstance(step, release_recipe.Train):
            assert (path.parent / step.recipe).exists()
