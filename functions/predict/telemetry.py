"""Logs and metrics of the Lambda function: counts and milliseconds, never what a photo shows."""

from typing import Final

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predict.measurements import Measurements

logger: Final = Logger(service="apparent")
"""JSON lines, those of the service's modules included: they log under the same name."""
metrics: Final = Metrics(namespace="Apparent", service="apparent")
"""In CloudWatch's embedded metric format, on standard output."""


class Telemetry:
    """ASGI middleware that reports every request, once answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application's."""
        scope["state"] = {}
        status = 500

        async def noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, noting)
        finally:
            measured = Measurements.attached(scope)
            request = {"method": scope["method"], "path": scope["path"], "status": status}
            logger.info("answered", extra=request | measured)
            metrics.add_metric("requests", MetricUnit.Count, 1)
            for name, value in measured.items():
                unit = MetricUnit.Milliseconds if name.endswith("_ms") else MetricUnit.Count
                if not isinstance(value, str):
                    metrics.add_metric(name, unit, value)
