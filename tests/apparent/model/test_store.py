import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from apparent import Pipeline
from apparent.errors import ModelError
from apparent.model import CARD, DETECTOR, EMBEDDED, MANIFEST, store
from apparent.model.bundle import Card
from apparent.model.publish import publish
from apparent.model.writer import describe, write_card
from tests.apparent.model.conftest import edit

ESTIMATOR = store.manifest_of(EMBEDDED).estimator.path


def test_a_sound_folder_is_read_completely(folder: Path) -> None:
    bundle = store.load(folder.as_uri())
    assert bundle.estimator == (folder / ESTIMATOR).read_bytes()
    assert bundle.detector == (folder / DETECTOR).read_bytes()
    assert bundle.manifest.estimator.sha256.startswith(bundle.manifest.version)
    assert bundle.card.figures


def test_a_folder_without_the_detector_uses_the_embedded_one(folder: Path) -> None:
    (folder / DETECTOR).unlink()
    assert store.load(folder.as_uri()).detector == (EMBEDDED / DETECTOR).read_bytes()


def test_another_detector_than_the_embedded_one_has_to_be_there(folder: Path) -> None:
    (folder / DETECTOR).unlink()
    edit(folder, lambda m: m["files"]["detector"]["fp32"].update(sha256="0" * 64))
    with pytest.raises(ModelError, match=f"{DETECTOR}.*sha256"):
        store.load(folder.as_uri())


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


@pytest.mark.parametrize("version", [None, 2])
def test_an_unknown_schema_version_is_refused_before_anything_else(
    folder: Path, version: int | None
) -> None:
    (folder / MANIFEST).write_text(json.dumps({"schema_version": version, "later": "kinds"}))
    with pytest.raises(ModelError, match=rf"schema_version {version}; this release reads 1\."):
        store.load(folder.as_uri())


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    with pytest.raises(ModelError, match="loop cannot be read"):
        Pipeline.load(loop)


