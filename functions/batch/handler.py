"""AWS Lambda entry of a batch: the model is opened and warm at the end of init."""

import os
from typing import Any, Final, Protocol

from aws_lambda_powertools import Logger

from apparent.photo import MAX_PIXELS
from apparent.pipeline import Pipeline
from batch.work import Batch, process

MEMORY_PER_CPU: Final = 1769
"""Megabytes of memory for which AWS Lambda gives one virtual CPU."""

logger: Final = Logger(service="apparent-batch")
"""Counts and milliseconds: neither keys, which may be names, nor answers."""

_memory = int(os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", MEMORY_PER_CPU))
_pipeline = Pipeline.load(
    os.environ.get("APPARENT_MODEL_URI"),
    max_pixels=int(os.environ.get("APPARENT_MAX_PIXELS", MAX_PIXELS)),
    threads=max(1, round(_memory / MEMORY_PER_CPU)),
)
_pipeline.warm_up()


class Context(Protocol):
    """What of Lambda's context is used."""

    def get_remaining_time_in_millis(self) -> int:
        """Until the function is stopped."""


def handler(event: dict[str, Any], context: Context) -> dict[str, Any]:
    """Answers a batch of a Distributed Map, as far as time allows; see `batch.work.Batch`."""
    batch = Batch.model_validate(event)
    done = process(batch, _pipeline, lambda: context.get_remaining_time_in_millis() / 1000)
    logger.info(
        "batch", extra={"unfinished": done.unfinished, "round": batch.round, **dict(done.counts)}
    )
    return done.model_dump()
