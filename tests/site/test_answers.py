"""What the page makes of answers: boxes, cards, files to keep, words for screen readers."""

import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Page, expect

from apparent.bulk.sinks import COLUMNS
from tests.conftest import SAMPLES
from tests.site.conftest import Opener, answer, answering, choose, face, place

on_server = pytest.mark.parametrize("address", ["server"], indirect=True)


@pytest.fixture
def square(tmp_path: Path) -> Path:
    """A photo of the size that `answer` speaks of."""
    path = tmp_path / "square.png"
    Image.new("RGB", (512, 512), "grey").save(path)
    return path


def test_the_boxes_scale_with_the_photo(page: Page, crowd: Path) -> None:
    choose(page, crowd)
    boxes = page.locator(".photo .boxes button")
    expect(boxes).to_have_count(8)
    expect(page.locator(".photo .face")).to_have_count(8)

    def relative() -> list[float]:
        left, top, width, height = place(page.locator(".photo .picture"))
        x, y, wide, high = place(boxes.nth(3))
        return [(x - left) / width, (y - top) / height, wide / width, high / height]

    page.set_viewport_size({"width": 1440, "height": 900})
    large = relative()
    page.set_viewport_size({"width": 320, "height": 900})
    assert relative() == pytest.approx(large, abs=0.01)


@on_server
def test_pointing_at_a_box_or_its_card_shows_both(page: Page, square: Path) -> None:
    second = {"x": 350, "y": 100, "width": 100, "height": 120}
    answering(page, answer(face(), face(box=second)))
    choose(page, square)
    box, card = page.locator(".photo .boxes button").nth(1), page.locator(".photo .face").nth(1)
    for one, other in [(box, card), (card, box)]:
        one.hover()
        expect(other).to_contain_class("highlighted")
        page.mouse.move(0, 0)
        expect(other).not_to_contain_class("highlighted")
    box.focus()
    expect(card).to_contain_class("highlighted")
    page.keyboard.press("Enter")
    expect(card).to_be_focused()
    expect(box).to_contain_class("highlighted")
    expect(page.locator(".photo .face").first).not_to_contain_class("highlighted")
    page.get_by_role("button", name="Show face 2 in the photo").press("Enter")
    expect(box).to_be_focused()
    expect(card).to_contain_class("highlighted")


@on_server
def test_faces_are_numbered_as_one_reads_on_photo_and_cards_and_in_files(
    page: Page, square: Path
) -> None:
    def at(x: int, y: int, years: float) -> dict[str, Any]:
        box = {"x": x, "y": y, "width": 80, "height": 90}
        return face(box=box, age={"years": years, "low": 20, "high": 60, "coverage": 0.9})

    answering(
        page, answer(at(50, 300, 43.0), at(400, 40, 32.0), at(300, 310, 54.0), at(20, 60, 21.0))
    )
    choose(page, square)
    ages = ["21", "32", "43", "54"]
    expect(page.locator(".photo .face .age strong")).to_have_text(ages)
    expect(page.locator(".photo .face .number")).to_have_text(["1", "2", "3", "4"])
    expect(page.locator(".photo .boxes button")).to_have_text(
        [f"{age}{number}" for number, age in enumerate(ages, start=1)]
    )
    _, data = saved(page, "CSV")
    rows = csv.DictReader(io.StringIO(data.decode()))
    assert [(row["face"], row["years"]) for row in rows] == list(zip("1234", ages, strict=True))


@on_server
def test_on_a_phone_a_pin_leads_to_its_card_in_sight(open_page: Opener, square: Path) -> None:
    """The photo stays above the cards, and may not lie over the one that is meant."""
    page = open_page(viewport={"width": 390, "height": 844})
    answering(page, answer(*[face()] * 12))
    choose(page, square)
    cards = page.locator(".photo .face")
    expect(cards).to_have_count(12)
    cards.first.evaluate("it => scrollBy(0, it.getBoundingClientRect().top - 10)")
    page.locator(".photo .boxes button").first.dispatch_event("click")
    expect(cards.first).to_be_focused()
    picture, card = place(page.locator(".photo .picture")), place(cards.first)
    assert card[1] >= picture[1] + picture[3] - 1


@on_server
def test_one_face_is_large_and_four_are_a_grid(page: Page, square: Path) -> None:
    sizes = []
    for count in (1, 4):
        answering(page, answer(*[face()] * count))
        choose(page, square)
        photo = page.locator(".photo").first
        expect(photo.locator(".face")).to_have_count(count)
        number = photo.locator(".age strong").first
        sizes.append(number.evaluate("it => parseFloat(getComputedStyle(it).fontSize)"))
    assert sizes[0] > 60
    assert sizes[1] < 30
    (left, top, *_), (right, beside, *_) = (place(photo.locator(".face").nth(i)) for i in (0, 1))
    assert (top, left < right) == (beside, True)


