"""AWS Lambda entry: the application, built and warm at the end of init, behind Mangum."""

# ruff: noqa: E402 -- the order of imports is what makes the start quick
import gc
import time

gc.disable()  # a start makes many objects and hardly any garbage
_started = time.perf_counter()

import os
from typing import Any, Final

from predict.loader import Loader
from predict.settings import from_environment
from predict.telemetry import Telemetry, logger, metrics

MEMORY_PER_CPU: Final = 1769
"""Megabytes of memory for which AWS Lambda gives one virtual CPU."""
S3_SECONDS: Final = 6
"""For all of the model: AWS Lambda ends an init after ten, and begins it anew."""
WARM_UP: Final = {
    "version": "2.0",
    "rawPath": "/api/v1/health",
    "rawQueryString": "",
    "headers": {},
    "requestContext": {
        "http": {"method": "GET", "path": "/api/v1/health", "sourceIp": "127.0.0.1"}
    },
    "isBase64Encoded": False,
}
"""A request that does not touch the model."""
_KEPT_FROM_MANGUM: Final = ("host", "x-forwarded-port", "x-forwarded-proto")
"""Headers that it takes apart before the application runs, and fails at what clients may send."""

_settings = from_environment(os.environ)
_memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_PER_CPU))
_threads = max(1, round(_memory / MEMORY_PER_CPU))
_loader = Loader(_settings, threads=_threads, seconds=S3_SECONDS)
_loading = time.perf_counter()

# While a thread reads the model, what opens it; while it opens it, the rest:
import apparent.pipeline  # noqa: F401

_opening = time.perf_counter()

import asyncio

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from mangum.types import LambdaContext
from starlette.types import Receive, Scope, Send

from predict.app import PATHS, create_app
from predict.origin import admit

_imported = time.perf_counter()
# Mangum runs the application on the main thread's event loop; Python 3.14 makes none unasked.
asyncio.set_event_loop(asyncio.new_event_loop())
_app = create_app(_settings, _loader)


async def _app_with_all_headers(scope: Scope, receive: Receive, send: Send) -> None:
    """The application; what was kept from Mangum comes to it as it was sent."""
    kept = scope["aws.event"]["kept"].items()
    headers = [*scope["headers"], *((name.encode(), value.encode()) for name, value in kept)]
    await _app({**scope, "headers": headers}, receive, send)


_answer = Mangum(
    Telemetry(_app_with_all_headers, PATHS),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
)
# The first request brings imports of its own; better now, and not reported.
Mangum(_app, lifespan="off")(WARM_UP, None)  # type: ignore[arg-type]
_loader.wait()


def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers one event of an API Gateway HTTP API (payload format 2.0)."""
    return admit(event, _settings.origin_secret) or _answer_and_report(event, context)


@logger.inject_lambda_context(correlation_id_path="requestContext.requestId")
@metrics.log_metrics(capture_cold_start_metric=True)
def _answer_and_report(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    headers = event["headers"]
    kept = {name: headers.pop(name) for name in _KEPT_FROM_MANGUM if name in headers}
    return _answer({**event, "kept": kept}, context)


gc.freeze()
gc.enable()
logger.info(
    "started",
    extra={
        "first_imports_ms": round(1000 * (_loading - _started), 1),
        "road_imports_ms": round(1000 * (_opening - _loading), 1),
        "other_imports_ms": round(1000 * (_imported - _opening), 1),
        "init_ms": round(1000 * (time.perf_counter() - _started), 1),
    },
)