def test_a_card_is_read_as_it_was_written_in_any_locale(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from apparent.model.bundle import Card
from apparent.model.writer import write_card
write_card(Path(sys.argv[1]), Card(intended_use="M\\xfcller"))
"""
    environment = os.environ | {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    subprocess.run([sys.executable, "-c", program, tmp_path], env=environment, check=True)
    assert Card.model_validate_json((tmp_path / CARD).read_bytes()).intended_use == "Müller"


def test_a_folder_may_have_any_name(folder: Path) -> None:
    named = folder.with_name(os.fsdecode(b"mod\xe8le #1?%20;"))  # and not in UTF-8
    folder.rename(named)
    for where in (named, str(named)):
        assert store.load(store.uri_of(where)).card.figures


@pytest.mark.parametrize("content", ["{", "[" * 100_000])
def test_a_manifest_that_is_no_json_is_refused(folder: Path, content: str) -> None:
    (folder / MANIFEST).write_text(content)
    with pytest.raises(ModelError, match="not JSON"):
        store.load(folder.as_uri())


def test_a_manifest_with_a_mistake_is_refused_with_a_sentence(folder: Path) -> None:
    edit(folder, lambda m: m["policy"]["interval"].update(coverage=90))
    with pytest.raises(ModelError, match=r"policy\.interval\.coverage") as caught:
        store.load(folder.as_uri())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda m: m["files"].pop("estimator"), "does not list the estimator, variant int8"),
        (lambda m: m["files"].pop("detector"), "does not list the detector"),
        (lambda m: m.update(version="0" * 12), "version is not the beginning"),
        (lambda m: m["files"]["estimator"]["int8"].update(path="../a.onnx"), "path"),
        (lambda m: m["card"].update(path=ESTIMATOR), "lists one path twice"),
        (lambda m: m["policy"]["interval"]["regions"].reverse(), "order of their ages"),
        (lambda m: m.update(later=1), "later"),
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(
    folder: Path, change: Any, sentence: str
) -> None:
    edit(folder, change)
    with pytest.raises(ModelError, match=sentence):
        store.load(folder.as_uri())


def test_a_chip_size_that_is_not_the_graph_s_is_refused(folder: Path) -> None:
    edit(folder, lambda m: m["input"].update(chip_size=112))
    with pytest.raises(ModelError, match=r"takes chips of 140 pixels, but .* says 112"):
        Pipeline.load(folder)


def test_unknown_keys_of_the_card_are_ignored_and_a_changed_card_is_refused(folder: Path) -> None:
    card = json.loads((folder / CARD).read_text()) | {"later": 1}
    (folder / CARD).write_text(json.dumps(card))
    with pytest.raises(ModelError, match=rf"{CARD}.*sha256"):
        assert store.load(folder.as_uri()).card
    edit(folder, lambda m: m.update(card=describe(folder / CARD).model_dump()))
    assert store.load(folder.as_uri()).card.intended_use == card["intended_use"]


def test_what_the_service_tells_is_small_and_complete(folder: Path) -> None:
    bundle = store.load(folder.as_uri())
    told = bundle.public()
    assert told["version"] == bundle.manifest.version
    assert told["files"]["estimator"]["int8"]["sha256"] == bundle.manifest.estimator.sha256
    assert told["licence"] == bundle.manifest.licence
    assert told["intended_use"] == bundle.card.intended_use
    for one, measured in zip(told["figures"], bundle.card.figures, strict=True):
        assert one["split"] == measured["split"]
        assert one.get("age_mae") == measured["age_mae"]
        assert one["by_age_band"].keys() == measured["by_age_band"].keys()
    assert len(json.dumps(told)) < 16_000


def test_a_bundle_without_figures_tells_none(folder: Path) -> None:
    card = store.load(folder.as_uri()).card.model_copy(update={"figures": []})
    described = write_card(folder, card)
    edit(folder, lambda m: m.update(card=described.model_dump()))
    assert store.load(folder.as_uri()).public()["figures"] == []


def test_another_kind_of_uri_is_refused() -> None:
    with pytest.raises(ModelError, match="file://"):
        store.load("ftp://example.org/model")


def test_an_address_that_is_none_is_refused() -> None:
    with pytest.raises(ModelError, match=r"s3://\[x cannot be read"):
        store.load("s3://[x")


def test_a_graph_that_is_none_is_no_model(folder: Path) -> None:
    (folder / ESTIMATOR).write_bytes(b"no graph")
    described = describe(folder / ESTIMATOR)
    edit(folder, lambda m: m["files"]["estimator"].update(int8=described.model_dump()))
    edit(folder, lambda m: m.update(version=described.sha256[:12]))
    with pytest.raises(ModelError, match="cannot be opened"):
        Pipeline.load(folder)


def test_what_aws_s_library_needs_and_lacks_is_a_sentence(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as elsewhere:
        elsewhere.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(ModelError, match=r"s3://bucket/models .*nobody"):
            store.load("s3://bucket/models")
    monkeypatch.setitem(sys.modules, "apparent.model.s3", None)  # as without the extra s3
    with pytest.raises(ModelError, match="the extra 's3'"):
        store.load("s3://bucket/models")


def test_a_folder_name_with_spaces_is_read(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    spaced = tmp_path_factory.mktemp("model folder") / "ä 1"
    shutil.copytree(folder, spaced)
    assert store.load(spaced.as_uri()).manifest.name


@pytest.fixture
def published(s3: Any, folder: Path) -> str:
    """The URI of the folder on S3."""
    return publish(folder, "s3://bucket/models")


def test_a_published_folder_is_read_from_s3(published: str, folder: Path) -> None:
    bundle = store.load(published)
    assert bundle == store.load(folder.as_uri())
    assert bundle.card == store.load(folder.as_uri()).card


def test_the_embedded_bundle_is_not_fetched_from_s3(s3: Any) -> None:
    published = publish(EMBEDDED, "s3://bucket/models")
    for entry in s3.list_objects_v2(Bucket="bucket")["Contents"]:
        s3.delete_object(Bucket="bucket", Key=entry["Key"])
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
