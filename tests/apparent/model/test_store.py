import json
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from apparent.errors import ModelError
from apparent.model import DETECTOR, EMBEDDED, ESTIMATOR, MANIFEST, store
from training.publish import publish


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (ESTIMATOR, DETECTOR, MANIFEST):
        shutil.copy(EMBEDDED / name, tmp_path)
    return tmp_path


def test_a_sound_folder_is_read_whole(folder: Path) -> None:
    files = store.load(folder.as_uri())
    assert files.estimator == (folder / ESTIMATOR).read_bytes()
    assert files.detector == (folder / DETECTOR).read_bytes()
    assert files.manifest.files[ESTIMATOR].sha256.startswith(files.manifest.version)


def test_a_folder_without_the_detector_uses_the_embedded_one(folder: Path) -> None:
    (folder / DETECTOR).unlink()
    assert store.load(folder.as_uri()).detector == (EMBEDDED / DETECTOR).read_bytes()


@pytest.mark.parametrize("name", [ESTIMATOR, DETECTOR])
def test_one_changed_byte_is_refused(folder: Path, name: str) -> None:
    data = bytearray((folder / name).read_bytes())
    data[len(data) // 2] ^= 1
    (folder / name).write_bytes(data)
    with pytest.raises(ModelError, match=rf"{name}.*sha256"):
        store.load(folder.as_uri())


@pytest.mark.parametrize("name", [ESTIMATOR, MANIFEST])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ModelError, match=name):
        store.load(folder.as_uri())


def test_a_manifest_with_a_mistake_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["interval"]["coverage"] = 90
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=r"interval\.coverage"):
        store.load(folder.as_uri())


def test_a_manifest_that_does_not_list_a_file_is_refused(folder: Path) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    del manifest["files"][ESTIMATOR]
    (folder / MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match="does not list"):
        store.load(folder.as_uri())


def test_another_kind_of_uri_is_refused() -> None:
    with pytest.raises(ModelError, match="file://"):
        store.load("ftp://example.org/model")


def test_a_folder_name_with_spaces_is_read(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spaced = tmp_path_factory.mktemp("model folder") / "ä 1"
    shutil.copytree(folder, spaced)
    assert store.load(spaced.as_uri()).manifest.name


@pytest.fixture
def published(s3: Any, folder: Path) -> str:
    """The URI of the embedded folder on S3."""
    return publish(folder, "s3://bucket/models")


def test_a_published_folder_is_read_from_s3(published: str) -> None:
    assert store.load(published) == store.load(EMBEDDED.as_uri())


def test_an_object_with_other_bytes_is_refused(s3: Any, published: str) -> None:
    key = f"{published.removeprefix('s3://bucket/')}{ESTIMATOR}"
    s3.put_object(Bucket="bucket", Key=key, Body=b"other")
    with pytest.raises(ModelError, match=rf"{ESTIMATOR}.*sha256"):
        store.load(published)


def test_another_manifest_than_the_folder_is_named_for_is_refused(s3: Any, published: str) -> None:
    key = f"{published.removeprefix('s3://bucket/')}{MANIFEST}"
    text = s3.get_object(Bucket="bucket", Key=key)["Body"].read()
    s3.put_object(Bucket="bucket", Key=key, Body=text + b"\n")
    with pytest.raises(ModelError, match=rf"{MANIFEST}.*sha256"):
        store.load(published)


def test_a_missing_object_is_named(s3: Any, published: str) -> None:
    s3.delete_object(Bucket="bucket", Key=f"{published.removeprefix('s3://bucket/')}{ESTIMATOR}")
    with pytest.raises(ModelError, match=f"no {ESTIMATOR}"):
        store.load(published)


def test_a_missing_bucket_is_a_sentence(s3: Any) -> None:
    with pytest.raises(ModelError, match=MANIFEST):
        store.load("s3://nowhere/models")


def test_an_s3_that_never_answers_is_given_up(s3: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(ModelError, match=r"cannot be read: .*[Tt]imeout"):
            store.load("s3://bucket/models")
