"""Each failure has its own sentence and a next step, and nothing is left spinning."""

from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route, expect

from tests.conftest import ROOT, SAMPLES
from tests.site.conftest import PREDICT, Opener, answer, choose, face

pytestmark = pytest.mark.parametrize("address", ["server"], indirect=True)

HOPPER = SAMPLES / "grace_hopper.jpg"


@pytest.fixture(autouse=True)
def _nothing_spins(page: Page) -> Iterator[None]:
    yield
    expect(page.locator("progress:not([hidden], [hidden] *)")).to_have_count(0)


def fails(page: Page, sentence: str, again: bool) -> None:
    """The newest photo says so and offers to try again, or does not."""
    photo = page.locator(".photo").first
    expect(photo.locator(".state")).to_contain_text(sentence)
    expect(photo.get_by_role("button", name="Try again")).to_be_visible(visible=again)
    expect(photo.get_by_role("button", name="Remove")).to_be_visible()
    expect(photo.locator(".answers")).to_be_hidden()
    expect(page.get_by_role("status")).to_contain_text(sentence)


def stop_the_clock(page: Page) -> None:
    """From now on time passes where the test says so."""
    page.clock.install(time=0)
    page.clock.pause_at(60)


@pytest.mark.parametrize(
    ("status", "sentence", "again"),
    [
        (413, "This photo is too large to send", False),
        (415, "This file cannot be read as a photo", False),
        (422, "This file cannot be read as a photo", False),
        (500, "The service failed. It is not the photo's fault", True),
        (502, "The service failed. It is not the photo's fault", True),
        (504, "The service took too long.", True),
    ],
)
def test_a_status_has_its_sentence(page: Page, status: int, sentence: str, again: bool) -> None:
    page.route(PREDICT, lambda route: route.fulfill(status=status, body="<html>a proxy's page"))
    choose(page, HOPPER)
    fails(page, sentence, again)


@pytest.mark.parametrize("body", ["<html>a hotel's page", "{}", ""])
def test_an_answer_that_is_none_has_its_sentence(page: Page, body: str) -> None:
    page.route(PREDICT, lambda route: route.fulfill(body=body))
    choose(page, HOPPER)
    fails(page, "The service failed.", again=True)


def test_no_face_has_its_sentence(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (400, 300), "green").save(tmp_path / "lawn.jpg")
    choose(page, tmp_path / "lawn.jpg")
    fails(page, "No face was found.", again=False)
    expect(page.get_by_role("img", name="The photo lawn.jpg")).to_be_visible()  # one sees why
    with page.expect_file_chooser():
        page.locator(".photo").get_by_text("Try another photo").click()


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.txt", b"words", "This is not a photo but a file of another kind."),
        ("a.jpg", b"no JPEG", "This file cannot be read as a photo: it is damaged"),
        ("a", b"", "This file is empty"),
    ],
)
def test_no_photo_has_its_sentence(
    page: Page, tmp_path: Path, name: str, data: bytes, sentence: str
) -> None:
    (tmp_path / name).write_bytes(data)
    choose(page, tmp_path / name)
    fails(page, sentence, again=False)
    expect(page.locator(".photo .stage")).to_be_hidden()


def test_a_file_too_large_that_cannot_be_scaled_is_not_sent(page: Page, tmp_path: Path) -> None:
    Image.new("RGB", (1500, 1000)).save(tmp_path / "scan.tif")
    page.route(PREDICT, lambda route: pytest.fail("It was sent."))
    choose(page, tmp_path / "scan.tif")
    fails(page, "This photo is too large to send", again=False)


def test_a_file_that_cannot_be_opened_has_its_sentence(page: Page) -> None:
    page.evaluate(
        """() => {
          const gone = async () => { throw new DOMException("", "NotFoundError"); };
          Blob.prototype.arrayBuffer = gone;
        }"""
    )
    choose(page, HOPPER)
    fails(page, "This file cannot be opened: it may be a folder", again=False)


def test_offline_has_its_sentence_and_the_photo_is_kept(page: Page) -> None:
    page.context.set_offline(True)
    choose(page, HOPPER)
    fails(page, "You are offline. The photo is still here", again=True)
    page.context.set_offline(False)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".photo .state")).to_have_text("One face.")


def test_a_service_out_of_reach_has_its_sentence(page: Page) -> None:
    page.route(PREDICT, lambda route: route.abort("connectionrefused"))
    choose(page, HOPPER)
    fails(page, "The service cannot be reached.", again=True)


