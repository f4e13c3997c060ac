"""What the alarms and the dashboard look at is what the function prints."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aws_cdk.assertions import Template

from scripts.commands.events import http_event
from tests.conftest import SAMPLES

_ASK = """
import json, sys
from awslambdaric.lambda_context import LambdaContext
from predict.handler import handler
context = LambdaContext("id", None, None, 0, "arn:aws:lambda:us-east-1:000000000000:function:f")
sys.exit(handler(json.load(sys.stdin), context)["statusCode"] // 100 != int(sys.argv[1]) // 100)
"""


class Metric(NamedTuple):
    """What names a metric in CloudWatch."""

    namespace: str
    name: str
    dimensions: tuple[tuple[str, str], ...]


def printed(status: int, **environment: str) -> list[dict[str, Any]]:
    """The JSON lines of a function of its own that answers a photo with this status."""
    photo = (SAMPLES / "grace_hopper.jpg").read_bytes()
    event = http_event("POST", "/api/v1/predict", photo, {"content-type": "image/jpeg"})
    result = subprocess.run(
        [sys.executable, "-c", _ASK, str(status)],
        env=os.environ | {"POWERTOOLS_SERVICE_NAME": "Apparent"} | environment,
        input=json.dumps(event),
        capture_output=True,
        text=True,
        check=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]


def emitted(lines: list[dict[str, Any]]) -> set[Metric]:
    """The metrics that CloudWatch makes of lines in its embedded metric format."""
    found = set()
    for line in lines:
        for directive in line.get("_aws", {}).get("CloudWatchMetrics", []):
            for names in directive["Dimensions"]:
                dimensions = tuple((name, line[name]) for name in names)
                for metric in directive["Metrics"]:
                    found.add(Metric(directive["Namespace"], metric["Name"], dimensions))
    return found


def shown(template: Template) -> list[Metric]:
    """The metrics of the dashboard, without those that AWS's own services report."""
    (dashboard,) = template.find_resources("AWS::CloudWatch::Dashboard").values()
    body = dashboard["Properties"]["DashboardBody"]["Fn::Join"][1]
    text = "".join(part if isinstance(part, str) else "reference" for part in body)
    metrics = [
        [cell for cell in row if not isinstance(cell, dict)]
        for widget in json.loads(text)["widgets"]
        for row in widget["properties"]["metrics"]
    ]
    return [
        Metric(namespace, name, tuple(zip(rest[::2], rest[1::2], strict=True)))
        for namespace, name, *rest in metrics
        if not namespace.startswith("AWS/")
    ]


@pytest.fixture(scope="module")
def answered() -> list[dict[str, Any]]:
    return printed(200)


def test_every_metric_of_the_dashboard_is_one_that_something_reports(
    plain: Template, answered: list[dict[str, Any]]
) -> None:
    counted = {
        Metric(transformation["MetricNamespace"], transformation["MetricName"], ())
        for resource in plain.find_resources("AWS::Logs::MetricFilter").values()
        for transformation in resource["Properties"]["MetricTransformations"]
    }
    metrics = shown(plain)
    assert {metric.name for metric in metrics} >= {"decode_ms", "detect_ms", "estimate_ms"}
    service = (("service", "Apparent"),)  # the stack's name, which it gives the function
    failing = {Metric("Apparent", f"status_{kind}xx", service) for kind in (4, 5)}
    assert set(metrics) <= emitted(answered) | counted | failing


def test_a_model_that_cannot_be_loaded_is_counted_by_the_line_that_tells_it(
    plain: Template, answered: list[dict[str, Any]], tmp_path: Path
) -> None:
    (found,) = plain.find_resources("AWS::Logs::MetricFilter").values()
    assert found["Properties"]["FilterPattern"] == '{ $.level = "ERROR" }'
    (transformation,) = found["Properties"]["MetricTransformations"]
    plain.has_resource_properties(
        "AWS::CloudWatch::Alarm",
        {
            "MetricName": transformation["MetricName"],
            "Namespace": transformation["MetricNamespace"],
        },
    )
    failed = printed(503, APPARENT_MODEL_URI=tmp_path.as_uri())
    errors = [line["message"] for line in failed if line.get("level") == "ERROR"]
    assert any("model is not available" in str(message) for message in errors)
    assert not [line for line in answered if line.get("level") == "ERROR"]
