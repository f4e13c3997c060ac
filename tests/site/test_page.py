"""The page in a real browser, against the real server and the image that Lambda runs."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.conftest import DATA

CHROMIUM = shutil.which("chromium")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    quiet = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
             "--disable-background-networking", "--disable-component-update",
             "--disable-dev-shm-usage"]  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(
    scope="module",
    params=["server", pytest.param("container_server", marks=pytest.mark.container)],
)
def address(request: pytest.FixtureRequest) -> str:
    """Of the page, served by `scripts/serve` or by `scripts/container run`."""
    address: str = request.getfixturevalue(request.param)
    return address


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The open page; fails afterwards if it complained or asked any other host for something."""
    page = browser.new_page(viewport={"width": 900, "height": 1000})
    complaints: list[str] = []
    requests: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    page.on("console", listen)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(address)
    yield page
    page.close()
    assert complaints == []
    assert [url for url in requests if not url.startswith((address, "blob:"))] == []


def test_a_chosen_photo_is_answered_with_a_box_over_the_face(page: Page) -> None:
    page.set_input_files("#image", DATA / "grace_hopper.jpg")
    expect(page.locator("#status")).to_have_text("One face.")
    expect(page.locator("#answers li")).to_contain_text("looks about")
    box, photo = page.locator("#boxes div").bounding_box(), page.locator("#photo").bounding_box()
    assert box is not None
    assert photo is not None
    # The face is in the middle of the upper half of this portrait.
    across = (box["x"] + box["width"] / 2 - photo["x"]) / photo["width"]
    down = (box["y"] + box["height"] / 2 - photo["y"]) / photo["height"]
    assert 0.4 < across < 0.65
    assert 0.2 < down < 0.5


def test_a_file_that_is_no_photo_gets_a_sentence(page: Page) -> None:
    page.set_input_files("#image", DATA / "SOURCES.txt")
    expect(page.locator("#status")).to_have_class("problem")
    expect(page.locator("#status")).to_contain_text("not an image")
    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("button")).to_be_enabled()


def test_a_service_out_of_reach_gets_a_sentence(page: Page) -> None:
    page.route("**/api/v1/predict", lambda route: route.fulfill(status=502, body="bad gateway"))
    page.set_input_files("#image", DATA / "grace_hopper.jpg")
    expect(page.locator("#status")).to_contain_text("Try again")
    page.unroute("**/api/v1/predict")
    page.click("button")
    expect(page.locator("#status")).to_have_text("One face.")


def test_without_javascript_the_form_still_works(browser: Browser, address: str) -> None:
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto(address)
    page.set_input_files("#image", DATA / "grace_hopper.jpg")
    page.click("button")
    expect(page.locator("body")).to_contain_text('"faces_found":1')
    page.context.close()


def test_what_a_visitor_sees(page: Page, tmp_path: Path) -> None:
    page.set_input_files("#image", DATA / "eileen_collins.jpg")
    expect(page.locator("#answers li")).to_have_count(1)
    for width in (320, 900):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        page.screenshot(path=tmp_path / f"{width}.png", full_page=True)