def test_a_service_that_never_answers_is_given_up(page: Page) -> None:
    page.evaluate("() => { const of = AbortSignal.timeout; AbortSignal.timeout = () => of(200); }")
    page.route(PREDICT, lambda route: None)
    choose(page, HOPPER)
    fails(page, "The service took too long.", again=True)
    page.unroute(PREDICT)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (429, "Too many photos are waiting"),
        (403, "Too many photos"),
        (503, "The service is not ready yet."),
    ],
)
def test_a_service_with_too_much_to_do_is_asked_again(
    page: Page, status: int, sentence: str
) -> None:
    answers = iter([status, status])

    def throttle(route: Route) -> None:
        if refused := next(answers, None):
            route.fulfill(status=refused, headers={"Retry-After": "2"})
        else:
            route.fulfill(json=answer(face()))

    page.route(PREDICT, throttle)
    stop_the_clock(page)
    choose(page, HOPPER)
    for delay in (2, 4):
        expect(page.locator(".photo .state")).to_contain_text(sentence)
        for left in range(delay, 0, -1):
            seconds = f"{left} seconds" if left > 1 else "1 second"
            expect(page.locator(".photo .state")).to_contain_text(f"again in {seconds}.")
            page.clock.run_for(1000)
    expect(page.locator(".photo .state")).to_have_text("One face.")


@pytest.mark.parametrize(
    ("status", "retry_after", "delays"),
    [(429, "1", [2, 4, 8]), (503, "30", [30, 30, 30]), (503, "3600", [])],
)
def test_a_service_that_stays_busy_is_left_alone(
    page: Page, status: int, retry_after: str, delays: list[int]
) -> None:
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=status, headers={"Retry-After": retry_after})

    page.route(PREDICT, refuse)
    stop_the_clock(page)
    choose(page, HOPPER)
    for attempt, delay in enumerate(delays, start=1):
        expect(page.locator(".photo .state")).to_contain_text(f"Trying again in {delay} seconds")
        assert len(asked) == attempt
        page.clock.run_for(1000 * delay - 1)
        expect(page.locator(".photo .state")).to_contain_text("Trying again in 1 second.")
        page.clock.run_for(1)
    fails(page, "Try again in a minute.", again=True)
    assert len(asked) == len(delays) + 1


def test_the_photo_is_shown_while_it_waits_and_after_a_failure(page: Page) -> None:
    page.route(PREDICT, lambda route: None)
    choose(page, HOPPER, SAMPLES / "eileen_collins.jpg")
    photos = page.get_by_role("img", name="The photo")
    expect(photos).to_have_count(2)
    page.get_by_role("button", name="Cancel all").click()
    page.unroute(PREDICT)
    page.route(PREDICT, lambda route: route.fulfill(status=500))
    page.get_by_role("button", name="Try again").first.click()
    expect(page.locator(".photo .state").first).to_contain_text("The service failed.")
    expect(photos).to_have_count(2)


def test_a_photo_can_be_cancelled_while_it_is_looked_at_or_waits(page: Page) -> None:
    held: list[Route] = []

    def hold_the_first(route: Route) -> None:
        if held:
            route.fulfill(json=answer(face()))
        else:
            held.append(route)

    page.route(PREDICT, hold_the_first)
    with page.expect_request(PREDICT):
        choose(page, HOPPER, SAMPLES / "eileen_collins.jpg", HOPPER)
    expect(page.get_by_text("0 of 3 done")).to_be_visible()
    page.get_by_role("button", name="Cancel eileen_collins.jpg").click()
    with page.expect_event("requestfailed"):  # the answer is no longer waited for
        page.get_by_role("button", name="Cancel grace_hopper.jpg").first.click()
    expect(page.locator(".photo .state")).to_have_text(
        ["Cancelled. It was not looked at."] * 2 + ["One face."]
    )
    page.get_by_role("button", name="Try again").first.click()
    expect(page.locator(".photo .state").first).to_have_text("One face.")


def test_a_button_that_goes_hands_its_focus_on(page: Page) -> None:
    page.route(PREDICT, lambda route: None)
    with page.expect_request(PREDICT):
        choose(page, HOPPER, HOPPER)
    page.get_by_role("button", name="Cancel grace_hopper.jpg").first.press("Enter")
    retry = page.get_by_role("button", name="Try again")
    expect(retry).to_be_focused()
    expect(page.locator("#announcer")).to_contain_text("Cancelled. It was not looked at.")
    retry.press("Enter")
    expect(page.get_by_role("button", name="Cancel grace_hopper.jpg").first).to_be_focused()
    page.get_by_role("button", name="Cancel all").press("Enter")
    expect(page.get_by_role("heading", name="Photos of this visit")).to_be_focused()
    page.unroute(PREDICT)


def test_an_upload_that_broke_off_can_be_tried_again(page: Page) -> None:
    page.route(PREDICT, lambda route: route.fulfill(status=400))
    choose(page, HOPPER)
    expect(page.locator(".photo .state")).to_contain_text("Check your connection")
    page.unroute(PREDICT)
    page.get_by_role("button", name="Try again").click()
    expect(page.locator(".photo .state")).to_have_text("One face.")


def test_all_photos_can_be_cancelled_at_once(page: Page) -> None:
    page.route(PREDICT, lambda route: None)
    with page.expect_request(PREDICT):
        choose(page, HOPPER, HOPPER, HOPPER)
    page.get_by_role("button", name="Cancel all").click()
    expect(page.locator(".photo .state")).to_have_text(["Cancelled. It was not looked at."] * 3)
    page.unroute(PREDICT)


