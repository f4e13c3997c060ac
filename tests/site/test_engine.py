"""The page's own modules compute what the library's do, whose names they bear."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Browser, Page

from apparent import Pipeline
from apparent.ages import interval, median_age
from apparent.alignment import TEMPLATE, align, similarity
from apparent.arrays import Pixels
from apparent.finder import _scaled
from tests.conftest import SAMPLES

_CALL = """async ({module, name, pixels, rest}) => {
  const functions = await import(`/engine/${module}.js`);
  const picture = pixels && {...pixels, data: Uint8Array.from(pixels.data)};
  const result = functions[name](...(picture ? [picture] : []), ...rest);
  return result.data ? {...result, data: [...result.data]} : result;
}"""


def call(page: Page, module: str, name: str, pixels: Pixels, *rest: Any) -> Pixels:
    """A function of the page that takes and gives pixels."""
    height, width = pixels.shape[:2]
    picture = {"data": pixels.ravel().tolist(), "width": width, "height": height}
    found = page.evaluate(
        _CALL, {"module": module, "name": name, "pixels": picture, "rest": list(rest)}
    )
    return np.array(found["data"], np.uint8).reshape(found["height"], found["width"], 3)


@pytest.fixture(scope="module")
def page(browser: Browser, server: str) -> Iterator[Page]:
    """One for all: nothing here is a visitor's."""
    page = browser.new_page()
    page.goto(server)
    yield page
    page.close()


@pytest.fixture(scope="module")
def noise() -> Pixels:
    return np.random.default_rng(1).integers(0, 256, (48, 70, 3), dtype=np.uint8)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
@pytest.mark.parametrize("size", [(35, 24), (70, 30), (31, 48), (90, 60), (68, 20), (20, 47)])
def test_it_scales_as_pillow_does(
    page: Page, noise: Pixels, size: tuple[int, int], name: str
) -> None:
    kind = Image.Resampling[name.upper()]
    expected = np.asarray(Image.fromarray(noise).resize(size, kind))
    np.testing.assert_array_equal(call(page, "resampling", "resize", noise, *size, name), expected)


@pytest.mark.parametrize("name", ["bilinear", "bicubic"])
def test_it_transforms_as_pillow_does(page: Page, noise: Pixels, name: str) -> None:
    matrix = (0.9, 0.31, 4.3, -0.28, 0.95, 12.7)
    expected = Image.fromarray(noise).transform(
        (50, 50), Image.Transform.AFFINE, matrix, Image.Resampling[name.upper()]
    )
    found = call(page, "resampling", "transform", noise, 50, list(matrix), name)
    np.testing.assert_array_equal(found, np.asarray(expected))


@pytest.mark.parametrize("factor", [2, 4, 8])
def test_it_reduces_as_pillow_does(page: Page, noise: Pixels, factor: int) -> None:
    whole = noise[:, :64]
    expected = np.asarray(Image.fromarray(whole).reduce(factor))
    np.testing.assert_array_equal(call(page, "resampling", "reduce", whole, factor), expected)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_it_turns_and_mirrors_as_numpy_does(page: Page, noise: Pixels, quarters: int) -> None:
    turned = call(page, "pixels", "turned", noise, quarters)
    np.testing.assert_array_equal(turned, np.rot90(noise, quarters))
    np.testing.assert_array_equal(call(page, "pixels", "mirrored", noise), noise[:, ::-1])


@pytest.mark.parametrize(("width", "height"), [(5001, 3301), (3000, 2000)])
def test_it_makes_a_large_photo_small_as_the_library_does(
    page: Page, width: int, height: int
) -> None:
    expected = _scaled(pattern(width, height), 640)
    found = page.evaluate(
        """async ([width, height]) => {
          const { fitted } = await import("/engine/finder.js");
          const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => (i * 31) >> 7);
          const small = fitted({ data, width, height }, 640);
          return { ...small, data: [...small.data] };
        }""",
        [width, height],
    )
    assert expected.shape == (found["height"], found["width"], 3)
    np.testing.assert_array_equal(np.array(found["data"], np.uint8), expected.ravel())


def pattern(width: int, height: int) -> Pixels:
    """As the page makes it by itself: too much to send."""
    values = (np.arange(3 * width * height) * 31).astype(np.int32) >> 7
    return values.astype(np.uint8).reshape(height, width, 3)


@pytest.mark.parametrize("draft", [False, True])
@pytest.mark.parametrize("side", [40, 150, 420])
def test_it_cuts_the_chips_of_the_library(page: Page, side: int, draft: bool) -> None:
    """Smaller faces than a chip and larger, turned, and reaching beyond the photo."""
    photo = np.asarray(Image.open(SAMPLES / "grace_hopper.jpg").convert("RGB").resize((256, 300)))
    turn = similarity(TEMPLATE[:2], TEMPLATE[:2] @ [[0.9, 0.3], [-0.3, 0.9]])[:, :2]
    landmarks = (TEMPLATE - 0.5) @ turn.T * side + (140, 90)
    expected = align(photo, landmarks, 140, draft=draft)
    template = TEMPLATE.tolist()
    found = call(page, "alignment", "align", photo, landmarks.tolist(), 140, template, draft)
    apart = np.abs(found.astype(int) - expected)
    assert (
        apart.max() <= 1
    )  # where a sum of another order falls on the other side of a whole number
    assert np.count_nonzero(apart) < 0.001 * apart.size


def distributions() -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    peaks = np.exp(-((np.arange(101) - rng.uniform(0, 100, (40, 1))) ** 2) / 2 / 9)
    return (peaks + rng.uniform(0, 0.02, (40, 101))).astype(np.float32)


def test_ages_and_intervals_are_those_of_the_library(page: Page, pipeline: Pipeline) -> None:
    policy = pipeline.manifest.policy.interval
    ages = distributions()
    found = page.evaluate(
        """async ({ages, regions}) => {
          const {interval, medianAge} = await import("/engine/ages.js");
          return ages.map((row) => [medianAge(Float32Array.from(row)),
            interval(Float32Array.from(row), regions)]);
        }""",
        {"ages": ages.tolist(), "regions": policy.model_dump(mode="json")["regions"]},
    )
    low, high = interval(ages, policy)
    np.testing.assert_allclose([years for years, _ in found], median_age(ages), atol=1e-6)
    assert [(one["low"], one["high"]) for _, one in found] == list(
        zip(low.tolist(), high.tolist(), strict=True)
    )
