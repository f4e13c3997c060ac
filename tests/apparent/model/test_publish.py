"""Against a real S3 API on loopback: moto's server."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from apparent.errors import ModelError, PublishError
from apparent.model import EMBEDDED, MANIFEST, store
from apparent.model.publish import publish
from tests.conftest import ROOT

BUNDLE = store.load(EMBEDDED.as_uri())
ESTIMATOR = BUNDLE.manifest.estimator.path
FILES = [MANIFEST, *(file.path for file in BUNDLE.manifest.listed())]


def keys(s3: Any) -> list[str]:
    return [entry["Key"] for entry in s3.list_objects_v2(Bucket="bucket").get("Contents", [])]


def test_a_published_folder_is_the_folder(
    s3: Any, tmp_path_factory: pytest.TempPathFactory
) -> None:
    uri = publish(EMBEDDED, "s3://bucket/models/")
    prefix = f"models/{BUNDLE.content_hash}"
    assert uri == f"s3://bucket/{prefix}/"
    back = tmp_path_factory.mktemp("back")
    for name in FILES:
        s3.download_file("bucket", f"{prefix}/{name}", str(back / name))
    assert store.load(back.as_uri()) == store.load(EMBEDDED.as_uri())
    assert len(keys(s3)) == len(FILES)


def test_publishing_twice_changes_nothing(s3: Any) -> None:
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    first = publish(EMBEDDED, "s3://bucket")
    assert publish(EMBEDDED, "s3://bucket") == first
    assert len(s3.list_object_versions(Bucket="bucket")["Versions"]) == len(FILES)


def test_other_bytes_in_its_place_are_reported_and_kept(s3: Any) -> None:
    key = f"{BUNDLE.content_hash}/{ESTIMATOR}"
    s3.put_object(Bucket="bucket", Key=key, Body=b"other")
    with pytest.raises(PublishError, match="other bytes"):
        publish(EMBEDDED, "s3://bucket")
    assert f"{BUNDLE.content_hash}/{MANIFEST}" not in keys(s3)
    assert s3.get_object(Bucket="bucket", Key=key)["Body"].read() == b"other"


def test_a_damaged_folder_is_not_published(s3: Any, folder: Path) -> None:
    (folder / ESTIMATOR).write_bytes(b"damaged")
    with pytest.raises(ModelError, match="sha256"):
        publish(folder, "s3://bucket")
    assert keys(s3) == []


def test_a_changed_manifest_is_another_folder(s3: Any, folder: Path) -> None:
    assert publish(folder, "s3://bucket") != publish(EMBEDDED, "s3://bucket")
    assert len(keys(s3)) == 2 * len(FILES)


@pytest.mark.parametrize("destination", ["bucket/models", "https://bucket", "s3:///models"])
def test_a_wrong_address_is_a_sentence(destination: str) -> None:
    with pytest.raises(PublishError, match="s3://bucket/models"):
        publish(EMBEDDED, destination)


def test_a_missing_bucket_is_a_sentence(s3: Any) -> None:
    with pytest.raises(PublishError, match="NoSuchBucket"):
        publish(EMBEDDED, "s3://nowhere/models")


def test_the_command_prints_where_the_model_is(s3: Any) -> None:
    command = [str(ROOT / "scripts" / "publish"), "s3://bucket/models"]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert printed.strip() == f"s3://bucket/models/{BUNDLE.content_hash}/"