@on_server
def test_the_interval_is_drawn_to_scale(page: Page, square: Path) -> None:
    answering(page, answer(face()))
    choose(page, square)
    left, _, width, _ = place(page.locator(".photo .scale"))
    x, _, wide, _ = place(page.locator(".photo .interval"))
    assert (x - left) / width == pytest.approx(0.27, abs=0.01)
    assert wide / width == pytest.approx(0.15, abs=0.01)


@on_server
def test_words_are_of_impressions(page: Page, square: Path) -> None:
    unsure = {"label": "uncertain", "probability": 0.6}
    answering(page, answer(face(), face(gender=unsure)))
    choose(page, square)
    expect(page.locator(".photo .age").first).to_have_text("looks about 34")
    expect(page.locator(".photo .sentence").first).to_have_text(
        "For 9 in 10 such faces the age people see lies between 27 and 42."
    )
    expect(page.locator(".photo .gender")).to_have_text(
        ["perceived female, 98%", "perceived gender: unclear"]
    )
    expect(page.locator(".photo .hints li")).to_have_count(0)
    expect(page.get_by_role("button", name="Face 1: looks about 34 (27 to 42)")).to_be_visible()


@on_server
@pytest.mark.parametrize(
    ("low", "high", "sentence", "end"),
    [(82, 100, "is 82 or older.", "100+"), (0, 7, "is 7 or younger.", "7")],
)
def test_where_the_scale_ends_the_range_is_open(
    page: Page, square: Path, low: int, high: int, sentence: str, end: str
) -> None:
    answering(
        page, answer(face(age={"years": low + 5.0, "low": low, "high": high, "coverage": 0.9}))
    )
    choose(page, square)
    expect(page.locator(".photo .sentence")).to_contain_text(f"the age people see {sentence}")
    expect(page.locator(".photo .high")).to_have_text(end)


@on_server
@pytest.mark.parametrize(
    ("changes", "hint"),
    [
        ({"box": {"x": 200, "y": 100, "width": 30, "height": 36}}, "Small face (30 pixels)"),
        ({"box": {"x": 0, "y": 100, "width": 100, "height": 120}}, "Cut by the edge"),
        ({"detection_score": 0.65}, "Hardly recognised"),
        ({"age": {"years": 40.0, "low": 12, "high": 70, "coverage": 0.9}}, "A wide range"),
        (
            {"landmarks": [{"x": x, "y": y} for x, y in
                           [(225, 150), (250, 150), (255, 170), (230, 195), (250, 195)]]},
            "Turned to the side",
        ),
    ],
)  # fmt: skip
def test_what_makes_an_answer_doubtful_is_said(
    page: Page, square: Path, changes: dict[str, Any], hint: str
) -> None:
    answering(page, answer(face(**changes)))
    choose(page, square)
    expect(page.locator(".photo .hints li")).to_have_count(1)
    expect(page.locator(".photo .hints li")).to_contain_text(hint)


@on_server
def test_faces_that_are_not_listed_are_counted(page: Page, square: Path) -> None:
    answering(page, answer(face(), face(), found=40))
    choose(page, square)
    expect(page.locator(".photo .state")).to_have_text("40 faces; the largest 2 are shown.")


@on_server
def test_screen_readers_are_told(page: Page, square: Path) -> None:
    answering(page, answer(face()))
    choose(page, square)
    expect(page.get_by_role("status")).to_have_text(
        "square.png: One face. Face 1: looks about 34 (27 to 42), perceived female, 98%."
    )


def saved(page: Page, button: str) -> tuple[str, bytes]:
    """Name and bytes of the file that a button hands out."""
    with page.expect_download() as download:
        page.get_by_role("button", name=button, exact=True).click()
    return download.value.suggested_filename, download.value.path().read_bytes()


@on_server
def test_an_answer_can_be_kept_as_json_csv_and_picture(page: Page, tmp_path: Path) -> None:
    path = tmp_path / "=cmd,1;=2.png"
    Image.new("RGB", (512, 512), "grey").save(path)
    prediction = answer(face(), face(age={"years": 5.0, "low": 4, "high": 7, "coverage": 0.9}))
    answering(page, prediction)
    choose(page, path)
    name, data = saved(page, "JSON")
    assert name.endswith("cmd,1;=2.json")
    assert json.loads(data) == [{"file": "=cmd,1;=2.png"} | prediction]
    _, data = saved(page, "CSV")
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert [(row["face"], row["years"], row["low"], row["x"]) for row in rows] == [
        ("1", "34.2", "27", "200"),
        ("2", "5", "4", "200"),
    ]
    assert {row["file"] for row in rows} == {"'=cmd,1;'=2.png"}  # a spreadsheet must not run it
    name, data = saved(page, "Save picture")
    assert name.endswith("cmd,1;=2-apparent.png")
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    assert picture.size == (1200, 1288)  # the photo, and below it who says so
    scale = 1200 / 512
    assert picture.getpixel((int(200 * scale), int(160 * scale))) != (128, 128, 128)  # an edge
    assert picture.getpixel((int(250 * scale), int(160 * scale))) == (128, 128, 128)
    foot = np.asarray(picture)[1200:]
    assert (foot[:, :300] < 128).any()  # words on white
    assert foot[0, 600].tolist() == [255, 255, 255]


