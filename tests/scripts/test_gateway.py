"""Where the function does not answer, the local gateway says what API Gateway says."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2
import pytest
from starlette.testclient import TestClient

from scripts.commands.gateway import MAX_BODY, gateway_app
from scripts.commands.serve import SITE


@contextmanager
def emulator(payload: bytes) -> Iterator[str]:
    """The address of what answers every event so."""

    class Answers(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, *args: object) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def answered(payload: bytes, body: bytes = b"photo") -> httpx2.Response:
    with emulator(payload) as address, TestClient(gateway_app(address, 15, SITE)) as client:
        response: httpx2.Response = client.post("/api/v1/predict", content=body)
    return response


@pytest.mark.parametrize(
    "payload",
    [b'"2026-01-01 Task timed out after 15.00 seconds"', b'{"errorType": "Exit"}', b"", b"[]"],
)
def test_a_function_that_ended_is_an_internal_error_without_a_reason(payload: bytes) -> None:
    response = answered(payload)
    assert response.status_code == 500
    assert response.json() == {"message": "Internal Server Error"}
    assert response.headers["content-type"] == "application/json"


def test_a_request_that_lambda_would_not_take_never_reaches_the_function() -> None:
    response = answered(b"[]", bytes(MAX_BODY + 1))
    assert response.status_code == 413
    assert response.json() == {"message": "Request Too Long"}


def test_what_the_function_answers_is_passed_on() -> None:
    function = {"statusCode": 418, "headers": {"x-own": "1"}, "body": "tea"}
    response = answered(json.dumps(function).encode())
    assert (response.status_code, response.headers["x-own"], response.text) == (418, "1", "tea")
