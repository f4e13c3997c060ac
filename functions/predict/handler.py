"""AWS Lambda entry: the application, built and warm at the end of init, behind Mangum."""

# ruff: noqa: E402 -- the order of imports is what makes the start quick
import gc

gc.disable()  # a start makes many objects and hardly any garbage

import asyncio
import os
from typing import Any, Final

from functions.predict.loader import Loader
from functions.predict.settings import from_environment

MEMORY_PER_CPU: Final = 1769
"""Megabytes of memory for which AWS Lambda gives one virtual CPU."""

_settings = from_environment(os.environ)
_memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_PER_CPU))
_loader = Loader(_settings, threads=max(1, round(_memory / MEMORY_PER_CPU)))

# While a thread opens the networks:
from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES
from mangum.types import LambdaContext

from functions.predict.app import create_app
from functions.predict.telemetry import Telemetry, logger, metrics

# Mangum runs the application on the main thread's event loop; Python 3.14 makes none unasked.
asyncio.set_event_loop(asyncio.new_event_loop())
_answer = Mangum(
    Telemetry(create_app(_settings, _loader)),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
)


@logger.inject_lambda_context
@metrics.log_metrics(capture_cold_start_metric=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answers one event of an API Gateway HTTP API (payload format 2.0)."""
    return _answer(event, context)


gc.freeze()
gc.enable()