def test_another_photo_can_be_chosen_with_the_keyboard_after_a_failure_for_good(
    page: Page, tmp_path: Path
) -> None:
    (tmp_path / "notes.txt").write_text("no photo")
    choose(page, tmp_path / "notes.txt")
    another = page.get_by_role("button", name="Try another photo")
    with page.expect_file_chooser() as chooser:
        another.press("Enter")
    chooser.value.set_files(HOPPER)
    expect(page.locator(".photo .state").first).to_have_text("One face.")


def test_what_cannot_be_taken_is_told_in_sight(page: Page) -> None:
    page.route(PREDICT, lambda route: route.fulfill(json=answer(*[face()] * 12)))
    choose(page, HOPPER, HOPPER)
    expect(page.locator(".photo .face")).to_have_count(24)
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    expect(page.locator("h1")).not_to_be_in_viewport()
    page.evaluate("document.body.dispatchEvent(new DragEvent('drop', {bubbles: true}))")
    expect(page.get_by_role("alert")).to_contain_text("No file was in what you dropped.")
    expect(page.get_by_role("alert")).to_be_in_viewport()


def test_a_sample_that_cannot_be_loaded_has_its_sentence(page: Page) -> None:
    page.route("**/samples/*", lambda route: route.abort())
    page.get_by_role("button", name="Eileen Collins").click()
    expect(page.get_by_role("alert")).to_contain_text("The sample could not be loaded.")
    page.unroute("**/samples/*")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        ("NotAllowedError", "The camera is not allowed for this page."),
        ("NotFoundError", "No camera was found."),
        ("NotReadableError", "another program may be using it"),
    ],
)
def test_a_camera_that_does_not_start_has_its_sentence(
    page: Page, error: str, sentence: str
) -> None:
    page.evaluate(
        "name => { navigator.mediaDevices.getUserMedia = async () => "
        "{ throw new DOMException('', name); }; }",
        error,
    )
    page.get_by_role("button", name="Use the camera").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("status")).to_contain_text(sentence)
    expect(dialog.get_by_role("button", name="Take photo")).to_be_disabled()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def test_a_camera_that_is_unplugged_has_its_sentence(open_page: Opener) -> None:
    page = open_page(permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    shutter = page.get_by_role("button", name="Take photo")
    expect(shutter).to_be_enabled()
    page.evaluate(
        """() => {
          const [track] = document.querySelector("video").srcObject.getTracks();
          navigator.mediaDevices.getUserMedia = async () => {
            throw new DOMException("", "NotFoundError");
          };
          track.dispatchEvent(new Event("ended"));
        }"""
    )
    expect(page.get_by_role("dialog").get_by_role("status")).to_contain_text("No camera was found.")
    expect(shutter).to_be_disabled()


def test_a_page_that_is_not_loaded_whole_says_so(open_page: Opener, page: Page) -> None:
    broken = open_page()
    broken.route("**/i18n.js", lambda route: route.abort())
    broken.reload()
    expect(broken.get_by_role("alert")).to_contain_text("could not be loaded whole")


class _InTwoPieces(SimpleHTTPRequestHandler):
    """Serves the page's files; of the page itself the second half once its script runs, or not."""

    runs: Event

    def __init__(self, *args: Any) -> None:
        super().__init__(*args, directory=str(ROOT / "site"))

    def do_GET(self) -> None:
        page = (ROOT / "site" / "index.html").read_bytes()
        half = page.index(b"<body>")
        if self.path == "/":
            self._begin("text/html")
            self.wfile.write(page[:half])
            self.runs.wait(1)
            self.wfile.write(page[half:])
        elif self.path == "/app.js":
            self._begin("text/javascript")
            script = (ROOT / "site" / "app.js").read_bytes()
            self.wfile.write(b"new Image().src = '/runs';" + script)
        elif self.path == "/runs":
            self._begin("image/png")
            self.runs.set()
        else:
            super().do_GET()

    def _begin(self, kind: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Says nothing."""


def test_a_script_that_comes_before_the_page_waits_for_it(browser: Browser) -> None:
    handler = type("Handler", (_InTwoPieces,), {"runs": Event()})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    page = browser.new_page()
    page.goto(f"http://127.0.0.1:{server.server_port}/")
    expect(page.locator("#upload.ready")).to_be_attached()
    page.close()
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_without_its_script_says_so_after_a_while(open_page: Opener) -> None:
    page = open_page()
    page.route("**/app.js", lambda route: route.abort())
    page.reload()
    heights = page.evaluate(
        """() => {
          const form = document.querySelector("#upload");
          const height = () => parseFloat(getComputedStyle(form, "::after").height);
          const before = height();
          for (const animation of document.getAnimations()) animation.finish();
          return [before, height()];
        }"""
    )
    assert heights[0] == 0
    assert heights[1] > 20
