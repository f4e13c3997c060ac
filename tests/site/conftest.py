"""A real browser with a camera that sees Grace Hopper, and the page in it."""

import io
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Playwright,
    Route,
    expect,
    sync_playwright,
)

from scripts.commands.bench import photos
from tests.conftest import ROOT, SAMPLES

CHROMIUM = shutil.which("chromium")
OUTPUT = ROOT / "runs" / "page"
"""Screenshots and figures, kept after the tests."""

PREDICT = "**/api/v1/predict"
expect.set_options(timeout=20_000)  # a busy machine is no failure


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents and CHROMIUM is None:
            reason = "chromium is not on PATH: apt-get install chromium"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="package")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="package")
def browser(playwright: Playwright, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    frame = io.BytesIO()
    # The camera of Chromium plays files of concatenated JPEGs.
    Image.open(SAMPLES / "grace_hopper.jpg").convert("RGB").save(frame, "JPEG", quality=95)
    film = tmp_path_factory.mktemp("camera") / "hopper.mjpeg"
    film.write_bytes(frame.getvalue() * 10)
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
                 "--disable-sync", "--disable-background-networking", "--disable-component-update",
                 "--disable-dev-shm-usage", "--use-fake-device-for-media-stream",
                 f"--use-file-for-fake-video-capture={film}"]  # fmt: skip
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
    yield browser
    browser.close()


@pytest.fixture(
    scope="session",
    params=["server", pytest.param("container_server", marks=pytest.mark.container)],
)
def address(request: pytest.FixtureRequest) -> str:
    """Of the page, served by `scripts/serve` or by `scripts/container run`."""
    address: str = request.getfixturevalue(request.param)
    return address


Opener = Callable[..., Page]
NOT_OURS = ("Failed to load resource", "failed to asynchronously prepare wasm", "Aborted(")
"""What the browser says of a refused request, and onnxruntime of a damaged file."""


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Opener]:
    """Opens the page in a context with the options given.

    Fails afterwards if any page complained, or asked any other host for something.
    """
    complaints: list[str] = []
    requests: list[str] = []
    contexts: list[BrowserContext] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(s in message.text for s in NOT_OURS):
            complaints.append(message.text)

    def open_page(path: str = "/", **options: Any) -> Page:
        still = {"reduced_motion": "reduce"}  # places can be measured at once
        defaults = {"viewport": {"width": 900, "height": 1000}, "locale": "en-GB", **still}
        context = browser.new_context(**{**defaults, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("console", listen)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: requests.append(request.url))
        page.on(
            "filechooser", lambda _: None
        )  # intercepted from now on, not only once one is awaited
        page.goto(address + path, wait_until="networkidle")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((address, f"blob:{address}"))] == []


@pytest.fixture
def page(open_page: Opener) -> Page:
    """The page as most see it."""
    return open_page()


@pytest.fixture(scope="session")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of 12 megapixels and eight faces, as a phone takes it: lying, with place and time."""
    photo = Image.open(io.BytesIO(photos()["4000x3000, 8 faces"])).transpose(
        Image.Transpose.ROTATE_90
    )
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise
    exif[0x010F] = "Maker of the camera"
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    path = tmp_path_factory.mktemp("photos") / "crowd.jpg"
    photo.save(path, "JPEG", quality=95, exif=exif)
    return path


def answer(*faces: dict[str, Any], found: int | None = None, side: int = 512) -> dict[str, Any]:
    """What the API might answer to a square photo."""
    return {
        "model": {"name": "made-up", "version": "0123456789ab"},
        "image": {"width": side, "height": side},
        "faces": list(faces),
        "faces_found": len(faces) if found is None else found,
        "timing_ms": {"decode": 1.0, "detect": 1.0, "estimate": 1.0, "total": 3.0},
    }


def face(**changes: Any) -> dict[str, Any]:
    """A face that nothing is wrong with, but for the changes."""
    return {
        "box": {"x": 200, "y": 100, "width": 100, "height": 120},
        "detection_score": 0.95,
        "landmarks": [{"x": x, "y": y} for x, y in
                      [(225, 150), (275, 150), (250, 170), (230, 195), (270, 195)]],
        "age": {"years": 34.2, "low": 27, "high": 42, "coverage": 0.9},
        "gender": {"label": "female", "probability": 0.98},
    } | changes  # fmt: skip


def answering(page: Page, prediction: dict[str, Any]) -> None:
    """Has the API answer that from now on."""

    def fulfil(route: Route) -> None:
        route.fulfill(json=prediction)

    page.route(PREDICT, fulfil)


def place(element: Locator) -> tuple[float, float, float, float]:
    """Left, top, width, height."""
    box = element.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def middle(page: Page) -> tuple[float, float]:
    """Of the first box, as shares of the photo's width and height."""
    left, top, width, height = place(page.locator(".photo .picture").first)
    x, y, wide, high = place(page.locator(".photo .boxes button").first)
    return (x + wide / 2 - left) / width, (y + high / 2 - top) / height


def choose(page: Page, *paths: Path) -> None:
    """Picks files as a visitor does with the file picker."""
    page.set_input_files("#image", [os.fspath(path) for path in paths])
