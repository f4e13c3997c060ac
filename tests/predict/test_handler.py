import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from awslambdaric.lambda_context import LambdaContext

from scripts.commands.events import http_event

CONTEXT = LambdaContext("id", None, None, 0, "arn:aws:lambda:eu-west-1:000000000000:function:f")
Answer = tuple[int, dict[str, str], Any]
Ask = Callable[[dict[str, Any]], Answer]


def event(
    method: str, path: str, body: bytes = b"", content_type: str | None = None
) -> dict[str, Any]:
    headers = {"host": "abc.execute-api.example", "x-forwarded-for": "192.0.2.1"}
    return http_event(
        method, path, body, headers | ({"content-type": content_type} if content_type else {})
    )


@pytest.fixture(scope="module")
def answer() -> Ask:
    """Asks the handler; its import starts the service, so it waits for the first test."""
    from predict.handler import handler

    def ask(request: dict[str, Any]) -> Answer:
        response = handler(request, CONTEXT)
        assert response["isBase64Encoded"] is False
        return response["statusCode"], response["headers"], json.loads(response["body"])

    return ask


def test_a_start_reads_the_model_before_it_imports_what_runs_it() -> None:
    program = (
        "import sys, predict.loader, predict.settings, predict.telemetry;"
        "print({'PIL', 'fastapi', 'mangum', 'numpy', 'onnxruntime'} & sys.modules.keys())"
    )
    command = [sys.executable, "-c", program]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "set()\n"


def test_a_raw_photo_is_answered(answer: Ask, collins: bytes) -> None:
    status, headers, body = answer(event("POST", "/api/v1/predict", collins, "image/jpeg"))
    assert status == 200
    assert headers["content-type"] == "application/json"
    assert len(body["faces"]) == 1


def test_a_form_is_answered(answer: Ask, hopper: bytes) -> None:
    form = b"\r\n".join(
        [
            b"--edge",
            b'Content-Disposition: form-data; name="image"; filename="a.jpg"',
            b"Content-Type: image/jpeg",
            b"",
            hopper,
            b"--edge--",
            b"",
        ]
    )
    request = event("POST", "/api/v1/predict", form, "multipart/form-data; boundary=edge")
    status, _, body = answer(request)
    assert status == 200
    assert len(body["faces"]) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "expected"),
    [
        (b"", "image/jpeg", 400),
        (b"text", "image/jpeg", 415),
        (b"{}", "application/json", 415),
        (bytes(7_000_000), "image/png", 413),
    ],
)
def test_bad_input_is_a_problem(answer: Ask, body: bytes, content_type: str, expected: int) -> None:
    status, headers, problem = answer(event("POST", "/api/v1/predict", body, content_type))
    assert status == problem["status"] == expected
    assert headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "[::1]:9000"},
        {"host": "localhost:"},
        {"host": "["},
        {"x-forwarded-port": "443,443"},
        {"host": "[", "x-forwarded-proto": "gopher"},
        {},
    ],
)
def test_any_host_or_port_is_answered(answer: Ask, headers: dict[str, str]) -> None:
    for path, expected in (("health", 200), ("openapi.json", 200), ("nothing", 404)):
        assert answer(http_event("GET", f"/api/v1/{path}", headers=headers))[0] == expected


@pytest.mark.usefixtures("answer")
def test_the_documents_tell_the_address_that_was_asked() -> None:
    from predict.handler import handler

    for host in ("faces.example.org", "[::1]:9000", "127.0.0.1:9000"):
        response = handler(http_event("GET", "/api/v1/docs", headers={"host": host}), CONTEXT)
        assert f"https://{host}/api/v1/predict" in response["body"]


def test_one_handler_answers_again_and_again(answer: Ask) -> None:
    for _ in range(3):
        assert answer(event("GET", "/api/v1/health"))[2] == {"status": "ok"}
    assert answer(event("GET", "/api/v1/model"))[0] == 200
