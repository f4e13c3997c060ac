"""What every path has in common, as ASGI middleware: HEAD, slashes, failures, foreign origins."""

from collections.abc import Awaitable, Callable

from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from predict import problems
from predict.upload import MalformedRequest


class Failures:
    """Answers what nobody expected, inside of what adds headers; no traceback reaches the server,
    which would print values with it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application's."""
        started = False

        async def noting(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noting)
        except Exception as error:
            if started or scope["type"] != "http":
                raise
            response = await problems.answer(Request(scope), error)
            await response(scope, receive, send)


class Leniency:
    """Below `prefix`, HEAD is answered as GET without the body, and a slash at the end ignored."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app, self._prefix = app, f"{prefix}/"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As the application's."""
        if scope["type"] != "http" or not scope["path"].startswith(self._prefix):
            return await self._app(scope, receive, send)
        path = scope["path"].rstrip("/")
        if scope["method"] != "HEAD":
            return await self._app({**scope, "path": path}, receive, send)
        return await self._app({**scope, "path": path, "method": "GET"}, receive, _headers_of(send))


def _headers_of(send: Send) -> Callable[[Message], Awaitable[None]]:
    async def without_body(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return without_body


class CrossOrigin(CORSMiddleware):
    """Refuses with a problem, too."""

    def preflight_response(self, request_headers: Headers) -> Response:
        """As the parent class, but for the body of a refusal."""
        response = super().preflight_response(request_headers)
        if response.status_code >= 400:
            refusal = bytes(response.body).decode()
            problem = problems.problem(MalformedRequest(f"{refusal}, by this service's settings."))
            del response.headers["content-length"], response.headers["content-type"]
            problem.headers.update(response.headers)
            return problem
        return response
