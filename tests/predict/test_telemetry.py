"""One id through log, header and problem; and nothing in the log that a client can make long."""

import json
import sys
from typing import Any

import pytest

from tests.predict.test_handler import CONTEXT, event


def ask(
    request: dict[str, Any], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], Any]:
    """The answer, and the lines that its making logged, by the way of AWS Lambda."""
    from predict.handler import handler
    from predict.telemetry import logger

    monkeypatch.setattr(logger.registered_handler, "stream", sys.stdout)  # as Lambda has it
    capfd.readouterr()
    answer = handler(request, CONTEXT)
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    return answer, lines


@pytest.fixture(scope="module", autouse=True)
def _started() -> None:
    import predict.handler  # noqa: F401 -- its own lines are no request's


def test_one_id_joins_gateway_log_header_and_problem(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = event("GET", "/api/v1/nothing")
    number = request["requestContext"]["requestId"]
    answer, lines = ask(request, capfd, monkeypatch)
    (line,) = [line for line in lines if line.get("message") == "answered"]
    assert line["correlation_id"] == number
    assert answer["headers"]["x-request-id"] == number
    assert json.loads(answer["body"])["instance"] == f"urn:apparent:request:{number}"


def test_what_a_client_writes_is_in_no_log(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    request = event("GET", "/api/v1/" + 500 * "x/john.doe@example.org")
    request["requestContext"]["http"]["method"] = "INVENTED"
    _, lines = ask(request, capfd, monkeypatch)
    assert "john" not in json.dumps(lines)
    assert "INVENTED" not in json.dumps(lines)
    assert any(line.get("path") == "other" for line in lines)


def test_status_and_model_are_metrics(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, collins: bytes
) -> None:
    answer, lines = ask(event("POST", "/api/v1/predict", collins, "image/jpeg"), capfd, monkeypatch)
    version = json.loads(answer["body"])["model"]["version"]
    printed = {name: line for line in lines for name in line if "_aws" in line}
    assert printed["status_2xx"]["status_2xx"] == [1.0]
    assert printed["photos"]["model_version"] == version
