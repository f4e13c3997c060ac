"""Objects whose bytes stop coming."""

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from apparent.bulk import s3
from apparent.bulk.sources import Unavailable

PHOTO = b"a whole photo"


class BreakingOff(ThreadingHTTPServer):
    """An S3 whose connection breaks in the midst of an object, so many times."""

    breaks = 0


class _Handler(BaseHTTPRequestHandler):
    server: BreakingOff

    def do_GET(self) -> None:
        self.server.breaks -= 1
        self.send_response(200)
        self.send_header("Content-Length", str(len(PHOTO)))
        self.end_headers()
        self.wfile.write(PHOTO[:5] if self.server.breaks >= 0 else PHOTO)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def breaking_off(monkeypatch: pytest.MonkeyPatch) -> Iterator[BreakingOff]:
    server = BreakingOff(("127.0.0.1", 0), _Handler)
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    s3.client.cache_clear()
    yield server
    s3.client.cache_clear()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_connection_that_breaks_is_tried_again(breaking_off: BreakingOff) -> None:
    breaking_off.breaks = 2
    assert s3.read("s3://bucket/a.jpg") == PHOTO


def test_one_that_always_breaks_is_told_as_passing(breaking_off: BreakingOff) -> None:
    breaking_off.breaks = 99
    with pytest.raises(Unavailable, match="cannot be reached"):
        s3.read("s3://bucket/a.jpg")
