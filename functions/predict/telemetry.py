"""Logs and metrics of the Lambda function: counts and milliseconds, never what a photo shows."""

import os
from collections.abc import Collection
from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit, single_metric
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predict.measurements import Measurements

NAMESPACE: Final = "Apparent"
SERVICE: Final = os.environ.get("POWERTOOLS_SERVICE_NAME", "apparent")
"""Of the metrics: the stack's name on AWS, so that two stacks' figures stay apart."""
logger: Final = Logger(service="apparent")
"""JSON lines, those of the service's modules included: they log under the same name."""
metrics: Final = Metrics(namespace=NAMESPACE, service=SERVICE)
"""In CloudWatch's embedded metric format, on standard output."""
REQUEST_ID: Final = b"x-request-id"
"""The answer's header with the id that API Gateway's log and the function's have."""


class Telemetry:
    """ASGI middleware that reports every request, once answered."""

    def __init__(self, app: ASGIApp, paths: Collection[str]) -> None:
        """`paths` are told by name; what else clients ask for, as long as they like, is not."""
        self._app, self._paths = app, frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application's."""
        scope["state"] = {}
        request_id = scope.get("aws.event", {}).get("requestContext", {}).get("requestId")
        if request_id:
            scope["state"]["request_id"] = request_id
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                if request_id:
                    headers = [*message.get("headers", ()), (REQUEST_ID, request_id.encode())]
                    message = {**message, "headers": headers}
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            path = scope["path"].rstrip("/")
            _report(scope, path if path in self._paths else "other", status)


def _report(scope: Scope, path: str, status: int) -> None:
    measured = Measurements.attached(scope)
    method = scope["method"] if scope["method"] in _METHODS else "other"
    logger.info("answered", extra={"method": method, "path": path, "status": status} | measured)
    metrics.add_metric("requests", MetricUnit.Count, 1)
    metrics.add_metric(f"status_{status // 100}xx", MetricUnit.Count, 1)
    for name, value in measured.items():
        unit = MetricUnit.Milliseconds if name.endswith("_ms") else MetricUnit.Count
        if not isinstance(value, str):
            metrics.add_metric(name, unit, value)
    if measured:
        dimensions = {"service": SERVICE}
        with single_metric(
            "photos", MetricUnit.Count, 1, namespace=NAMESPACE, default_dimensions=dimensions
        ) as metric:
            metric.add_dimension("model_version", str(measured["model_version"]))


_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
