"""The HTTP API: routes and error mapping only."""

import asyncio
from http import HTTPStatus
from typing import Annotated, Any, Final

import anyio
import anyio.to_thread
from fastapi import APIRouter, Depends, FastAPI, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from apparent.cpus import usable_cpus
from apparent.errors import ModelError
from apparent.pipeline import Pipeline
from predict import docs, problems, schemas
from predict.loader import Loader, ModelUnavailable, logger
from predict.measurements import Measurements
from predict.middleware import CrossOrigin, Failures, Leniency
from predict.problems import OutOfMemory, Throttled
from predict.settings import Settings
from predict.upload import FIELD, Memory, photo_bytes

PREFIX: Final = "/api/v1"
MAX_WAITING: Final = 32
"""Requests that may wait for a core, their photos in memory; more are answered 429."""
MEMORY: Final = 128 * 1024 * 1024
"""Bytes that uploads and photos that wait may have in all; what goes beyond is answered 429."""
MODEL_SECONDS: Final = 300
"""How long a client may take the model for unchanged."""
_BUSY: Final = "Too many photos are waiting. Try again in a second."
_METHODS: Final = ["DELETE", "GET", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"]

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
        redirect_slashes=False,  # `Leniency` answers them
    )
    app.state.settings = settings
    app.state.loader = loader
    cores = usable_cpus()
    app.state.workers = anyio.CapacityLimiter(cores)
    app.state.admission = anyio.Semaphore(cores + MAX_WAITING)
    app.state.memory = Memory(max(MEMORY, 4 * settings.max_bytes))
    app.include_router(router)
    problems.install(app)
    app.add_middleware(Failures)
    app.add_middleware(Leniency, prefix=PREFIX)
    if settings.allowed_origins:
        app.add_middleware(
            CrossOrigin,
            allow_origins=settings.allowed_origins,
            allow_methods=["GET", "HEAD", "POST"],
            allow_headers=["Content-Type"],
            expose_headers=["Retry-After"],
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
    if not state.admission.value:
        raise Throttled(_BUSY)  # before a byte is read
    with state.memory.held() as hold:
        data = await photo_bytes(request, state.settings.max_bytes, hold)
        # Only whole photos are admitted: who sends slowly keeps no other waiting.
        try:
            state.admission.acquire_nowait()
        except anyio.WouldBlock as error:
            raise Throttled(_BUSY) from error
        try:
            faces = await anyio.to_thread.run_sync(pipeline, data, limiter=state.workers)
        except MemoryError as error:
            raise OutOfMemory(
                "The memory does not suffice for this photo now. Try again, or scale it down."
            ) from error
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
    try:
        description = await anyio.to_thread.run_sync(pipeline.bundle.public)
    except ModelError as error:  # the card is read only now
        logger.error("The card is not available: %s", error)
        raise ModelUnavailable(1) from error
    return JSONResponse(description, headers=headers)


@router.get("/docs", include_in_schema=False)
async def documentation(request: Request) -> HTMLResponse:
    """The API's description, for people."""
    headers = {"Content-Security-Policy": docs.CONTENT_SECURITY_POLICY}
    app, predict_url = request.app, str(request.url_for("predict"))
    return HTMLResponse(docs.page(app.openapi(), app.openapi_url, predict_url), headers=headers)


@router.api_route("/{path:path}", methods=_METHODS, include_in_schema=False)
async def elsewhere(request: Request, path: str) -> Response:
    """Whatever the routes above do not answer: 204 to OPTIONS, or 404, or 405 with what may be."""
    routes = [route for route in router.routes if isinstance(route, APIRoute)]
    known = [route.methods or set() for route in routes if route.path == f"{PREFIX}/{path}"]
    if not known and path != "openapi.json":
        raise HTTPException(
            HTTPStatus.NOT_FOUND,
            f"There is nothing here. {PREFIX}/docs tells what the service answers.",
        )
    methods = {"OPTIONS"}.union(*known or [{"GET"}])
    allow = {"Allow": ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))}
    if request.method == "OPTIONS":
        return Response(None, HTTPStatus.NO_CONTENT, allow)
    raise HTTPException(
        HTTPStatus.METHOD_NOT_ALLOWED,
        f"{request.method} is not answered here, but {allow['Allow']}.",
        headers=allow,
    )


PATHS: Final = frozenset(
    {f"{PREFIX}/openapi.json"}
    | {route.path for route in router.routes if isinstance(route, APIRoute)}
)
"""What the service answers, for who tells of requests by their path."""
