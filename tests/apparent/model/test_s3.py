"""An S3 that is not well: it refuses, stalls in the midst of an object, or never ends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from apparent.errors import ModelError
from apparent.model import DETECTOR, MANIFEST, store
from apparent.model.s3 import S3Folder

_FORBIDDEN = b"<Error><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"


class Faulty(ThreadingHTTPServer):
    """Serves a folder as the bucket's `models/`; the first answers of `stalls` names stop."""

    daemon_threads = True

    def __init__(self, folder: Path, forbidden: set[str], stalls: dict[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.folder, self.forbidden, self.stalls = folder, forbidden, stalls
        self.asked: list[str] = []
        self.over = threading.Event()


class _Answers(BaseHTTPRequestHandler):
    server: Faulty

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].rpartition("/")[2]
        self.server.asked.append(name)
        refused = name in self.server.forbidden
        data = _FORBIDDEN if refused else (self.server.folder / name).read_bytes()
        self.send_response(403 if refused else 200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        stalls = self.server.stalls.get(name, 0)
        if stalls:
            self.server.stalls[name] = stalls - 1
            self.wfile.write(data[: len(data) // 2])
            self.server.over.wait()
        else:
            self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Says nothing."""


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@contextmanager
def faulty(
    monkeypatch: pytest.MonkeyPatch,
    folder: Path,
    forbidden: set[str] = frozenset(),  # type: ignore[assignment]
    stalls: dict[str, int] | None = None,
) -> Iterator[Faulty]:
    with Faulty(folder, forbidden, stalls or {}) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            yield server
        finally:
            server.over.set()
            server.shutdown()


def test_a_role_that_is_refused_a_detector_takes_the_embedded_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(monkeypatch, folder, forbidden={DETECTOR}) as server:
        assert store.load("s3://bucket/models") == store.load(folder.as_uri())
    assert DETECTOR in server.asked


def test_what_may_not_be_read_is_told_as_not_there_with_s3_s_own_words(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        faulty(monkeypatch, folder, forbidden={MANIFEST}),
        pytest.raises(ModelError, match=rf"There is no {MANIFEST} .*Access Denied"),
    ):
        store.load("s3://bucket/models")


def test_an_object_that_stalls_is_asked_for_again(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty(monkeypatch, folder, stalls={MANIFEST: 1}) as server:
        read = S3Folder("bucket", "models").read(MANIFEST)
    assert read == (folder / MANIFEST).read_bytes()
    assert server.asked == [MANIFEST, MANIFEST]


def test_the_time_for_all_files_together_is_bounded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estimator = store.manifest_of(folder).estimator.path
    with (
        faulty(monkeypatch, folder, stalls={estimator: 99}),
        pytest.raises(ModelError, match=rf"{estimator} .* took longer than 1 s"),
    ):
        store.load("s3://bucket/models", seconds=1)
