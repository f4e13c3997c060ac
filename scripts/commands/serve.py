"""Serves the page and the API on this machine, with the embedded model. Ctrl-C ends it."""

import argparse
import contextlib
import json
import os
import socket
import sys
from pathlib import Path
from typing import Final

import uvicorn
from fastapi import FastAPI
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Scope

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


class AnnouncingServer(uvicorn.Server):
    """Says where it listens, once it does."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As the parent class, which exits where the port is taken."""
        await super().startup(sockets)
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        print(f"Apparent: http://{host}:{port}/  (Ctrl-C ends it)", flush=True)


def listen(app: ASGIApp, host: str, port: int) -> None:
    """Serves an application until it is interrupted."""
    config = uvicorn.Config(app, host=host, port=port, log_level="warning", server_header=False)
    with contextlib.suppress(KeyboardInterrupt):  # raised again by uvicorn after it shut down
        AnnouncingServer(config).run()


def local_app() -> FastAPI:
    """API and page as one application, set up from the environment."""
    app = create_app(from_environment(os.environ))
    app.mount("/", Site(directory=SITE, html=True))
    return app


def main() -> int:
    """Serves until interrupted."""
    parser = argparse.ArgumentParser(prog="scripts/serve", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    args = parser.parse_args()
    try:
        app = local_app()
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    listen(app, args.host, args.port)
    return 0


if __name__ == "__main__":
    sys.exit(main())
