"""HTTP -> an event for the Lambda function -> HTTP, as API Gateway's HTTP APIs do it.

AWS's emulator takes one event at a time, breaks when given two, and cuts long ones short. So events
wait for each other here, and what Lambda would refuse is refused.
"""

import base64
import http.client
import json
import logging
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route

from predict.schemas import Problem
from predict.upload import BrokenOff, PhotoTooLarge, body_of
from scripts.commands.events import http_event
from scripts.commands.serve import Site

logger = logging.getLogger("apparent.gateway")

MAX_EVENT: Final = 6 * 1024 * 1024
"""Bytes of JSON that Lambda takes."""
MAX_BODY: Final = (MAX_EVENT - 64 * 1024) * 3 // 4
"""Bytes that fit into an event, in base64 and with the request's headers."""
MAX_WAITING: Final = 32
_INVOKE: Final = "/2015-03-31/functions/function/invocations"
_METHODS: Final = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


class FunctionFailed(RuntimeError):
    """The function ended without an answer, or could not be asked."""


class FunctionTimedOut(RuntimeError):
    """The function was ended because it took too long."""


class Gateway:
    """Sends requests to the function in the emulator at an address, one at a time."""

    def __init__(self, emulator: str, timeout: float) -> None:
        """`timeout` is the function's, in seconds; its init comes on top."""
        self._host = urlsplit(emulator).netloc
        self._patience = timeout + 15
        self._turn = anyio.CapacityLimiter(1)
        self._admission = anyio.Semaphore(1 + MAX_WAITING)

    async def answer(self, request: Request) -> Response:
        """The function's answer, or what API Gateway says in its place."""
        try:
            body = await body_of(request, MAX_BODY, MAX_BODY)
            event = json.dumps(event_of(request, body)).encode()
            if len(event) > MAX_EVENT:
                raise PhotoTooLarge("The request has more headers than AWS Lambda takes.")
            self._admission.acquire_nowait()
        except BrokenOff as error:
            return _problem(HTTPStatus.BAD_REQUEST, "Malformed request", str(error))
        except PhotoTooLarge as error:
            return _instead(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error, "Request Too Long")
        except anyio.WouldBlock:
            full = FunctionFailed("Too many photos wait: on AWS, more than functions are reserved.")
            return _instead(HTTPStatus.SERVICE_UNAVAILABLE, full)
        try:
            result = await anyio.to_thread.run_sync(self._invoke, event, limiter=self._turn)
        except (FunctionTimedOut, FunctionFailed) as error:
            return _instead(HTTPStatus.INTERNAL_SERVER_ERROR, error)
        finally:
            self._admission.release()
        text = result.get("body") or ""
        content = base64.b64decode(text) if result.get("isBase64Encoded") else text.encode()
        return Response(content, result["statusCode"], result.get("headers"))

    def _invoke(self, event: bytes) -> dict[str, Any]:
        connection = http.client.HTTPConnection(self._host, timeout=self._patience)
        try:
            connection.request("POST", _INVOKE, event)
            payload = connection.getresponse().read()
        except TimeoutError as error:
            raise FunctionTimedOut("The function did not answer in time.") from error
        except (OSError, http.client.HTTPException) as error:
            raise FunctionFailed(f"The container does not answer: {error!r}.") from error
        finally:
            connection.close()
        # Of a function that was ended the emulator tells in words, with status 200.
        if b"Task timed out" in payload:
            raise FunctionTimedOut("The photo took longer than the function may. Scale it down.")
        try:
            result: dict[str, Any] = json.loads(payload)
            result["statusCode"]
        except (ValueError, KeyError, TypeError) as error:
            raise FunctionFailed(
                "The function ended without an answer, perhaps for want of memory; its log says "
                "why. The next request starts it anew. Scale the photo down."
            ) from error
        return result


def event_of(request: Request, body: bytes) -> dict[str, Any]:
    """The event of a request; headers of one name are joined by commas."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        headers[name] = f"{headers[name]},{value}" if name in headers else value
    return http_event(
        request.method,
        request.url.path,
        body,
        headers,
        query=request.url.query,
        source=request.client.host if request.client else "",
        protocol=f"HTTP/{request.scope.get('http_version', '1.1')}",
    )


def gateway_app(emulator: str, timeout: float, site: Path) -> Starlette:
    """The page, and the API through the emulator, as one application."""
    api = Route("/api/{path:path}", Gateway(emulator, timeout).answer, methods=_METHODS)
    return Starlette(routes=[api, Mount("/", Site(directory=site, html=True))])


def _problem(status: HTTPStatus, title: str, detail: str) -> Response:
    problem = Problem.of(status, title, detail)
    return JSONResponse(problem.model_dump(), status, media_type="application/problem+json")


def _instead(status: HTTPStatus, reason: Exception, message: str | None = None) -> Response:
    """As AWS answers where the function does not, without saying why; the log says it here.

    413: github.com/koki-develop/lgtm-generator/issues/10 (a REST API's words). 500 for a function
    that failed or took too long: github.com/denoland/deno_registry2/issues/87. 503 where no more
    may run at once: documented as 500 or 503, as infra/AWS.md has it.
    """
    logger.warning("%d: %s", status, reason)
    return JSONResponse({"message": message or status.phrase}, status)
