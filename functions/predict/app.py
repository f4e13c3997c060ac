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

from apparent.pipeline import Pipeline
from predict import docs, problems, schemas
from predict.loader import Loader
from predict.measurements import Measurements
from predict.problems import Throttled
from predict.settings import Settings
from predict.upload import FIELD, photo_bytes

PREFIX: Final = "/api/v1"
MAX_WAITING: Final = 32
"""Requests that may wait for a core, their photos in memory; more are answered 429."""
MODEL_SECONDS: Final = 300
"""How long a client may take the model for unchanged."""


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
    problems.install(app)
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


def _responses(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    content = {"application/problem+json": {"schema": schemas.Problem.model_json_schema()}}
    return {
        int(status): {"description": status.phrase.capitalize(), "content": content}
        for status in statuses
    }


@router.post(
    "/predict",
    summary="Apparent age and perceived gender of every face in a photo",
    response_model=schemas.Prediction,
    responses=_responses(*dict.fromkeys(kind.status for kind in problems.KINDS.values())),
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
async def predict(request: Request, pipeline: LoadedPipeline) -> Response:
    """Reads the photo into memory and runs the pipeline on a worker thread."""
    state = request.app.state
    try:
        state.admission.acquire_nowait()
    except anyio.WouldBlock as error:
        raise Throttled("Too many photos are waiting. Try again in a second.") from error
    try:
        data = await photo_bytes(request, state.settings.max_bytes)
        faces = await anyio.to_thread.run_sync(pipeline, data, limiter=state.workers)
    finally:
        state.admission.release()
    Measurements.of(faces).attach(request.scope)
    # The library's own answer, unchecked: that it is as `schemas.Prediction` says, tests prove.
    return JSONResponse(faces.to_dict(), headers={"Cache-Control": "no-store"})


@router.get("/health", summary="Whether the service is up; does not touch the model")
async def health() -> schemas.Health:
    """Liveness."""
    return schemas.Health()


@router.get(
    "/model",
    summary="The model: version, hashes, licence, intended use, figures",
    response_model=schemas.ModelDescription,
    responses=_responses(HTTPStatus.SERVICE_UNAVAILABLE),
)
async def model(request: Request, pipeline: LoadedPipeline) -> Response:
    """The bundle's public description; a client may keep it while the bundle is the same."""
    headers = {
        "ETag": f'"{pipeline.bundle.content_hash[:16]}"',
        "Cache-Control": f"public, max-age={MODEL_SECONDS}",
    }
    known = request.headers.get("if-none-match", "")
    if headers["ETag"] in known or known.strip() == "*":
        return Response(None, HTTPStatus.NOT_MODIFIED, headers)
    description = await anyio.to_thread.run_sync(pipeline.bundle.public)
    return JSONResponse(description, headers=headers)


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> HTMLResponse:
    """The API's description, for people."""
    headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY}
    return HTMLResponse(
        docs.page(request.app.openapi(), str(request.url_for("predict"))), headers=headers
    )
