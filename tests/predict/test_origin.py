"""On AWS only what came through CloudFront is worked on."""

import json
from typing import Any

import pytest

from predict import origin
from scripts.commands.events import http_event

SECRET = "of-cloudfront"


def event(**headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return http_event("POST", "/api/v1/predict", b"photo", {"host": "api.example"} | named)


@pytest.mark.parametrize("headers", [{}, {"x_apparent_origin": ""}, {"x_apparent_origin": "ö"}])
def test_who_does_not_know_the_secret_is_refused_with_a_problem(headers: dict[str, str]) -> None:
    answer = origin.admit(event(**headers), SECRET)
    assert answer is not None
    problem = json.loads(answer["body"])
    assert answer["statusCode"] == problem["status"] == 403
    assert answer["headers"]["content-type"] == "application/problem+json"
    assert "address of the page" in problem["detail"]


def test_through_cloudfront_the_visitor_s_host_counts_and_the_secret_goes_no_further() -> None:
    request = event(x_apparent_origin=SECRET, x_forwarded_host="faces.example.org")
    assert origin.admit(request, SECRET) is None
    assert request["headers"]["host"] == "faces.example.org"
    assert SECRET not in json.dumps(request)


def test_without_a_secret_everybody_is_answered_and_nobody_s_host_believed() -> None:
    request = event(x_forwarded_host="evil.example")
    assert origin.admit(request, "") is None
    assert request["headers"]["host"] == "api.example"
