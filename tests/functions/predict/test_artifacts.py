import json
import shutil
from pathlib import Path

import pytest

from functions.predict import artifacts
from functions.predict.artifacts import EMBEDDED, ArtifactError
from functions.predict.manifest import DETECTOR, ESTIMATOR, MANIFEST


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (ESTIMATOR, DETECTOR, MANIFEST):
        shutil.copy(EMBEDDED / name, tmp_path)
    return tmp_path


def test_a_sound_folder_is_read_whole(folder: Path) -> None:
    files = artifacts.load(folder.as_uri())
    assert files.estimator == (folder / ESTIMATOR).read_bytes()
    assert files.detector == (folder / DETECTOR).read_bytes()
    assert files.manifest.files[ESTIMATOR].sha256.startswith(files.manifest.version)


def test_a_folder_without_the_detector_uses_the_embedded_one(folder: Path) -> None:
    (folder / DETECTOR).unlink()
    assert artifacts.load(folder.as_uri()).detector == (EMBEDDED / DETECTOR).read_bytes()


@pytest.mark.parametrize("name", [ESTIMATOR, DETECTOR])
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ArtifactError, match=rf"{name}.*sha256"):
        artifacts.load(folder.as_uri())


@pytest.mark.parametrize("name", [ESTIMATOR, MANIFEST])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactError, match=name):
        artifacts.load(folder.as_uri())


def test_a_manifest_with_a_mistake_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["interval"]["coverage"] = 90
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match=r"interval\.coverage"):
        artifacts.load(folder.as_uri())


def test_a_manifest_that_does_not_list_a_file_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"][ESTIMATOR]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="does not list"):
        artifacts.load(folder.as_uri())


def test_another_kind_of_uri_is_refused() -> None:
    with pytest.raises(ArtifactError, match="file://"):
        artifacts.load("ftp://example.org/model")


def test_a_folder_name_with_spaces_is_read(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spaced = tmp_path_factory.mktemp("model folder") / "ä 1"
    shutil.copytree(folder, spaced)
    assert artifacts.load(spaced.as_uri()).manifest.name