@on_server
def test_where_the_browser_shares_files_the_picture_can_be_shared(
    open_page: Opener, square: Path
) -> None:
    page = open_page()
    page.add_init_script(
        """navigator.canShare = () => true;
        window.shared = new Promise((done) => {
          navigator.share = async ({files: [{name, type}]}) => done([name, type]);
        });"""
    )
    page.reload()
    answering(page, answer(face()))
    choose(page, square)
    page.get_by_role("button", name="Share").click()
    assert page.evaluate("shared") == ["square-apparent.png", "image/png"]


@on_server
def test_all_answers_of_the_visit_can_be_kept_together(page: Page, square: Path) -> None:
    answering(page, answer(face()))
    choose(page, square)
    expect(page.locator(".photo .stage:visible")).to_have_count(1)
    expect(page.get_by_role("button", name="All as CSV")).to_be_hidden()
    choose(page, square)
    _, data = saved(page, "All as CSV")
    assert len(list(csv.DictReader(io.StringIO(data.decode())))) == 2


def test_a_csv_has_the_columns_of_the_command_line(page: Page) -> None:
    choose(page, SAMPLES / "grace_hopper.jpg")
    _, data = saved(page, "CSV")
    assert data.decode().splitlines()[0] == ",".join(COLUMNS)


@on_server
def test_photos_can_be_taken_off_the_page(page: Page, square: Path) -> None:
    answering(page, answer(face()))
    choose(page, square, square, square)
    expect(page.locator(".photo > footer:visible")).to_have_count(3)
    page.get_by_role("button", name="Remove square.png").first.click()
    expect(page.locator(".photo")).to_have_count(2)
    expect(page.get_by_role("heading", name="Photos of this visit")).to_be_focused()
    page.get_by_role("button", name="Remove all").click()
    expect(page.get_by_role("heading", name="Photos of this visit")).to_be_hidden()
    expect(page.locator("#image")).to_be_focused()
    expect(page.locator("#example")).to_be_visible()  # the page is as it was


def test_the_page_says_how_far_to_trust_the_model(page: Page, address: str) -> None:
    model = page.request.get(f"{address}/api/v1/model").json()
    aged = [one for one in model["figures"] if "age_mae" in one and one["split"] != "val"]
    measured = max(aged, key=lambda one: one["n"])
    expect(page.locator("#figures")).to_contain_text(
        f"On {measured['n']:,} faces that no step of training saw, the range held for "
        f"{measured['interval_coverage']:.0%} (90% are promised), and the age was off by "
        f"{measured['age_mae']:.1f} years"
    )
    rows = page.locator("#bands tbody tr")
    expect(rows).to_have_count(len(measured["by_age_band"]))
    youngest = measured["by_age_band"]["0-9"]
    expect(rows.first).to_have_text(
        f"0 to 9{youngest['n']}{youngest['age_mae']:.1f}{youngest['interval_coverage']:.0%}"
    )
    expect(page.locator("#model")).to_contain_text(model["version"])
    expect(page.locator("#about")).to_contain_text("Not for age checks")
    expect(page.locator("#about")).to_contain_text("Photos are not kept")


@on_server
def test_what_is_far_below_comes_as_one_nears_it_and_needs_no_numbers_of_a_language_before(
    open_page: Opener,
) -> None:
    """A browser's first number format takes it 30 ms, in which it answers to no one."""
    page = open_page()
    page.set_viewport_size({"width": 390, "height": 600})
    page.add_init_script(
        "const Format = Intl.NumberFormat; globalThis.formats = 0;"
        "Intl.NumberFormat = function (...of) { formats += 1; return new Format(...of); };"
    )
    page.reload()
    expect(page.locator("#example .gender")).to_have_text(re.compile(r"^perceived female, \d\d%$"))
    expect(page.locator("#figures")).to_be_hidden()
    assert page.evaluate("formats") == 0
    page.locator("#about").scroll_into_view_if_needed()
    expect(page.locator("#figures")).to_contain_text("faces that no step of training saw")
    assert page.evaluate("formats") > 0
    page.goto(f"{page.url}?lang=de")
    expect(page.locator("#example .gender")).to_have_text(re.compile(r"\d\d\xa0%$"))


@on_server
def test_without_the_model_s_figures_the_page_says_so(open_page: Opener, square: Path) -> None:
    page = open_page()
    page.route("**/api/v1/model", lambda route: route.fulfill(status=503))
    page.reload()
    expect(page.locator("#figures")).to_contain_text("could not be loaded")
    expect(page.locator("#bands")).to_be_hidden()
