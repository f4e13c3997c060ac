"""What all tests share: two real photos, made pictures, and the service with the real model."""

import io
import os
import shutil
import subprocess
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
import httpx2
import numpy as np
import pytest
from fastapi.testclient import TestClient
from numpy.typing import NDArray
from PIL import Image

from apparent.model import EMBEDDED, store
from apparent.model.bundle import SERVED
from apparent.model.writer import describe, write_manifest
from apparent.pipeline import Pipeline
from predict.app import create_app
from predict.settings import Settings
from scripts.commands.base_image import provide_base
from scripts.commands.emulator import IMAGE, ContainerError, architecture
from scripts.commands.local_s3 import local_s3

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "site" / "samples"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Where `CI` is set, a test that is skipped has failed: everything has to be there."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI may skip nothing. {reason}"
    return report


def encoded(
    pixels: NDArray[np.generic] | Image.Image, kind: str = "PNG", **options: object
) -> bytes:
    """The bytes of an image file."""
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@contextmanager
def running(command: list[str]) -> Iterator[str]:
    """The address that a script announces, which runs meanwhile."""
    script = [str(ROOT / "scripts" / command[0]), *command[1:]]
    with subprocess.Popen(script, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[1]
        assert address.startswith("http://127.0.0.1:")
        try:
            yield address.removesuffix("/")
        finally:
            process.terminate()
            process.wait(timeout=20)


@pytest.fixture(scope="session")
def collins() -> bytes:
    """JPEG of one woman of about 42."""
    return (SAMPLES / "eileen_collins.jpg").read_bytes()


@pytest.fixture(scope="session")
def hopper() -> bytes:
    """JPEG of one woman of about 77."""
    return (SAMPLES / "grace_hopper.jpg").read_bytes()


@pytest.fixture(scope="session")
def pipeline() -> Pipeline:
    """The embedded model."""
    return Pipeline(store.load(EMBEDDED.as_uri()), Settings().max_pixels)


@pytest.fixture(scope="session")
def client() -> Iterator[TestClient]:
    """The application with the embedded model, through its ASGI interface."""
    with TestClient(create_app(Settings()), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture(scope="session")
def other_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The embedded bundle, changed in a way that no answer shows but its version."""
    import onnx

    folder = tmp_path_factory.mktemp("model") / "other"
    shutil.copytree(EMBEDDED, folder)
    manifest = store.manifest_of(folder)
    path = folder / manifest.estimator.path
    network = onnx.load(path)
    network.metadata_props.add(key="note", value="another model")
    onnx.save(network, path)
    estimator = describe(path)
    files = manifest.files | {"estimator": {SERVED: estimator}}
    changed = {"version": estimator.sha256[:12], "files": files}
    write_manifest(folder, manifest.model_copy(update=changed))
    return folder


@pytest.fixture(scope="session")
def image() -> str:
    """The image that Lambda runs, built."""
    try:
        provide_base(architecture(), patience=120)
    except ContainerError as error:
        pytest.skip(str(error))
    subprocess.run([ROOT / "scripts" / "container", "build"], check=True)
    return IMAGE


@pytest.fixture(scope="session")
def container_server(image: str) -> Iterator[str]:
    """The address of `scripts/container run`, with the least memory promised to be enough."""
    with running(["container", "run", "--port", "0", "--memory", "1024"]) as address:
        yield address


@pytest.fixture(scope="session")
def container(container_server: str) -> Iterator[httpx2.Client]:
    """A client of the image that Lambda runs."""
    with httpx2.Client(base_url=container_server, timeout=60) as client:
        yield client


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The address of a running `scripts/serve`."""
    with running(["serve", "--port", "0"]) as address:
        yield address


@pytest.fixture(scope="session")
def served(server: str) -> Iterator[httpx2.Client]:
    """A client of `scripts/serve`."""
    with httpx2.Client(base_url=server, timeout=60) as client:
        yield client


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The labelled faces, which never enter this repository."""
    folder = ROOT.parent / "shared" / "data" / "utkface"
    if not folder.exists():
        pytest.skip("../shared/data/utkface (UTKFace, for research only) is not on this machine")
    return folder


@pytest.fixture(scope="session")
def aws() -> Iterator[dict[str, str]]:
    """The environment of clients of a real S3 API on loopback."""
    with local_s3() as environment:
        yield environment


@pytest.fixture
def s3(aws: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of an empty S3 with one bucket."""
    httpx2.post(f"{aws['AWS_ENDPOINT_URL']}/moto-api/reset").raise_for_status()
    for name, value in aws.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="bucket")
    return client
