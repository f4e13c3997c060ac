"""The base's digest, renewed from a registry on loopback by the container program that is here."""

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from infra.image import CONTEXT, DOCKERFILE
from scripts.commands.base_image import default_base, provide_base, renew
from scripts.commands.emulator import ContainerError, architecture, engine

pytestmark = pytest.mark.container
INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


class Registry(ThreadingHTTPServer):
    """Serves one image, read only, by the distribution API."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.name = f"127.0.0.1:{self.server_port}/python:3.13-slim"
        self.blobs: dict[str, tuple[str, bytes]] = {}
        """By digest or tag."""

    def publish(self, content: str, architectures: tuple[str, ...]) -> str:
        """An image for these; returns the digest of all of them together."""
        file = io.BytesIO()
        with tarfile.open(fileobj=file, mode="w") as tar:
            tar.addfile(tarfile.TarInfo(content))
        layer = file.getvalue()
        packed = self._add(LAYER, gzip.compress(layer))
        diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
        manifests = []
        for name in architectures:
            rootfs = {"type": "layers", "diff_ids": [diff]}
            about = {"os": "linux", "architecture": name}
            config = self._add(CONFIG, json.dumps({**about, "config": {}, "rootfs": rootfs}))
            image = {"schemaVersion": 2, "mediaType": MANIFEST, "config": config}
            manifest = self._add(MANIFEST, json.dumps({**image, "layers": [packed]}))
            manifests.append({**manifest, "platform": about})
        index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}
        digest = str(self._add(INDEX, json.dumps(index))["digest"])
        self.blobs["3.13-slim"] = self.blobs[digest]
        return digest

    def _add(self, kind: str, data: str | bytes) -> dict[str, Any]:
        data = data.encode() if isinstance(data, str) else data
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.blobs[digest] = kind, data
        return {"mediaType": kind, "digest": digest, "size": len(data)}


class Answer(BaseHTTPRequestHandler):
    server: Registry

    def do_GET(self) -> None:
        kind, data = "application/json", b"{}"
        if self.path != "/v2/":
            kind, data = self.server.blobs.get(self.path.rpartition("/")[2], ("", b""))
        self.send_response(200 if kind else 404)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.send_header("Docker-Content-Digest", f"sha256:{hashlib.sha256(data).hexdigest()}")
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(data)

    do_HEAD = do_GET  # noqa: N815 -- the name that http.server calls

    def log_message(self, *args: object) -> None:
        """Silent."""


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    try:
        program = engine()
    except ContainerError as error:
        pytest.skip(str(error))
    with Registry() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        # docker needs no such word for loopback.
        settings = tmp_path / "registries.conf"
        place = f"127.0.0.1:{server.server_port}"
        settings.write_text(f'[[registry]]\nlocation = "{place}"\ninsecure = true\n')
        monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(settings))
        yield server
        server.shutdown()
    images = [program, "images", "--quiet", "--no-trunc", f"--filter=reference={place}/*"]
    found = subprocess.run(images, check=True, capture_output=True, text=True).stdout.split()
    if found:
        subprocess.run([program, "rmi", "--force", *set(found)], check=True, capture_output=True)


@pytest.fixture
def dockerfile(registry: Registry, tmp_path: Path) -> Path:
    """Ours, with a base in that registry."""
    path = tmp_path / "Dockerfile"
    text = (CONTEXT / DOCKERFILE).read_text()
    pinned = default_base(CONTEXT / DOCKERFILE)
    path.write_text(text.replace(pinned, f"{registry.name}@sha256:{'0' * 64}"))
    return path


def test_the_base_is_pinned_by_digest() -> None:
    tag, _, digest = default_base(CONTEXT / DOCKERFILE).partition("@sha256:")
    assert tag == "python:3.13-slim-trixie"
    assert len(digest) == 64


def test_what_the_tag_is_today_is_written_for_all_platforms(
    registry: Registry, dockerfile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = registry.publish("first", ("amd64", "arm64", "s390x"))
    assert renew(dockerfile, architecture()) == f"{registry.name}@{first}"
    second = registry.publish("second", ("amd64", "arm64"))
    renewed = renew(dockerfile, architecture())
    assert renewed == f"{registry.name}@{second}" == default_base(dockerfile)
    assert dockerfile.read_text().count("sha256:") == 1
    monkeypatch.setenv("BASE_IMAGE", renewed)
    provide_base(architecture(), patience=60)
    dockerfile.write_text(f"ARG BASE_IMAGE={renewed}\nFROM ${{BASE_IMAGE}}\nLABEL made=here\n")
    build = [engine(), "build", "--quiet", f"--file={dockerfile}", str(dockerfile.parent)]
    made = subprocess.run(build, check=True, capture_output=True, text=True).stdout.strip()
    subprocess.run([engine(), "rmi", made], check=True, capture_output=True)


def test_a_tag_that_lacks_a_platform_is_refused(registry: Registry, dockerfile: Path) -> None:
    own = "arm64" if architecture() == "arm64" else "amd64"
    registry.publish("lonely", (own,))
    before = dockerfile.read_text()
    with pytest.raises(ContainerError, match="is not for all of linux/amd64, linux/arm64"):
        renew(dockerfile, architecture())
    assert dockerfile.read_text() == before


def test_a_registry_without_such_an_image_is_a_sentence(dockerfile: Path) -> None:
    with pytest.raises(ContainerError, match=r"cannot be pulled.*Pull it where a registry"):
        renew(dockerfile, architecture())
