"""AWS Lambda entry: the application, built during init, behind Mangum."""

import asyncio
import os

from mangum import Mangum
from mangum.adapter import DEFAULT_TEXT_MIME_TYPES

from functions.predict.app import create_app
from functions.predict.settings import from_environment

# Mangum runs the application on the main thread's event loop; Python 3.14 makes none unasked.
asyncio.set_event_loop(asyncio.new_event_loop())
handler = Mangum(
    create_app(from_environment(os.environ)),
    lifespan="off",
    text_mime_types=[*DEFAULT_TEXT_MIME_TYPES, "application/problem+json"],
)
