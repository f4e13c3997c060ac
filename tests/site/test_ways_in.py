"""How photos reach the page, and what leaves it."""

import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms
from playwright.sync_api import JSHandle, Page, Playwright, expect

from apparent import Pipeline
from tests.conftest import SAMPLES, encoded
from tests.site.conftest import (
    CHROMIUM,
    PREDICT,
    Opener,
    answer,
    answering,
    choose,
    face,
    middle,
)


def transfer(page: Page, *files: tuple[str, str, bytes]) -> JSHandle:
    """What browsers hand over in a drop: files of names, types and bytes."""
    return page.evaluate_handle(
        """(files) => {
          const transfer = new DataTransfer();
          for (const [name, type, text] of files) {
            const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
            transfer.items.add(new File([bytes], name, {type}));
          }
          return transfer;
        }""",
        [(name, kind, base64.b64encode(data).decode()) for name, kind, data in files],
    )


def test_a_chosen_photo_is_answered_with_a_box_over_the_face(page: Page) -> None:
    choose(page, SAMPLES / "grace_hopper.jpg")
    expect(page.locator(".photo .state")).to_have_text("One face.")
    expect(page.locator(".photo .face .age")).to_contain_text("looks about")
    across, down = middle(page)
    # The face is in the middle of the upper half of this portrait.
    assert 0.4 < across < 0.65
    assert 0.2 < down < 0.5


def test_the_same_photo_can_be_chosen_again(page: Page) -> None:
    for count in (1, 2):
        choose(page, SAMPLES / "grace_hopper.jpg")
        expect(page.locator(".photo .stage:visible")).to_have_count(count)


def test_photos_can_be_dropped_anywhere(page: Page, hopper: bytes, collins: bytes) -> None:
    photos = transfer(page, ("a.jpg", "image/jpeg", hopper), ("b.jpg", "image/jpeg", collins))
    page.dispatch_event("#about", "dragover", {"dataTransfer": photos})
    expect(page.get_by_text("Drop the photos here")).to_be_visible()
    page.dispatch_event("#about", "drop", {"dataTransfer": photos})
    expect(page.get_by_text("Drop the photos here")).to_be_hidden()
    expect(page.locator(".photo .name")).to_have_text(["a.jpg", "b.jpg"])
    expect(page.locator(".photo .state")).to_have_text(["One face.", "One face."])


def test_a_drag_that_leaves_or_carries_no_file_changes_nothing(page: Page, hopper: bytes) -> None:
    photo = transfer(page, ("a.jpg", "image/jpeg", hopper))
    page.dispatch_event("body", "dragover", {"dataTransfer": photo})
    page.dispatch_event("body", "dragleave", {"dataTransfer": photo})
    expect(page.get_by_text("Drop the photos here")).to_be_hidden()
    page.dispatch_event("body", "dragover", {"dataTransfer": transfer(page)})
    expect(page.get_by_text("Drop the photos here")).to_be_hidden()
    page.dispatch_event("body", "drop", {"dataTransfer": transfer(page)})
    expect(page.get_by_role("alert")).to_contain_text("No file was in what you dropped.")


def test_a_photo_can_be_pasted(open_page: Opener) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    png = encoded(Image.open(SAMPLES / "grace_hopper.jpg"))
    page.evaluate(
        "({files}) => navigator.clipboard.write([new ClipboardItem({'image/png': files[0]})])",
        transfer(page, ("a.png", "image/png", png)),
    )
    page.keyboard.press("Control+V")
    expect(page.locator(".photo .state")).to_have_text("One face.")
    expect(page.locator(".photo .name")).to_contain_text("Pasted")


def test_a_sample_is_shown_with_its_source(page: Page) -> None:
    page.get_by_role("button", name="Grace Hopper").click()
    expect(page.locator(".photo .state")).to_have_text("One face.")
    expect(page.get_by_role("heading", name="Grace Hopper US Navy, 1984")).to_be_visible()


