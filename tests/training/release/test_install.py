import shutil
from pathlib import Path

import pytest

from apparent.errors import ModelError
from apparent.model import store
from apparent.model.writer import write_manifest
from apparent.pipeline import Pipeline
from tests.conftest import SAMPLES
from tests.training.release.conftest import photos
from training.release.answers import Source
from training.release.calibrate import Options, calibrate
from training.release.card import END, START
from training.release.evaluate import evaluate, record
from training.release.install import NOTICE, install


@pytest.fixture
def texts(tmp_path: Path) -> tuple[Path, Path]:
    """Model card and README to write."""
    readme = tmp_path / "README.md"
    readme.write_text(f"before\n{START}\nstale\n{END}\nafter\n")
    return tmp_path / "CARD.md", readme


@pytest.fixture
def scored(bundle: Path, aged: Source, ranged: Source) -> Path:
    calibrate(bundle, [aged, ranged], "calibration", Options())
    record(bundle, evaluate(bundle, [aged, ranged], ["val", "test"], "photos"))
    return bundle


def test_a_bundle_takes_the_place_of_another_and_is_told_of(
    scored: Path, exported: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    card, readme = texts
    target = Path(shutil.copytree(exported, tmp_path / "embedded"))
    install(scored, target, card, readme)
    source, installed = (store.load(folder.as_uri()) for folder in (scored, target))
    assert installed.estimator == source.estimator
    assert installed.card == source.card
    assert list(installed.manifest.files["estimator"]) == ["int8"]
    assert {path.name for path in target.iterdir()} == {
        *(file.path for file in installed.manifest.listed()), "manifest.json", NOTICE,
    }  # fmt: skip
    assert len(Pipeline.load(target)(SAMPLES / "grace_hopper.jpg")) == 1
    assert [path.name for path in tmp_path.glob("embedded*")] == ["embedded"]

    assert installed.manifest.licence in (target / NOTICE).read_text()
    figures = {(one["data"], one["split"]): one for one in source.card.figures}
    test, groups = figures["utkface", "test"], figures["groups", "test"]
    text = card.read_text()
    assert installed.manifest.version in text
    assert f"| UTKFace | `test` | 8 | 0 | {test['age_mae']:.2f} (" in text
    assert "| Images of Groups | `test` | 5 |" in text
    assert f"{groups['range_exact']:.1%} (" in text
    assert "`val" not in text
    text = readme.read_text()
    assert installed.manifest.version in text
    assert f"| UTKFace | 8 | {test['age_mae']:.2f} |" in text
    assert f"| Images of Groups | 5 |  | {groups['range_exact']:.1%} |" in text
    assert readme.read_text().startswith("before\n<!--")
    assert readme.read_text().endswith("-->\nafter\n")
    assert "stale" not in readme.read_text()
    assert "UTKFace (24 faces)" in card.read_text()
    assert "12 of UTKFace, 5 of Images of Groups" in card.read_text()
    for picture in ("error", "coverage", "reliability"):
        assert f"card/{picture}.png" in card.read_text()
        assert (tmp_path / "card" / f"{picture}.png").read_bytes().startswith(b"\x89PNG")


def test_a_collection_without_genders_is_told_of(
    bundle: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    splits = ["val"] * 4 + ["calibration"] * 4 + ["test"] * 4
    ages = [str(20 + 5 * i) for i in range(12)]
    source = photos(tmp_path / "photos" / "utkface", ages, [""] * 12, splits)
    calibrate(bundle, [source], "calibration", Options())
    record(bundle, evaluate(bundle, [source], ["test"], "photos"))
    install(bundle, tmp_path / "embedded", *texts)
    assert "No gender of these faces was told." in texts[0].read_text()


def test_installing_the_installed_bundle_writes_the_texts_again(
    scored: Path, texts: tuple[Path, Path]
) -> None:
    before = store.load(scored.as_uri())
    install(scored, scored, *texts)
    assert store.load(scored.as_uri()) == before
    assert (scored / NOTICE).exists()


def test_an_unsound_bundle_leaves_everything_as_it_was(
    scored: Path, exported: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    target = Path(shutil.copytree(exported, tmp_path / "embedded"))
    estimator = scored / store.manifest_of(scored).estimator.path
    estimator.write_bytes(b"damaged")
    with pytest.raises(ModelError, match="sha256"):
        install(scored, target, *texts)
    assert store.load(target.as_uri()) == store.load(exported.as_uri())
    assert "stale" in texts[1].read_text()


def test_a_folder_of_something_else_is_not_replaced(
    scored: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    other = tmp_path / "library"
    other.mkdir()
    (other / "code.py").write_text("mine")
    with pytest.raises(ValueError, match="holds something else than a model bundle"):
        install(scored, other, *texts)
    assert [path.name for path in other.iterdir()] == ["code.py"]


def test_a_readme_without_a_place_for_the_table_leaves_the_model_as_it_was(
    scored: Path, exported: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    target = Path(shutil.copytree(exported, tmp_path / "embedded"))
    texts[1].write_text("No table.")
    with pytest.raises(ValueError, match="does not have the lines"):
        install(scored, target, *texts)
    assert store.load(target.as_uri()) == store.load(exported.as_uri())


def test_a_bundle_without_figures_is_not_installed(
    bundle: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="evaluate --record"):
        install(bundle, tmp_path / "embedded", *texts)
    assert not (tmp_path / "embedded").exists()


def test_a_bundle_of_unknown_data_is_not_installed(
    scored: Path, texts: tuple[Path, Path], tmp_path: Path
) -> None:
    manifest = store.manifest_of(scored)
    data = {"found-somewhere": manifest.provenance.data["utkface"]}
    provenance = manifest.provenance.model_copy(update={"data": data})
    write_manifest(scored, manifest.model_copy(update={"provenance": provenance}))
    with pytest.raises(ValueError, match="cannot be shipped"):
        install(scored, tmp_path / "embedded", *texts)
