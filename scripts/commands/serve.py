"""Serves the page and the API on this machine, with the embedded model. Ctrl-C ends it."""

import argparse
import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

from apparent.errors import ModelError
from infra import on_device
from predict.app import create_app
from predict.settings import SettingsError, from_environment

SITE: Final = Path(__file__).parents[2] / "site"
HEADERS: Final[dict[str, str]] = json.loads((SITE / "headers.json").read_text())
"""Of every file of the page, here as in production."""


class Site(StaticFiles):
    """The static page, with the headers that it gets in production."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        """As the parent class, plus the headers."""
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS | {"Cache-Control": "no-cache"})
        return response


def address(host: str, port: int) -> str:
    """What a browser opens; IPv6 stands in brackets there."""
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"


class ListenError(RuntimeError):
    """The host or port cannot be served on; the message says why."""


class AnnouncingServer(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the parent class."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        print(f"Apparent: {address(host, port)}  (Ctrl-C ends it)", flush=True)


def listen(app: ASGIApp, host: str, port: int) -> None:
    """Serves an application until it is interrupted; raises `ListenError`."""
    config = uvicorn.Config(app, log_level="warning", server_header=False)
    opened = _socket(host, port)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn after it shut down
        AnnouncingServer(config).run(sockets=[opened])


def _socket(host: str, port: int) -> socket.socket:
    try:
        family, *_ = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except (OSError, OverflowError) as error:
        why = str(getattr(error, "strerror", None) or error).partition(" (while")[0].rstrip(".")
        raise ListenError(
            f"{address(host, port)} cannot be served on: {why}. Choose another --port (0 is any "
            "free one, 65535 the last) or --host."
        ) from error


def local_app() -> FastAPI:
    """API and page as one application, set up from the environment."""
    app = create_app(from_environment(os.environ))
    app.mount("/", Site(directory=SITE, html=True))
    return app


@contextlib.contextmanager
def page_alone() -> Iterator[ASGIApp]:
    """The page as it is published without a service: `scripts/deploy -c service=false`.

    Raises `OnDeviceError` and `ModelError`.
    """
    if not (on_device.FOLDER / on_device.INDEX).exists():
        raise on_device.OnDeviceError(
            "What the page needs to answer on its own is not here: setting it up takes npm. "
            "Install Node.js, or run scripts/setup infra, which has it; then run this again."
        )
    with tempfile.TemporaryDirectory() as folder:
        on_device.write_page_alone(Path(folder))
        model = Mount(f"/{on_device.NAME}", Site(directory=on_device.FOLDER))
        yield Starlette(routes=[model, Mount("/", Site(directory=folder, html=True))])


def main() -> int:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="scripts/serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument(
        "--no-service", action="store_true", help="the page alone, which answers on its own"
    )
    args = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that temporary folders go, too
    try:
        with page_alone() if args.no_service else contextlib.nullcontext(local_app()) as app:
            listen(app, args.host, args.port)
    except (SettingsError, ListenError, on_device.OnDeviceError, ModelError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