def test_the_camera_is_previewed_and_off_once_the_photo_is_taken(open_page: Opener) -> None:
    page = open_page(permissions=["camera"])
    page.get_by_role("button", name="Use the camera").click()
    shutter = page.get_by_role("button", name="Take photo")
    expect(shutter).to_be_focused()
    assert page.locator("video").evaluate("video => video.videoWidth") > 0
    stream = page.locator("video").evaluate_handle("video => video.srcObject")
    shutter.click()
    expect(page.locator(".photo .state").first).to_have_text("One face.")
    expect(page.locator(".photo .name")).to_contain_text("Camera")
    assert stream.evaluate("stream => stream.getTracks().map(track => track.readyState)") == [
        "ended"
    ]
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_the_other_camera_is_another_and_is_there_again_the_next_time(
    playwright: Playwright, address: str
) -> None:
    two = ["--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream=device-count=2"]
    browser = playwright.chromium.launch(executable_path=CHROMIUM, args=two)
    page = browser.new_context(locale="en-GB", permissions=["camera"]).new_page()
    page.goto(address)

    def camera() -> str:
        expect(page.get_by_role("button", name="Take photo")).to_be_enabled()
        label = "video => video.srcObject.getVideoTracks()[0].label"
        return str(page.locator("video").evaluate(label))

    page.get_by_role("button", name="Use the camera").click()
    seen = [camera()]
    for _ in range(2):
        page.get_by_role("button", name="Other camera").click()
        seen.append(camera())
    assert seen[0] == seen[2] != seen[1]
    page.get_by_role("button", name="Other camera").click()
    assert camera() == seen[1]
    page.get_by_role("button", name="Close").click()
    page.get_by_role("button", name="Use the camera").click()
    assert camera() == seen[1]
    browser.close()


def test_no_camera_stays_on_that_was_asked_for_in_vain(open_page: Opener) -> None:
    page = open_page(permissions=["camera"])
    page.evaluate(
        """() => {
          const get = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
          window.streams = [];
          window.asked = [];
          navigator.mediaDevices.getUserMedia = async (what) => {
            await new Promise((allow) => asked.push(allow)); // as long as a visitor is asked
            streams.push(await get(what));
            return streams.at(-1);
          };
        }"""
    )
    dialog = page.get_by_role("dialog")
    for _ in range(2):
        page.get_by_role("button", name="Use the camera").click()
        expect(dialog).to_be_visible()
        page.keyboard.press("Escape")
        expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Use the camera").click()
    page.wait_for_function("() => asked.length === 3")
    page.evaluate("asked.forEach((allow) => allow())")
    expect(page.get_by_role("button", name="Take photo")).to_be_enabled()
    page.get_by_role("button", name="Close").click()
    page.wait_for_function(
        """() => streams.length === 3 && streams.flatMap((stream) => stream.getTracks())
          .every((track) => track.readyState === "ended")"""
    )


def test_several_photos_are_worked_one_by_one(page: Page, crowd: Path) -> None:
    page.evaluate(
        """() => {
          const {send} = XMLHttpRequest.prototype;
          window.underWay = [];
          let count = 0;
          XMLHttpRequest.prototype.send = function (body) {
            underWay.push(count += 1);
            this.addEventListener("loadend", () => { count -= 1; });
            send.call(this, body);
          };
        }"""
    )
    names = ["grace_hopper.jpg", "eileen_collins.jpg"]
    choose(page, crowd, *(SAMPLES / name for name in names))
    expect(page.locator(".photo .state")).to_have_text(["8 faces.", "One face.", "One face."])
    assert page.evaluate("underWay") == [1, 1, 1]


def test_what_is_tried_again_before_its_turn_is_sent_once(page: Page) -> None:
    page.evaluate(
        """() => {
          const {send} = XMLHttpRequest.prototype;
          window.sent = 0;
          XMLHttpRequest.prototype.send = function (body) {
            sent += 1;
            if (sent > 1) return send.call(this, body);
            window.goOn = () => send.call(this, body);
          };
        }"""
    )
    choose(page, SAMPLES / "eileen_collins.jpg", SAMPLES / "grace_hopper.jpg")
    page.wait_for_function("() => window.goOn")
    second = page.locator(".photo").nth(1)
    second.get_by_role("button", name="Cancel").click()
    second.get_by_role("button", name="Try again").click()
    expect(page.locator("#pending-text")).to_have_text("0 of 2 done")
    page.evaluate("goOn()")
    expect(page.locator(".photo .state")).to_have_text(["One face.", "One face."])
    assert page.evaluate("sent") == 2


