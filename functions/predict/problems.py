"""Which error is answered with which status, as RFC 9457 problem details."""

import logging
from http import HTTPStatus
from typing import Final, NamedTuple

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.responses import Response

from apparent.errors import PhotoError, UnsupportedFormat
from predict import schemas
from predict.loader import ModelUnavailable
from predict.upload import MalformedRequest, MemoryFull, NotAnImageType, PhotoTooLarge

logger = logging.getLogger("apparent")


class Throttled(RuntimeError):
    """More photos wait than are accepted."""


class OutOfMemory(RuntimeError):
    """The memory does not suffice for a photo, at least for now."""


class Kind(NamedTuple):
    """One kind of problem."""

    status: HTTPStatus
    title: str


UNEXPECTED: Final = Kind(HTTPStatus.INTERNAL_SERVER_ERROR, "Internal error")

KINDS: Final[dict[type[Exception], Kind]] = {
    MalformedRequest: Kind(HTTPStatus.BAD_REQUEST, "Malformed request"),
    PhotoTooLarge: Kind(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "Photo too large"),
    NotAnImageType: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not an image type"),
    UnsupportedFormat: Kind(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Not an image type"),
    PhotoError: Kind(HTTPStatus.UNPROCESSABLE_ENTITY, "Undecodable photo"),
    Throttled: Kind(HTTPStatus.TOO_MANY_REQUESTS, "Throttled"),
    MemoryFull: Kind(HTTPStatus.TOO_MANY_REQUESTS, "Throttled"),
    OutOfMemory: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Out of memory"),
    ModelUnavailable: Kind(HTTPStatus.SERVICE_UNAVAILABLE, "Model not available"),
}
"""The first kind that an error is an instance of counts: subclasses stand before their base."""

THROTTLED_SECONDS: Final = 1
"""After which a client that was turned away may try again."""


def kind_of(error: Exception) -> Kind:
    """The kind of an error of this service or library; of any other `UNEXPECTED`."""
    return next((kind for base, kind in KINDS.items() if isinstance(error, base)), UNEXPECTED)


def install(app: FastAPI) -> None:
    """Makes the application answer every error with a problem."""
    for base in (*KINDS, HTTPException, Exception):
        app.add_exception_handler(base, answer)


async def answer(request: Request, error: Exception) -> Response:
    """The problem of an error; one that nobody expected is logged, with its traceback."""
    if not isinstance(error, HTTPException) and kind_of(error) is UNEXPECTED:
        # The message may quote what was in the photo; the traceback's lines cannot.
        logger.error(
            "failed with %s",
            type(error).__name__,
            extra={"method": request.method, "path": request.url.path, "trace": trace(error)},
        )
    return problem(error, request.scope.get("state", {}).get("request_id"))


def problem(error: Exception, request_id: str | None = None) -> Response:
    """The response for an error; on AWS Lambda with the id that the logs have."""
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        status = HTTPStatus(error.status_code)
        kind, detail = Kind(status, status.phrase.capitalize()), str(error.detail)
        headers |= error.headers or {}
    else:
        kind, detail = kind_of(error), str(error)
    if isinstance(error, ModelUnavailable):
        headers["Retry-After"] = str(error.retry_after)
    elif isinstance(error, (Throttled, MemoryFull, OutOfMemory)):
        headers["Retry-After"] = str(THROTTLED_SECONDS)
    if kind is UNEXPECTED:
        detail = "The service failed. The photo was not kept."
    told = schemas.Problem.of(kind.status, kind.title, detail, request_id)
    return JSONResponse(
        told.model_dump(), kind.status, headers, media_type="application/problem+json"
    )


def trace(error: BaseException) -> list[str]:
    """File, line and function of each frame, innermost last; no values."""
    frames = []
    step = error.__traceback__
    while step is not None:
        code = step.tb_frame.f_code
        frames.append(f"{code.co_filename}:{step.tb_lineno} {code.co_name}")
        step = step.tb_next
    return frames
