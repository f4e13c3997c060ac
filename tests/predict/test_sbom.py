"""What the image says it holds. That it is true, tests/scripts/test_container.py shows."""

import json
import shutil
import sys
from importlib.metadata import distribution

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from predict.sbom import CODE, library, licence, networks, notices, sbom, system
from tests.conftest import ROOT

PACKAGES = [
    distribution(name) for name in ("numpy", "onnxruntime", "python-dateutil", "flatbuffers")
]
debian = pytest.mark.skipif(not shutil.which("dpkg-query"), reason="dpkg-query is not on PATH")


def test_the_document_is_valid_cyclonedx() -> None:
    text = sbom("1.2.3", [*map(library, PACKAGES), *networks()])
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.loads(text)["metadata"]["component"]["version"] == "1.2.3"


@debian
def test_the_base_s_packages_are_in_it() -> None:
    text = sbom("1.2.3", system())
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    found = {component["name"]: component for component in json.loads(text)["components"]}
    assert found["python"]["version"] == ".".join(map(str, sys.version_info[:3]))
    assert found["libc6"]["purl"].startswith("pkg:deb/debian/libc6@")


def test_weights_and_detector_have_each_their_terms() -> None:
    found = json.loads(sbom("1", networks()))["components"]
    terms = {component["name"]: component["licenses"] for component in found}
    assert terms.pop("yunet") == [{"license": {"id": "MIT"}}]
    (weights,) = terms.values()
    assert weights == [{"license": {"name": "LicenseRef-Apparent-Weights"}}]
    assert {component["type"] for component in found} == {"machine-learning-model"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("numpy", "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0"),
        ("protobuf", "BSD-3-Clause"),
        ("python-dateutil", "BSD-3-Clause OR Apache-2.0"),
        ("s3transfer", "Apache-2.0"),
    ],
)
def test_licences_have_spdx_s_names(name: str, told: str) -> None:
    assert licence(distribution(name)) == told


def test_the_notices_have_everybody_s_terms() -> None:
    text = notices(PACKAGES)
    for part in (
        "Weights: non-commercial research only",
        "Shiqi Yu",
        "Copyright (c) 2005-2025, NumPy Developers",  # numpy's own
        "OpenBLAS",  # bundled with it
        "Microsoft Corporation",
        "The package comes without its text.",
    ):
        assert part in text, part


def test_the_licence_that_is_copied_into_the_image_is_the_project_s() -> None:
    assert CODE.read_text() == (ROOT / "LICENSE").read_text()