def test_without_javascript_the_form_still_works(open_page: Opener) -> None:
    page = open_page(java_script_enabled=False)
    expect(page.locator("#image")).to_be_visible()
    expect(page.get_by_role("button", name="Use the camera")).to_be_hidden()
    page.set_input_files("#image", SAMPLES / "grace_hopper.jpg")
    page.get_by_role("button", name="Look").click()
    expect(page.locator("body")).to_contain_text('"faces_found":1')


def sent(page: Page, path: Path) -> bytes:
    """The file that the page sends to the API once one is chosen."""
    page.evaluate(
        """() => {
          const {send} = XMLHttpRequest.prototype;
          XMLHttpRequest.prototype.send = function (form) {
            window.form = form;
            send.call(this, form);
          };
        }"""
    )
    with page.expect_response(PREDICT):
        choose(page, path)
    name, data = page.evaluate(
        """async () => {
          const file = form.get("image");
          const bytes = new Uint8Array(await file.arrayBuffer());
          return [file.name, btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))];
        }"""
    )
    assert name == "photo"  # the file's own name stays here
    return base64.b64decode(data)


def test_a_photo_of_a_phone_is_sent_small_upright_and_without_metadata(
    page: Page, crowd: Path
) -> None:
    data = sent(page, crowd)
    photo = Image.open(io.BytesIO(data))
    assert photo.size == (1600, 1200)
    assert not photo.getexif()
    assert "exif" not in photo.info
    assert len(data) < crowd.stat().st_size
    expect(page.locator(".photo .boxes button")).to_have_count(8)
    expect(page.locator(".photo .sent")).to_contain_text(re.compile("1,600 . 1,200 pixels"))
    expect(page.locator(".photo .sent")).to_contain_text("without metadata")


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("orientation", [1, 6])
def test_a_small_jpeg_is_sent_as_it_is_but_for_its_metadata(
    page: Page, pipeline: Pipeline, tmp_path: Path, orientation: int, progressive: bool
) -> None:
    """So the page and `scripts/predict` answer the same file alike."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "Maker of the camera"
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    path, behind = tmp_path / "small.jpg", b"\xff\xda a video \xff\xd9" * 40
    Image.open(SAMPLES / "grace_hopper.jpg").save(
        path, quality=90, exif=exif, comment="At home", progressive=progressive
    )
    path.write_bytes(path.read_bytes() + behind)
    data = sent(page, path)
    told, kept = Image.open(io.BytesIO(data)), Image.open(path)
    assert dict(told.getexif()) == ({} if orientation == 1 else {0x0112: orientation})
    assert not any(secret in data for secret in (b"Maker", b"At home", b"a video"))
    np.testing.assert_array_equal(np.asarray(told), np.asarray(kept))
    assert pipeline(data).to_dict()["faces"] == pipeline(path).to_dict()["faces"]
    (face,) = pipeline(path)
    expect(page.locator(".photo .face .low")).to_have_text(f"{face.age.low}")


def test_a_large_photo_with_a_colour_profile_is_sent_with_the_values_it_stores(
    page: Page, tmp_path: Path
) -> None:
    """The service takes them so from the file itself."""
    path, values = tmp_path / "profile.jpg", (200, 60, 90)
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    odd = profile.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
    Image.new("RGB", (2400, 1800), values).save(path, quality=95, icc_profile=odd)
    told = np.asarray(Image.open(io.BytesIO(sent(page, path))).convert("RGB"))
    assert told.shape == (1200, 1600, 3)
    assert np.abs(told.mean(axis=(0, 1)) - values).max() < 2


def test_what_is_transparent_is_sent_white(page: Page, tmp_path: Path) -> None:
    Image.new("RGBA", (40, 30), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    data = sent(page, tmp_path / "clear.png")
    assert Image.open(io.BytesIO(data)).getpixel((20, 15)) == (255, 255, 255)


@pytest.mark.parametrize("address", ["server"], indirect=True)
@pytest.mark.parametrize("start", [b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", b"II*\0"])
def test_what_the_service_cannot_read_is_not_sent(page: Page, tmp_path: Path, start: bytes) -> None:
    requests: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    (tmp_path / "photo").write_bytes(start + b", and where it was taken")
    choose(page, tmp_path / "photo")
    expect(page.locator(".photo .state")).to_contain_text("This file cannot be read as a photo")
    assert not [url for url in requests if "predict" in url]


@pytest.mark.parametrize("address", ["server"], indirect=True)
def test_a_photo_that_only_the_service_can_read_is_sent_as_it_is(
    page: Page, tmp_path: Path
) -> None:
    path = tmp_path / "a.avif"
    path.write_bytes(b"\0\0\0\x18ftypavif of a kind that this browser does not know")
    answering(page, answer(face()))
    assert sent(page, path) == path.read_bytes()
    expect(page.locator(".photo .face .age")).to_have_text("looks about 34")
    expect(page.locator(".photo .stage")).to_be_hidden()
    expect(page.locator(".photo .sent")).to_contain_text("Sent as it is")


def test_a_browser_that_falsifies_canvases_sends_the_photo_s_own_pixels_and_no_metadata(
    page: Page, tmp_path: Path
) -> None:
    page.evaluate(
        """() => {
          const get = CanvasRenderingContext2D.prototype.getImageData;
          CanvasRenderingContext2D.prototype.getImageData = function (...where) {
            const image = get.apply(this, where);
            image.data.fill(255);
            return image;
          };
        }"""
    )
    exif = Image.Exif()
    exif[0x010F] = "Maker of the camera"
    exif.get_ifd(0x8825)[1] = "N"  # GPS
    path = tmp_path / "a.jpg"
    Image.open(SAMPLES / "grace_hopper.jpg").save(path, exif=exif, comment="At home")
    data = sent(page, path)
    assert not any(secret in data for secret in (b"Maker", b"At home"))
    told, kept = (np.asarray(Image.open(one)) for one in (io.BytesIO(data), path))
    np.testing.assert_array_equal(told, kept)
    expect(page.locator(".photo .sent")).to_contain_text("without metadata")
    expect(page.locator(".photo .boxes button")).to_have_count(1)


def segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + (len(data) + 2).to_bytes(2, "big") + data


@pytest.mark.parametrize("address", ["server"], indirect=True)
def test_no_preview_and_no_note_is_sent_with_a_small_jpeg(page: Page, tmp_path: Path) -> None:
    jpeg = (SAMPLES / "grace_hopper.jpg").read_bytes()
    notes = segment(0xE0, b"JFXX\0\x10preview") + segment(0xE0, b"II\x1a\0\0\0HEAPJPGM camera")
    (tmp_path / "a.jpg").write_bytes(jpeg[:20] + notes + segment(0xEE, b"note") + jpeg[20:])
    data = sent(page, tmp_path / "a.jpg")
    assert not any(secret in data for secret in (b"preview", b"camera", b"note"))


def test_nothing_is_left_of_a_visit(page: Page) -> None:
    choose(page, SAMPLES / "grace_hopper.jpg")
    expect(page.locator(".photo")).to_have_count(1)
    page.reload()
    expect(page.locator(".photo")).to_have_count(0)
    assert page.context.storage_state() == {"cookies": [], "origins": []}
    assert page.evaluate("indexedDB.databases()") == []
    assert page.evaluate("caches.keys()") == []


@pytest.mark.parametrize("address", ["server"], indirect=True)
def test_on_a_slow_connection_it_is_told_how_much_is_sent(page: Page) -> None:
    """The words go by, so each change of the page is noted."""
    network = page.context.new_cdp_session(page)
    slow = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000}
    network.send("Network.emulateNetworkConditions", slow)
    page.evaluate(
        """() => {
          window.told = [];
          new MutationObserver(() => {
            told.push(document.querySelector(".photo .state")?.textContent);
          }).observe(document.body, {subtree: true, childList: true});
        }"""
    )
    choose(page, SAMPLES / "grace_hopper.jpg")
    expect(page.locator(".photo .state")).to_have_text("One face.")
    assert any(re.fullmatch(r"Sending… \d+%", text or "") for text in page.evaluate("told"))
