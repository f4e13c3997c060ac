"""Opens the pipeline of a running service, in the background, and again later where that failed."""

import logging
import math
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from apparent.errors import ModelError
from apparent.model import store
from predict.settings import Settings

if TYPE_CHECKING:
    from apparent.pipeline import Pipeline

logger = logging.getLogger("apparent")


class ModelUnavailable(RuntimeError):
    """No verified model could be loaded; the message says when to try again."""

    def __init__(self, patience: float) -> None:
        """`patience` is how long it is before the model is asked for again, in seconds."""
        self.retry_after = max(1, math.ceil(patience))
        super().__init__(
            f"The model could not be loaded. It is asked for again every {self.retry_after} "
            "seconds; try later."
        )


class Loader:
    """Starts opening the networks at once, on a thread, while the rest of the service starts."""

    def __init__(
        self,
        settings: Settings,
        threads: int = 0,
        patience: float = 30,
        seconds: float | None = None,
    ) -> None:
        """`threads` per network run, 0 for one per core; `seconds` bound a read from S3.

        Where the model was not available it is asked for again, by the first request after
        `patience` seconds.
        """
        self._settings, self._threads, self._patience = settings, threads, patience
        self._seconds = seconds
        self._executor = ThreadPoolExecutor(1, "model")
        self._attempt = self._executor.submit(self._open)
        self._failed_at = 0.0

    def attempt(self) -> "Future[Pipeline]":
        """The pipeline, once it is open, or `ModelUnavailable`."""
        failed = self._attempt.done() and self._attempt.exception() is not None
        if failed and time.monotonic() >= self._failed_at + self._patience:
            self._attempt = self._executor.submit(self._open)
        return self._attempt

    def wait(self) -> None:
        """Returns when the attempt under way has ended, well or with an unavailable model."""
        error = self._attempt.exception()
        if error is not None and not isinstance(error, ModelUnavailable):
            raise error

    def _open(self) -> "Pipeline":
        settings = self._settings
        started = time.perf_counter()
        try:
            files = store.load(settings.model_uri, self._seconds)
            loaded = time.perf_counter()
            # Only here: the files are read while others import it, and with it onnxruntime.
            from apparent.pipeline import Pipeline

            imported = time.perf_counter()
            pipeline = Pipeline(files, settings.max_pixels, self._threads)
        except ModelError as error:
            logger.error("The model is not available: %s", error)
            self._failed_at = time.monotonic()
            raise ModelUnavailable(self._patience) from error
        opened = time.perf_counter()
        pipeline.warm_up()
        warm = time.perf_counter()
        logger.info(
            "model ready",
            extra={
                "model_version": files.manifest.version,
                "load_ms": round(1000 * (loaded - started), 1),
                "open_ms": round(1000 * (opened - imported), 1),
                "warm_up_ms": round(1000 * (warm - opened), 1),
            },
        )
        return pipeline
