"""The HTTP API: routes and error mapping only."""

import asyncio
import os
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import HTMLResponse, JSONResponse
from starlette.exceptions import HTTPException

from apparent.errors import UndecodablePhoto, UnsupportedFormat
from apparent.model.bundle import Manifest
from apparent.pipeline import Pipeline
from predict import docs, schemas
from predict.loader import Loader, ModelUnavailable
from predict.settings import Settings
from predict.upload import (
    FIELD,
    MalformedRequest,
    NotAnImageType,
    PhotoTooLarge,
    photo_bytes,
)

PREFIX: Final = "/api/v1"
MAX_WAITING: Final = 32
"""Requests that may wait for a core, their photos in memory; more are answered 429."""


class Throttled(RuntimeError):
    """More photos wait than are accepted."""


_STATUS_OF: Final[dict[type[Exception], HTTPStatus]] = {
    MalformedRequest: HTTPStatus.BAD_REQUEST,
    PhotoTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    NotAnImageType: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UnsupportedFormat: HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
    UndecodablePhoto: HTTPStatus.UNPROCESSABLE_ENTITY,
    Throttled: HTTPStatus.TOO_MANY_REQUESTS,
    ModelUnavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
_TITLES: Final = {
    HTTPStatus.BAD_REQUEST: "Malformed request",
    HTTPStatus.NOT_FOUND: "Not found",
    HTTPStatus.METHOD_NOT_ALLOWED: "Method not allowed",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "Photo too large",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "Not an image type",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Undecodable photo",
    HTTPStatus.TOO_MANY_REQUESTS: "Throttled",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Internal error",
    HTTPStatus.SERVICE_UNAVAILABLE: "Model not available",
}
_RETRY_AFTER: Final = {"Retry-After": "1"}

router = APIRouter(prefix=PREFIX)


def create_app(settings: Settings, loader: Loader | None = None) -> FastAPI:
    """The application; without a model it answers 503, not nothing.

    The model is loaded and warm, unless a `loader` is given, which may still be at work.
    """
    if loader is None:
        loader = Loader(settings)
        loader.wait()
    app = FastAPI(
        title="Apparent",
        version="1",
        summary="How old each face in a photo looks, and which gender it is perceived as.",
        openapi_url=f"{PREFIX}/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.settings = settings
    app.state.loader = loader
    cores = os.cpu_count() or 1
    app.state.workers = anyio.CapacityLimiter(cores)
    app.state.admission = anyio.Semaphore(cores + MAX_WAITING)
    app.include_router(router)
    for kind in (*_STATUS_OF, HTTPException, Exception):
        app.add_exception_handler(kind, _answer_problem)
    if settings.allowed_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "POST"],
            allow_headers=["Content-Type"],
        )
    return app


async def _pipeline(request: Request) -> Pipeline:
    # Shielded: a visitor who leaves must not cancel what the others wait for.
    return await asyncio.shield(asyncio.wrap_future(request.app.state.loader.attempt()))


LoadedPipeline = Annotated[Pipeline, Depends(_pipeline)]


def _problems(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": schemas.Problem.model_json_schema()}}
    return {int(s): {"description": _TITLES[s], "content": content} for s in statuses}


@router.post(
    "/predict",
    summary="Apparent age and perceived gender of every face in a photo",
    responses=_problems(*dict.fromkeys(_STATUS_OF.values())),
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "The photo: a multipart field, or the raw body with an image type.",
            "content": {
                "multipart/form-data": {
                    "schema": {
                        "type": "object",
                        "required": [FIELD],
                        "properties": {FIELD: {"type": "string", "format": "binary"}},
                    }
                },
                "image/*": {"schema": {"type": "string", "format": "binary"}},
            },
        }
    },
)
async def predict(
    request: Request, response: Response, pipeline: LoadedPipeline
) -> schemas.Prediction:
    """Reads the photo into memory and runs the pipeline on a worker thread."""
    state = request.app.state
    try:
        state.admission.acquire_nowait()
    except anyio.WouldBlock as error:
        raise Throttled("Too many photos are waiting. Try again in a second.") from error
    try:
        data = await photo_bytes(request, state.settings.max_bytes)
        prediction = await anyio.to_thread.run_sync(pipeline.predict, data, limiter=state.workers)
    finally:
        state.admission.release()
    response.headers["Cache-Control"] = "no-store"
    request.state.measured = {
        "model_version": prediction.model.version,
        "faces": prediction.faces_found,
        **{f"{step}_ms": spent for step, spent in prediction.timing_ms},
    }
    return prediction


@router.get("/health", summary="Whether the service is up; does not touch the model")
async def health() -> schemas.Health:
    """Liveness."""
    return schemas.Health()


@router.get(
    "/model",
    summary="The model: version, figures, data, licence, intended use",
    responses=_problems(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def model(pipeline: LoadedPipeline) -> Manifest:
    """The manifest."""
    return pipeline.manifest


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> HTMLResponse:
    """The API's description, for people."""
    headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY}
    return HTMLResponse(docs.page(request.app.openapi()), headers=headers)


async def _answer_problem(request: Request, error: Exception) -> Response:
    headers: dict[str, str] = {}
    if isinstance(error, HTTPException):
        status, detail = HTTPStatus(error.status_code), str(error.detail)
        headers |= error.headers or {}
    elif (known := _STATUS_OF.get(type(error))) is not None:
        status, detail = known, str(error)
    else:
        status = HTTPStatus.INTERNAL_SERVER_ERROR
        detail = "The service failed. The photo was not kept."
    if status in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE):
        headers |= _RETRY_AFTER
    problem = schemas.Problem.of(status, _TITLES.get(status, status.phrase), detail)
    return JSONResponse(
        problem.model_dump(), status, headers, media_type="application/problem+json"
    )
