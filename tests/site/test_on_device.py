"""The engine that is the visitor's own device, in a real browser."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import Browser, Page, Request, Route, expect

from scripts.commands.bench_page import predict
from tests.conftest import ROOT, SAMPLES, running
from tests.golden.test_conformance import GOLDEN, PHOTOS, same
from tests.golden.tolerances import IN_BROWSER
from tests.site.conftest import PREDICT, Opener, choose

FILES = ROOT / "site" / "on-device"
PATIENCE = 60_000
"""Milliseconds for a model to be loaded and run on a busy machine."""
DONE = "import('/on-device.js').then(() => {})"
"""Until all that the page does at first for this device is done."""
on_server = pytest.mark.parametrize("address", ["server"], indirect=True)


@pytest.fixture(autouse=True)
def _vendored() -> None:
    if not (FILES / "bundle.json").exists():
        pytest.skip("site/on-device is empty: install Node.js with npm, and run scripts/setup")


def sizes() -> dict[str, int]:
    """Bytes to download, by role."""
    files = json.loads((FILES / "bundle.json").read_text())["files"]
    return {role: file["bytes"] for role, file in files.items()}


def offered() -> str:
    """What the button says: all of the model and its runtime, once."""
    return f"Download it ({sum(sizes().values()) / 1e6:.0f} MB)"


def unfold(page: Page) -> None:
    page.locator("#on-device summary").click()
    expect(page.get_by_role("button", name=offered())).to_be_visible()


def download(page: Page) -> None:
    page.get_by_role("button", name=offered()).click()
    expect(page.locator("#on-device .text")).to_contain_text("It is on", timeout=PATIENCE)


@pytest.fixture
def here(page: Page) -> Page:
    """The page of a visitor who has chosen to be answered on the device."""
    unfold(page)
    download(page)
    return page


def answered(page: Page, state: str = "One face.") -> None:
    expect(page.locator(".photo .state").first).to_have_text(state, timeout=PATIENCE)


@on_server
def test_the_device_gives_the_golden_answers(here: Page) -> None:
    for name, data in PHOTOS.items():
        same(predict(here, data), GOLDEN["photos"][name], IN_BROWSER)


def test_nothing_is_asked_for_while_the_device_looks(here: Page) -> None:
    here.reload(wait_until="networkidle")
    idle = (
        "['camera', 'queue'].every((it) => performance.getEntriesByName(`${origin}/${it}.js`)[0])"
    )
    here.wait_for_function(idle)  # what a page loads beforehand, however busy the machine
    requests: list[str] = []

    def listen(request: Request) -> None:
        if not request.url.startswith("blob:"):
            requests.append(request.url)

    here.context.on("request", listen)
    choose(here, SAMPLES / "grace_hopper.jpg")
    answered(here)
    expect(here.locator(".photo .sent")).to_have_text("Looked at on this device. Nothing was sent.")
    assert requests == []


@contextmanager
def kept(browser: Browser) -> Iterator[tuple[Page, str]]:
    """A page that has downloaded the model, and its address; the server ends with the block."""
    page = browser.new_context(locale="en-GB", reduced_motion="reduce").new_page()
    with running(["serve", "--port", "0"]) as address:
        page.goto(address, wait_until="networkidle")
        unfold(page)
        download(page)
        yield page, address


def test_without_the_server_page_and_model_go_on(browser: Browser) -> None:
    with kept(browser) as (page, address):
        page.evaluate("navigator.serviceWorker.ready.then(() => {})")
    for language, words in (("de", "Ein Gesicht."), ("en", "One face.")):
        page.goto(f"{address}/?lang={language}")
        expect(page.locator("#example .face")).to_be_visible()
        expect(page.locator("#model")).to_be_visible()
        page.locator("[data-sample]").first.click()
        answered(page, words)
    page.context.close()


def test_without_the_server_a_release_that_was_kept_stays_whole(browser: Browser) -> None:
    index = json.loads((FILES / "bundle.json").read_text())
    index["page"] |= {"hash": "0123456789ab", "files": [*index["page"]["files"], "fresh.js"]}
    with kept(browser) as (page, address):
        context = page.context
        context.route("**/bundle.json", lambda route: route.fulfill(json=index))
        context.route("**/fresh.js", lambda route: route.fulfill(body="export {};"))
        page.reload()
        page.evaluate(DONE)
        context.unroute_all()
    for _ in range(2):
        assert page.evaluate("caches.match('/fresh.js').then(Boolean)")
        page.goto(address)
        page.evaluate(DONE)
    expect(page.locator("#on-device .text")).to_contain_text("It is on")
    assert page.evaluate("caches.match('/fresh.js').then(Boolean)")
    context.close()


@on_server
def test_what_was_downloaded_can_be_removed(here: Page) -> None:
    expect(here.locator("#privacy summary")).to_contain_text("Looked at on this device")
    assert len(here.evaluate("caches.keys()")) == 2
    here.get_by_role("button", name="Remove it from this browser").click()
    expect(here.locator("#privacy summary")).to_contain_text("Made small in your browser")
    assert here.evaluate("caches.keys()") == []
    assert here.evaluate("navigator.serviceWorker.getRegistrations()") == []
    with here.expect_request(PREDICT):
        choose(here, SAMPLES / "grace_hopper.jpg")
    answered(here)


CHANGE = """async (change) => {
  const [name] = (await caches.keys()).filter((name) => name.includes("model"));
  const cache = await caches.open(name);
  const [file] = (await cache.keys()).filter(({url}) => url.includes(change.file));
  if (change.text === undefined) await cache.delete(file);
  else await cache.put(file, new Response(change.text));
}"""


@on_server
@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            {"file": "simd-threaded", "text": "no WebAssembly"},
            "This browser could not run the model",
        ),
        ({"file": "age_gender", "text": "no model"}, "This browser could not run the model"),
        ({"file": "age_gender"}, "The model is no longer in this browser."),
    ],
)
def test_where_the_device_fails_the_service_looks_only_if_the_visitor_agrees(
    here: Page, change: dict[str, str], sentence: str
) -> None:
    here.evaluate(CHANGE, change)
    sent: list[Request] = []
    here.on("request", lambda request: sent.append(request) if "predict" in request.url else None)
    choose(here, SAMPLES / "grace_hopper.jpg")
    expect(here.locator(".photo .state")).to_contain_text(sentence, timeout=PATIENCE)
    expect(here.get_by_role("button", name="Try again")).to_be_visible()
    assert sent == []
    here.get_by_role("button", name="Let the service look").click()
    answered(here)
    assert len(sent) == 1
    expect(here.locator(".photo .sent")).to_contain_text("Sent:")


@on_server
def test_a_photo_too_large_for_the_device_has_its_sentence(here: Page, tmp_path: Path) -> None:
    Image.new("1", (8100, 8000)).save(tmp_path / "poster.png")
    choose(here, tmp_path / "poster.png")
    sentence = "This device has not enough memory for this photo."
    expect(here.locator(".photo .state")).to_contain_text(sentence, timeout=PATIENCE)


@on_server
def test_what_is_no_photo_has_its_sentence_here_too(here: Page, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"no JPEG")
    choose(here, tmp_path / "a.jpg")
    answered(here, "This file cannot be read as a photo: it is damaged, or of a kind unknown here. "
             "Choose a JPEG, PNG, WebP or AVIF.")  # fmt: skip
    expect(here.get_by_role("button", name="Let the service look")).to_be_hidden()


def fails(page: Page, sentence: str) -> None:
    expect(page.locator("#on-device .state")).to_contain_text(sentence)
    expect(page.locator("#on-device progress")).to_be_hidden()


@on_server
def test_a_download_that_breaks_off_goes_on_where_it_was(page: Page) -> None:
    loaded: list[str] = []
    page.on("response", lambda response: loaded.append(response.url))
    unfold(page)
    page.route("**/age_gender.*", lambda route: route.abort())
    page.get_by_role("button", name=offered()).click()
    fails(page, "The download broke off.")
    page.unroute("**/age_gender.*")
    page.route("**/age_gender.*", lambda route: route.fulfill(body="another file"))
    page.get_by_role("button", name=offered()).click()
    fails(page, "The download broke off.")
    page.unroute("**/age_gender.*")
    page.route("**/camera.js", lambda route: route.abort())
    page.get_by_role("button", name=offered()).click()
    fails(page, "The download broke off.")
    page.unroute("**/camera.js")
    loaded.clear()
    download(page)
    assert not any("simd-threaded" in url for url in loaded)
    assert page.evaluate("caches.match('/camera.js').then((response) => response?.status)") == 200


@on_server
def test_a_download_can_be_cancelled(page: Page) -> None:
    page.route("**/age_gender.*", lambda route: None)
    unfold(page)
    with page.expect_request("**/age_gender.*"):
        page.get_by_role("button", name=offered()).click()
    others = 1 - sizes()["estimator"] / sum(sizes().values())
    expect(page.locator("#on-device .text")).to_have_text(f"Downloading… {others:.0%}")
    page.locator("#on-device").get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name=offered())).to_be_visible()
    expect(page.locator("#on-device .state")).to_have_text("")
    page.unroute("**/age_gender.*")


@on_server
def test_a_download_stays_in_sight_while_the_service_answers(page: Page) -> None:
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route("**/age_gender.*", hold)
    unfold(page)
    with page.expect_request("**/age_gender.*"):
        page.get_by_role("button", name=offered()).click()
    choose(page, SAMPLES / "grace_hopper.jpg")
    answered(page)
    expect(page.locator("#on-device").get_by_role("button", name="Cancel")).to_be_visible()
    held.pop().abort()
    fails(page, "The download broke off.")
    expect(page.locator("#on-device .state")).to_be_visible()
    page.get_by_role("button", name=offered()).click()
    page.locator("#on-device").get_by_role("button", name="Cancel").click()
    expect(page.locator("#on-device")).to_be_hidden()
    page.unroute("**/age_gender.*")


@on_server
def test_a_download_can_be_cancelled_to_its_end(page: Page) -> None:
    page.route("**/camera.js", lambda route: None)
    unfold(page)
    with page.expect_request("**/camera.js"):
        page.get_by_role("button", name=offered()).click()
    page.locator("#on-device").get_by_role("button", name="Cancel").click()
    expect(page.locator("#on-device progress")).to_be_hidden()
    expect(page.get_by_role("button", name=offered())).to_be_visible()
    assert page.evaluate("navigator.serviceWorker.getRegistrations()") == []
    page.unroute("**/camera.js")


@on_server
def test_what_was_removed_while_the_page_loads_stays_away(here: Page) -> None:
    index = json.loads((FILES / "bundle.json").read_text())
    index["page"]["hash"] = "0123456789ab"  # a release
    held: list[Route] = []
    removed = False

    def hold(route: Route) -> None:
        held.append(route)
        if removed:
            let_go()

    def let_go() -> None:
        while held:
            held.pop().fulfill(json=index)

    here.context.route("**/bundle.json", hold)
    with here.context.expect_event("request", lambda request: "bundle.json" in request.url):
        here.reload()
    here.locator("#on-device summary").click()
    here.get_by_role("button", name="Remove it from this browser").click()
    expect(here.locator("#privacy summary")).to_contain_text("Made small in your browser")
    removed = True
    let_go()
    here.evaluate(DONE)
    assert here.evaluate("caches.keys()") == []
    assert here.evaluate("navigator.serviceWorker.getRegistrations()") == []


@on_server
def test_where_the_model_was_removed_elsewhere_it_can_be_had_again(here: Page) -> None:
    here.evaluate(
        "caches.keys().then((all) => Promise.all(all.map((name) => caches.delete(name))))"
    )
    choose(here, SAMPLES / "grace_hopper.jpg")
    expect(here.locator(".photo .state")).to_contain_text(
        "with the button at the top", timeout=PATIENCE
    )
    download(here)
    here.get_by_role("button", name="Try again").click()
    answered(here)


@on_server
def test_a_newer_model_comes_with_its_figures(here: Page) -> None:
    index = json.loads((FILES / "bundle.json").read_text()) | {"hash": "0123456789ab"}
    here.context.route("**/bundle.json", lambda route: route.fulfill(json=index))
    here.context.route("**/api/v1/model", lambda route: route.fulfill(json={"version": "newer"}))
    here.reload(wait_until="networkidle")
    here.locator("#on-device summary").click()
    here.get_by_role("button", name="Get the newer model").click()
    expect(here.get_by_role("button", name="Get the newer model")).to_be_hidden()
    expect(here.locator("#on-device .text")).to_contain_text("It is on", timeout=PATIENCE)
    kept = here.evaluate("caches.match('/api/v1/model').then((kept) => kept.json())")
    assert kept == {"version": "newer"}


@on_server
def test_a_photo_in_work_is_looked_at_again_by_the_newer_model(here: Page, crowd: Path) -> None:
    index = json.loads((FILES / "bundle.json").read_text()) | {"hash": "0123456789ab"}
    here.context.route("**/bundle.json", lambda route: route.fulfill(json=index))
    here.reload(wait_until="networkidle")
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    here.context.route("**/age_gender.*", hold)
    here.locator("#on-device summary").click()
    with here.context.expect_event("request", lambda request: "age_gender" in request.url):
        here.get_by_role("button", name="Get the newer model").click()
    choose(here, crowd)
    expect(here.locator(".photo .state")).to_have_text("Looking…")
    for route in held:
        route.continue_()
    expect(here.locator("#announcer")).to_contain_text("It is on", timeout=PATIENCE)
    answered(here, "8 faces.")


@on_server
def test_what_is_cancelled_is_not_worked_on(here: Page, crowd: Path) -> None:
    choose(here, crowd)
    expect(here.locator(".photo .state")).to_have_text("Looking…")
    assert len(here.workers) == 1
    with here.workers[0].expect_event("close"):
        here.get_by_role("button", name="Cancel crowd.jpg").click()
    choose(here, SAMPLES / "grace_hopper.jpg")
    answered(here)


@on_server
def test_a_browser_that_keeps_nothing_is_answered_by_the_service(page: Page) -> None:
    page.add_init_script(  # as where the visitor blocks what sites keep
        """for (const name of ["keys", "open", "match", "has", "delete"]) {
          const refuse = async () => { throw new DOMException("", "SecurityError"); };
          CacheStorage.prototype[name] = refuse;
        }"""
    )
    page.reload(wait_until="networkidle")
    expect(page.get_by_role("alert")).to_have_text("")
    choose(page, SAMPLES / "grace_hopper.jpg")
    answered(page)
    page.get_by_role("button", name="Remove").click()
    page.locator("#on-device summary").click()
    fails(page, "This browser cannot keep the model.")


@on_server
def test_a_browser_without_room_has_its_sentence(page: Page, address: str) -> None:
    quota = {"origin": address, "quotaSize": 2_000_000}
    page.context.new_cdp_session(page).send("Storage.overrideQuotaForOrigin", quota)
    unfold(page)
    page.get_by_role("button", name=offered()).click()
    fails(page, "This browser has no room for the model.")


@on_server
def test_a_page_or_a_browser_without_the_means_says_so(page: Page) -> None:
    page.route("**/bundle.json", lambda route: route.fulfill(status=404))
    page.locator("#on-device summary").click()
    fails(page, "Here the page comes without the model")
    page.add_init_script("delete window.caches")
    page.reload()
    page.locator("#on-device summary").click()
    fails(page, "This browser cannot keep the model.")


@on_server
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_has_no_finding(open_page: Opener, scheme: Any) -> None:
    page = open_page(color_scheme=scheme, viewport={"width": 320, "height": 900})
    unfold(page)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") == 320
