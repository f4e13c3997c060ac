"""The page as it is published without a service."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, Request, Route, expect

from tests.conftest import SAMPLES, running
from tests.site.conftest import choose
from tests.site.test_on_device import FILES, PATIENCE, download, unfold


@pytest.fixture(scope="module")
def alone() -> Iterator[str]:
    """Its address."""
    if not (FILES / "bundle.json").exists():
        pytest.skip("site/on-device is empty: install Node.js with npm, and run scripts/setup")
    with running(["serve", "--no-service", "--port", "0"]) as address:
        yield address


@pytest.fixture
def address(alone: str) -> str:
    return alone


def test_it_speaks_of_no_service_and_says_how_far_to_trust_the_model(page: Page) -> None:
    expect(page.locator("#on-device summary")).to_contain_text("All on this device")
    expect(page.locator("#privacy summary")).to_contain_text("Looked at on this device")
    expect(page.get_by_role("link", name="API")).to_be_hidden()
    expect(page.locator("#figures")).to_contain_text("faces that no step of training saw")
    unfold(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_a_photo_waits_for_the_model_and_is_answered_here(page: Page) -> None:
    choose(page, SAMPLES / "grace_hopper.jpg")
    expect(page.locator(".photo .state")).to_contain_text("has no model yet. Download it first")
    expect(page.get_by_role("button", name="Let the service look")).to_be_hidden()
    unfold(page)
    download(page)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".photo .state")).to_have_text("One face.", timeout=PATIENCE)
    expect(page.locator(".photo .sent")).to_have_text("Looked at on this device. Nothing was sent.")


def test_a_photo_does_not_wait_for_a_model_that_was_removed(page: Page) -> None:
    unfold(page)
    download(page)
    choose(page, SAMPLES / "group" / "together.jpg", SAMPLES / "grace_hopper.jpg")
    states = page.locator(".photo .state")
    expect(states.first).to_have_text("Looking…")
    page.get_by_role("button", name="Remove it from this browser").click()
    expect(states.nth(0)).to_contain_text("The model is no longer in this browser.")
    expect(states.nth(1)).to_contain_text("has no model yet")
    download(page)
    for card in page.locator(".photo").all():
        card.get_by_role("button", name="Try again").click()
    expect(states).to_have_text(["5 faces.", "One face."], timeout=PATIENCE)


def test_the_language_is_the_visitor_s_here_too(page: Page) -> None:
    page.goto(page.url + "?lang=de")
    expect(page.locator("#on-device summary")).to_contain_text("Alles auf diesem Gerät")


def test_no_order_of_arrival_leaves_words_of_elsewhere(page: Page, address: str) -> None:
    held: list[Route] = []
    arrived = False

    def let_go() -> None:
        if held and arrived:
            held.pop().continue_()

    def hold(route: Route) -> None:
        held.append(route)
        let_go()

    def note(request: Request) -> None:
        nonlocal arrived
        arrived = arrived or request.url.endswith("/errors.js")
        let_go()

    page.route("**/locales/de.js", hold)  # the last to arrive
    page.on("requestfinished", note)
    page.goto(f"{address}/?lang=de", wait_until="commit")
    expect(page.locator("#on-device summary")).to_contain_text("Alles auf diesem Gerät")
    expect(page.locator("#privacy summary")).to_contain_text("Auf diesem Gerät")
