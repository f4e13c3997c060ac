import base64

import pytest
from aws_lambda_powertools.utilities.parser.models import APIGatewayProxyEventV2Model
from starlette.requests import Request

from scripts.commands.events import http_event
from scripts.commands.gateway import event_of


@pytest.mark.parametrize("body", [b"", b"\xff\xd8"])
def test_it_is_the_event_that_aws_sends(body: bytes) -> None:
    event = http_event("POST", "/api/v1/predict", body, {"host": "a.example"}, query="a=1")
    parsed = APIGatewayProxyEventV2Model.model_validate(event)
    assert parsed.requestContext.http.method == "POST"
    assert parsed.rawPath == parsed.requestContext.http.path == "/api/v1/predict"
    assert parsed.rawQueryString == "a=1"
    assert parsed.requestContext.domainName == "a.example"
    assert base64.b64decode(event.get("body", "")) == body


def test_the_gateway_joins_headers_of_one_name_as_aws_does() -> None:
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/health",
        "query_string": b"",
        "headers": [(b"host", b"a.example"), (b"accept", b"a"), (b"accept", b"b")],
        "client": ("192.0.2.1", 1),
    }
    event = event_of(Request(scope), b"")
    assert event["headers"] == {"host": "a.example", "accept": "a,b"}
    assert event["requestContext"]["http"]["sourceIp"] == "192.0.2.1"
